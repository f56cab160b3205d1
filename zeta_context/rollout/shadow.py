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
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from zeta_context.counts import Counts
from zeta_context.errors import RolloutError
from zeta_context.metrics.delta_chrf import score_delta_chrf
from zeta_context.metrics.kept_rate import score_kept_rate
from zeta_context.metrics.rates import Rate, measure_rate
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View
from zeta_context.rollout.kept_files import set_full_aside
from zeta_context.runners.base import CancelToken
from zeta_context.text.edit import apply_edits

MAX_PENDING = 32
"""Comparisons that wait for their document to settle; the oldest go without."""
SETTLE_S = 30.0
"""How long after a prediction its document is looked at again."""
CLOSE_S = 2.0
"""How long a candidate that thinks is waited for at the end."""

ReadText = Callable[[str, str], str | None]
"""The text of a document by project and path, None where it is not open."""


class Candidate(Protocol):
    """What is asked besides: a proposer, or several behind the product's own checks."""

    def propose(self, view: View) -> Prediction | Discarded: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRecord:
    """One request, answered twice; `live` is the proposer of what was shown.

    `likeness` is the deltaChrF of the candidate's change against the live one (100: the same),
    None unless both change something; kept rates are None where the document was not seen to
    settle.
    """

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
    at: float


_Key = tuple[str, str, int]
"""Project, path and version of a document."""


class Shadow:
    """Asks the candidate what the user was already answered, for a share of the requests.

    `offer` and `settle_due` belong to one thread and return at once; the candidate is asked, and
    figures are made, in a thread of its own. Whatever it answers goes nowhere but to the sink.
    """

    def __init__(
        self,
        candidate: Candidate,
        sink: Callable[[ShadowRecord], None],
        *,
        name: str,
        counts: Counts,
        read_text: ReadText = lambda project, path: None,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is what the candidate is called; `read_text` gives an open document's text."""
        self._candidate = candidate
        self._sink = sink
        self._name = name
        self._counts = counts
        self._read_text = read_text
        self._share = share
        self._clock = clock
        self._due = 0.0
        self._cancel = CancelToken()
        self._lock = threading.Lock()
        self._waiting: OrderedDict[_Key, _Waiting] = OrderedDict()
        self._settled: deque[tuple[_Waiting, str | None]] = deque()
        self._work: queue.Queue[tuple[View, Prediction | Discarded, float] | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, view: View, answer: Prediction | Discarded, elapsed_ms: float) -> None:
        """Take what the user was answered, and how long that took."""
        self.settle_due()
        if isinstance(answer, Discarded) and answer.reason == "canceled":
            return
        self._due += self._share
        if self._due >= 1:
            self._due -= 1
            try:
                self._work.put_nowait((view, answer, elapsed_ms))
            except queue.Full:
                self._counts.add("shadow_dropped")

    def settle_due(self, after_s: float = SETTLE_S) -> None:
        """Look at the documents that were predicted for so long ago: have they settled?"""
        until = self._clock() - after_s
        with self._lock:
            due = [key for key, one in self._waiting.items() if one.at <= until]
            for key in due:
                self._settled.append((self._waiting.pop(key), self._read_text(*key[:2])))

    def close(self) -> None:
        """Hand over what waits; a candidate that still thinks has a moment to come to an end."""
        try:
            self._work.put(None, timeout=CLOSE_S)
        except queue.Full:
            self._cancel.cancel()
            self._work.put(None)
        self._thread.join(CLOSE_S)
        self._cancel.cancel()
        self._thread.join()
        self._candidate.close()
        self.settle_due(after_s=0.0)
        self._write_settled()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                self._compare(*work)
                self._write_settled()
            except Exception as fault:  # a candidate's fault is its own, never the user's
                self._counts.add(f"shadow_fault_{type(fault).__name__}")

    def _write_settled(self) -> None:
        """Tell how much of what was predicted is in the documents now."""
        while self._settled:
            one, text = self._settled.popleft()
            if text is None:
                self._sink(one.record)
                continue
            live, candidate = (
                score_kept_rate(base=one.base, predicted=predicted, reference=text).kept_rate
                for predicted in (one.live, one.candidate)
            )
            self._sink(replace(one.record, live_kept=live, candidate_kept=candidate))

    def _compare(self, view: View, live: Prediction | Discarded, live_ms: float) -> None:
        started = time.perf_counter()
        candidate = self._candidate.propose(replace(view, cancel=self._cancel))
        candidate_ms = (time.perf_counter() - started) * 1000
        if self._cancel.is_cancelled:
            return
        document = view.document
        text = document.snapshot.text
        texts = [_apply(one, view, text) for one in (live, candidate)]
        both = isinstance(live, Prediction) and isinstance(candidate, Prediction)
        record = ShadowRecord(
            live=live.proposer if isinstance(live, Prediction) else "",
            candidate=self._name,
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
            self._waiting[key] = _Waiting(record, text, texts[0], texts[1], self._clock())
            if len(self._waiting) > MAX_PENDING:
                self._settled.append((self._waiting.popitem(last=False)[1], None))


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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise RolloutError(f"there are no shadow records: no {path.name}") from None
    for number, line in enumerate(lines, 1):
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
        set_full_aside(path)
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
