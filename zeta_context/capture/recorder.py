"""Admits records to the spool, and is the only one that does.

What is offered waits in a short queue; everything else happens in a thread of its own: sampling
aside, the gate is asked, the record freed of what may not be kept, and the gate asked again before
it is written. Nothing here can fail the editor: what does not get through is counted.
"""

from __future__ import annotations

import queue
import random
import sqlite3
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from zeta_context.capture.access import Access
from zeta_context.capture.admission import admit_example, admit_outcome, papers_for, paths_of
from zeta_context.capture.codec import encode_record, kind_of
from zeta_context.capture.example import (
    Example,
    ExampleOutcome,
    ExamplePrediction,
    Record,
    make_record_id,
    whole_minute,
)
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_records import DropReason, NewItem
from zeta_context.consent.consent_text import Purpose
from zeta_context.consent.gate import Claims, Decision, Facts, Stage, decide
from zeta_context.consent.secrets import RULES_VERSION
from zeta_context.counts import Counts
from zeta_context.errors import CaptureError, SpoolUnusable, TextError
from zeta_context.events.event import Event
from zeta_context.metrics.kept_rate import score_kept_rate
from zeta_context.predict.prediction import Discarded, Outcome, Prediction
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified
from zeta_context.text.snapshot import TextSnapshot

