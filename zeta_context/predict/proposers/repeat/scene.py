"""One document as the user left it: its text, the net changes, and where the user was last.

Knows nothing of rules, nor of which place is worth proposing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from zeta_context.events.event import Event
from zeta_context.predict.proposers.repeat.changes import (
    Change,
    collect_changes,
    collect_foreign_changes,
)
from zeta_context.predict.proposers.repeat.matching import Reach
from zeta_context.predict.proposers.repeat.page import Page
from zeta_context.predict.proposers.repeat.tokens import diff_ends, read_line

RECENT_CHANGES = 5
BLANK_INDENT = 999


def measure_indent(text: str) -> int:
    """The columns of white space before the text, a tab as four; of a blank line, many."""
    rest = text.lstrip()
    if not rest:
        return BLANK_INDENT
    return len(text[: len(text) - len(rest)].replace("\t", "    "))


@dataclass(kw_only=True)
class Scene:
    """One document with its net changes, and where in it the user was last.

    `examples` are the changes, here and elsewhere, that rules are learnt from. `row` is the row
    below the latest change (the cursor's where there is none). `settled_rows` were changed, or
    changed and restored: nothing is proposed there.
    """

    page: Page
    changes: list[Change]
    examples: list[Change]
    latest: Change | None
    row: int
    settled_rows: frozenset[int]

    @cached_property
    def recent(self) -> list[Change]:
        """The latest few changes, here or elsewhere."""
        return sorted(self.examples, key=lambda change: -change.order)[:RECENT_CHANGES]

    @cached_property
    def repetition(self) -> tuple[float, float]:
        """The share of changes that repeat an earlier one, and whether the latest does."""
        seen: set[object] = set()
        repeats: list[bool] = []
        for change in sorted(self.examples, key=lambda change: change.order):
            old = [token for text in change.old for token in read_line(text).tokens]
            new = [token for text in change.new for token in read_line(text).tokens]
            parts = diff_ends(old, new)
            repeats.append(parts in seen)
            seen.add(parts)
        if len(repeats) < 2:
            return 0.0, 0.0
        recent = repeats[1:][-6:]
        return sum(recent) / len(recent), float(repeats[-1])

    @cached_property
    def width(self) -> int:
        """The line length that hardly any line of the text exceeds."""
        lengths = sorted(map(len, self.page.lines))
        return lengths[(len(lengths) * 98) // 100] if lengths else 0

    @cached_property
    def _indents(self) -> list[int]:
        if "\t" in self.page.text:
            return [measure_indent(text) for text in self.page.lines]
        rests = (text.lstrip() for text in self.page.lines)
        return [
            len(text) - len(rest) if rest else BLANK_INDENT
            for text, rest in zip(self.page.lines, rests, strict=True)
        ]

    def indent(self, row: int) -> int:
        """The indentation of a row in columns; a blank row's is large."""
        return self._indents[row] if row < len(self._indents) else 0

    def least_indent(self, start: int, end: int) -> int:
        """The least indentation of the rows after `start` up to `end`."""
        return min(self._indents[start + 1 : end + 1], default=BLANK_INDENT)

    @cached_property
    def _by_order(self) -> list[Change]:
        return sorted(self.changes, key=lambda change: change.order)

    @cached_property
    def has_moved_up(self) -> bool:
        """Whether a change was made above the one before it: then all places are open again."""
        return any(two.row < one.row for one, two in pairwise(self._by_order))

    def reach(self, since: int) -> Reach:
        """Where to look for places of a rule first used at row `since`."""
        if self.has_moved_up or self.latest is None:
            return Reach()
        return Reach(since, self.row)

    def is_passed(self, row: int, since: int) -> bool:
        """Whether the user went down past `row` on the way from one change to the next.

        Only ways that start at row `since` or below count: before, the rule was not known.
        """
        if not self.has_moved_up:
            return since <= row < self.row
        return any(since <= one.row <= row < two.row for one, two in pairwise(self._by_order))


def make_scene(
    text: str, events: Sequence[Event], project: str, path: str, cursor_row: int
) -> Scene:
    """The net changes of the document `path`, whose current text is `text`, and of the others."""
    page = Page(text)
    changes, restored = collect_changes(events, project, path, page.lines)
    foreign = collect_foreign_changes(events, project, path)
    latest = max(changes, key=lambda change: change.order, default=None)
    rows = frozenset(row for change in changes for row in range(change.row, change.end))
    return Scene(
        page=page,
        changes=changes,
        examples=[
            change for change in (*foreign, *changes) if events[change.order].cause != "undo"
        ],
        latest=latest,
        row=latest.end if latest else cursor_row,
        settled_rows=rows | restored,
    )
