"""The edit history of one project: which changes belong together, and which are worth telling.

Follows the open reference client, because a released model was trained on histories cut that way
(its constants stand below), and adds what that client lacks: undo and redo are told apart, an
undone event vanishes, and reloads, formatter runs and far-away edits of others are counted instead
of being taken for typing. Pure and synchronous: times are passed in, and diffs are made when they
are read. Knows nothing of editors, files or prompts.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from zeta_context.counts import Counts
from zeta_context.events.change import Change, count_rows_between
from zeta_context.events.entry import HistoryEntry, is_within_limit
from zeta_context.events.event import Cause, Event
from zeta_context.events.undo import UndoTimeline
from zeta_context.text.point import Span

MAX_EVENTS = 10
"""Events kept for prompts: the open one and those before it."""

MAX_RECENT_EVENTS = 64
"""Events kept in all, for proposers that learn from more than a prompt shows."""

GROUPING_ROWS = 8
"""An edit joins the open event when at most this many rows lie between it and the latest edit."""

PAUSE_SECONDS = 1.0
"""After a pause this long the open event is told in two parts."""

REMOTE_EDIT_TOKENS = 512
"""Edits of others are kept within this many tokens around the cursor."""

MAX_TIMELINES = 64
"""Documents of which recent states are kept, so that an undo is recognised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastEdit:
    """The latest change of a project by its user: `span` lies in the current text."""

    path: str
    span: Span
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMark:
    """A state of a history to go back to; means nothing outside of it."""

    closed: tuple[HistoryEntry, ...]
    open: _Open | None
    last_edit: LastEdit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """The event that still grows: `tail` is what came after its latest pause, `head` all before.

    `latest` is the latest edit alone, in the newest text.
    """

    head: HistoryEntry | None
    tail: HistoryEntry
    latest: Span

    @property
    def parts(self) -> tuple[HistoryEntry, ...]:
        return (self.tail,) if self.head is None else (self.head, self.tail)

    @property
    def whole(self) -> HistoryEntry:
        return self.tail if self.head is None else self.head.followed_by(self.tail)


