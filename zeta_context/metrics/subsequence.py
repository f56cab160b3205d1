"""Longest common subsequences: how long, and of which elements.

Knows nothing of what the elements are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from zeta_context.text.sequence import diff_sequences

MAX_CELLS = 4_000_000
"""Where more pairs than this would have to be compared, a diff tells what is kept instead."""


def count_common(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence.

    Bit-parallel, after Crochemore, Iliopoulos, Pinzon and Reid (2001).
    """
    if not one or not other:
        return 0
    places: dict[Hashable, int] = {}
    for index, element in enumerate(one):
        places[element] = places.get(element, 0) | 1 << index
    every = (1 << len(one)) - 1
    row = every
    for element in other:
        hits = row & places.get(element, 0)
        row = ((row + hits) | (row - hits)) & every
    return len(one) - row.bit_count()


def mask_common(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[bool]:
    """Which elements of `one` are in its longest common subsequence with `other`.

    What both begin and end with is in it; of several longest ones it is the reference's: walking
    back from the end, an element of `one` is left out where that costs nothing.
    """
    n, m = len(one), len(other)
    head = 0
    while head < min(n, m) and one[head] == other[head]:
        head += 1
    tail = 0
    while tail < min(n, m) - head and one[n - 1 - tail] == other[m - 1 - tail]:
        tail += 1
    mask = [True] * head + [False] * (n - head - tail) + [True] * tail
    a, b = one[head : n - tail], other[head : m - tail]
    if len(a) * len(b) > MAX_CELLS:
        return _mask_by_diff(one, other)
    table = [[0] * (len(b) + 1)]
    for element in a:
        above, row, left = table[-1], [0], 0
        for j, partner in enumerate(b):
            if element == partner:
                left = above[j] + 1
            elif above[j + 1] > left:
                left = above[j + 1]
            row.append(left)
        table.append(row)
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            mask[head + i] = True
        elif table[i - 1][j] >= table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return mask


def _mask_by_diff(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[bool]:
    mask = [True] * len(one)
    for hunk in diff_sequences(one, other):
        mask[hunk.old_start : hunk.old_end] = [False] * (hunk.old_end - hunk.old_start)
    return mask
