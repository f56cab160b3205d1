"""Learns rewrite rules from changes: pairs their lines and generalises what was replaced in them.

Knows nothing of places where a rule may fit next, nor of how far to trust it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from zeta_context.predict.proposers.repeat.changes import Change
from zeta_context.predict.proposers.repeat.rules import (
    AnyRule,
    BlockRule,
    LineEdit,
    LineRule,
    Segment,
    Support,
    TokenRule,
    WordRule,
    make_token_rule,
)
from zeta_context.predict.proposers.repeat.templates import make_template_rules
from zeta_context.predict.proposers.repeat.tokens import (
    Line,
    has_word,
    is_name,
    is_word,
    read_line,
    split_words,
)

MAX_LINE_TOKENS = 300
MAX_CHANGE_LINES = 60
MAX_RULE_TOKENS = 60


def learn_rules(changes: Sequence[Change]) -> list[AnyRule]:
    """Every rule that some change is an example of, those with the latest support first."""
    rules: dict[tuple[object, ...], AnyRule] = {}

    def add(key: tuple[object, ...], rule: AnyRule, support: Support) -> None:
        known = rules.setdefault(key, rule)
        if not known.supports or known.supports[-1] != support:
            known.supports.append(support)

    for change in changes:
        if len(change.old) > MAX_CHANGE_LINES or len(change.new) > MAX_CHANGE_LINES:
            continue
        for block in _block_rules(change):
            key: tuple[object, ...] = ("block", block.old, block.new, block.kept_above)
            add(key, block, Support(change, None, 0, 0))
        for edit in pair_lines(change):
            for rule, start, end in _line_rules(edit):
                add(_key(rule), rule, Support(change, edit, start, end))
    return sorted(rules.values(), key=lambda rule: -rule.order)


def _key(rule: LineRule) -> tuple[object, ...]:
    if isinstance(rule, TokenRule):
        return ("token", rule.left, rule.removed, rule.right, rule.added)
    if isinstance(rule, WordRule):
        lower = tuple(part.lower() for part in rule.removed)
        return ("word", lower, tuple(part.lower() for part in rule.added))
    return ("template", rule.pattern, tuple((s, e, cut.added) for s, e, cut in rule.cuts))


def pair_lines(change: Change) -> Iterator[LineEdit]:
    """The edited lines of a change: old and new lines paired in order by likeness."""
    old = [read_line(text) for text in change.old]
    new = [read_line(text) for text in change.new]
    for i, j in _align(old, new):
        a, b = old[i], new[j]
        if len(a.tokens) > MAX_LINE_TOKENS or len(b.tokens) > MAX_LINE_TOKENS:
            continue
        segments = diff_tokens(a.tokens, b.tokens)
        if segments:
            row = change.row + j if change.row >= 0 else -1
            yield LineEdit(change, a, b, segments, row)


def diff_tokens(old: Sequence[str], new: Sequence[str]) -> tuple[Segment, ...]:
    """The replaced runs between two token sequences, common ends taken off first."""
    head = 0
    limit = min(len(old), len(new))
    while head < limit and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < limit - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    if not a or not b:
        return (Segment(head, head + len(a), head, head + len(b)),) if a or b else ()
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return tuple(
        Segment(head + i1, head + i2, head + j1, head + j2)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    )


def _align(old: list[Line], new: list[Line]) -> list[tuple[int, int]]:
    if len(old) == len(new):
        return [(i, i) for i in range(len(old)) if _alike(old[i], new[i]) > 0.3]
    if len(old) * len(new) > 400:
        return []
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            alike = _alike(old[i], new[j])
            take = best[i + 1][j + 1] + alike if alike > 0.5 else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], take)
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i += 1
            j += 1
    return pairs


def _alike(old: Line, new: Line) -> float:
    """How alike two lines are in their tokens, 0..1, regardless of order."""
    if not old.tokens or not new.tokens:
        return 0.0
    common = len(set(old.tokens) & set(new.tokens))
    return 2 * common / (len(set(old.tokens)) + len(set(new.tokens)))


def _line_rules(edit: LineEdit) -> Iterator[tuple[LineRule, int, int]]:
    segments = edit.segments
    hull = Segment(segments[0].start, segments[-1].end, segments[0].new_start, segments[-1].new_end)
    parts = [hull] if len(segments) == 1 else [hull, *segments]
    seen: set[tuple[object, ...]] = set()
    for part in parts:
        if part.end - part.start + part.new_end - part.new_start > MAX_RULE_TOKENS:
            continue
        for rule in _token_rules(edit, part):
            if (key := _key(rule)) not in seen:
                seen.add(key)
                yield rule, part.start, part.end
        word = _word_rule(edit, part)
        if word is not None and (key := _key(word)) not in seen:
            seen.add(key)
            yield word, part.start, part.end
    for template in make_template_rules(edit):
        if (key := _key(template)) not in seen:
            seen.add(key)
            yield template, hull.start, hull.end


def _token_rules(edit: LineEdit, part: Segment) -> Iterator[TokenRule]:
    tokens = edit.old.tokens
    if has_word(tokens[part.start : part.end]):
        yield make_token_rule(edit, part, 0, 0)
        return
    has_left = part.start > 0
    has_right = part.end < len(tokens)
    if has_left and has_right:
        yield make_token_rule(edit, part, 1, 1)
    if has_left and is_word(tokens[part.start - 1]):
        yield make_token_rule(edit, part, 1, 0)
    if has_right and is_word(tokens[part.end]):
        yield make_token_rule(edit, part, 0, 1)
    if not has_right and has_left:
        yield make_token_rule(edit, part, 1, 0)
    if part.start > 1 and not is_word(tokens[part.start - 1]) and has_right:
        yield make_token_rule(edit, part, 2, 1)


def _word_rule(edit: LineEdit, part: Segment) -> WordRule | None:
    if part.end - part.start != 1 or part.new_end - part.new_start != 1:
        return None
    old, new = edit.old.tokens[part.start], edit.new.tokens[part.new_start]
    if not is_name(old) or not is_name(new):
        return None
    a, b = split_words(old), split_words(new)
    a_low, b_low = [x.lower() for x in a], [x.lower() for x in b]
    head = 0
    while head < min(len(a), len(b)) and a_low[head] == b_low[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a_low[-1 - tail] == b_low[-1 - tail]:
        tail += 1
    removed, added = a[head : len(a) - tail], b[head : len(b) - tail]
    if not removed or not added or sum(map(len, removed)) < 3:
        return None
    return WordRule(removed=removed, added=added)


def _block_rules(change: Change) -> Iterator[BlockRule]:
    if change.old:
        if any(text.strip() for text in change.old):
            yield _make_block(change, (), ())
        return
    if not any(text.strip() for text in change.new):
        return
    above, below = _anchor(change.above[::-1])[::-1], _anchor(change.below)
    if above and below:
        yield _make_block(change, above, below)
    if above:
        yield _make_block(change, above, ())
    if below:
        yield _make_block(change, (), below)


def _anchor(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines up to the nearest one with text, if that is one of the two nearest."""
    for count in (1, 2):
        if len(lines) >= count and lines[count - 1].strip():
            return tuple(lines[:count])
    return ()


def _make_block(change: Change, above: tuple[str, ...], below: tuple[str, ...]) -> BlockRule:
    old = (*above, *change.old, *below)
    new_lines = (*above, *change.new, *below)
    anchor = next(text for text in old if text.strip())
    return BlockRule(
        old=tuple(text.strip() for text in old),
        new=tuple(text.strip() for text in new_lines),
        kept_above=len(above),
        kept_below=len(below),
        indent=anchor[: len(anchor) - len(anchor.lstrip())],
        new_lines=new_lines,
    )
