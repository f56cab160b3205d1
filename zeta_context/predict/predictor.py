"""The life of a prediction, from the request to what is on the screen.

Joins the parts: what still stands is answered at once, requests are held back or given up as
`requests` decides, proposers run in threads and are told when nobody waits. Knows neither editors
nor servers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

from zeta_context.context.gather import ContextGatherer, Gathered, Stage
from zeta_context.counts import Counts
from zeta_context.events.document import OpenDocument
from zeta_context.events.tracker import Tracker
from zeta_context.predict.ahead import look_ahead, turn_round
from zeta_context.predict.arbiter import CANCELED, Arbiter
from zeta_context.predict.cache import DocumentKey
from zeta_context.predict.checks import check_reversal
from zeta_context.predict.explanation import Explanation
from zeta_context.predict.following import Follower
from zeta_context.predict.gating import DIRECT, BusyState, Gate
from zeta_context.predict.last_case import LastCase
from zeta_context.predict.offers import Offers
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.ripple import RIPPLE
from zeta_context.predict.report import Latencies
from zeta_context.predict.requests import Request, RequestSchedule
from zeta_context.predict.reversal import undoes_user
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.sites import Sites
from zeta_context.predict.verify import Verifier
from zeta_context.predict.view import View, look
from zeta_context.prompt.input import Trigger
from zeta_context.runners.base import CancelToken
from zeta_context.text.point import Point

Answer = Prediction | Discarded


class Predictor:
    """Predicts for the documents of a tracker; belongs to one event loop."""

    def __init__(
        self,
        tracker: Tracker,
        gatherer: ContextGatherer,
        arbiter: Arbiter,
        offers: Offers,
        follower: Follower,
        *,
        sites: Sites | None = None,
        verifier: Verifier | None = None,
        settings: PredictSettings,
        counts: Counts,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._tracker = tracker
        self._gatherer = gatherer
        self._arbiter = arbiter
        self._offers = offers
        self._follower = follower
        self._sites = sites
        self._verifier = verifier
        self._settings = settings
        self._counts = counts
        self._clock = clock
        self._sleep = sleep
        self.last_case = LastCase()
        self.latencies = Latencies()
        self.gate = Gate(settings.gating, offers.eagerness)
        self._schedule = RequestSchedule(
            throttle_s=settings.throttle_ms / 1000,
            debounce_s=settings.debounce_ms / 1000,
            max_in_flight=settings.max_in_flight,
        )
        self._answers: dict[Request, _Pending] = {}
        self._ahead: tuple[CancelToken, asyncio.Task[None]] | None = None
        self.on_answer: Callable[[View, Answer], None] | None = None
        """Told of each request that a proposer answered, and of the answer; must not raise."""

    async def predict(
        self,
        key: DocumentKey,
        cursor: Point | int,
        trigger: Trigger,
        *,
        busy: Collection[BusyState] = (),
    ) -> Answer:
        """The prediction to show for a cursor, or why there is none.

        One that stands costs no proposer. Cancelling the call gives the request up, unless another
        waits for the same answer.
        """
        document = self._tracker.document(*key)
        offset = _offset(document, cursor)
        if (refusal := self.gate.refuse(document, trigger, busy)) is not None:
            self._note(refusal, document, offset)
            return refusal
        if (standing := self._standing(document)) is not None:
            return standing
        submitted = self._schedule.submit(
            key,
            (document.version, offset),
            self._clock(),
            is_automatic=trigger not in DIRECT,
            pause_s=self.gate.pause_s(trigger),
        )
        request = submitted.request
        self._give_up(submitted.canceled)
        if submitted.is_joined:
            self._counts.add("request_joined")
        else:
            self._stop_ahead()
            work = asyncio.create_task(self._work(request, key, cursor, trigger))
            self._answers[request] = _Pending(work)
        return await self._wait(request)

    async def explain(
        self, key: DocumentKey, cursor: Point | int, trigger: Trigger
    ) -> tuple[Answer, Explanation]:
        """Predict at once and anew, and tell what was looked at and how long each stage took."""
        document = self._tracker.document(*key)
        return await self._ask(document, _offset(document, cursor), trigger, CancelToken())

    async def aclose(self) -> None:
        """Give up all requests, and let go of what proposers hold."""
        self._stop_ahead()
        self._give_up(self._schedule.pending)
        if self._sites is not None:
            await self._sites.aclose()
        if self._verifier is not None:
            await self._verifier.aclose()
        await asyncio.to_thread(self._arbiter.close)

    # Requests.

    async def _wait(self, request: Request) -> Answer:
        pending = self._answers[request]
        pending.waiting += 1
        try:
            return await asyncio.shield(pending.answer)
        finally:
            pending.waiting -= 1
            if not pending.waiting and not pending.answer.done():
                self._schedule.give_up(request)
                self._give_up((request,))

    def _give_up(self, requests: tuple[Request, ...]) -> None:
        for request in requests:
            self._schedule.give_up(request)
            pending = self._answers.get(request)
            if pending is not None and not pending.answer.done():
                pending.answer.set_result(CANCELED)
                self._counts.add("canceled")
                pending.work.cancel()

    async def _work(
        self, request: Request, key: DocumentKey, cursor: Point | int, trigger: Trigger
    ) -> None:
        pending = self._answers[request]
        try:
            answer = await self._send(request, key, cursor, trigger)
            if not pending.answer.done():
                pending.answer.set_result(answer)
        except asyncio.CancelledError:
            if not pending.answer.done():
                pending.answer.set_result(CANCELED)
            raise
        except Exception as error:
            if not pending.answer.done():
                pending.answer.set_exception(error)
        finally:
            self._give_up(self._schedule.finish(request))
            del self._answers[request]

    async def _send(
        self, request: Request, key: DocumentKey, cursor: Point | int, trigger: Trigger
    ) -> Answer:
        wait_s = request.due - self._clock()
        if wait_s > 0:
            await self._sleep(wait_s)
        if not self._schedule.send(request, self._clock()):
            self._counts.add("canceled")
            return CANCELED
        # What the document has become while the request waited.
        document = self._tracker.document(*key)
        if wait_s > 0 and (standing := self._standing(document)) is not None:
            return standing
        offset = min(_offset(document, cursor), len(document.snapshot))
        answer = (await self._ask(document, offset, trigger, request.cancel))[0]
        if not isinstance(answer, Prediction) and self._offers.has_current(key):
            # Another request's answer may have come meanwhile: silence does not take its place.
            standing = self._standing(self._tracker.document(*key))
            answer = answer if standing is None else standing
        return answer

    # Answers.

    def _standing(self, document: OpenDocument) -> Prediction | None:
        """The open prediction that the text as it stands leads to, if it may still be shown."""
        standing = self._offers.standing(document, self._tracker)
        if standing is None:
            return None
        reason = None
        if not self._offers.is_cleared(standing):
            document = self._tracker.document(standing.project, standing.path)
            reason = self._objection(document, standing)
        if reason is None:
            self._offers.clear(standing)
            self._counts.add("cache_hit")
            return standing
        self._offers.suppress(standing)
        self._note(Discarded(reason=reason), document, standing.edits[0].span.start)
        return None

    def _objection(self, document: OpenDocument, standing: Prediction) -> str | None:
        provenance = self._follower.provenance((document.project, document.path))
        # The user went back by an undo to where it was shown before: it is not news to them.
        is_undone = provenance.last is not None and provenance.last.author == "undo"
        if not is_undone and undoes_user(document.snapshot, standing.edits, provenance):
            return "reversal"
        if self._arbiter.was_rejected(document, standing.edits):
            return "rejected_before"
        return None

    async def _ask(
        self, document: OpenDocument, cursor: int, trigger: Trigger, cancel: CancelToken
    ) -> tuple[Answer, Explanation]:
        asked = time.perf_counter()
        view = look(
            self._tracker,
            document,
            cursor,
            None,
            provenance=self._follower.provenances(document.project),
            cancel=cancel,
        )
        ripple = None
        if self._sites is not None:
            provenance = self._follower.provenance((document.project, document.path))
            ripple = await self._sites.look(document, cursor, provenance)
        try:
            view, gathered, answer = await self._answer(replace(view, ripple=ripple), trigger)
        except asyncio.CancelledError:
            cancel.cancel()
            raise
        stage = gathered.stages[-1]
        self.latencies.add((time.perf_counter() - asked) * 1000)
        if isinstance(answer, Prediction):
            doubt = self.gate.doubt(answer, trigger)
            answer = answer if doubt is None else doubt
        shown = self._show(answer, view, trigger)
        self.last_case.keep(view, shown if shown else answer)
        if self.on_answer is not None:
            self.on_answer(view, _answer_from(answer, shown))
        if shown is answer and stage.elapsed_ms >= self._settings.prefetch_from_ms:
            self._start_ahead(view, answer)
        return shown, Explanation(view=view, gathered=gathered, stages=gathered.stages)

    async def _answer(self, view: View, trigger: Trigger) -> tuple[View, Gathered, Answer]:
        """The view with its context, what was gathered for it, and the answer to it.

        The last stage of what was gathered is the proposing.
        """
        if view.ripple is not None and view.ripple.cause.kind == "rename":
            # Its places need no context, and the server, which named them, has nothing to verify.
            gathered = await self._gather(view, trigger, with_definitions=False)
            view = replace(view, prompt_input=gathered.prompt_input)
            started = time.perf_counter()
            answer = await asyncio.to_thread(self._arbiter.propose, view, only=RIPPLE)
            if isinstance(answer, Prediction):
                return view, _add_stage(gathered, started), answer
        gathered = await self._gather(view, trigger)
        view = replace(view, prompt_input=gathered.prompt_input)
        started = time.perf_counter()
        answer = await self._choose(view)
        return view, _add_stage(gathered, started), answer

    async def _gather(
        self, view: View, trigger: Trigger, *, with_definitions: bool = True
    ) -> Gathered:
        events = self._tracker.history(view.document.project).events()
        return await self._gatherer.gather(
            view.document, view.cursor, events, trigger=trigger, with_definitions=with_definitions
        )

    async def _choose(self, view: View) -> Answer:
        """The first answer that brings no new errors; `worse` ones as the settings say."""
        answer = await asyncio.to_thread(self._arbiter.propose, view)
        worse: Prediction | None = None
        while isinstance(answer, Prediction) and await self._is_worse(answer, view):
            worse = worse or answer
            answer = await asyncio.to_thread(self._arbiter.propose, view, after=answer.proposer)
        if worse is None or isinstance(answer, Prediction):
            return answer
        if self._settings.verification == "last":
            return worse
        return Discarded(reason="verified_worse", detail="the language server finds new errors")

    async def _is_worse(self, answer: Prediction, view: View) -> bool:
        document = view.find(answer.project, answer.path)
        if self._verifier is None or self._settings.verification == "off" or document is None:
            return False
        deadline_s = self._settings.verify_deadline_ms / 1000
        verdict = await self._verifier.check(
            document,
            answer.edits,
            deadline_s=deadline_s,
            is_step=answer.proposer == RIPPLE,
        )
        return verdict == "worse"

    def _show(self, answer: Answer, view: View, trigger: Trigger) -> Answer:
        if isinstance(answer, Prediction):
            shown = self._offers.make(
                answer, view, self._tracker, may_replace=trigger == "explicit"
            )
            if isinstance(shown, Prediction) and shown.version != answer.version:
                # The user has typed since it was checked.
                objection = self._check_again(shown)
                shown = shown if objection is None else objection
            answer = shown
        if isinstance(answer, Discarded):
            self._note(answer, view.document, view.cursor)
        return answer

    def _check_again(self, shown: Prediction) -> Discarded | None:
        document = self._tracker.document(shown.project, shown.path)
        provenance = self._follower.provenance((shown.project, shown.path))
        view = View(document=document, cursor=0, provenance={document.path: provenance})
        objection = check_reversal(shown.edits, document, view)
        if objection is not None:
            self._offers.suppress(shown)
        return objection

    def _note(self, answer: Discarded, document: OpenDocument, offset: int) -> None:
        if answer is CANCELED:
            self._counts.add(answer.reason)
            return
        row = document.snapshot.point(offset).row
        self._counts.note(answer.reason, place=f"{document.path}:{row + 1}")

    # The prediction after the one that is shown.

    def _start_ahead(self, view: View, answer: Answer) -> None:
        self._stop_ahead()
        if isinstance(answer, Prediction):
            cancel = CancelToken()
            self._ahead = (cancel, asyncio.create_task(self._prefetch(view, answer, cancel)))

    def _stop_ahead(self) -> None:
        if self._ahead is not None:
            cancel, task = self._ahead
            cancel.cancel()
            task.cancel()
            self._ahead = None

    async def _prefetch(self, view: View, shown: Prediction, cancel: CancelToken) -> None:
        ahead = await asyncio.to_thread(look_ahead, view, shown, at=self._clock(), cancel=cancel)
        if ahead is None:
            return
        next_view, change = ahead
        answer = await asyncio.to_thread(self._arbiter.propose, next_view)
        own = (shown.project, shown.path)
        if (
            isinstance(answer, Prediction)
            and (answer.project, answer.path) == own
            and self._offers.make_ahead(answer, turn_round(change), self._tracker)
        ):
            self._counts.add("prefetched")


class _Pending:
    """An answer to come, the work on it, and how many calls wait for it."""

    __slots__ = ("answer", "waiting", "work")

    def __init__(self, work: asyncio.Task[None]) -> None:
        self.work = work
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting = 0


def _answer_from(answer: Answer, shown: Answer) -> Answer:
    """What is shown, as it was predicted, before the user typed on."""
    if not isinstance(shown, Prediction) or not isinstance(answer, Prediction):
        return shown
    return answer if answer.id == shown.id else Discarded(reason="current_preferred")


def _offset(document: OpenDocument, cursor: Point | int) -> int:
    return cursor if isinstance(cursor, int) else document.snapshot.offset(cursor)


def _add_stage(gathered: Gathered, started: float) -> Gathered:
    stage = Stage(name="propose", elapsed_ms=(time.perf_counter() - started) * 1000)
    return replace(gathered, stages=(*gathered.stages, stage))
