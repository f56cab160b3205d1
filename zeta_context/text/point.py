"""Places in a text, in code points, and their columns in the units that editors and servers use.

Knows nothing of whole texts: a `Point` or `Span` means something only together with a snapshot.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Encoding = Literal["utf-8", "utf-16", "utf-32"]
"""The position encodings of the Language Server Protocol 3.17."""


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
