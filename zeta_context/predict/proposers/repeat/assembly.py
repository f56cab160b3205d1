"""From scored places to whole candidate edits: neighbouring lines that change together.

What a user changes in one go is a run of adjacent lines, so a place is proposed together with
every other place of its line and of the lines next to it. Knows nothing of rules or features.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from zeta_context.predict.proposers.repeat.changes import Change
from zeta_context.predict.proposers.repeat.evidence import Scored, measure_balance
from zeta_context.predict.proposers.repeat.page import Page
from zeta_context.predict.proposers.repeat.rules import TemplateRule
from zeta_context.predict.proposers.repeat.tokens import read_line

MAX_GROUP_ROWS = 40
MAX_GROUPS = 6
JOIN_AT = (0.5, 0.25, 0.8)
"""How probable a neighbouring place must be to change together with another: usual, eager, shy."""

GROUP_FEATURES = (
    "primary", "least", "mean", "members", "rows", "rules", "best_left_out", "left_out",
    "best_rival", "agreeing", "balance_off", "quotes_off", "best_beside",
    "variant",
)  # fmt: skip


@dataclass(slots=True)
class Group:
    """Places that change together, the most probable first; rows `row` to `end` are theirs.

    `backers` are other readings of the examples that would make an edit of the group as well.
    """

    members: list[Scored]
    row: int
    end: int
    best_left_out: float = 0.0
    left_out: int = 0
    best_rival: float = 0.0
    best_beside: float = 0.0
    backers: list[Scored] = field(default_factory=list)
    variant: int = 0
    probability: float = 0.0

    def count_examples(self) -> int:
        """How many lines that the user changed are examples of what the group does."""
        rules = [one.site.rule for one in (*self.members, *self.backers)]
        supports = [support for rule in rules for support in rule.supports]
        return len({id(one.change if one.edit is None else one.edit) for one in supports})

    def readings(self) -> list[list[Scored]]:
        """Of each member all rules that would make its very edit, its own first."""
        return [
            [member, *(one for one in self.backers if _same(member, one))]
            for member in self.members
        ]

    def replace_rows(self, page: Page) -> list[str]:
        """What the rows read afterwards."""
        spans: dict[int, list[tuple[int, int, str]]] = {}
        blocks: dict[int, tuple[int, tuple[str, ...]]] = {}
        for member in self.members:
            site = member.site
            if site.lines is not None:
                blocks[site.row] = (site.end, site.lines)
            else:
                spans.setdefault(site.row, []).extend(site.spans)
        out: list[str] = []
        row = self.row
        while row <= self.end:
            block = blocks.get(row)
            if block is not None:
                out.extend(block[1])
                if block[0] > row:
                    row = block[0]
                    continue
            if row == self.end:
                break
            out.append(apply_spans(page.lines[row], spans.get(row, ())))
            row += 1
        return out


def apply_spans(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """A line with disjoint spans of columns replaced."""
    for start, end, new in sorted(spans, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def find_groups(scored: Sequence[Scored], *, most: int = MAX_GROUPS) -> list[Group]:
    """Groups around the `most` most probable places, taking neighbours in more or less readily."""
    ordered = sorted(scored, key=lambda one: (-one.probability, one.site.row))
    by_row: dict[int, list[Scored]] = {}
    for one in ordered:
        for row in range(one.site.row, max(one.site.end, one.site.row + 1)):
            by_row.setdefault(row, []).append(one)
    groups: list[Group] = []
    taken: set[int] = set()
    primaries = 0
    for one in ordered:
        if primaries == most:
            break
        if id(one) in taken:
            continue
        primaries += 1
        made: set[frozenset[int]] = set()
        for variant, join_at in enumerate(JOIN_AT):
            group = _grow(one, by_row, join_at)
            group.variant = variant
            members = frozenset(id(member) for member in group.members)
            if members not in made:
                made.add(members)
                groups.append(group)
                if variant == 0:
                    taken |= members
    return groups


def _grow(primary: Scored, by_row: dict[int, list[Scored]], join_at: float) -> Group:
    group = Group([primary], primary.site.row, primary.site.end)
    seen = {id(primary)}
    frontier = deque(range(group.row - 1, max(group.end, group.row + 1) + 1))
    looked: set[int] = set()
    while frontier:
        at = frontier.popleft()
        if at in looked or not group.row - 1 <= at <= group.end:
            continue
        looked.add(at)
        for other in by_row.get(at, ()):
            if id(other) in seen:
                continue
            seen.add(id(other))
            if _consider(group, other, join_at):
                frontier.extend((group.row - 1, group.end, other.site.row - 1, other.site.end))
        if group.end - group.row > MAX_GROUP_ROWS:
            break
    return group


def _consider(group: Group, other: Scored, join_at: float) -> bool:
    """Take `other` in if it is likely and fits; note what it says of the group if not."""
    if any(_same(member, other) for member in group.members):
        group.backers.append(other)
        return False
    if any(_exclude(member, other) for member in group.members):
        group.best_rival = max(group.best_rival, other.probability)
    elif other.probability >= join_at and _touches(other, group.row, group.end):
        group.members.append(other)
        group.row = min(group.row, other.site.row)
        group.end = max(group.end, other.site.end)
        return True
    elif other.site.row >= group.row and other.site.end <= group.end:
        group.best_left_out = max(group.best_left_out, other.probability)
        group.left_out += 1
    else:
        group.best_beside = max(group.best_beside, other.probability)
    return False


def _touches(one: Scored, row: int, end: int) -> bool:
    return one.site.end >= row and one.site.row <= end


def _same(one: Scored, two: Scored) -> bool:
    a, b = one.site, two.site
    return a.row == b.row and a.end == b.end and a.spans == b.spans and a.lines == b.lines


def _exclude(one: Scored, two: Scored) -> bool:
    """Whether only one of them can be meant: they overlap, or read one example in two ways."""
    return _overlap(one, two) or (
        one.site.row == two.site.row
        and one.site.rule is not two.site.rule
        and isinstance(one.site.rule, TemplateRule)
        and isinstance(two.site.rule, TemplateRule)
        and one.site.rule.supports[-1].edit is two.site.rule.supports[-1].edit
    )


def _overlap(one: Scored, two: Scored) -> bool:
    a, b = one.site, two.site
    if a.lines is not None or b.lines is not None:
        if a.row == a.end or b.row == b.end:
            return a.row == b.row and a.end == b.end
        return a.row < b.end and b.row < a.end
    if a.row != b.row:
        return False
    return any(
        (s[0] < t[1] and t[0] < s[1]) or (s[0] == t[0] or s[1] == t[1])
        for s in a.spans
        for t in b.spans
    )


def group_features(group: Group, page: Page) -> list[float]:
    """The features of a group, in the order of `GROUP_FEATURES`, then those of its primary."""
    chances = [member.probability for member in group.members]
    old = [token for text in page.lines[group.row : group.end] for token in read_line(text).tokens]
    new = [token for text in group.replace_rows(page) for token in read_line(text).tokens]
    opened, quoted = measure_balance(old)
    reopened, requoted = measure_balance(new)
    grown = {
        _measure_growth(support.change)
        for member in group.members
        for support in member.site.rule.supports[-4:]
    }
    own: list[float] = [
        chances[0],
        min(chances),
        sum(chances) / len(chances),
        min(8, len(chances)),
        min(8, group.end - group.row),
        min(4, len({id(member.site.rule) for member in group.members})),
        group.best_left_out,
        min(6, group.left_out),
        group.best_rival,
        min(4, len(group.backers)),
        float(reopened != opened and reopened - opened not in {one for one, _ in grown}),
        float(requoted != quoted and requoted ^ quoted not in {one for _, one in grown}),
        group.best_beside,
        group.variant,
    ]
    return own + group.members[0].features


def _measure_growth(change: Change) -> tuple[int, int]:
    old = measure_balance([t for text in change.old for t in read_line(text).tokens])
    new = measure_balance([t for text in change.new for t in read_line(text).tokens])
    return new[0] - old[0], new[1] ^ old[1]