QUEUE_LENGTH = 64
_MAX_OPEN = 256
_LONGEST_SCORED = 200_000
_TELL_NOTHING = frozenset(("canceled", "no_events"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One answer to a request: `before` is the text of the document that a prediction is for."""

    prompt_input: PromptInput
    answer: Prediction | Discarded
    before: TextSnapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a prediction, and the events after it (kept only under the second consent).

    `texts` are the document's before the prediction, after its acceptance, and when all had
    settled: of them only the kept rate is kept.
    """

    outcome: Outcome
    texts: tuple[TextSnapshot, TextSnapshot, TextSnapshot] | None = None
    following: tuple[Event, ...] = ()


class _Open(NamedTuple):
    """An example whose outcome is not known."""

    id: str
    prompt_input: PromptInput
    access: Access


class Recorder:
    """Offers come from any thread and return at once; one thread keeps them."""

    def __init__(
        self,
        open_spool: Callable[[], Spool],
        access: Callable[[str], Access | None],
        settings: CaptureSettings,
        *,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`access` gives what is to be asked about a project, by its name in prompt inputs."""
        self._open_spool = open_spool
        self._access = access
        self._settings = settings
        self._counts = counts or Counts()
        self._clock = clock
        self._steady = steady
        self._draw = draw
        self._queue: queue.Queue[Offered | Settled | None] = queue.Queue(QUEUE_LENGTH)
        self._thread: threading.Thread | None = None
        self._spool: Spool | None = None
        self._is_unusable = False
        self._lost: Counter[DropReason] = Counter()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._taken: deque[float] = deque()

    def offer(self, offered: Offered) -> None:
        """Take a request and its answer, if it is one of those that are sampled."""
        answer = offered.answer
        if isinstance(answer, Discarded) and answer.reason in _TELL_NOTHING:
            return
        if not self._is_sampled():
            self._counts.add("capture_not_sampled")
            return
        self._put(offered)

    def settle(self, settled: Settled) -> None:
        """Take what became of a prediction."""
        self._put(settled)

    def close(self, *, timeout_s: float = 2.0) -> None:
        """Keep what was offered, as far as time allows, and end."""
        thread = self._thread
        if thread is not None:
            try:
                self._queue.put(None, timeout=timeout_s)
            except queue.Full:
                self._counts.add("capture_close_overflow")
            thread.join(timeout_s)

    def _is_sampled(self) -> bool:
        now = self._steady()
        while self._taken and self._taken[0] <= now - 3600.0:
            self._taken.popleft()
        if len(self._taken) >= self._settings.max_per_hour:
            return False
        if self._draw() >= self._settings.sample_rate:
            return False
        self._taken.append(now)
        return True

    def _put(self, job: Offered | Settled) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="zeta-context-recorder", daemon=True
            )
            self._thread.start()
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            self._counts.add("capture_queue_overflow")

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                if isinstance(job, Offered):
                    self._keep_example(job)
                else:
                    self._keep_outcome(job)
            except Exception as problem:
                # Whatever it is, the editor must not notice.
                self._counts.note(f"capture_failed_{type(problem).__name__}")
        if self._spool is not None:
            self._spool.close()

    def _keep_example(self, offered: Offered) -> None:
        prompt_input = offered.prompt_input
        access = self._access(prompt_input.project)
        if access is None or not _ask(access, "capture")[0]:
            self._counts.add("capture_not_allowed")
            return
        example = _make_example(offered, whole_minute(self._clock()))
        admitted = admit_example(example, access.exclusions)
        for rule, n in admitted.dropped.items():
            self._counts.add(f"capture_{rule}", n)
        if admitted.record is None:
            self._drop(admitted.reason or "excluded")
        elif self._write(admitted.record, access) and isinstance(offered.answer, Prediction):
            self._open[offered.answer.id] = _Open(example.id, prompt_input, access)
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)

    def _keep_outcome(self, settled: Settled) -> None:
        told = settled.outcome
        start = self._open.get(told.prediction_id)
        if start is None:
            return  # its example was not sampled, or may not be kept
        if told.part is None:
            del self._open[told.prediction_id]
        outcome = ExampleOutcome(
            id=make_record_id(),
            example_id=start.id,
            at=whole_minute(self._clock()),
            accepted=told.accepted,
            was_shown=told.was_shown,
            reason=told.reason,
            part=told.part,
            kept_rate=_score(settled),
            following=settled.following,
        )
        if _ask(start.access, "capture", purpose="settled_text")[0]:
            outcome = admit_outcome(outcome, start.prompt_input, start.access.exclusions)
        else:
            outcome = replace(outcome, following=None)
        self._write(outcome, start.access)

    def _write(self, record: Record, access: Access) -> bool:
        """Keep an admitted record, if the gate lets each file of it pass, and then once more."""
        has_following = isinstance(record, ExampleOutcome) and record.following is not None
        purpose: Purpose = "settled_text" if has_following else "starting_state"
        paths = paths_of(record)
        decision, facts = _ask(access, "capture", paths, purpose=purpose)
        if not decision or decision.claims is None:
            self._drop(_drop_reason(decision, facts))
            return False
        try:
            body = encode_record(record)
        except CaptureError:
            self._drop("too_large")
            return False
        decision, facts = _ask(access, "spool", paths, purpose=purpose, claims=decision.claims)
        if not decision or decision.claims is None:
            self._drop(_drop_reason(decision, facts))
            return False
        item = NewItem(
            id=record.id,
            project=facts.project,
            kind=kind_of(record),
            server=decision.server,
            claims=decision.claims,
            body=body,
            rules_version=RULES_VERSION,
            hold_back_s=decision.hold_back_s,
            retention_s=decision.retention_s,
            papers=papers_for(decision.claims, facts),
        )
        return self._add(item)

    def _drop(self, reason: DropReason) -> None:
        self._lost[reason] += 1
        self._add(None)

    def _add(self, item: NewItem | None) -> bool:
        """Write to the spool; what the disk does not take is counted, and told when it does."""
        if self._is_unusable:
            return False
        lost = dict(self._lost)
        try:
            if self._spool is None:
                self._spool = self._open_spool()
            evicted = self._spool.add([] if item is None else [item], lost)
        except SpoolUnusable:
            self._is_unusable = True
            self._counts.note("capture_spool_unusable")
            return False
        except (sqlite3.Error, OSError):
            self._counts.note("capture_disk_full")
            if item is not None:
                self._lost["disk_full"] += 1
            return False
        self._lost.subtract(lost)
        self._lost += Counter()  # without what was told
        for reason, n in lost.items():
            self._counts.add(f"capture_dropped_{reason}", n)
        if evicted:
            self._counts.add("capture_dropped_overflow", evicted)
        if item is not None:
            self._counts.add("captured")
        return item is not None


def _ask(
    access: Access,
    stage: Stage,
    paths: tuple[str, ...] = (),
    *,
    purpose: Purpose = "starting_state",
    claims: Claims | None = None,
) -> tuple[Decision, Facts]:
    facts = access.gate.collect(paths)
    return decide(facts, stage=stage, purpose=purpose, claims=claims), facts


def _drop_reason(decision: Decision, facts: Facts) -> DropReason:
    if decision.state == "withdrawn":
        return "withdrawn"
    if facts.file_rule:
        return "excluded"
    return "licence" if decision.reason.startswith(("licence", "head_moved")) else "not_allowed"


def _score(settled: Settled) -> float | None:
    if settled.texts is None or max(map(len, settled.texts)) > _LONGEST_SCORED:
        return None
    before, accepted, later = (text.text for text in settled.texts)
    return score_kept_rate(base=before, predicted=accepted, reference=later).kept_rate


def _make_example(offered: Offered, at: float) -> Example:
    answer = offered.answer
    if isinstance(answer, Discarded):
        return Example(
            id=make_record_id(),
            at=at,
            prompt_input=offered.prompt_input,
            quiet_reason=answer.reason,
        )
    try:
        if offered.before is None:
            raise TextError("the document is not open")
        diff = render_unified(offered.before, apply_edits(offered.before, answer.edits))
    except TextError:
        raise CaptureError("the prediction does not fit its document") from None
    return Example(
        id=make_record_id(),
        at=at,
        prompt_input=offered.prompt_input,
        prediction=ExamplePrediction(
            path=answer.path,
            diff=diff,
            proposer=answer.proposer,
            confidence=answer.confidence,
            is_truncated=answer.is_truncated,
        ),
    )
