"""The one sentence that says why an edit is proposed.

Its counts and directions are those of the examples; knows nothing of how likely the edit is.
"""

from __future__ import annotations

from zeta_context.predict.proposers.repeat.assembly import Group
from zeta_context.predict.proposers.repeat.evidence import rule_sides
from zeta_context.predict.proposers.repeat.rules import (
    AnyRule,
    BlockRule,
    LineEdit,
    TemplateRule,
    TokenRule,
    WordRule,
)
from zeta_context.predict.proposers.repeat.tokens import is_name

MAX_QUOTED = 40


def explain_group(group: Group) -> str:
    """Why: what the user did, how often, and on which side of the proposed place."""
    rule = group.members[0].site.rule
    changes = {id(support.change): support.change for support in rule.supports}.values()
    rows = [change.row for change in changes if change.row >= 0]
    what = _say_line(group) or _say_what(rule)
    return f"you {what} {_say_times(len(changes))} {_say_where(rows, len(changes), group)}"


def _say_line(group: Group) -> str:
    """What happened to the line, where one rule alone would say half of it."""
    row = group.members[0].site.row
    rules = [member.site.rule for member in group.members if member.site.row == row]
    edits = [rule.supports[-1].edit for rule in rules]
    latest = edits[0]
    if latest is None or len({id(rule) for rule in rules}) < 2:
        return ""
    if any(edit is None or edit.old.text != latest.old.text for edit in edits):
        return ""
    return f"changed {_quote(latest.old.text)} to {_quote(latest.new.text)}"


def _say_what(rule: AnyRule) -> str:
    if isinstance(rule, WordRule):
        return f"renamed {_quote('_'.join(rule.removed))} to {_quote('_'.join(rule.added))}"
    removed, added = rule_sides(rule)
    example = rule.supports[-1].edit
    if isinstance(rule, BlockRule) or example is None:
        return _say_block(rule) if isinstance(rule, BlockRule) else "changed a line"
    if isinstance(rule, TemplateRule):
        return f"changed {_quote(example.old.text)} to {_quote(example.new.text)}"
    if len(removed) == len(added) == 1 and is_name(removed[0]) and is_name(added[0]):
        return f"renamed {_quote(removed[0])} to {_quote(added[0])}"
    return _say_tokens(rule, example)


def _say_tokens(rule: TokenRule, example: LineEdit) -> str:
    removed, added = rule.removed, rule.added_text
    old = ""
    if removed:
        start, end = rule.supports[-1].start, rule.supports[-1].end
        old = example.old.text[example.old.starts[start] : example.old.ends[end - 1]]
    if not removed:
        return f"added {_quote(added)}"
    return f"replaced {_quote(old)} by {_quote(added)}" if added else f"removed {_quote(old)}"


def _say_block(rule: BlockRule) -> str:
    old = rule.old[rule.kept_above : len(rule.old) - rule.kept_below]
    new = rule.new[rule.kept_above : len(rule.new) - rule.kept_below]
    if not old:
        if rule.kept_above:
            return f"added {_quote_lines(new)} below {_quote(rule.old[0])}"
        return f"added {_quote_lines(new)} above {_quote(rule.old[-1])}"
    if not new:
        return f"removed {_quote_lines(old)}"
    return f"replaced {_quote_lines(old)} by {_quote_lines(new)}"


def _say_times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _say_where(rows: list[int], count: int, group: Group) -> str:
    if len(rows) < count:
        return "in this project" if rows else "in another file"
    above = any(row < group.row for row in rows)
    below = any(row >= group.row for row in rows)
    return "above and below" if above and below else "above" if above else "below"


def _quote_lines(lines: tuple[str, ...]) -> str:
    shown = next((text for text in lines if text), "")
    filled = sum(1 for text in lines if text)
    return _quote(shown) if filled <= 1 else f"{_quote(shown)} and {filled - 1} more lines"


def _quote(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > MAX_QUOTED:
        text = text[: MAX_QUOTED - 1] + "…"
    return f"`{text}`"
