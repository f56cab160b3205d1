"""Exact lines: how many of the added and deleted lines of a patch are those that were wanted.

Hunks are read by their counts, so that a deleted `-- comment` or an added `++i` is a line and no
header, as it is where lines are told by how they begin. Order and place do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from zeta_context.metrics.counts import Hits, match_counts
from zeta_context.metrics.patches import read_patch

VERSION = 1
SIGNATURE = f"exactLines|average:micro|v:{VERSION}"


def score_exact_lines(*, expected: str, actual: str) -> Hits:
    """Hits and misses of the changed lines of two unified diffs."""
    return match_counts(_changed_lines(expected), _changed_lines(actual))


def _changed_lines(diff: str) -> Iterable[tuple[str, str]]:
    """The lines with their signs; a missing line feed at the end of a file does not count."""
    return Counter(
        (line.op, line.text.removesuffix("\n"))
        for file in read_patch(diff).files
        for hunk in file.hunks
        for line in hunk.lines
        if line.op != " "
    ).elements()
