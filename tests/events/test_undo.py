"""Undo and redo, told by the text that they restore."""

from __future__ import annotations

from zeta_context.counts import Counts
from zeta_context.events.change import Change
from zeta_context.events.event import Event
from zeta_context.events.tracker import Tracker
from zeta_context.events.undo import MAX_CHARACTERS, MAX_STEPS, UndoTimeline
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

PROJECT, PATH = "root", "a.py"


class Writer:
    def __init__(self, text: str) -> None:
        self.counts = Counts()
        self.now = 0.0
        self.tracker = Tracker(counts=self.counts, clock=lambda: self.now)
        self.tracker.open(PROJECT, PATH, text)

    @property
    def text(self) -> str:
        return self.tracker.document(PROJECT, PATH).snapshot.text

    @property
    def events(self) -> tuple[Event, ...]:
        return self.tracker.history(PROJECT).events()

    def type(self, at: int, text: str) -> None:
        """One edit a character, as it is typed."""
        for offset, character in enumerate(text, start=at):
            self.tracker.edit(PROJECT, PATH, Span(offset, offset), character)

    def restore(self, text: str) -> None:
        """What an undo command does: one edit that makes the text what it was."""
        self.tracker.replace(PROJECT, PATH, text)


def numbered(count: int) -> str:
    return "".join(f"line {row}\n" for row in range(count))


def test_an_undone_event_vanishes() -> None:
    writer = Writer(numbered(60))
    before = writer.text
    writer.type(0, "hello")
    writer.restore(before)
    assert writer.events == ()


def test_an_undone_event_vanishes_after_the_user_went_elsewhere_in_the_file() -> None:
    writer = Writer(numbered(60))
    states = [writer.text]
    writer.type(0, "hello ")
    states.append(writer.text)
    writer.type(400, "far")
    writer.restore(states[1])
    assert [event.diff.count("+hello") for event in writer.events] == [1]
    writer.restore(states[0])
    assert writer.events == ()
    writer.type(200, "next")
    assert len(writer.events) == 1
    assert writer.counts.total("history_undone") == 3


def test_a_pause_before_an_undo_leaves_no_event_behind() -> None:
    writer = Writer(numbered(60))
    before = writer.text
    writer.type(0, "hello")
    writer.now += 5
    writer.restore(before)
    assert writer.events == ()


def test_an_accepted_prediction_that_is_undone_vanishes() -> None:
    writer = Writer(numbered(60))
    before = writer.text
    writer.tracker.edit(PROJECT, PATH, Span(7, 7), "accepted\n", predicted=True)
    writer.restore(before)
    assert writer.events == ()


def test_an_undo_of_part_of_an_earlier_event_is_told_as_an_undo() -> None:
    writer = Writer(numbered(60))
    writer.type(0, "hello")
    half = writer.text
    writer.now += 5
    writer.type(5, " world")
    writer.now += 5
    writer.restore(half)
    first, second = writer.events
    assert "+hello worldline 0" in first.diff
    assert "-hello worldline 0\n+helloline 0" in second.diff
    assert (first.cause, second.cause) == ("edit", "undo")


def test_a_redo_is_told_as_one_and_so_is_the_undo_before_it() -> None:
    writer = Writer("one\n")
    states = [writer.text]
    for number in range(3):
        writer.type(0, str(number))
        states.append(writer.text)
        writer.now += 5
    writer.restore(states[1])
    writer.now += 5
    assert writer.events[-1].cause == "undo"
    writer.restore(states[3])
    assert writer.events[-1].cause == "redo"
    assert "+210one" in writer.events[-1].diff


def test_writing_something_else_after_an_undo_is_no_redo() -> None:
    writer = Writer("one\n")
    before = writer.text
    writer.type(0, "ab")
    writer.restore(before)
    writer.type(0, "ba")
    assert [event.cause for event in writer.events] == ["edit"]
    assert "+baone" in writer.events[0].diff


def follow(
    timeline: UndoTimeline, old: TextSnapshot, span: Span, text: str
) -> tuple[str, TextSnapshot]:
    new = old.edit(span, text)
    return timeline.follow(Change(old, new, span, Span(span.start, span.start + len(text)))), new


def test_changes_of_equal_length_and_letters_are_not_mistaken_for_one_another() -> None:
    timeline = UndoTimeline()
    snapshot = TextSnapshot("abc")
    causes = []
    for text in ("acb", "bac", "cab", "abc", "cab"):
        cause, snapshot = follow(timeline, snapshot, Span(0, 3), text)
        causes.append(cause)
    assert causes == ["edit", "edit", "edit", "undo", "redo"]


def test_an_undo_is_found_across_edits_that_overlap() -> None:
    timeline = UndoTimeline()
    start = snapshot = TextSnapshot("0123456789")
    edits = ((Span(2, 8), "xy"), (Span(0, 3), ""), (Span(1, 1), "long text"), (Span(0, 0), "#"))
    for span, text in edits:
        cause, snapshot = follow(timeline, snapshot, span, text)
        assert cause == "edit"
    cause, _ = follow(timeline, snapshot, Span(0, len(snapshot)), start.text)
    assert cause == "undo"


def test_a_missed_change_starts_the_timeline_afresh() -> None:
    timeline = UndoTimeline()
    _, snapshot = follow(timeline, TextSnapshot("a"), Span(0, 0), "x")
    other = snapshot.edit(Span(0, 0), "yy")
    cause, _ = follow(timeline, other, Span(0, 3), "")
    assert cause == "edit"


def test_the_timeline_forgets_what_is_long_ago_and_what_is_large() -> None:
    timeline = UndoTimeline()
    start = snapshot = TextSnapshot("")
    for number in range(MAX_STEPS + 50):
        _, snapshot = follow(timeline, snapshot, Span(number, number), "x")
    assert len(timeline._steps) == MAX_STEPS
    cause, _ = follow(timeline, snapshot, Span(0, len(snapshot)), start.text)
    assert cause == "edit"
    for _ in range(40):
        _, snapshot = follow(timeline, snapshot, Span(0, 0), "y" * 60_000)
        assert timeline._size <= MAX_CHARACTERS
        assert timeline._size == sum(step.size for step in timeline._steps)
