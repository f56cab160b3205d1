"""Places of a text that a rule fits, with the edit it would make and how alike the place is.

Knows nothing of which place to choose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from zeta_context.predict.proposers.repeat.analogy import find_echoes, match_names, rename
from zeta_context.predict.proposers.repeat.page import Page
from zeta_context.predict.proposers.repeat.rules import (
    HOLE,
    AnyRule,
    BlockRule,
    LineRule,
    Rule,
    Support,
    TemplateRule,
    TokenRule,
    WordRule,
)
from zeta_context.predict.proposers.repeat.templates import fit_pattern
from zeta_context.predict.proposers.repeat.tokens import SUBWORD, Line, is_word, read_line

MAX_ROWS = 400
"""A rule that fits more rows than this says too little."""
MAX_ABOVE = 16
MAX_BELOW = 40
"""How many rows beyond the reach are looked at: the nearest below, the first ones above."""
MAX_AGREE = 4
MAX_COMPARED = 8


@dataclass(slots=True)
class Site:
    """A place that `rule` fits: `spans` (columns and new text) of `row`, or whole `lines`.

    `left` and `right` count the tokens around it that agree with those around an example;
    `is_same_line` says that the whole line is that of an example. Block sites replace rows `row`
    to `end` by `lines` and count whole lines of agreement instead.
    """

    rule: AnyRule
    row: int
    end: int
    spans: tuple[tuple[int, int, str], ...]
    lines: tuple[str, ...] | None
    start_token: int = 0
    end_token: int = 0
    left: int = 0
    right: int = 0
    is_same_line: bool = False
    holes_agree: bool = True
    is_adapted: bool = False

    @property
    def agreement(self) -> int:
        """One number to compare how alike two places are to the examples."""
        return self.left + self.right + (3 if self.is_same_line else 0)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far to look: all rows from `start` to `end`, and a few that fit above and below.

    Rules that are found by a mark rather than a word are not looked for above at all.
    """

    start: int = 0
    end: int = sys.maxsize

    def clip(self, rows: Iterator[int]) -> Iterator[int]:
        """The rows to look at, of those that may fit, top down."""
        above = below = 0
        for row in rows:
            above += row < self.start
            below += row >= self.end
            if below > MAX_BELOW:
                return
            if row >= self.start or above <= MAX_ABOVE:
                yield row


def find_sites(page: Page, rule: AnyRule, reach: Reach) -> list[Site] | None:
    """The places that `rule` fits, top down; None where there are too many to mean anything."""
    sites: list[Site] = []
    if isinstance(rule, BlockRule):
        return _find_blocks(page, rule)
    if isinstance(rule, WordRule):
        candidates = page.rows_with(max(rule.removed, key=len).lower(), lower=True)
    else:
        core = rule.core if isinstance(rule, TokenRule) else rule.pattern
        needle = max(core, key=lambda token: (is_word(token) if token else False, len(token)))
        candidates = page.rows_with(needle, start_row=0 if is_word(needle) else reach.start)
    for count, row in enumerate(reach.clip(candidates)):
        if count == MAX_ROWS:
            return None
        line = read_line(page.lines[row])
        if isinstance(rule, TokenRule):
            sites.extend(_match_tokens(rule, line, row))
        elif isinstance(rule, WordRule):
            sites.extend(_match_words(rule, line, row))
        else:
            sites.extend(_match_template(rule, line, row))
    _adapt_sites(page, rule, sites)
    return sites


def _adapt_sites(page: Page, rule: LineRule, sites: list[Site]) -> None:
    """Give the added texts the names of their lines, where the examples' follow theirs."""
    echoes = find_echoes(rule)
    if not echoes:
        return
    for site in sites:
        names = match_names(rule, echoes, read_line(page.lines[site.row]).tokens)
        if names:
            site.spans = tuple((start, end, rename(new, names)) for start, end, new in site.spans)
            site.is_adapted = True


def compare_site(page: Page, site: Site) -> None:
    """Fill in how far the tokens around the place agree with those around an example."""
    if site.lines is not None:
        return
    tokens = read_line(page.lines[site.row]).tokens
    best = (-1, 0, 0, False)
    for support in site.rule.supports[-MAX_COMPARED:]:
        if support.edit is None:
            continue
        other = support.edit.old.tokens
        left = _agree_left(tokens, site.start_token, other, support.start)
        right = _agree_right(tokens, site.end_token, other, support.end)
        same = tokens == other
        best = max(best, (left + right + 3 * same, left, right, same))
    _, site.left, site.right, site.is_same_line = best


