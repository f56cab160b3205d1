"""An immutable text with a line index.

Rows are what the Language Server Protocol calls lines: they end at a line feed, a carriage return,
or the two together, and the ending belongs to its row. Knows nothing of files or encodings.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from zeta_context.errors import OutOfRange
from zeta_context.text.point import Point, Span

_ROW = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$")


class TextSnapshot:
    """A text that never changes; `edit` gives a new one that shares what stayed the same."""

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        starts = [0]
        starts.extend(match.end() for match in _ROW.finditer(text))
        if len(starts) > 1 and starts[-1] == len(text) and not text.endswith(("\n", "\r")):
            starts.pop()
        self._starts = starts

    def __len__(self) -> int:
        return len(self.text)

    @property
    def row_count(self) -> int:
        """How many rows there are: one more than line endings, so never zero."""
        return len(self._starts)

    def row(self, row: int) -> str:
        """The text of a row with its ending."""
        if not 0 <= row < len(self._starts):
            raise OutOfRange(f"row {row} of a text with {len(self._starts)} rows")
        end = self._starts[row + 1] if row + 1 < len(self._starts) else len(self.text)
        return self.text[self._starts[row] : end]

    def row_start(self, row: int) -> int:
        """The offset at which a row starts; `row_count` itself gives the end of the text."""
        if row == len(self._starts):
            return len(self.text)
        if not 0 <= row < len(self._starts):
            raise OutOfRange(f"row {row} of a text with {len(self._starts)} rows")
        return self._starts[row]

    def point(self, offset: int) -> Point:
        """The place of an offset."""
        if not 0 <= offset <= len(self.text):
            raise OutOfRange(f"offset {offset} of a text with {len(self.text)} characters")
        row = bisect_right(self._starts, offset) - 1
        return Point(row, offset - self._starts[row])

    def offset(self, point: Point) -> int:
        """The offset of a place; a column past the row's end is clipped to it, before its ending."""
        row = self.row(point.row)
        return self._starts[point.row] + min(point.column, len(row.rstrip("\r\n")))

    def slice(self, span: Span) -> str:
        """The text of a span."""
        if not 0 <= span.start <= span.end <= len(self.text):
            raise OutOfRange(f"span {tuple(span)} of a text with {len(self.text)} characters")
        return self.text[span.start : span.end]

    def edit(self, span: Span, new_text: str) -> TextSnapshot:
        """The text with `span` replaced."""
        self.slice(span)
        return TextSnapshot(self.text[: span.start] + new_text + self.text[span.end :])
