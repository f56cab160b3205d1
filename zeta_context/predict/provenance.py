"""Which of a document's text was typed just now, and what stood where something was deleted.

Every change is kept as it came, so that second thoughts show: what was typed and deleted again is
known by its place, though no event of the history tells of it. Knows nothing of predictions but
that some changes were accepted ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from zeta_context.errors import TextError
from zeta_context.events.change import Change
from zeta_context.events.event import Event
from zeta_context.events.observer import Author
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit
from zeta_context.text.patch import apply_hunks, parse_patch, reverse_hunks
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_SEGMENTS = 400
"""Stretches of text that are told apart in a document; the oldest are forgotten first."""

MAX_DELETED = 16_384
"""Characters of a deletion that are remembered."""

MAX_UNDOS = 256
"""Changes of a document that are remembered one by one."""

PAUSE_S = 5.0
"""A change after a pause this long, or more than a row away, begins a new run."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change: the `number`th of its document, in the `run`th bout of work at one place."""

    number: int
    run: int
    at: float
    author: Author

    @property
    def is_intended(self) -> bool:
        """Whether the user did it, by hand or by an undo, or had another program do it."""
        return self.author != "prediction"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of `length` characters that `step` inserted (None: older text).

    One of length 0 marks the place where `step` deleted the text `deleted`.
    """

    length: int
    step: Step | None = None
    deleted: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The segments of a text in order; what follows the last is older text. `last` is the latest
    change made in the editor, None before the first. `undos` take the latest changes back, one
    after the other, as far as the latest prediction that was accepted."""

    segments: tuple[Segment, ...] = ()
    last: Step | None = None
    undos: tuple[TextEdit, ...] = ()


class ProvenanceRecorder:
    """Keeps the provenance of one document; costs the number of segments a change."""

    def __init__(self, known: Provenance | None = None) -> None:
        self._segments: list[Segment] = [] if known is None else list(known.segments)
        self._last: Step | None = None if known is None else known.last
        self._count = 1 + max((one.step.number for one in self._segments if one.step), default=-1)
        undos = () if known is None else known.undos
        self._undos: deque[TextEdit] = deque(undos, maxlen=MAX_UNDOS)
        self._row = 0
        self._near = (0, 0)

    def provenance(self) -> Provenance:
        """The provenance of the text as of the last change."""
        return Provenance(tuple(self._segments), self._last, tuple(self._undos))

    def follow(self, change: Change, *, author: Author, at: float) -> None:
        """Take in a change."""
        step = self._next_step(change, author, at)
        removed = change.old.slice(change.old_span)
        if author == "prediction" or len(removed) > MAX_DELETED:
            self._undos.clear()
        else:
            self._undos.appendleft(TextEdit(change.new_span, removed))
        index = end = self._cut(change.old_span.start)
        self._near = (index, change.old_span.start)
        if removed:
            end = self._cut(change.old_span.end)
        before = self._segments[index - 1].length if index else 0
        self._near = (max(index - 1, 0), change.old_span.start - before)
        kept: list[Segment] = []
        reached = 0
        for segment in self._segments[index:end]:
            text = removed[reached : reached + segment.length]
            reached += segment.length
            if not segment.length:
                kept.append(segment)
            elif text:
                kept.append(Segment(0, step, text[:MAX_DELETED]))
        inserted = change.new_span.length
        if inserted:
            kept.append(Segment(inserted, step))
        self._segments[index:end] = kept
        self._join_around(index, index + len(kept))
        if len(self._segments) > MAX_SEGMENTS:
            self._forget()

    def _next_step(self, change: Change, author: Author, at: float) -> Step:
        number, last = self._count, self._last
        self._count += 1
        run = 0 if last is None else last.run
        if author == "other":
            # What another program does is no bout of work here, and ends none.
            return Step(number, run, at, author)
        if last is not None:
            row = change.new.point(change.new_span.start).row
            is_here = abs(row - self._row) <= 1 and at - last.at < PAUSE_S
            run += not is_here
        self._row = change.new.point(change.new_span.end).row
        self._last = Step(number, run, at, author)
        return self._last

    def _cut(self, offset: int) -> int:
        """The index of the segment that begins at an offset, past the deletions there."""
        # What lies before the latest change is as it was then, so looking goes on from there.
        first, at = self._near if self._near[1] <= offset else (0, 0)
        for index in range(first, len(self._segments)):
            segment = self._segments[index]
            if offset < at + segment.length:
                if offset == at:
                    return index
                left = Segment(offset - at, segment.step)
                right = Segment(at + segment.length - offset, segment.step)
                self._segments[index : index + 1] = [left, right]
                return index + 1
            at += segment.length
        if offset > at:
            self._segments.append(Segment(offset - at))
        return len(self._segments)

    def _join_around(self, start: int, end: int) -> None:
        """Join neighbours that are the same run's typing, or older text."""
        first = max(start - 1, 0)
        joined: list[Segment] = []
        for segment in self._segments[first : end + 1]:
            if joined and _are_one(joined[-1], segment):
                joined[-1] = Segment(joined[-1].length + segment.length, segment.step)
            else:
                joined.append(segment)
        self._segments[first : end + 1] = joined

    def _forget(self) -> None:
        numbers = sorted(one.step.number for one in self._segments if one.step is not None)
        oldest = numbers[len(numbers) // 4] if numbers else 0
        kept: list[Segment] = []
        for segment in self._segments:
            is_old = segment.step is not None and segment.step.number <= oldest
            left = Segment(segment.length) if is_old else segment
            if left.step is None and not left.length:
                continue
            if kept and _are_one(kept[-1], left):
                left = Segment(kept.pop().length + left.length, left.step)
            kept.append(left)
        self._segments = kept
        self._near = (0, 0)


def _are_one(one: Segment, other: Segment) -> bool:
    if not one.length or not other.length:
        return False
    if one.step is None or other.step is None:
        return one.step is other.step
    return (
        one.step.run == other.step.run
        and one.step.author == other.step.author
        and abs(one.step.number - other.step.number) <= 1
    )


def trace_events(
    snapshot: TextSnapshot, events: Sequence[Event], project: str, path: str
) -> Provenance:
    """The provenance of a text as far as the edit history tells: each event is one change.

    For whoever has no changes, only events. An event that does not fit the text ends the past.
    """
    texts = [snapshot.text]
    own = [one for one in events if (one.project, one.path) == (project, path) and one.diff]
    told: list[Event] = []
    for event in reversed(own):
        try:
            (file,) = parse_patch(f"--- a/f\n+++ b/f\n{event.diff}").files
            texts.append(apply_hunks(texts[-1], reverse_hunks(file.hunks), search=True))
        except (TextError, ValueError):
            break
        told.append(event)
    recorder = ProvenanceRecorder()
    texts.reverse()
    for (before, after), event in zip(pairwise(texts), reversed(told), strict=True):
        author: Author = "prediction" if event.predicted else "user"
        now = TextSnapshot(before)
        shift = 0
        for edit in diff_text(before, after):
            change = _apply(now, edit, shift)
            recorder.follow(change, author=author, at=event.at)
            now = change.new
            shift += edit.growth
    return recorder.provenance()


def _apply(snapshot: TextSnapshot, edit: TextEdit, shift: int) -> Change:
    start = edit.span.start + shift
    old_span = Span(start, edit.span.end + shift)
    new_span = Span(start, start + len(edit.new_text))
    return Change(snapshot, snapshot.edit(old_span, edit.new_text), old_span, new_span)
