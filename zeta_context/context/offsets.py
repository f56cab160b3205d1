"""Texts as UTF-8: offsets between code points and bytes, and where two sources differ.

A conversion costs a short slice, not the text. Knows nothing of rows or trees. A lone surrogate
counts as one byte, as `encode_text` writes it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

_STEP = 1024
"""Code points between two checkpoints."""

_STRIDE = 65536
"""Bytes compared at a time."""


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


def find_changed_bytes(old: bytes, new: bytes) -> tuple[int, int, int]:
    """Start, old end and new end of the one stretch in which two sources differ."""
    shorter = min(len(old), len(new))
    start = _common_length(lambda n, m: old[n:m] == new[n:m], shorter)
    ends = len(old), len(new)
    tail = _common_length(
        lambda n, m: old[ends[0] - m : ends[0] - n] == new[ends[1] - m : ends[1] - n],
        shorter - start,
    )
    return start, len(old) - tail, len(new) - tail


def _common_length(is_same: Callable[[int, int], bool], limit: int) -> int:
    """The largest n <= limit such that all up to n is the same, found in few comparisons."""
    low = 0
    while low < limit and is_same(low, min(limit, low + _STRIDE)):
        low = min(limit, low + _STRIDE)
    high = min(limit, low + _STRIDE)
    while low < high:
        middle = (low + high + 1) // 2
        if is_same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low
