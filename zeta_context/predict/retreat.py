"""Whether a prediction leads back to a text that stood at its place a moment ago.

The reversal guard judges words; this judges characters. Walking back change by change, the texts
that stood around the place are put together again, and a prediction that comes nearer to one of
them by at least half of what it changes is held to take something back. Knows texts and changes,
nothing of who made them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from zeta_context.text.diff import count_common_prefix
from zeta_context.text.edit import TextEdit, apply_edits, find_hull
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

LEAST_SHARE = 0.5
MAX_WINDOW = 4_000
"""Characters around a prediction that are compared; larger predictions are judged by words only."""

_ROWS_AROUND = 2


def leads_back(
    snapshot: TextSnapshot, edits: Sequence[TextEdit], undos: Sequence[TextEdit]
) -> bool:
    """Whether edits of a text lead back to one of those that `undos` give, each after the other.

    `undos` are the latest changes turned round, the latest first.
    """
    hull = find_hull(edits)
    if hull is None or not undos:
        return False
    first = snapshot.row_start(max(0, snapshot.point(hull[0].start).row - _ROWS_AROUND))
    last = min(snapshot.row_count - 1, snapshot.point(hull[0].end).row + _ROWS_AROUND)
    window = _Window(snapshot, Span(first, snapshot.row_end(last)))
    is_here = False
    for undo, older in zip(undos, [*undos[1:], None], strict=True):
        is_here = window.take_back(undo) or is_here
        if window.is_too_long:
            return False
        # Within a stretch of typing, or of deleting, the end of it tells as much as each key.
        if is_here and (older is None or not _goes_on(older, undo)):
            if _comes_nearer(window, edits):
                return True
            is_here = False
    return False


def _goes_on(older: TextEdit, undo: TextEdit) -> bool:
    """Whether two changes, turned round, are the same kind of work at one place."""
    if undo.span.length and older.span.length:
        is_one_kind = not undo.new_text and not older.new_text
    else:
        is_one_kind = not undo.span.length and not older.span.length
    return is_one_kind and abs(older.span.start - undo.span.start) <= 1


class _Window:
    """A stretch of a text (`span`) and what stood there before the changes taken back so far."""

    def __init__(self, snapshot: TextSnapshot, span: Span) -> None:
        self._snapshot = snapshot
        self.span = span
        self._then_start = span.start
        self.then = snapshot.slice(span)

    @property
    def is_too_long(self) -> bool:
        return max(self.span.length, len(self.then)) > MAX_WINDOW

    def take_back(self, undo: TextEdit) -> bool:
        """Take one more change back; whether it was made here."""
        start, end = undo.span
        then_end = self._then_start + len(self.then)
        if end < self._then_start:
            self._then_start += undo.growth
            return False
        if start > then_end:
            return False
        # What stands beside the window stood there before: nothing was changed there since.
        before, after = max(0, self._then_start - start), max(0, end - then_end)
        self._widen(before, after)
        at = start - self._then_start
        self.then = self.then[:at] + undo.new_text + self.then[at + undo.span.length :]
        return True

    def _widen(self, before: int, after: int) -> None:
        if before or after:
            start = max(0, self.span.start - before)
            end = min(len(self._snapshot), self.span.end + after)
            head = self._snapshot.slice(Span(start, self.span.start))
            tail = self._snapshot.slice(Span(self.span.end, end))
            self._then_start -= len(head)
            self.then = head + self.then + tail
            self.span = Span(start, end)

    @property
    def now(self) -> str:
        return self._snapshot.slice(self.span)


def _comes_nearer(window: _Window, edits: Sequence[TextEdit]) -> bool:
    now, then, start = window.now, window.then, window.span.start
    if now == then:
        return False
    local = [
        TextEdit(Span(edit.span.start - start, edit.span.end - start), edit.new_text)
        for edit in edits
    ]
    predicted = apply_edits(now, local)
    change = _distance(now, predicted)
    way_back = _distance(now, then)
    least = LEAST_SHARE * change
    if not change or way_back - _least_distance(predicted, then) < least:
        return False
    return way_back - _distance(predicted, then) >= least


def _distance(one: str, other: str) -> int:
    """Characters to delete and to insert, by the bit vectors of Hyyrö (2004)."""
    one, other = _without_ends(one, other)
    if not one or not other:
        return len(one) + len(other)
    where: dict[str, int] = {}
    for index, character in enumerate(one):
        where[character] = where.get(character, 0) | 1 << index
    full = (1 << len(one)) - 1
    open_ = full
    for character in other:
        matches = open_ & where.get(character, 0)
        open_ = ((open_ + matches) | (open_ & ~matches)) & full
    common = len(one) - open_.bit_count()
    return len(one) + len(other) - 2 * common


def _least_distance(one: str, other: str) -> int:
    """A lower bound of it that costs next to nothing: characters that only one of them has."""
    one, other = _without_ends(one, other)
    counts, others = Counter(one), Counter(other)
    return (counts - others).total() + (others - counts).total()


def _without_ends(one: str, other: str) -> tuple[str, str]:
    start = count_common_prefix(one, other)
    one, other = one[start:], other[start:]
    end = count_common_prefix(one[::-1], other[::-1])
    return one[: len(one) - end], other[: len(other) - end]
