"""Longest common subsequences: how long, and of which elements.

Knows nothing of what the elements are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from zeta_context.text.sequence import diff_sequences

MAX_CELLS = 200_000_000
"""Where more pairs than this would have to be compared, a diff tells what is kept instead; they
take a bit each."""


def count_common(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence."""
    head, tail = _common_ends(one, other)
    a, b = one[head : len(one) - tail], other[head : len(other) - tail]
    if not a or not b:
        return head + tail
    row, places = _begin(a)
    every = row
    for at in map(places.get, b):
        if at is not None:
            hits = row & at
            row = ((row + hits) | (row - hits)) & every
    return head + tail + len(a) - row.bit_count()


def mask_common(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[bool]:
    """Which elements of `one` are in its longest common subsequence with `other`.

    What both begin and end with is in it; of several longest ones it is the reference's: walking
    back from the end, an element of `one` is left out where that costs nothing.
    """
    head, tail = _common_ends(one, other)
    a, b = one[head : len(one) - tail], other[head : len(other) - tail]
    mask = [True] * head + [False] * len(a) + [True] * tail
    if len(a) * len(b) > MAX_CELLS:
        return _mask_by_diff(one, other)
    rows = _rows(a, b)
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            mask[head + i] = True
        elif rows[j - 1] >> (i - 1) & 1:
            # The element adds nothing to what is common with the first j.
            i -= 1
        else:
            j -= 1
    return mask


def _rows(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[int]:
    """After each element of `other`: a bit for each of `one`, 0 where it makes what is common to
    both so far longer.

    Bit-parallel, after Crochemore, Iliopoulos, Pinzon and Reid (2001).
    """
    row, places = _begin(one)
    every = row
    rows = []
    for at in map(places.get, other):
        if at is not None:
            hits = row & at
            row = ((row + hits) | (row - hits)) & every
        rows.append(row)
    return rows


def _begin(one: Sequence[Hashable]) -> tuple[int, dict[Hashable, int]]:
    """The bits before the first step, and the places of each element as bits."""
    places: dict[Hashable, int] = {}
    for index, element in enumerate(one):
        places[element] = places.get(element, 0) | 1 << index
    return (1 << len(one)) - 1, places


def _common_ends(one: Sequence[Hashable], other: Sequence[Hashable]) -> tuple[int, int]:
    """How many elements both begin with, and with how many of the others they end."""
    least = min(len(one), len(other))
    head = _count_shared(one, other, least)
    return head, _count_shared(one[::-1], other[::-1], least - head)


def _count_shared(one: Sequence[Hashable], other: Sequence[Hashable], least: int) -> int:
    """How many of the first `least` elements are the same: by ever larger pieces, then halves."""
    low, size = 0, 32
    while low + size <= least and one[low : low + size] == other[low : low + size]:
        low, size = low + size, size * 2
    high = min(low + size, least)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _mask_by_diff(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[bool]:
    mask = [True] * len(one)
    for hunk in diff_sequences(one, other):
        mask[hunk.old_start : hunk.old_end] = [False] * (hunk.old_end - hunk.old_start)
    return mask
