"""An immutable text with a line index.

Rows are what the Language Server Protocol calls lines: they end at a line feed, a carriage return,
or the two together, and the ending belongs to its row. Knows nothing of files or encodings on disk.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from zeta_context.errors import OutOfRange
from zeta_context.text import rope
from zeta_context.text.point import Encoding, Point, Span, column_from_units, column_to_units


class TextSnapshot:
    """A text that never changes; `edit` gives a new one that shares what stayed the same.

    An edit costs the chunks of text that it touches (a few kilobytes, or one row where that is
    longer), not the text. Snapshots are equal when their texts are, and hash as their text does:
    comparing two that differ in few places, or hashing one for the first time, is the only use
    besides `text` that reads all of it. `is_same` asks in no time whether nothing was changed.
    Safe to share between threads.
    """

    __slots__ = ("_near", "_root", "_text")

    def __init__(self, text: str) -> None:
        self._root = rope.build(text)
        # The chunk looked at last: questions about one snapshot come from one place mostly.
        self._near: tuple[rope.Leaf, int, int] | None = None
        self._text: str | None = text

    @classmethod
    def _of(cls, root: rope.Node) -> TextSnapshot:
        snapshot = object.__new__(cls)
        snapshot._root = root
        snapshot._near = None
        snapshot._text = None
        return snapshot

    @property
    def text(self) -> str:
        """The whole text, put together once and then kept."""
        if self._text is None:
            self._text = "".join([leaf.text for leaf in rope.leaves(self._root)])
        return self._text

    def __len__(self) -> int:
        return self._root.length

    def __bool__(self) -> bool:
        # An empty document is still a document: `if snapshot:` must not confuse it with None.
        return True

    def __repr__(self) -> str:
        return f"TextSnapshot({len(self)} characters, {self.row_count} rows)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TextSnapshot):
            return NotImplemented
        if self.is_same(other):
            return True
        if len(self) != len(other) or self.row_count != other.row_count:
            return False
        return self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def is_same(self, other: TextSnapshot) -> bool:
        """Whether both are the same state, without looking at the text.

        True for an edit that replaced a text by itself; False does not mean that the texts differ.
        """
        return self._root is other._root

    @property
    def row_count(self) -> int:
        """How many rows there are: one more than line endings, so never zero."""
        return self._root.endings + 1

    @property
    def has_lone_returns(self) -> bool:
        """Whether some row ends at a carriage return alone, where git sees no end of a line."""
        return self._root.has_lone_return

    def row(self, row: int) -> str:
        """The text of a row with its ending."""
        leaf, _, start, end = self._bounds(row)
        return leaf.text[start:end]

    def rows(self, start: int, end: int) -> list[str]:
        """The texts of rows `start` to `end` (exclusive), each with its ending."""
        if not 0 <= start <= end <= self.row_count:
            raise OutOfRange(f"rows {start} to {end} of a text with {self.row_count} rows")
        rows: list[str] = []
        while start < end:
            leaf, at, before = rope.leaf_of_row(self._root, start)
            bounds = leaf.starts[start - before : end - before + 1]
            if end - before > leaf.endings and at + leaf.length == len(self):
                bounds.append(leaf.length)
            rows += [leaf.text[a:b] for a, b in pairwise(bounds)]
            start += len(bounds) - 1
        return rows

    def row_start(self, row: int) -> int:
        """The offset at which a row starts; `row_count` itself gives the end of the text."""
        if row == self.row_count:
            return len(self)
        _, at, start, _ = self._bounds(row)
        return at + start

    def row_end(self, row: int) -> int:
        """The offset at which a row's content ends, before its line ending."""
        leaf, at, start, end = self._bounds(row)
        return at + _content_end(leaf.text, start, end)

    def point(self, offset: int) -> Point:
        """The place of an offset."""
        self._check(offset, offset)
        near = self._near
        if near is None or not near[1] <= offset < near[1] + near[0].length:
            near = self._near = rope.leaf_at(self._root, offset)
        leaf, at, before = near
        index = bisect_right(leaf.starts, offset - at) - 1
        return Point(before + index, offset - at - leaf.starts[index])

    def offset(self, point: Point) -> int:
        """The offset of a place; a column past the row's content is clipped to its end."""
        leaf, at, start, end = self._bounds(point.row)
        return at + min(start + max(point.column, 0), _content_end(leaf.text, start, end))

    def position(self, offset: int, encoding: Encoding) -> tuple[int, int]:
        """The row of an offset and its column in units of `encoding`, as servers say it.

        An offset inside a line ending becomes the place before it: the protocol has no other.
        """
        row, column = self.point(offset)
        leaf, _, start, end = self._bounds(row)
        column = min(column, _content_end(leaf.text, start, end) - start)
        if leaf.text.isascii():
            return row, column
        return row, column_to_units(leaf.text[start : start + column], column, encoding)

    def offset_of_position(self, row: int, units: int, encoding: Encoding) -> int:
        """The offset of a row and a column in units of `encoding`.

        A column past the row's end is that end, one inside a character is its start; a row past
        the last is the end of the text (clients say "everything" that way), a negative one row 0.
        """
        if row >= self.row_count:
            return len(self)
        leaf, at, start, end = self._bounds(max(row, 0))
        content_end = _content_end(leaf.text, start, end)
        if leaf.text.isascii():
            return at + min(start + max(units, 0), content_end)
        return at + start + column_from_units(leaf.text[start:content_end], units, encoding)

    def slice(self, span: Span) -> str:
        """The text of a span."""
        start, end = span
        self._check(start, end)
        if self._text is not None:
            return self._text[start:end]
        return rope.substring(self._root, start, end)

    def edit(self, span: Span, new_text: str) -> TextSnapshot:
        """The text with `span` replaced; itself when that changes nothing."""
        start, end = span
        self._check(start, end)
        if end - start == len(new_text) and rope.substring(self._root, start, end) == new_text:
            return self
        return TextSnapshot._of(rope.replace(self._root, start, end, new_text))

    def _bounds(self, row: int) -> tuple[rope.Leaf, int, int, int]:
        """The chunk with a row, the chunk's offset, and the row's start and end in the chunk."""
        if not 0 <= row < self.row_count:
            raise OutOfRange(f"row {row} of a text with {self.row_count} rows")
        near = self._near
        if near is None or not near[2] <= row < near[2] + near[0].endings:
            near = self._near = rope.leaf_of_row(self._root, row)
        leaf, at, before = near
        starts = leaf.starts
        index = row - before
        end = starts[index + 1] if index + 1 < len(starts) else leaf.length
        return leaf, at, starts[index], end

    def _check(self, start: int, end: int) -> None:
        if not 0 <= start <= end <= self._root.length:
            what = f"offset {start}" if start == end else f"span ({start}, {end})"
            raise OutOfRange(f"{what} of a text with {self._root.length} characters")


def _content_end(text: str, start: int, end: int) -> int:
    if end > start and text[end - 1] == "\n":
        end -= 1
        return end - 1 if end > start and text[end - 1] == "\r" else end
    return end - 1 if end > start and text[end - 1] == "\r" else end
