"""What the user has changed, net: regions of the current text with the lines they replaced.

Works back from the current text through the events' diffs, so that what was typed and taken back,
or typed in several strokes, comes out as one change. Knows nothing of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zeta_context.events.event import Event

CONTEXT_LINES = 3
_HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class Run:
    """A maximal run of changed lines of one diff, rows counted in the text after the diff."""

    row: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    above: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Lines `old` became `new`, which stand at `row` of the current text (-1: of another file).

    `above` and `below` are the unchanged lines around it, nearest last and nearest first. `order`
    is the number of the latest event that had part in it; `events` how many had.
    """

    row: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    above: tuple[str, ...]
    below: tuple[str, ...]
    order: int

    @property
    def end(self) -> int:
        """The row after it."""
        return self.row + len(self.new)


def parse_runs(diff: str) -> list[Run]:
    """The runs of changed lines of a unified diff; what is no diff gives none."""
    runs: list[Run] = []
    lines = diff.split("\n")
    at = 0
    while at < len(lines):
        header = _HEADER.match(lines[at])
        at += 1
        if not header:
            continue
        row = int(header[3]) - (1 if header[4] != "0" else 0)
        body: list[str] = []
        left_old, left_new = int(header[2] or 1), int(header[4] or 1)
        while at < len(lines) and (left_old > 0 or left_new > 0):
            line = lines[at]
            mark = line[:1] or " "
            if mark == "\\":
                at += 1
                continue
            if mark not in " -+":
                break
            left_old -= mark != "+"
            left_new -= mark != "-"
            body.append(mark + line[1:].removesuffix("\r"))
            at += 1
        runs.extend(_split_body(body, row))
    return runs


def _split_body(body: Sequence[str], row: int) -> Iterable[Run]:
    at = 0
    while at < len(body):
        if body[at][0] == " ":
            at += 1
            row += 1
            continue
        start = at
        while at < len(body) and body[at][0] != " ":
            at += 1
        old = tuple(line[1:] for line in body[start:at] if line[0] == "-")
        new = tuple(line[1:] for line in body[start:at] if line[0] == "+")
        above: list[str] = []
        for line in reversed(body[:start]):
            if line[0] != " " or len(above) == CONTEXT_LINES:
                break
            above.insert(0, line[1:])
        below: list[str] = []
        for line in body[at:]:
            if line[0] != " " or len(below) == CONTEXT_LINES:
                break
            below.append(line[1:])
        yield Run(row, old, new, tuple(above), tuple(below))
        row += len(new)


@dataclass(slots=True)
class _Region:
    """A region under construction: `row`..`end` of the text that the walk back has reached became
    `new_row`..`new_end` of the current text."""

    row: int
    end: int
    new_row: int
    new_end: int
    order: int


def collect_changes(
    events: Sequence[Event], project: str, path: str, lines: Sequence[str]
) -> tuple[list[Change], frozenset[int]]:
    """The net changes of one document, top down, whose current text is `lines`.

    With them the rows that were changed and read as before again: the user has decided on those.
    Walks back from the newest event for as long as the diffs fit the text.
    """
    base = list(lines)
    regions: list[_Region] = []
    for order in range(len(events) - 1, -1, -1):
        event = events[order]
        if event.path != path or event.project != project:
            continue
        runs = parse_runs(event.diff)
        if any(tuple(base[run.row : run.row + len(run.new)]) != run.new for run in runs):
            break
        for run in reversed(runs):
            base[run.row : run.row + len(run.new)] = run.old
            _take_back(regions, run, order)
    finished = [(region, _finish(region, base, lines)) for region in regions]
    restored = frozenset(
        row
        for region, change in finished
        if change is None
        for row in range(region.new_row, region.new_end)
    )
    return [change for _, change in finished if change is not None], restored


def _take_back(regions: list[_Region], run: Run, order: int) -> None:
    """Undo `run` in the walk: `regions` (top down) then refer to the text before it."""
    start, end = run.row, run.row + len(run.new)
    shift = len(run.old) - len(run.new)
    before = [region for region in regions if region.end < start]
    touched = [region for region in regions if region.row <= end and region.end >= start]
    after = [region for region in regions if region.row > end]
    offset = before[-1].new_end - before[-1].end if before else 0
    merged = _Region(start, end + shift, start + offset, end + offset, order)
    if touched:
        first, last = touched[0], touched[-1]
        if first.row < start:
            merged.row, merged.new_row = first.row, first.new_row
        merged.end = max(end, last.end) + shift
        merged.new_end = last.new_end + max(0, end - last.end)
        merged.order = max(order, *(region.order for region in touched))
    for region in after:
        region.row += shift
        region.end += shift
    regions[:] = [*before, merged, *after]


def _finish(region: _Region, base: Sequence[str], lines: Sequence[str]) -> Change | None:
    row, end = region.new_row, region.new_end
    old, new = list(base[region.row : region.end]), list(lines[row:end])
    while old and new and old[0] == new[0]:
        del old[0], new[0]
        row += 1
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
        end -= 1
    if not old and not new:
        return None
    return Change(
        row,
        tuple(old),
        tuple(new),
        tuple(lines[max(0, row - CONTEXT_LINES) : row]),
        tuple(lines[end : end + CONTEXT_LINES]),
        region.order,
    )


def collect_foreign_changes(events: Sequence[Event], project: str, path: str) -> list[Change]:
    """The changes made in every other document of the project, oldest first."""
    return [
        Change(-1, run.old, run.new, run.above, run.below, order)
        for order, event in enumerate(events)
        if event.project == project and event.path != path
        for run in parse_runs(event.diff)
    ]