class EditHistory:
    """The events of one project, oldest first; memory is bounded.

    Counted reasons: `history_too_large`, `history_remote`, `history_reload`, `history_undone`.
    Not thread-safe: one thread records and reads.
    """

    def __init__(self, project: str, *, counts: Counts | None = None) -> None:
        self.project = project
        self._counts = counts if counts is not None else Counts()
        self._closed: tuple[HistoryEntry, ...] = ()
        self._older: deque[HistoryEntry] = deque(maxlen=MAX_RECENT_EVENTS - MAX_EVENTS + 1)
        self._open: _Open | None = None
        self._last_edit: LastEdit | None = None
        self._timelines: OrderedDict[str, UndoTimeline] = OrderedDict()

    @property
    def last_edit(self) -> LastEdit | None:
        """Where and when the user changed something last, carried to the current text."""
        return self._last_edit

    def events(self) -> tuple[Event, ...]:
        """The events that a prompt may show, at most ten and one for a pause, oldest first."""
        return self._tell(self._closed + (self._open.parts if self._open else ()))

    def recent(self, limit: int = MAX_RECENT_EVENTS) -> tuple[Event, ...]:
        """The newest finished events, oldest first: further back than `events`, less the open one.

        Within them no part is split at a pause.
        """
        entries = (*self._older, *self._closed)
        return self._tell(entries[max(0, len(entries) - limit) :])

    def known(self) -> tuple[Event, ...]:
        """All that is remembered, oldest first, the open event last and whole, as of now."""
        entries = (*self._older, *self._closed)
        return self._tell(entries + ((self._open.whole,) if self._open else ()))

    def record(
        self,
        path: str,
        change: Change,
        *,
        at: float,
        predicted: bool = False,
        cause: Cause | None = None,
    ) -> None:
        """Take in a change that the user made, or accepted when `predicted`, at `at` seconds.

        `cause` is what the editor says; unless that is undo or redo, both are found by comparison.
        """
        self._take_in(path, change, at=at, predicted=predicted, cause=cause)
        self._last_edit = LastEdit(path=path, span=change.new_span, at=at)

    def record_remote(
        self, path: str, change: Change, *, at: float, cursor: int | None = None
    ) -> None:
        """Take in a change that somebody else made.

        It counts as the user's own when it lies near `cursor`, an offset in the new text of the
        active document; without a cursor, as in any other document, it is passed over.
        """
        self._carry_last_edit(path, change)
        if cursor is not None and is_near(change, cursor):
            self._take_in(path, change, at=at)
        else:
            self._follow(path, change)
            self._note("history_remote", path, change)

    def pass_over(self, path: str, change: Change, *, reason: str = "history_reload") -> None:
        """Take note that a text changed through no edit of the user: counted, never told."""
        self._close_open_of(path)
        self._carry_last_edit(path, change)
        self._follow(path, change)
        self._note(reason, path, change)

    def mark(self) -> HistoryMark:
        """This state of the history."""
        return HistoryMark(closed=self._closed, open=self._open, last_edit=self._last_edit)

    def take_back(
        self, path: str, before: HistoryMark, after: HistoryMark, *, reason: str = "history_reload"
    ) -> bool:
        """Forget what was taken in between two marks, if that was the latest: it was no edit."""
        if self._closed is not after.closed or self._open is not after.open:
            return False
        self._closed, self._open, self._last_edit = before.closed, before.open, before.last_edit
        while self._older and self._older[-1] in self._closed:
            self._older.pop()
        self._close_open_of(path)
        self._timelines.pop(path, None)
        self._counts.note(reason, place=path)
        return True

    def rename(self, old_path: str, path: str, *, at: float) -> None:
        """Take in that a document got another path."""
        self._close_open()
        if (timeline := self._timelines.pop(old_path, None)) is not None:
            self._timelines[path] = timeline
        if self._last_edit is not None and self._last_edit.path == old_path:
            self._last_edit = LastEdit(path=path, span=self._last_edit.span, at=self._last_edit.at)
        self._push(HistoryEntry(project=self.project, path=path, old_path=old_path, at=at))

    def close(self, path: str) -> None:
        """Take in that a document was closed: its event is finished and its past states dropped."""
        self._close_open_of(path)
        self._timelines.pop(path, None)

    def _take_in(
        self,
        path: str,
        change: Change,
        *,
        at: float,
        predicted: bool = False,
        cause: Cause | None = None,
    ) -> None:
        found = self._follow(path, change)
        if not is_within_limit(change):
            self._close_open()
            self._note("history_too_large", path, change)
            return
        entry = HistoryEntry(
            project=self.project,
            path=path,
            change=change,
            predicted=predicted,
            cause=found if cause is None or cause == "edit" else cause,
            at=at,
        )
        grown = self._grow(entry)
        if grown is None:
            self._close_open()
            self._closed = merge_trailing(self._closed, entry)
            grown = _Open(head=None, tail=entry, latest=change.new_span)
        self._open = grown

    def _grow(self, entry: HistoryEntry) -> _Open | None:
        """The open event with the entry joined to it, or None where it must not be."""
        open_event = self._open
        change = entry.change
        if open_event is None or change is None or not open_event.tail.continues_with(entry):
            return None
        if open_event.tail.predicted != entry.predicted:
            return None
        latest = change.carry(open_event.latest)
        if count_rows_between(latest, change.new_span, change.new) > GROUPING_ROWS:
            return None
        if entry.at - open_event.tail.at >= PAUSE_SECONDS:
            grown = _Open(head=open_event.whole, tail=entry, latest=change.new_span)
        else:
            tail = open_event.tail.followed_by(entry)
            grown = _Open(head=open_event.head, tail=tail, latest=change.new_span)
        whole = grown.whole.change
        return grown if whole is not None and is_within_limit(whole) else None

    def _follow(self, path: str, change: Change) -> Cause:
        timeline = self._timelines.get(path)
        if timeline is None:
            timeline = self._timelines[path] = UndoTimeline()
            if len(self._timelines) > MAX_TIMELINES:
                self._timelines.popitem(last=False)
        return timeline.follow(change)

    def _carry_last_edit(self, path: str, change: Change) -> None:
        """Keep the place of the latest edit right across a change that is not the user's."""
        last = self._last_edit
        if last is not None and last.path == path:
            self._last_edit = LastEdit(path=path, span=change.carry(last.span), at=last.at)

    def _close_open_of(self, path: str) -> None:
        if self._open is not None and self._open.tail.path == path:
            self._close_open()

    def _close_open(self) -> None:
        if self._open is not None:
            self._push(self._open.whole)
            self._open = None

    def _push(self, entry: HistoryEntry) -> None:
        """Finish an entry; an undo takes what it undid with it, and the oldest makes room."""
        closed, undone = collapse((*self._closed, entry))
        if undone:
            self._counts.add("history_undone", undone)
        while len(closed) >= MAX_EVENTS:
            closed[0].detach()
            self._older.append(closed[0])
            closed = closed[1:]
        self._closed = closed

    def _note(self, reason: str, path: str, change: Change) -> None:
        row = change.new.point(change.new_span.start).row
        self._counts.note(reason, place=f"{path}:{row + 1}")

    @staticmethod
    def _tell(entries: tuple[HistoryEntry, ...]) -> tuple[Event, ...]:
        told = (entry.event() for entry in collapse(entries)[0])
        return tuple(event for event in told if event is not None)


