"""Shadow runs: a candidate predicts beside the live predictor, unseen, and both are compared.

The candidate runs after the live answer is given, in a thread of its own, on the very same view;
when it is behind, the view is dropped and counted. What is kept are figures, never text: whether
both agree, how large and how quick each was, and, once the document has settled, how much of each
was kept. Knows nothing of which models these are.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import RolloutError
from zeta_context.metrics.delta_chrf import score_delta_chrf
from zeta_context.metrics.kept_rate import score_kept_rate
from zeta_context.metrics.rates import Rate, measure_rate
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Proposer, View
from zeta_context.runners.base import CancelToken
from zeta_context.text.edit import apply_edits

MAX_PENDING = 32
"""Comparisons that wait for their document to settle; the oldest go without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRecord:
    """One request, answered twice. `likeness` is the deltaChrF of the candidate's change against
    the live one (100: the same), None unless both change something; kept rates are None where the
    document was not seen to settle."""

    live: str
    candidate: str
    live_shown: bool
    candidate_shown: bool
    is_same: bool
    likeness: float | None
    live_ms: float
    candidate_ms: float
    candidate_reason: str = ""
    live_kept: float | None = None
    candidate_kept: float | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    record: ShadowRecord
    base: str
    live: str
    candidate: str


class ShadowProposer:
    """The live proposer to whoever asks; asks the candidate as well, for a share of requests."""

    def __init__(
        self,
        live: Proposer,
        candidate: Proposer,
        sink: Callable[[ShadowRecord], None],
        *,
        counts: Counts,
        share: float = 1.0,
    ) -> None:
        self._live = live
        self._candidate = candidate
        self._sink = sink
        self._counts = counts
        self._share = share
        self._due = 0.0
        self._lock = threading.Lock()
        self._waiting: OrderedDict[tuple[str, str, int], _Waiting] = OrderedDict()
        self._work: queue.Queue[tuple[View, Prediction | Discarded, float] | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """That of the live proposer: nobody sees the other."""
        return self._live.name

    def propose(self, view: View) -> Prediction | Discarded:
        """The live answer, as soon as it is there."""
        started = time.perf_counter()
        answer = self._live.propose(view)
        elapsed_ms = (time.perf_counter() - started) * 1000
        self._due += self._share
        if self._due >= 1:
            self._due -= 1
            try:
                self._work.put_nowait((view, answer, elapsed_ms))
            except queue.Full:
                self._counts.add("shadow_dropped")
        return answer

    def settle(self, project: str, path: str, text: str) -> None:
        """A document has settled: tell how much of what was predicted for it is there."""
        with self._lock:
            found = [key for key in self._waiting if key[:2] == (project, path)]
            waiting = [self._waiting.pop(key) for key in found]
        for one in waiting:
            kept = [
                score_kept_rate(base=one.base, predicted=predicted, reference=text).kept_rate
                for predicted in (one.live, one.candidate)
            ]
            self._sink(replace(one.record, live_kept=kept[0], candidate_kept=kept[1]))

    def close(self) -> None:
        """Finish what is under way and hand over what waits."""
        self._work.put(None)
        self._thread.join()
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), OrderedDict()
        for one in waiting:
            self._sink(one.record)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                self._compare(*work)
            except Exception as fault:  # a candidate's fault is its own, never the user's
                self._counts.add(f"shadow_fault_{type(fault).__name__}")

    def _compare(self, view: View, live: Prediction | Discarded, live_ms: float) -> None:
        started = time.perf_counter()
        candidate = self._candidate.propose(replace(view, cancel=CancelToken()))
        candidate_ms = (time.perf_counter() - started) * 1000
        document = view.document
        text = document.snapshot.text
        texts = [_apply(one, view, text) for one in (live, candidate)]
        both = isinstance(live, Prediction) and isinstance(candidate, Prediction)
        record = ShadowRecord(
            live=self._live.name,
            candidate=self._candidate.name,
            live_shown=bool(live),
            candidate_shown=bool(candidate),
            is_same=bool(live) == bool(candidate) and texts[0] == texts[1],
            likeness=score_delta_chrf(original=text, expected=texts[0], actual=texts[1]).score
            if both
            else None,
            live_ms=round(live_ms, 3),
            candidate_ms=round(candidate_ms, 3),
            candidate_reason=candidate.reason if isinstance(candidate, Discarded) else "",
        )
        key = (document.project, document.path, document.version)
        with self._lock:
            self._waiting[key] = _Waiting(record, text, *texts)
            late = [] if len(self._waiting) <= MAX_PENDING else [self._waiting.popitem(last=False)]
        for _, one in late:
            self._sink(one.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSummary:
    """What shadow records come to. `likeness` and kept rates are means over what has them."""

    requests: int
    same: Rate
    live_shown: Rate
    candidate_shown: Rate
    likeness: float | None
    live_kept: float | None
    candidate_kept: float | None
    live_p95_ms: float
    candidate_p95_ms: float


def summarize_shadow(records: Iterable[ShadowRecord]) -> ShadowSummary:
    """The figures of some records; raises RolloutError without any."""
    every = list(records)
    if not every:
        raise RolloutError("there is no shadow record to compare")
    settled = [one for one in every if one.live_kept is not None and one.candidate_kept is not None]
    return ShadowSummary(
        requests=len(every),
        same=measure_rate(sum(one.is_same for one in every), len(every)),
        live_shown=measure_rate(sum(one.live_shown for one in every), len(every)),
        candidate_shown=measure_rate(sum(one.candidate_shown for one in every), len(every)),
        likeness=_mean([one.likeness for one in every if one.likeness is not None]),
        live_kept=_mean([one.live_kept or 0.0 for one in settled if one.live_shown]),
        candidate_kept=_mean([one.candidate_kept or 0.0 for one in settled if one.candidate_shown]),
        live_p95_ms=_p95([one.live_ms for one in every]),
        candidate_p95_ms=_p95([one.candidate_ms for one in every]),
    )


def read_shadow(path: Path) -> list[ShadowRecord]:
    """The records of a file of JSON lines; raises RolloutError with the line's number."""
    known = {field.name for field in fields(ShadowRecord)}
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            records.append(ShadowRecord(**{key: row[key] for key in row if key in known}))
        except (ValueError, TypeError):
            raise RolloutError(f"{path.name}:{number} is no shadow record") from None
    return records


def write_shadow(path: Path) -> Callable[[ShadowRecord], None]:
    """A sink that adds records to a file of JSON lines."""
    lock = threading.Lock()

    def write(record: ShadowRecord) -> None:
        with lock, path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    return write


def _apply(answer: Prediction | Discarded, view: View, text: str) -> str:
    """The text of the view's document after an answer; one for another document leaves it."""
    document = view.document
    if isinstance(answer, Prediction) and (answer.project, answer.path) == (
        document.project,
        document.path,
    ):
        return apply_edits(text, answer.edits)
    return text


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _p95(values: list[float]) -> float:
    return sorted(values)[min(int(len(values) * 0.95), len(values) - 1)]
