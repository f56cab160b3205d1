"""The embedder's face and the composition root: wiring only, it decides nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from zeta_context.counts import Counts
from zeta_context.events.projects import Projects
from zeta_context.open_documents import OpenDocuments
from zeta_context.opted_in import OptedIn
from zeta_context.predict.composition import compose
from zeta_context.predict.explanation import Explanation
from zeta_context.predict.gating import BusyState
from zeta_context.predict.last_case import offer_cases
from zeta_context.predict.prediction import (
    Discarded,
    Jump,
    Outcome,
    Part,
    Prediction,
    RejectReason,
)
from zeta_context.predict.report import report_session
from zeta_context.predict.view import Proposer
from zeta_context.prompt.input import Trigger
from zeta_context.settings import Settings
from zeta_context.status import StatusOffer
from zeta_context.text.point import Point

if TYPE_CHECKING:
    from zeta_context.context.questions import Server


class Session(OpenDocuments):
    """Tracks the documents of one or more project roots and predicts the next edit in them.

    Paths are relative to the first root, or absolute below one of the roots; offsets and columns
    are code points. What an editor tells is taken in at once: only `predict` and `aclose` wait.
    """

    def __init__(
        self,
        root: str | Path = ".",
        *,
        more_roots: Sequence[str | Path] = (),
        settings: Settings | None = None,
        proposers: Sequence[Proposer] | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings if settings is not None else Settings()
        self.counts = counts if counts is not None else Counts()
        chosen, projects = self.settings, Projects((root, *more_roots))
        self._opted_in = OptedIn(chosen, self.counts)
        parts = compose(
            projects, chosen.context, chosen.predict, proposers,
            model=self._opted_in.choose_model(), remote=chosen.remote,
            counts=self.counts, clock=clock,
        )  # fmt: skip
        super().__init__(projects, parts, self.counts)
        self._predictor = parts.predictor
        self._status = StatusOffer(self.status, counts=self.counts)
        self._cases = offer_cases(self._predictor.last_case, self.counts)
        self._opted_in.attach(self.projects, self._tracker, self._predictor)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Begin what goes on by itself, on the running event loop; `aclose` stops it."""
        if self.settings.offer_status:
            self._status.start()
        if self.settings.offer_cases:
            self._cases.start()
        if self.settings.watch_files and self.settings.predict.gating.enabled:
            self._disk.start()
        self._opted_in.start()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop what was started: language servers, the watcher, the status socket, the sender."""
        self._status.stop()
        self._cases.stop()
        self._disk.stop()
        await self._predictor.aclose()
        await self._gatherer.aclose()
        await self._opted_in.aclose()

    def lend_server(self, server: Server) -> None:
        """Ask a language server that the editor runs instead of starting any."""
        self._gatherer.lend(server)

    async def predict(
        self,
        path: str,
        cursor: Point | int,
        *,
        trigger: Trigger = "other",
        busy: Collection[BusyState] = (),
    ) -> Prediction | Discarded:
        """Predict the next edit from a cursor, or say why there is none, and where one might be.

        One that the text still leads to is given again at no cost. What typing triggers is
        throttled and may be given up for newer requests (`canceled`), or while the user is `busy`;
        the triggers `explicit`, `cli`, `testing` and `other` are not held back.
        """
        key, started = self._addresses.find(path), time.perf_counter()
        answer = await self._predictor.predict(key, cursor, trigger, busy=busy)
        self._opted_in.note_answer(answer, (time.perf_counter() - started) * 1000)
        return answer

    async def explain(
        self, path: str, cursor: Point | int, *, trigger: Trigger = "other"
    ) -> tuple[Prediction | Discarded, Explanation]:
        """Predict anew, and tell what was looked at and how long each stage took."""
        return await self._predictor.explain(self._addresses.find(path), cursor, trigger)

    def accept(
        self, prediction: Prediction, *, part: Part | None = None, is_reported: bool = False
    ) -> Outcome:
        """Take in that a prediction, or its next word or line, was accepted.

        The edits that the editor has not reported by `edit` are made, and told in the outcome; none
        with `is_reported`. Raises StaleSnapshot when the document was changed otherwise meanwhile.
        """
        outcome = self._offers.accept(prediction, self._tracker, part=part, is_reported=is_reported)
        return self._opted_in.note_outcome(prediction, outcome)

    def reject(
        self, prediction: Prediction, *, reason: RejectReason = "rejected", was_shown: bool = True
    ) -> Outcome:
        """Take in that a prediction was not accepted, and why; `rejected` ones do not come back."""
        outcome = self._offers.reject(prediction, reason, was_shown=was_shown)
        return self._opted_in.note_outcome(prediction, outcome)

    def reject_jump(self, jump: Jump) -> None:
        """Take in that the user does not want to go to files that are not open."""
        self._offers.reject_jump(jump)
        documents = self._tracker.documents(jump.project)
        self._follower.stay(jump.project, {one.path for one in documents})

    def limit_collection(self, *, editor_allows: bool, is_trusted: bool) -> None:
        """Take in the editor's own telemetry switch and workspace trust, which only forbid."""
        self._opted_in.limit(editor_allows=editor_allows, is_trusted=is_trusted)

    def status(self) -> dict[str, object]:
        """What `zeta-context doctor` shows of this session: names, counts, places; no text."""
        latencies, kept = self._predictor.latencies, self._follower.kept_share()
        return report_session(
            self.projects, self._tracker, self.counts, latencies=latencies, kept_share=kept
        )
