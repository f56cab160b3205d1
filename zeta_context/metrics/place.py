"""Where a change is made: rows of a patch against those wanted, and the cursor after it.

deltaChrF does not see where text changes; this does.
"""

from __future__ import annotations

from collections.abc import Sequence

from zeta_context.metrics.counts import Hits
from zeta_context.metrics.patches import read_patch
from zeta_context.text.patch import PatchHunk

NEAR_ROWS = 20
"""Rows that an anchor may be away from the one it is matched with."""
VERSION = 1
SIGNATURE = f"place|near:{NEAR_ROWS}|v:{VERSION}"


def score_files(*, expected: str, actual: str) -> Hits:
    """Hits and misses of the files that two unified diffs change."""
    wanted, found = set(_anchors(expected)), set(_anchors(actual))
    return Hits(
        true_positives=len(wanted & found),
        false_positives=len(found - wanted),
        false_negatives=len(wanted - found),
    )


def score_rows(*, expected: str, actual: str) -> Hits:
    """Hits and misses of changed rows, matched one to one with the nearest within 20 rows.

    The anchors of a change are its deleted rows; of a pure insertion the rows before and after it.
    """
    wanted, found = _anchors(expected), _anchors(actual)
    total = Hits()
    for path in {**wanted, **found}:
        total += _match(wanted.get(path, ()), found.get(path, ()))
    return total


def measure_cursor_distance(expected: int | None, actual: int | None) -> int | None:
    """How many characters lie between the wanted and the predicted cursor; None without both."""
    return None if expected is None or actual is None else abs(expected - actual)


def _anchors(diff: str) -> dict[str, list[int]]:
    """The anchor rows (0-based, of the old text) of each file."""
    anchors: dict[str, list[int]] = {}
    for file in read_patch(diff).files:
        rows = anchors.setdefault(file.new_path or file.old_path or "", [])
        for hunk in file.hunks:
            rows += _anchor_rows(hunk)
    return anchors


def _anchor_rows(hunk: PatchHunk) -> list[int]:
    rows: set[int] = set()
    row = hunk.old_start
    last = row + len(hunk.old_lines)
    at = 0
    while at < len(hunk.lines):
        if hunk.lines[at].op == " ":
            row, at = row + 1, at + 1
            continue
        first = row
        while at < len(hunk.lines) and hunk.lines[at].op != " ":
            row += hunk.lines[at].op == "-"
            at += 1
        if row > first:
            rows.update(range(first, row))
        else:
            rows.update(one for one in (row - 1, row) if hunk.old_start <= one < last)
    return sorted(rows)


def _match(wanted: Sequence[int], found: Sequence[int]) -> Hits:
    pairs = sorted(
        (abs(one - other), one, other)
        for one in wanted
        for other in found
        if abs(one - other) <= NEAR_ROWS
    )
    taken: set[int] = set()
    given: set[int] = set()
    for _, one, other in pairs:
        if one not in taken and other not in given:
            taken.add(one)
            given.add(other)
    return Hits(
        true_positives=len(taken),
        false_positives=len(found) - len(taken),
        false_negatives=len(wanted) - len(taken),
    )
