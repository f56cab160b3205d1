"""The differences between two sequences, in bounded time.

Knows nothing of text: rows, tokens and numbers are compared by hash and equality alone.

Small differences come out minimal (E. W. Myers, "An O(ND) difference algorithm", 1986). Where they
are large, elements unique on both sides are lined up first (patience diff, B. Cohen), and what
still differs too much between two of them is one difference. Time is O(n) for n elements, with a
factor of at most `MAX_DISTANCE`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

MAX_DISTANCE = 128
"""The most insertions and deletions for which a stretch is searched for the fewest."""
MAX_DEPTH = 6
"""How often a stretch is divided at unique elements."""


_STRIDE = 32


class Hunk(NamedTuple):
    """Elements `old_start:old_end` of the old sequence became `new_start:new_end` of the new."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


class _Run(NamedTuple):
    """`length` elements from place `a` of one sequence equal those from place `b` of the other."""

    a: int
    b: int
    length: int


_PIECE = 16
"""Elements that are compared at once where much is the same."""


class _Stretch(NamedTuple):
    """Elements of both sequences that are still to be compared; `depth` counts divisions."""

    a0: int
    a1: int
    b0: int
    b1: int
    depth: int = 0


def diff_sequences(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """What changed from `old` to `new`, in order; no two hunks touch.

    A hunk that only inserts or only deletes, and could as well stand further down, stands there.
    """
    start, a1, b1 = _trim(old, new, _Stretch(0, len(old), 0, len(new)))
    if start in (a1, b1):
        return [] if a1 == b1 == start else [Hunk(start, a1, start, b1)]
    # Elements that the other side lacks are changed whatever the rest is: leave them out.
    ids: dict[Hashable, int] = {}
    in_old = set(old[start:a1])
    common = in_old.intersection(new[start:b1])
    kept_old = [i for i in range(start, a1) if old[i] in common]
    kept_new = [j for j in range(start, b1) if new[j] in common]
    a = [ids.setdefault(old[i], len(ids)) for i in kept_old]
    b = [ids[new[j]] for j in kept_new]
    hunks: list[Hunk] = []
    i = j = start
    runs = (part for run in sorted(_match(a, b)) for part in _unsqueeze(run, kept_old, kept_new))
    for x, y, length in chain(runs, [_Run(a1, b1, 0)]):
        if x > i or y > j:
            hunks.append(Hunk(i, x, j, y))
        i, j = x + length, y + length
    return _slid_down(hunks, old, new)


def _unsqueeze(run: _Run, kept_a: list[int], kept_b: list[int]) -> Iterator[_Run]:
    """A run of places in the kept elements as runs of places in the sequences."""
    i, j, length = run
    a, b = kept_a[i], kept_b[j]
    if kept_a[i + length - 1] - a == kept_b[j + length - 1] - b == length - 1:
        yield _Run(a, b, length)
    else:
        half = length // 2
        yield from _unsqueeze(_Run(i, j, half), kept_a, kept_b)
        yield from _unsqueeze(_Run(i + half, j + half, length - half), kept_a, kept_b)


def _trim(
    old: Sequence[Hashable], new: Sequence[Hashable], stretch: _Stretch
) -> tuple[int, int, int]:
    """Where a stretch's differences start, counted from its own start, and where they end."""
    a0, a1, b0, b1, _ = stretch
    shared = min(a1 - a0, b1 - b0)
    prefix = _gallop(old, new, a0, b0, shared)
    while prefix < shared and old[a0 + prefix] == new[b0 + prefix]:
        prefix += 1
    shared -= prefix
    suffix = _gallop_back(old, new, a1, b1, shared)
    a1, b1, shared = a1 - suffix, b1 - suffix, shared - suffix
    while shared and old[a1 - 1] == new[b1 - 1]:
        a1, b1, shared = a1 - 1, b1 - 1, shared - 1
    return prefix, a1, b1


def _gallop(old: Sequence[Hashable], new: Sequence[Hashable], a0: int, b0: int, shared: int) -> int:
    """A number of elements that both go on with, found by pieces; there may be more."""
    done, size = 0, _PIECE
    while done + size <= shared and (
        old[a0 + done : a0 + done + size] == new[b0 + done : b0 + done + size]
    ):
        done, size = done + size, size * 2
    while size > _PIECE:
        size //= 2
        if done + size <= shared and (
            old[a0 + done : a0 + done + size] == new[b0 + done : b0 + done + size]
        ):
            done += size
    return done


def _gallop_back(
    old: Sequence[Hashable], new: Sequence[Hashable], a1: int, b1: int, shared: int
) -> int:
    """A number of elements that both end with, found by pieces; there may be more."""
    done, size = 0, _PIECE
    while done + size <= shared and (
        old[a1 - done - size : a1 - done] == new[b1 - done - size : b1 - done]
    ):
        done, size = done + size, size * 2
    while size > _PIECE:
        size //= 2
        if done + size <= shared and (
            old[a1 - done - size : a1 - done] == new[b1 - done - size : b1 - done]
        ):
            done += size
    return done


def _match(a: list[int], b: list[int]) -> Iterator[_Run]:
    """Runs of equal elements, increasing on both sides once sorted."""
    stack = [_Stretch(0, len(a), 0, len(b))]
    while stack:
        stretch = stack.pop()
        prefix, a1, b1 = _trim(a, b, stretch)
        a0, b0 = stretch.a0 + prefix, stretch.b0 + prefix
        if prefix:
            yield _Run(stretch.a0, stretch.b0, prefix)
        if a1 < stretch.a1:
            yield _Run(a1, b1, stretch.a1 - a1)
        if a0 == a1 or b0 == b1:
            continue
        rest = _Stretch(a0, a1, b0, b1, stretch.depth + 1)
        path = _find_shortest(a[a0:a1], b[b0:b1])
        if path is not None:
            yield from (_Run(a0 + i, b0 + j, length) for i, j, length in path)
        elif rest.depth <= MAX_DEPTH:
            stack.extend(_divide(a, b, rest))


def _find_shortest(a: list[int], b: list[int]) -> list[_Run] | None:
    """The runs of a shortest edit path; None when it is longer than `MAX_DISTANCE`."""
    n, m = len(a), len(b)
    if abs(n - m) > MAX_DISTANCE:
        return None
    # reach[k + offset] is how far down `a` a path on diagonal k = i - j has come.
    offset = MAX_DISTANCE + 1
    reach = [0] * (2 * offset + 1)
    trace: list[list[int]] = []
    for distance in range(MAX_DISTANCE + 1):
        trace.append(reach[offset - distance - 1 : offset + distance + 2])
        for k in range(-distance, distance + 1, 2):
            left, right = reach[offset + k - 1], reach[offset + k + 1]
            i = right if k == -distance or (k != distance and left < right) else left + 1
            j = i - k
            while i < n and j < m and a[i] == b[j]:
                i += 1
                j += 1
                while i + _STRIDE <= n and a[i : i + _STRIDE] == b[j : j + _STRIDE]:
                    i += _STRIDE
                    j += _STRIDE
            reach[offset + k] = i
            if i >= n and j >= m:
                return _walk_back(trace, n, m)
    return None


def _walk_back(trace: list[list[int]], i: int, j: int) -> list[_Run]:
    runs: list[_Run] = []
    for distance in range(len(trace) - 1, -1, -1):
        reach, middle, k = trace[distance], distance + 1, i - j
        left, right = reach[middle + k - 1], reach[middle + k + 1]
        down = k == -distance or (k != distance and left < right)
        previous = right if down else left + 1
        start = previous if distance else 0
        if i > start:
            length = i - start
            i, j = start, j - length
            runs.append(_Run(i, j, length))
        if down:
            j -= 1
        else:
            i -= 1
    return runs


def _divide(a: list[int], b: list[int], stretch: _Stretch) -> Iterator[_Stretch]:
    """The stretches around the longest run of elements unique on both sides, each with its own."""
    a0, a1, b0, b1, depth = stretch
    counts_a, counts_b = Counter(a[a0:a1]), Counter(b[b0:b1])
    places = {b[j]: j for j in range(b0, b1) if counts_b[b[j]] == 1}
    unique = [(i, places[a[i]]) for i in range(a0, a1) if counts_a[a[i]] == 1 and a[i] in places]
    anchors = _longest_increasing(unique)
    if not anchors:
        return
    for i, j in anchors:
        # An anchor heads its stretch, whose common prefix is taken as matched.
        yield _Stretch(a0, i, b0, j, depth)
        a0, b0 = i, j
    yield _Stretch(a0, a1, b0, b1, depth)


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs, given by their first member, whose second members increase."""
    tails: list[int] = []
    tail_pairs: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        place = bisect_left(tails, j)
        tails[place : place + 1] = [j]
        tail_pairs[place : place + 1] = [index]
        before.append(tail_pairs[place - 1] if place else -1)
    run: list[tuple[int, int]] = []
    index = tail_pairs[-1] if tail_pairs else -1
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]


def _slid_down(hunks: list[Hunk], old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """Move one-sided hunks as far down as they go, and join what then touches."""
    slid: list[Hunk] = []
    for hunk in reversed(hunks):
        a0, a1, b0, b1 = hunk
        limit_a, limit_b = (
            (slid[-1].old_start, slid[-1].new_start) if slid else (len(old), len(new))
        )
        while a1 < limit_a and b1 < limit_b:
            if not ((a0 == a1 and new[b0] == new[b1]) or (b0 == b1 and old[a0] == old[a1])):
                break
            a0, a1, b0, b1 = a0 + 1, a1 + 1, b0 + 1, b1 + 1
        if slid and (a1, b1) == (limit_a, limit_b):
            following = slid.pop()
            a1, b1 = following.old_end, following.new_end
        slid.append(Hunk(a0, a1, b0, b1))
    return slid[::-1]
