"""Rewrite rules: what is replaced by what, with how much context, and the examples of each.

Knows nothing of how they are learnt, nor of places where one may fit next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zeta_context.predict.proposers.repeat.changes import Change
from zeta_context.predict.proposers.repeat.tokens import (
    Line,
)

HOLE = ""
"""Stands for any run of tokens in a template; no token is empty."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens `start`..`end` of the old line became tokens `new_start`..`new_end` of the new one."""

    start: int
    end: int
    new_start: int
    new_end: int


@dataclass(frozen=True, slots=True)
class LineEdit:
    """One old line and the line it became."""

    change: Change
    old: Line
    new: Line
    segments: tuple[Segment, ...]
    row: int


@dataclass(frozen=True, slots=True)
class Support:
    """One example of a rule: where in which line edit it was made (block rules: no line edit)."""

    change: Change
    edit: LineEdit | None
    start: int
    end: int

    @property
    def share(self) -> float:
        """How much of the line's edit the rule explains."""
        if self.edit is None:
            return 1.0
        changed = sum(
            segment.end - segment.start + segment.new_end - segment.new_start
            for segment in self.edit.segments
        )
        mine = sum(
            segment.end - segment.start + segment.new_end - segment.new_start
            for segment in self.edit.segments
            if self.start <= segment.start and segment.end <= self.end
        )
        return mine / changed if changed else 1.0


@dataclass(slots=True, kw_only=True)
class Rule:
    """What all kinds of rules share: the examples that they were learnt from."""

    supports: list[Support] = field(default_factory=list)

    @property
    def order(self) -> int:
        """The number of the latest event that supports it."""
        return max(support.change.order for support in self.supports)


@dataclass(slots=True, kw_only=True)
class TokenRule(Rule):
    """Replace `removed` by `added` where `left` stands before and `right` after it.

    `gap_*` are the white space around in the example, before and after the change.
    """

    left: tuple[str, ...]
    removed: tuple[str, ...]
    right: tuple[str, ...]
    added: tuple[str, ...]
    added_text: str
    old_gaps: tuple[str, str]
    new_gaps: tuple[str, str]

    @property
    def core(self) -> tuple[str, ...]:
        """The tokens that must stand at a place."""
        return self.left + self.removed + self.right


@dataclass(slots=True, kw_only=True)
class WordRule(Rule):
    """Rename the parts `removed` of compound words to `added`, in every case style."""

    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class TemplateRule(Rule):
    """Replace several token runs of one line at once, with holes between them.

    `pattern` holds literal tokens and holes; `cuts` the replaced parts of it, `(start, end, rule)`
    with the replacement as a context-free token rule.
    """

    pattern: tuple[str, ...]
    cuts: tuple[tuple[int, int, TokenRule], ...]


@dataclass(slots=True, kw_only=True)
class BlockRule(Rule):
    """Replace whole lines, compared without indentation; the first and last `kept` lines stay."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    kept_above: int
    kept_below: int
    indent: str
    new_lines: tuple[str, ...]


LineRule = TokenRule | WordRule | TemplateRule
AnyRule = LineRule | BlockRule


def make_token_rule(edit: LineEdit, part: Segment, left: int, right: int) -> TokenRule:
    """The rule that replaces `part`, given `left` and `right` tokens of context."""
    old, new = edit.old, edit.new
    added = new.tokens[part.new_start : part.new_end]
    if added:
        first, last = new.starts[part.new_start], new.ends[part.new_end - 1]
        added_text = new.text[first:last]
        new_gaps = (
            new.text[new.left_end(part.new_start) : first],
            new.text[last : new.right_start(part.new_end)],
        )
    else:
        added_text = ""
        new_gaps = (new.text[new.left_end(part.new_start) : new.right_start(part.new_end)], "")
    if part.end > part.start:
        old_gaps = (
            old.text[old.left_end(part.start) : old.starts[part.start]],
            old.text[old.ends[part.end - 1] : old.right_start(part.end)],
        )
    else:
        old_gaps = (old.text[old.left_end(part.start) : old.right_start(part.end)], "")
    return TokenRule(
        left=old.tokens[part.start - left : part.start],
        removed=old.tokens[part.start : part.end],
        right=old.tokens[part.end : part.end + right],
        added=added,
        added_text=added_text,
        old_gaps=old_gaps,
        new_gaps=new_gaps,
    )
