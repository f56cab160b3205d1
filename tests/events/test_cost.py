"""What the tracker holds and takes does not grow with how long one types."""

from __future__ import annotations

from tests.bench.events import PATH, PROJECT, make_text, measure_memory, type_away
from zeta_context.events.history import MAX_EVENTS, MAX_RECENT_EVENTS
from zeta_context.events.tracker import Tracker
from zeta_context.events.undo import MAX_STEPS


def test_after_an_hour_of_typing_the_history_holds_no_more_than_its_limits() -> None:
    tracker = Tracker()
    tracker.open(PROJECT, PATH, make_text(2_000))
    for _ in type_away(tracker, 36_000):
        pass
    history = tracker.history(PROJECT)
    assert len(history.events()) <= MAX_EVENTS + 1
    assert len(history.recent()) == MAX_RECENT_EVENTS
    assert len(history._timelines[PATH]._steps) <= MAX_STEPS
    assert all(entry.change is None for entry in history._older)


def test_memory_does_not_grow_with_the_time_typed() -> None:
    short = measure_memory(rows=2_000, keystrokes=1_500)["track_hour_mb"]
    long = measure_memory(rows=2_000, keystrokes=6_000)["track_hour_mb"]
    # What was typed itself is some 16 kB; ten events and the undo states are the rest.
    assert long < 3.0
    assert long < short + 1.0
