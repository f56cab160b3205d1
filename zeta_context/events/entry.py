"""One entry of the edit history while it may still change, and the event that it is told as.

Knows nothing of the other entries; the diff is made when the event is first asked for, and kept.
"""

from __future__ import annotations

import re
from dataclasses import replace

from zeta_context.events.change import Change
from zeta_context.events.event import Cause, Event
from zeta_context.text.patch import render_region_diff
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

CONTEXT_ROWS = 3
"""Unchanged rows that a diff shows around what changed."""

MAX_REGION_BYTES = 6_144
"""A change is told only if it fits this many UTF-8 bytes, context included, before and after."""

_HUNK_HEADER = re.compile(r"^@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@", re.MULTILINE)


class HistoryEntry:
    """A change of one document, or a rename when `change` is None.

    `at` is the time of its last edit in seconds. Told once, it gives the same event for ever.
    """

    __slots__ = (
        "_event",
        "_is_told",
        "_region",
        "at",
        "cause",
        "change",
        "old_path",
        "path",
        "predicted",
        "project",
    )

    def __init__(
        self,
        *,
        project: str,
        path: str,
        at: float,
        change: Change | None = None,
        predicted: bool = False,
        cause: Cause = "edit",
        old_path: str | None = None,
    ) -> None:
        self.project = project
        self.path = path
        self.old_path = old_path
        self.change = change
        self.predicted = predicted
        self.cause = cause
        self.at = at
        self._region: tuple[Change, int, int] | None = None
        self._event: Event | None = None
        self._is_told = False

    @property
    def is_empty(self) -> bool:
        """Whether its edits came to nothing."""
        return self.change is not None and self.change.is_empty

    def continues_with(self, later: HistoryEntry) -> bool:
        """Whether `later` starts from the very text that this entry ends with."""
        if self.change is None or later.change is None:
            return False
        return self.change.new is later.change.old and self.path == later.path

    def followed_by(self, later: HistoryEntry) -> HistoryEntry:
        """Both as one; predicted, undo or redo only if both are."""
        if self.change is None or later.change is None:
            raise ValueError("only entries that follow one another can be joined")
        return HistoryEntry(
            project=self.project,
            path=self.path,
            at=later.at,
            change=self.change.followed_by(later.change),
            predicted=self.predicted and later.predicted,
            cause=self.cause if self.cause == later.cause else "edit",
        )

    def ending_with(self, snapshot: TextSnapshot) -> HistoryEntry:
        """The same entry, known to end with another snapshot of the same text."""
        if self.change is None:
            return self
        copy = HistoryEntry(
            project=self.project,
            path=self.path,
            at=self.at,
            change=replace(self.change, new=snapshot),
            predicted=self.predicted,
            cause=self.cause,
        )
        copy._event, copy._is_told = self._event, self._is_told
        return copy

    def detach(self) -> None:
        """Let go of the whole texts; what the diff shows is kept."""
        if self.change is not None and not self._is_told:
            self._region = _cut_region(self.change)
        self.change = None

    def event(self) -> Event | None:
        """The event, or None if its edits came to nothing."""
        if not self._is_told:
            self._event = self._make_event()
            self._is_told = True
            self._region = None
        return self._event

    def _make_event(self) -> Event | None:
        old_span = new_span = Span(0, 0)
        diff = ""
        if self.change is not None:
            if self.change.is_empty:
                return None
            old_span, new_span = self.change.old_span, self.change.new_span
            diff = _render(self.change)
            if not diff:
                return None
        elif self._region is not None:
            change, offset, first_row = self._region
            old_span = Span(change.old_span.start + offset, change.old_span.end + offset)
            new_span = Span(change.new_span.start + offset, change.new_span.end + offset)
            diff = _move_hunks(_render(change), first_row)
        return Event(
            project=self.project,
            path=self.path,
            old_path=self.old_path,
            diff=diff,
            old_span=old_span,
            new_span=new_span,
            predicted=self.predicted,
            cause=self.cause,
            at=self.at,
        )


def is_within_limit(change: Change) -> bool:
    """Whether the rows of a change with their context are small enough to be told."""
    start, end = _find_region(change.new, change.new_span)
    # What follows the change is the same on both sides, so the old rows need not be looked up.
    old_end = end - change.new_span.end + change.old_span.end
    return _fits(change.new, Span(start, end)) and _fits(change.old, Span(start, old_end))


def _fits(snapshot: TextSnapshot, region: Span) -> bool:
    if region.length > MAX_REGION_BYTES:
        return False
    if region.length * 4 <= MAX_REGION_BYTES:
        return True
    return len(snapshot.slice(region).encode("utf-8", "surrogatepass")) <= MAX_REGION_BYTES


def _find_region(snapshot: TextSnapshot, span: Span) -> Span:
    """The rows of a span with their context."""
    first = max(0, snapshot.point(span.start).row - CONTEXT_ROWS)
    last = min(snapshot.row_count, snapshot.point(span.end).row + 1 + CONTEXT_ROWS)
    return Span(snapshot.row_start(first), snapshot.row_start(last))


def _render(change: Change) -> str:
    return render_region_diff(
        change.old, change.new, change.old_span, change.new_span, context=CONTEXT_ROWS
    )


def _cut_region(change: Change) -> tuple[Change, int, int]:
    """The change as one of only the rows that its diff shows, with the offset and row of the first.

    All text before a change is the same on both sides, so both regions start at the same place.
    """
    old_region = _find_region(change.old, change.old_span)
    new_region = _find_region(change.new, change.new_span)
    offset = min(old_region.start, new_region.start)

    def cut(snapshot: TextSnapshot, end: int) -> TextSnapshot:
        return TextSnapshot(snapshot.slice(Span(offset, end)))

    def move(span: Span) -> Span:
        return Span(span.start - offset, span.end - offset)

    region = Change(
        cut(change.old, old_region.end),
        cut(change.new, new_region.end),
        move(change.old_span),
        move(change.new_span),
    )
    return region, offset, change.old.point(offset).row


def _move_hunks(diff: str, rows: int) -> str:
    """The diff with every hunk so many rows further down."""

    def move(match: re.Match[str]) -> str:
        old, old_length, new, new_length = match.groups()
        return f"@@ -{int(old) + rows}{old_length} +{int(new) + rows}{new_length} @@"

    return _HUNK_HEADER.sub(move, diff)