def _agree_left(one: Sequence[str], a: int, two: Sequence[str], b: int) -> int:
    for count in range(min(MAX_AGREE, a, b)):
        if one[a - 1 - count] != two[b - 1 - count]:
            return count
    return MAX_AGREE if a == b and a < MAX_AGREE else min(MAX_AGREE, a, b)


def _agree_right(one: Sequence[str], a: int, two: Sequence[str], b: int) -> int:
    rest, other = len(one) - a, len(two) - b
    for count in range(min(MAX_AGREE, rest, other)):
        if one[a + count] != two[b + count]:
            return count
    return MAX_AGREE if rest == other and rest < MAX_AGREE else min(MAX_AGREE, rest, other)


def apply_token_rule(rule: TokenRule, line: Line, start: int, end: int) -> tuple[int, int, str]:
    """The edit that replaces tokens `start`..`end`, its white space as in the example."""
    low, high = line.left_end(start), line.right_start(end)
    is_first, is_last = start == 0, end >= len(line.tokens)
    left, right = rule.new_gaps
    if end > start:
        if not rule.added:
            return low, high, "" if is_first or is_last else _join_gaps(rule, line, start, end)
        if is_first or rule.old_gaps[0] == left:
            low, left = line.starts[start], ""
        if is_last or rule.old_gaps[1] == right:
            high, right = line.ends[end - 1], ""
        return low, high, left + rule.added_text + right
    gap, usual = line.text[low:high], rule.old_gaps[0]
    if gap != usual:
        if left == usual:
            left = gap
        elif right == usual:
            right = gap
    left, right = "" if is_first else left, "" if is_last else right
    if gap and left == gap:
        low, left = high, ""
    elif gap and right == gap:
        high, right = low, ""
    return low, high, left + rule.added_text + right


def _join_gaps(rule: TokenRule, line: Line, start: int, end: int) -> str:
    """The gap that stays where tokens `start`..`end` are deleted: the example's, carried over."""
    left = line.text[line.ends[start - 1] : line.starts[start]]
    right = line.text[line.ends[end - 1] : line.starts[end]]
    gap = rule.new_gaps[0]
    if gap == rule.old_gaps[0] == rule.old_gaps[1]:
        return max(left, right, key=len)
    if gap == rule.old_gaps[0]:
        return left
    return right if gap == rule.old_gaps[1] else gap


def _match_tokens(rule: TokenRule, line: Line, row: int) -> Iterator[Site]:
    core, tokens = rule.core, line.tokens
    size, lead = len(core), len(rule.left)
    length = len(rule.removed)
    at = 0
    while core[0] in tokens[at:]:
        at = tokens.index(core[0], at)
        if tokens[at : at + size] != core:
            at += 1
            continue
        start, end = at + lead, at + lead + length
        if not _is_done(rule, tokens, start, end):
            span = apply_token_rule(rule, line, start, end)
            yield Site(rule, row, row + 1, (span,), None, start, end)
        at += max(1, size - len(rule.right))


def _is_done(rule: TokenRule, tokens: tuple[str, ...], start: int, end: int) -> bool:
    """Whether the place already reads as the rule would make it."""
    added, removed = rule.added, rule.removed
    if len(added) <= len(removed):
        return False
    for shift in range(len(added) - len(removed) + 1):
        fits = removed == added[shift : shift + len(removed)]
        low = start - shift
        if fits and low >= 0 and tokens[low : low + len(added)] == added:
            return True
    return False


def _match_words(rule: WordRule, line: Line, row: int) -> Iterator[Site]:
    want = [part.lower() for part in rule.removed]
    for index, token in enumerate(line.tokens):
        if not is_word(token) or want[0] not in token.lower():
            continue
        parts = list(SUBWORD.finditer(token))
        low = [part.group().lower() for part in parts]
        for at in range(len(parts) - len(want) + 1):
            if low[at : at + len(want)] != want:
                continue
            begin, end = parts[at].start(), parts[at + len(want) - 1].end()
            new = restyle(rule.added, token[begin:end], token)
            span = (line.starts[index] + begin, line.starts[index] + end, new)
            yield Site(rule, row, row + 1, (span,), None, index, index + 1)
            break


def restyle(added: tuple[str, ...], piece: str, token: str) -> str:
    """The words `added` in the case style of the `piece` of `token` that they replace."""
    low = [part.lower() for part in added]
    letters = [char for char in piece if char.isalpha()]
    if len(letters) > 1 and all(char.isupper() for char in letters):
        return "_".join(low).upper()
    if letters and letters[0].isupper():
        return "".join(part.capitalize() for part in low)
    if len(low) == 1:
        return low[0]
    is_camel = "_" not in token and any(char.isupper() for char in token)
    return low[0] + "".join(p.capitalize() for p in low[1:]) if is_camel else "_".join(low)


