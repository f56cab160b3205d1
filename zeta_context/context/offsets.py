"""Converts between code points and UTF-8 bytes of one text, at the cost of a short slice each.

Knows nothing of rows or trees. A lone surrogate counts as one byte, as `encode_text` writes it.
"""

from __future__ import annotations

from bisect import bisect_right

_STEP = 1024
"""Code points between two checkpoints."""


def encode_text(text: str) -> bytes:
    """The UTF-8 bytes of a text, every lone surrogate replaced by a question mark."""
    return text.encode("utf-8", "replace")


class ByteOffsets:
    """The offset table of one text; an ASCII text needs none."""

    __slots__ = ("_checkpoints", "_source", "_text")

    def __init__(self, text: str, source: bytes) -> None:
        self._text = text
        self._source = source
        self._checkpoints: list[int] | None = None
        if not text.isascii():
            self._checkpoints = [0]
            total = 0
            for start in range(0, len(text), _STEP):
                total += len(encode_text(text[start : start + _STEP]))
                self._checkpoints.append(total)

    def byte(self, offset: int) -> int:
        """The byte at which the code point `offset` starts."""
        if self._checkpoints is None:
            return offset
        step = offset // _STEP
        return self._checkpoints[step] + len(encode_text(self._text[step * _STEP : offset]))

    def code_point(self, byte: int) -> int:
        """The code point that starts at `byte`."""
        if self._checkpoints is None:
            return byte
        step = bisect_right(self._checkpoints, byte) - 1
        part = self._source[self._checkpoints[step] : byte]
        return min(len(self._text), step * _STEP + len(part.decode("utf-8", "ignore")))
