"""The changes of a commit as places to visit, in an order in which a person might have gone there.

What is defined is written before it is used, an import after the use that needs it, tests after
what they test; apart from that one goes to what is nearest. Knows nothing of git or of typing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from zeta_context.text.diff import diff_rows, split_lines

_WORD = re.compile(r"[^\W\d]\w{2,}")
_DEFINITION = re.compile(
    r"\b(?:def|class|function|func|fn|struct|enum|trait|interface|type|const|let|var|val|mod|"
    r"module|static|macro_rules!)\s+(?:\([^)]*\)\s*)?([^\W\d]\w{2,})|^\s*([^\W\d]\w{2,})\s*(?::[^=\n]*)?=[^=]",
    re.MULTILINE,
)
_IMPORT = re.compile(r"^\s*(?:from\s|import\s|use\s|#include|using\s|require\b|.*\brequire\()")
_TEST_PATH = re.compile(r"(^|/)(tests?|spec|__tests__)/|(^|[/_.-])(test|spec)[_.-]|_test\.", re.I)

_OTHER_FILE = 400
_TEST_FILE = 2_000
_UPWARDS = 1.5
_NEEDED_FIRST = 5_000
_IMPORT_FIRST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A run of changed rows: the text at `start` (code points, before the commit) that is replaced.

    `row` is its first row, `file` the number of its file.
    """

    file: int
    row: int
    start: int
    old: str
    new: str

    @property
    def is_blank(self) -> bool:
        """Whether only blanks differ."""
        return "".join(self.old.split()) == "".join(self.new.split())


def find_places(file: int, old: str, new: str) -> list[Place]:
    """What changed between two texts of a file, from top to bottom."""
    old_rows, new_rows = split_lines(old), split_lines(new)
    offsets = list(accumulate(map(len, old_rows), initial=0))
    return [
        Place(
            file=file,
            row=a0,
            start=offsets[a0],
            old="".join(old_rows[a0:a1]),
            new="".join(new_rows[b0:b1]),
        )
        for a0, a1, b0, b1 in diff_rows(old_rows, new_rows)
    ]


def order_places(places: Sequence[Place], paths: Sequence[str], random: Random) -> list[Place]:
    """All places, in a plausible order; the same one for the same state of `random`."""
    defined = [_defined(place) for place in places]
    used = [_words(place.new) - _words(place.old) for place in places]
    is_import = [_is_import(place) for place in places]
    is_test = [bool(_TEST_PATH.search(path)) for path in paths]
    left = list(range(len(places)))
    order: list[int] = []
    at: Place | None = None
    while left:
        needed = [sum(1 for other in left if other != i and defined[other] & used[i]) for i in left]
        costs = [
            _cost(places[i], at)
            + _NEEDED_FIRST * count
            + (_IMPORT_FIRST if is_import[i] and not _is_called_for(i, order, used) else 0)
            + (_TEST_FILE if is_test[places[i].file] else 0)
            + random.random()
            for i, count in zip(left, needed, strict=True)
        ]
        best = left.pop(costs.index(min(costs)))
        order.append(best)
        at = places[best]
    return [places[i] for i in order]


def _cost(place: Place, at: Place | None) -> float:
    if at is None:
        return place.file * _OTHER_FILE + place.row / 1000
    if place.file != at.file:
        return _OTHER_FILE + place.file
    distance = place.row - at.row
    return distance if distance >= 0 else -distance * _UPWARDS


def _is_called_for(i: int, done: Sequence[int], used: Sequence[set[str]]) -> bool:
    """Whether something done already uses a name that this import brings."""
    return any(used[i] & used[other] for other in done)


def _is_import(place: Place) -> bool:
    rows = [row for row in place.new.split("\n") if row.strip()]
    return bool(rows) and all(_IMPORT.match(row) for row in rows)


def _defined(place: Place) -> set[str]:
    if _is_import(place):
        return set()
    old = {one or other for one, other in _DEFINITION.findall(place.old)}
    return {one or other for one, other in _DEFINITION.findall(place.new)} - old


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))