def _match_template(rule: TemplateRule, line: Line, row: int) -> Iterator[Site]:
    tokens, pattern = line.tokens, rule.pattern
    at = 0
    while at < len(tokens):
        if tokens[at] != pattern[0] and pattern[0] != HOLE:
            at += 1
            continue
        places = fit_pattern(pattern, tokens, at)
        if places is None:
            at += 1
            continue
        spans: list[tuple[int, int, str]] = []
        for start, end, cut in rule.cuts:
            if end > start:
                spans.append(apply_token_rule(cut, line, places[start][0], places[end - 1][1]))
            else:
                place = places[start][0] if start < len(places) else places[-1][1]
                spans.append(apply_token_rule(cut, line, place, place))
        begin, finish = places[0][0], places[-1][1]
        merged = _merge_spans(spans, line)
        if merged is not None:
            holes = tuple(
                tokens[low:high]
                for (low, high), part in zip(places, pattern, strict=True)
                if part == HOLE
            )
            site = Site(rule, row, row + 1, merged, None, begin, finish)
            site.holes_agree = any(_holes(rule, support) == holes for support in rule.supports)
            yield site
        at = max(at + 1, finish)


def _holes(rule: TemplateRule, support: Support) -> tuple[tuple[str, ...], ...] | None:
    assert support.edit is not None
    tokens = support.edit.old.tokens
    for at in range(len(tokens)):
        places = fit_pattern(rule.pattern, tokens, at)
        if places is not None:
            pairs = zip(places, rule.pattern, strict=True)
            return tuple(tokens[low:high] for (low, high), part in pairs if part == HOLE)
    return None


def _merge_spans(
    spans: list[tuple[int, int, str]], line: Line
) -> tuple[tuple[int, int, str], ...] | None:
    """The spans in order; None where two of them overlap."""
    ordered = sorted(spans)
    for one, two in pairwise(ordered):
        if two[0] < one[1] or (two[0] == one[0] and two[1] == one[1]):
            return None
    return tuple(ordered)


def _find_blocks(page: Page, rule: BlockRule) -> list[Site] | None:
    sites: list[Site] = []
    lead = next(index for index, text in enumerate(rule.old) if text)
    lines = page.lines
    size = len(rule.old)
    rows = 0
    for hit in page.rows_with(rule.old[lead]):
        row = hit - lead
        if lines[hit].strip() != rule.old[lead] or row < 0 or row + size > len(lines):
            continue
        if any(lines[row + i].strip() != text for i, text in enumerate(rule.old)):
            continue
        rows += 1
        if rows > MAX_ROWS:
            return None
        site = _make_block_site(page, rule, row, lead)
        if site is not None:
            sites.append(site)
    return sites


def _make_block_site(page: Page, rule: BlockRule, row: int, lead: int) -> Site | None:
    lines = page.lines
    anchor = lines[row + lead]
    indent = anchor[: len(anchor) - len(anchor.lstrip())]
    above, below = rule.kept_above, rule.kept_below
    new = rule.new_lines[above : len(rule.new_lines) - below]
    placed: list[str] = []
    for text in new:
        if not text.strip():
            placed.append(text.strip(" \t"))
        elif text.startswith(rule.indent):
            placed.append(indent + text[len(rule.indent) :])
        else:
            return None
    start, end = row + above, row + len(rule.old) - below
    stripped = [text.strip() for text in new]
    if start == end:
        count = len(new)
        if any(
            [text.strip() for text in lines[at : at + count]] == stripped
            for at in (start, start - count)
            if at >= 0
        ):
            return None
    left, right = _agree_lines(lines, start, end, rule)
    same = indent == rule.indent
    site = Site(rule, start, end, (), tuple(placed), left=left, right=right)
    site.is_same_line = same
    return site


def _agree_lines(lines: Sequence[str], start: int, end: int, rule: Rule) -> tuple[int, int]:
    """How many lines above and below agree with those around an example, at most three each."""
    best = (0, 0)
    for support in rule.supports[-MAX_COMPARED:]:
        above, below = support.change.above[::-1], support.change.below
        left = right = 0
        while left < len(above) and start - 1 - left >= 0:
            if above[left].strip() != lines[start - 1 - left].strip():
                break
            left += 1
        while right < len(below) and end + right < len(lines):
            if below[right].strip() != lines[end + right].strip():
                break
            right += 1
        if left + right >= sum(best):
            best = (left, right)
    return best
