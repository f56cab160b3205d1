"""Where the numbered markers of the multi-region formats stand in the editable text.

Whoever reads an answer must find the same places from the old text alone, so this is part of the
wire format. Knows rows and offsets in UTF-8 bytes; knows nothing of tags or prompts. Source of the
procedure: the public client of the Zeta models, V0316 to V0318.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

WHITESPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space; Python's own notion has four control characters more."""

CLOSING = ("}", "]", ")")
"""A row that begins so closes what stands above it."""

LEAVING = frozenset(("break", "continue", "return", "throw", "end"))
"""Rows that end what stands above them."""

NUDGE_ROWS = 5
"""How many rows are looked at for a good one to begin a block."""


def partition(text: str, *, min_rows: int, max_rows: int) -> tuple[int, ...]:
    """The offsets of the markers in UTF-8 bytes: first 0, last the length, at least two.

    A block ends before a row that follows a blank one once it has `min_rows`, unless fewer than
    that remain, and after `max_rows` wherever that is, moved on a little to where code begins.
    """
    if not text:
        return (0, 0)
    rows = text.split("\n")
    if len(rows) > 1 and not rows[-1]:
        rows.pop()
    trimmed = [row.strip(WHITESPACE) for row in rows]
    starts = list(accumulate((len(row.encode()) + 1 for row in rows), initial=0))
    offsets = [0]
    block = row = 0
    while row < len(rows):
        target = _nudge(trimmed, row)
        is_paragraph = row > 0 and bool(trimmed[row]) and not trimmed[row - 1]
        may_split = row - block >= min_rows and is_paragraph and len(rows) - target >= min_rows
        if (may_split or row - block >= max_rows) and starts[target] > offsets[-1]:
            offsets.append(starts[target])
            block = row = target
        row += 1
    length = len(text.encode())
    if offsets[-1] != length:
        offsets.append(length)
    return tuple(offsets)


def nearest_marker(offsets: Sequence[int], byte_offset: int) -> int:
    """The index of the marker nearest to a place, the first of equals."""
    return min(range(len(offsets)), key=lambda at: abs(offsets[at] - byte_offset))


def _nudge(trimmed: Sequence[str], row: int) -> int:
    """The first row from `row` on at which code may well begin."""
    for at in range(row, min(row + NUDGE_ROWS, len(trimmed))):
        if _is_good_start(trimmed[at]):
            return at
    return row


def _is_good_start(trimmed: str) -> bool:
    if not trimmed or trimmed.startswith(CLOSING):
        return False
    return trimmed.rstrip(";") not in LEAVING
