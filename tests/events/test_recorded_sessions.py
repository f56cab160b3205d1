"""Sessions that were typed in a real editor, tracked."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeta_context.counts import Counts
from zeta_context.events.event import Cause, Event
from zeta_context.events.history import MAX_EVENTS
from zeta_context.events.trace import PredictionState
from zeta_context.events.trace_file import TraceReader
from zeta_context.events.trace_replay import ReplayClock, ReplayedTexts, replay
from zeta_context.events.tracker import Tracker
from zeta_context.text.patch import apply_hunks, parse_patch
from zeta_context.text.point import Span

PROJECT = "p"
TRACES = sorted((Path(__file__).parents[2] / "fixtures" / "sessions").glob("*.jsonl"))


class TrackedSession:
    """Hands a replayed session to a tracker."""

    def __init__(self, clock: ReplayClock) -> None:
        self.counts = Counts()
        self.tracker = Tracker(counts=self.counts, clock=clock)
        self.first_texts: dict[str, str] = {}

    def open(self, path: str, text: str, *, language: str = "") -> None:
        self.first_texts.setdefault(path, text)
        self.tracker.open(PROJECT, path, text, language)

    def edit(
        self,
        path: str,
        span: Span,
        new_text: str,
        *,
        predicted: bool = False,
        cause: Cause = "edit",
    ) -> None:
        self.tracker.edit(PROJECT, path, span, new_text, predicted=predicted, cause=cause)

    def close(self, path: str) -> None:
        self.tracker.close(PROJECT, path)

    def cursor(self, path: str, offset: int) -> None:
        """A tracker knows no cursor."""

    def focus(self, path: str) -> None:
        """Nor which document has the focus."""

    def save(self, path: str) -> None:
        self.tracker.save(PROJECT, path)

    def reload(self, path: str, text: str) -> None:
        self.tracker.replace(PROJECT, path, text, is_reload=True)

    def rename(self, path: str, new_path: str) -> None:
        self.tracker.rename(PROJECT, path, new_path)

    def report(self, prediction: str, state: PredictionState, *, reason: str | None = None) -> None:
        """Outcomes change no text."""


@pytest.fixture(params=TRACES, ids=lambda path: path.stem)
def session(request: pytest.FixtureRequest) -> tuple[TrackedSession, dict[str, str]]:
    with TraceReader.open(request.param) as reader:
        entries = list(reader)
    clock = ReplayClock()
    tracked, texts = TrackedSession(clock), ReplayedTexts()
    for _ in replay(entries, tracked, clock):
        pass
    for _ in replay(entries, texts, ReplayClock()):
        pass
    return tracked, texts.texts


def told(tracker: Tracker) -> list[Event]:
    history = tracker.history(PROJECT)
    evicted = [event for entry in history._older if (event := entry.event())]
    return [*evicted, *history.events()]


def test_a_tracked_session_ends_with_the_texts_of_its_editor(
    session: tuple[TrackedSession, dict[str, str]],
) -> None:
    tracked, texts = session
    held = {each.path: each.snapshot.text for each in tracked.tracker.documents(PROJECT)}
    assert held == texts
    assert held


def test_the_events_of_a_session_lead_from_its_first_texts_to_its_last(
    session: tuple[TrackedSession, dict[str, str]],
) -> None:
    tracked, texts = session
    totals = tracked.counts.totals()
    if totals.get("history_reload"):
        pytest.skip("a file was reloaded in this session, which is no event")
    assert set(totals) <= {"history_undone"}
    replayed = dict(tracked.first_texts)
    for event in told(tracked.tracker):
        if event.diff:
            patch = parse_patch(f"--- a/{event.path}\n+++ b/{event.path}\n{event.diff}")
            replayed[event.path] = apply_hunks(replayed[event.path], patch.files[0].hunks)
    assert {path: replayed[path] for path in texts} == texts


def test_a_session_is_told_in_events_of_more_than_a_keystroke(
    session: tuple[TrackedSession, dict[str, str]],
) -> None:
    tracked, _ = session
    events = tracked.tracker.history(PROJECT).events()
    assert 1 <= len(events) <= MAX_EVENTS + 1
    assert all(event.diff.startswith("@@ -") for event in events)
    assert [event.at for event in events] == sorted(event.at for event in events)
