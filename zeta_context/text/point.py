"""Places in a text, in code points, and their columns in the units that editors and servers use.

Knows nothing of whole texts: a `Point` or `Span` means something only together with a snapshot,
and a column only together with the text of its row.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Encoding = Literal["utf-8", "utf-16", "utf-32"]
"""The position encodings of the Language Server Protocol 3.17."""

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


class Point(NamedTuple):
    """A place by 0-based row and column, the column in code points."""

    row: int
    column: int


class Span(NamedTuple):
    """A half-open range of offsets in code points."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many code points it covers."""
        return self.end - self.start

    def contains(self, offset: int) -> bool:
        """Whether `offset` lies in the span or at either end."""
        return self.start <= offset <= self.end


def content_length(row_text: str) -> int:
    """The length of a row without its line ending, in code points."""
    if row_text.endswith("\n"):
        return len(row_text) - (2 if row_text.endswith("\r\n") else 1)
    return len(row_text) - (1 if row_text.endswith("\r") else 0)


def unit_length(text: str, encoding: Encoding) -> int:
    """How many units of `encoding` a text takes; a lone surrogate takes 1 (UTF-16) or 3 (UTF-8)."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text.encode("utf-8", "surrogatepass"))


def column_to_units(row_text: str, column: int, encoding: Encoding) -> int:
    """A column in units of `encoding`, from a column in code points.

    `row_text` may carry its line ending; a column outside the row's content is clipped to it.
    """
    column = max(0, min(column, content_length(row_text)))
    if encoding == "utf-32" or row_text.isascii():
        return column
    return unit_length(row_text[:column], encoding)


def column_from_units(row_text: str, units: int, encoding: Encoding) -> int:
    """A column in code points, from a column in units of `encoding`.

    `row_text` may carry its line ending. As the Language Server Protocol asks, a column past the
    end of the row is its end; one inside a character of several units is that character's start.
    """
    length = content_length(row_text)
    units = max(0, units)
    if encoding == "utf-32" or row_text.isascii():
        return min(units, length)
    if encoding == "utf-16":
        return _column_from_utf16(row_text, units, length)
    # No character takes less than a byte, so what lies further right cannot matter.
    encoded = row_text[: min(units + 1, length)].encode("utf-8", "surrogatepass")
    if units >= len(encoded):
        return length
    while units and encoded[units] & 0xC0 == 0x80:
        units -= 1
    return len(encoded[:units].decode("utf-8", "surrogatepass"))


def _column_from_utf16(row_text: str, units: int, length: int) -> int:
    # Only characters outside the basic plane take two units. A high and a low surrogate that
    # stand side by side as two code points stay two: decoding the row's UTF-16 would merge them.
    pairs = 0
    for match in _ASTRAL.finditer(row_text, 0, length):
        start = match.start() + pairs
        if start >= units:
            break
        if start + 1 == units:
            return match.start()
        pairs += 1
    return min(units - pairs, length)
