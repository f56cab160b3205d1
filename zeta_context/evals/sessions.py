"""Replays a recorded session against a predictor, with a simulated user who answers it.

The editor asks when the recorded user did nothing for a while after an edit or a move of the
cursor, and shows the answer unless the user goes on before it comes. The user takes what is shown
exactly when the rest of the recording makes it by hand (`fulfilment`); what is not taken stays
until the next edit, which rejects it, or until another prediction replaces it. The replay goes on
with the recorded text all the same, so nothing is asked while the user types what was taken, and
the keystrokes that make it count as saved, but for the one that took it.

Knows nothing of scores (`felt`) or pages.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import TraceError
from zeta_context.evals.fulfilment import Fulfilment, find_fulfilment
from zeta_context.evals.predictors import PredictorSetting
from zeta_context.evals.rejected_edits import RejectedEdits
from zeta_context.evals.replay import ReplayedEditor
from zeta_context.evals.reversals import EarlierTexts, is_reversal
from zeta_context.events.trace import CursorMoved, Edited, TraceEntry, TraceHeader
from zeta_context.events.trace_file import TraceReader
from zeta_context.events.trace_replay import ReplayClock, Step, replay
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified

_SETTINGS = Settings(offer_status=False, watch_files=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSession:
    """A trace in memory."""

    name: str
    header: TraceHeader
    entries: tuple[TraceEntry, ...]

    @property
    def language(self) -> str:
        """What the recording says it is in."""
        return str(self.header.metadata.get("language", ""))

    @property
    def is_tuning(self) -> bool:
        """Whether it may be looked at while thresholds are chosen."""
        return bool(self.header.metadata.get("tuning", False))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing in it could be foreseen, so that nothing should be shown."""
        return bool(self.header.metadata.get("quiet", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPrediction:
    """A prediction that the user was shown, and what came of it.

    `at_ms` is when it was shown, `waited_ms` how long after the latest edit; `is_first` that
    nothing was shown since that edit before. `number` is that of the entry before. `row` counts
    from 0 in the document at `path` as it then was.
    `fulfilment` is there when the user took it, `saved` are the keystrokes that this alone saved.
    """

    at_ms: int
    waited_ms: int
    is_first: bool
    number: int
    path: str
    row: int
    proposer: str
    why: str
    confidence: float | None
    diff: str
    fulfilment: Fulfilment | None
    saved: int
    is_reversal: bool
    is_reshown: bool
    replaced: bool

    @property
    def is_taken(self) -> bool:
        """Whether the user went on to do just this."""
        return self.fulfilment is not None


@dataclass(slots=True, kw_only=True)
class SessionRun:
    """A session as it went with one setting. `stale` counts answers that came too late.

    `compute_ms` are the times that the answers took on this machine, no part of what is compared.
    """

    session: RecordedSession
    keystrokes: int = 0
    asked: int = 0
    stale: int = 0
    shown: list[ShownPrediction] = field(default_factory=list)
    silences: Counter[str] = field(default_factory=Counter)
    compute_ms: list[float] = field(default_factory=list)
    ended_ms: int = 0


def read_sessions(folder: Path) -> tuple[RecordedSession, ...]:
    """The traces of a folder (or the one trace that `folder` is), by name; raises TraceError."""
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.jsonl"))
    paths += [] if folder.is_file() else sorted(folder.glob("*.ztrace"))
    if not paths:
        raise TraceError("there is no recorded session (*.jsonl, *.ztrace) in the folder")
    sessions = []
    for path in paths:
        with TraceReader.open(path) as reader:
            header, entries = reader.header, tuple(reader)
        sessions.append(RecordedSession(name=path.stem, header=header, entries=entries))
    return tuple(sessions)


async def run_session(recorded: RecordedSession, setting: PredictorSetting) -> SessionRun:
    """Replay one session with fresh proposers; the same every time but for `compute_ms`."""
    clock = ReplayClock()
    run = SessionRun(session=recorded)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / (recorded.header.root or "project")
        root.mkdir()
        async with Session(
            root,
            settings=_SETTINGS,
            proposers=setting.make_proposers(),
            counts=Counts(),
            clock=clock,
        ) as session:
            desk = _Desk(session, recorded.entries, setting, clock, run)
            for step in replay(recorded.entries, ReplayedEditor(session), clock):
                await desk.follow(step)
    run.ended_ms = recorded.entries[-1].at_ms if recorded.entries else 0
    return run


class _Desk:
    """The editor and the simulated user before it."""

    def __init__(
        self,
        session: Session,
        entries: Sequence[TraceEntry],
        setting: PredictorSetting,
        clock: ReplayClock,
        run: SessionRun,
    ) -> None:
        self._session = session
        self._entries = entries
        self._setting = setting
        self._clock = clock
        self._run = run
        self._earlier: dict[str, EarlierTexts] = {}
        self._rejected = RejectedEdits()
        self._showing: Prediction | None = None
        self._saved: set[int] = set()
        self._by_hand: list[tuple[int, int]] = []
        self._is_due = False
        self._edited_ms = 0
        self._is_first = True

    async def follow(self, step: Step) -> None:
        """Take in what the recorded user did, and ask if the user then waits."""
        entry, index = step.entry, step.number - 1
        match entry:
            case Edited():
                self._run.keystrokes += 1
                self._is_due = self._is_first = True
                self._edited_ms = entry.at_ms
                self._rejected.follow(entry)
                self._reject_shown()
            case CursorMoved():
                self._is_due = self._run.keystrokes > 0
            case _:
                pass
        if step.path:
            now = self._session.document(step.path).snapshot.text
            self._earlier.setdefault(step.path, EarlierTexts()).add(now)
        is_pause = step.idle_ms is None or step.idle_ms >= self._setting.pause_ms
        if not (self._is_due and is_pause and step.path):
            return
        self._is_due = False
        if any(first <= index < last for first, last in self._by_hand):
            return  # what is being typed was taken already
        await self._ask(step)

    async def _ask(self, step: Step) -> None:
        asked_ms = step.entry.at_ms + self._setting.pause_ms
        self._clock.advance_to(asked_ms)
        self._run.asked += 1
        started = time.perf_counter()
        answer = await self._session.predict(step.path, step.cursor, trigger="buffer_edit")
        self._run.compute_ms.append((time.perf_counter() - started) * 1000)
        if isinstance(answer, Discarded):
            self._run.silences[answer.reason] += 1
            return
        wait_ms = self._setting.pause_ms + self._setting.latency_ms
        if step.idle_ms is not None and step.idle_ms < wait_ms:
            self._run.stale += 1
            self._session.reject(answer, reason="canceled", was_shown=False)
            return
        self._show(answer, step, step.entry.at_ms + wait_ms)

    def _show(self, prediction: Prediction, step: Step, at_ms: int) -> None:
        showing = self._showing
        if showing is not None and _is_same(showing, prediction):
            return
        now = self._session.document(prediction.path).snapshot
        fulfilment = find_fulfilment(
            prediction.edits, prediction.path, now.text, self._entries, step.number
        )
        if fulfilment is not None and fulfilment.keystrokes <= self._saved:
            return  # the same again, not yet made by hand: with the text changed it were not asked
        predicted = apply_edits(now.text, prediction.edits)
        earlier = self._earlier.setdefault(prediction.path, EarlierTexts())
        saved = 0
        if fulfilment is not None:
            saved = len(fulfilment.keystrokes - self._saved) - 1
        self._run.shown.append(
            ShownPrediction(
                at_ms=at_ms,
                waited_ms=at_ms - self._edited_ms,
                is_first=self._is_first,
                number=step.number,
                path=prediction.path,
                row=now.point(prediction.edits[0].span.start).row,
                proposer=prediction.proposer,
                why=prediction.why,
                confidence=prediction.confidence,
                diff=render_unified(now.text, predicted, context=1),
                fulfilment=fulfilment,
                saved=saved,
                is_reversal=is_reversal(now.text, predicted, earlier),
                is_reshown=self._rejected.has(prediction, now.text),
                replaced=showing is not None,
            )
        )
        self._is_first = False
        if showing is not None:
            self._session.reject(showing, reason="replaced")
        if fulfilment is None:
            self._showing = prediction
            self._rejected.add(prediction, now.text)
        else:
            self._showing = None
            self._saved |= fulfilment.keystrokes
            self._by_hand.append((fulfilment.first, fulfilment.last))

    def _reject_shown(self) -> None:
        if self._showing is not None:
            self._session.reject(self._showing, reason="rejected")
            self._showing = None


def _is_same(one: Prediction, other: Prediction) -> bool:
    return (one.project, one.path, one.edits) == (other.project, other.path, other.edits)


async def run_sessions(
    sessions: Iterable[RecordedSession], setting: PredictorSetting
) -> tuple[SessionRun, ...]:
    """Replay sessions one after the other."""
    return tuple([await run_session(one, setting) for one in sessions])
