"""A text by rows, made to be searched again and again.

Knows nothing of rules.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from zeta_context.predict.proposers.repeat.tokens import read_line


class Page:
    """A text by rows, without their endings, searched row by row."""

    def __init__(self, text: str) -> None:
        self.text = text
        lines = text.split("\n")
        self.starts = list(accumulate(map((1).__add__, map(len, lines)), initial=0))
        if "\r" in text:
            lines = [line.removesuffix("\r") for line in lines]
        self.lines = lines
        self._lower: str | None = None

    @property
    def ending(self) -> str:
        """The ending of the first row, which stands for all."""
        first = self.text[: self.starts[1]] if len(self.lines) > 1 else ""
        return "\r\n" if first.endswith("\r\n") else "\n"

    def row_at(self, offset: int) -> int:
        """The row that holds an offset."""
        return min(bisect_right(self.starts, offset), len(self.lines)) - 1

    def count_word(self, word: str) -> int:
        """How often a word stands in the text on its own, counted up to two."""
        count = 0
        for row in self.rows_with(word):
            count += read_line(self.lines[row]).tokens.count(word)
            if count > 1:
                break
        return count

    @property
    def lower(self) -> str:
        """The text in lower case, as long as the text itself (else the text as it is)."""
        if self._lower is None:
            lower = self.text.lower()
            self._lower = lower if len(lower) == len(self.text) else self.text
        return self._lower

    def rows_with(self, needle: str, *, start_row: int = 0, lower: bool = False) -> Iterator[int]:
        """The rows from `start_row` on that contain `needle`, top down."""
        text = self.lower if lower else self.text
        offset = text.find(needle, self.starts[min(start_row, len(self.lines))])
        while offset >= 0:
            row = bisect_right(self.starts, offset) - 1
            yield row
            if row + 1 >= len(self.lines):
                return
            offset = text.find(needle, self.starts[row + 1])