def collapse(entries: tuple[HistoryEntry, ...]) -> tuple[tuple[HistoryEntry, ...], int]:
    """The entries without those that came to nothing, and how many those were.

    The newest entry, if it leads back to a text that an earlier one started from, vanishes together
    with all entries of its document since then.
    """
    if not entries:
        return entries, 0
    chain = [len(entries) - 1]
    whole = entries[-1]
    while not whole.is_empty:
        before = _find_previous(entries, chain[-1], whole)
        if before is None or entries[-1].cause != "undo":
            return entries, 0
        chain.append(before)
        whole = entries[before].followed_by(whole)
    kept = list(entries)
    before = _find_previous(entries, chain[-1], whole)
    if before is not None and whole.change is not None:
        # What follows starts from the text after the undo: the entry before must be seen to end so.
        kept[before] = entries[before].ending_with(whole.change.new)
    return tuple(entry for at, entry in enumerate(kept) if at not in chain), len(chain)


def _find_previous(
    entries: tuple[HistoryEntry, ...], before: int, entry: HistoryEntry
) -> int | None:
    """The entry of the same document that `entry` goes on from."""
    return next((at for at in range(before - 1, -1, -1) if entries[at].continues_with(entry)), None)


def merge_trailing(
    closed: tuple[HistoryEntry, ...], newest: HistoryEntry
) -> tuple[HistoryEntry, ...]:
    """Join the newest finished entries that were kept apart only for being near the user.

    Accepted predictions and manual edits are told separately until the user, with `newest`, has
    moved more than eight rows away from them.
    """
    if newest.change is None or not closed or not closed[-1].continues_with(newest):
        return closed
    latest, text = newest.change.new_span, newest.change.new
    first = len(closed) - 1
    place = _carry_to_now(closed[first:], newest.change)
    while first > 0:
        earlier, later = closed[first - 1], closed[first]
        if not earlier.continues_with(later) or earlier.predicted == later.predicted:
            break
        earlier_place = _carry_to_now(closed[first - 1 :], newest.change)
        if count_rows_between(earlier_place, place, text) > GROUPING_ROWS:
            break
        if any(
            count_rows_between(span, latest, text) <= GROUPING_ROWS
            for span in (earlier_place, place)
        ):
            break
        place = earlier_place
        first -= 1
    if first == len(closed) - 1:
        return closed
    merged = closed[first]
    for entry in closed[first + 1 :]:
        merged = merged.followed_by(entry)
    return (*closed[:first], merged)


def _carry_to_now(entries: tuple[HistoryEntry, ...], newest: Change) -> Span:
    """Where in the newest text the first of entries that follow one another lies."""
    changes = [entry.change for entry in entries if entry.change is not None]
    span = changes[0].new_span
    for change in (*changes[1:], newest):
        span = change.carry(span)
    return span


def is_near(change: Change, cursor: int) -> bool:
    """Whether a change lies in the rows that 512 tokens (three bytes each) around a cursor hold."""
    reach = REMOTE_EDIT_TOKENS * 3 // 2
    text = change.new
    first = text.row_start(text.point(max(0, cursor - reach)).row)
    last = text.row_start(text.point(min(len(text), cursor + reach)).row + 1)
    return change.new_span.start <= last and change.new_span.end >= first
