"""Rules that replace several parts of a line at once, whatever stands between them.

Knows nothing of where they fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zeta_context.predict.proposers.repeat.rules import (
    HOLE,
    LineEdit,
    TemplateRule,
    TokenRule,
    make_token_rule,
)
from zeta_context.predict.proposers.repeat.tokens import is_name, is_word

MAX_HOLE_TOKENS = 40

_OPEN = {"(": ")", "[": "]", "{": "}"}
_CLOSING = {")": "(", "]": "[", "}": "{"}


def make_template_rules(edit: LineEdit) -> Iterator[TemplateRule]:
    """Literal: what changed, with the marks around insertions; holes: what lies between.

    Of what changed in the brackets of a call there is a second one, in which all of the call's
    commas are literal, so that the place of an argument counts.
    """
    tokens, segments = edit.old.tokens, edit.segments
    literal: set[int] = set()
    for segment in segments:
        literal.update(range(segment.start, segment.end))
        if segment.start == segment.end:
            literal.update(_anchors(tokens, segment.start))
    if not literal:
        return
    opening = _find_head(tokens, min(literal))
    if opening is not None:
        literal.update(range(opening[0], opening[1] + 1))
        marks = _find_commas(tokens, opening[1])
        if marks and marks[-1] >= max(literal):
            call = _make_template(edit, literal.union(marks))
            if call is not None:
                yield call
    template = _make_template(edit, literal)
    if template is not None:
        yield template


def _make_template(edit: LineEdit, literal: set[int]) -> TemplateRule | None:
    tokens = edit.old.tokens
    first, last = min(literal), max(literal)
    if last - first > 80:
        return None
    pattern: list[str] = []
    place: dict[int, int] = {}
    for index in range(first, last + 1):
        if index in literal:
            place[index] = len(pattern)
            pattern.append(tokens[index])
        elif not pattern or pattern[-1] != HOLE:
            place[index] = len(pattern)
            pattern.append(HOLE)
    if HOLE not in pattern:
        return None
    cuts: list[tuple[int, int, TokenRule]] = []
    for segment in edit.segments:
        if segment.end > segment.start:
            start, end = place[segment.start], place[segment.end - 1] + 1
        else:
            start = end = place.get(segment.start, len(pattern))
        cuts.append((start, end, make_token_rule(edit, segment, 0, 0)))
    rule = TemplateRule(pattern=tuple(pattern), cuts=tuple(cuts))
    return rule if _is_true_to(rule, edit, first) else None


def _is_true_to(rule: TemplateRule, edit: LineEdit, first: int) -> bool:
    """Whether the rule, laid at its own example, cuts where the example was cut."""
    places = fit_pattern(rule.pattern, edit.old.tokens, first)
    if places is None:
        return False
    places.append((places[-1][1], places[-1][1]))
    return all(
        places[start][0] == segment.start and (start == end or places[end - 1][1] == segment.end)
        for (start, end, _), segment in zip(rule.cuts, edit.segments, strict=True)
    )


def _anchors(tokens: Sequence[str], at: int) -> list[int]:
    """The tokens next to an insertion that hold it: marks, or else the word before or after."""
    beside = [index for index in (at - 1, at) if 0 <= index < len(tokens)]
    return [index for index in beside if not is_word(tokens[index])] or beside[:1]


def _find_head(tokens: Sequence[str], index: int) -> tuple[int, int] | None:
    """The name and bracket that enclose token `index`: `(start, bracket)`."""
    depth = 0
    for at in range(index - 1, -1, -1):
        token = tokens[at]
        if token in _CLOSING:
            depth += 1
        elif token in "([{":
            if not depth:
                return (at - 1, at) if at and is_name(tokens[at - 1]) else None
            depth -= 1
    return None


def _find_commas(tokens: Sequence[str], opening: int) -> list[int]:
    """The commas of the bracket that opens at token `opening`, and where it closes; none if not."""
    depth = 0
    commas: list[int] = []
    for at in range(opening + 1, len(tokens)):
        token = tokens[at]
        if token in "([{":
            depth += 1
        elif token in _CLOSING:
            if not depth:
                return [*commas, at]
            depth -= 1
        elif token == "," and not depth:
            commas.append(at)
    return []


def fit_pattern(
    pattern: tuple[str, ...], tokens: tuple[str, ...], at: int
) -> list[tuple[int, int]] | None:
    """The token range of each part of `pattern` laid at token `at`; holes are balanced, short."""
    places: list[tuple[int, int]] = []
    for index, part in enumerate(pattern):
        if part != HOLE:
            if at >= len(tokens) or tokens[at] != part:
                return None
            places.append((at, at + 1))
            at += 1
            continue
        if index + 1 == len(pattern):
            return None
        stop = _end_of_hole(tokens, at, pattern[index + 1])
        if stop is None:
            return None
        places.append((at, stop))
        at = stop
    return places


def _end_of_hole(tokens: tuple[str, ...], start: int, until: str) -> int | None:
    closers: list[str] = []
    for at in range(start, min(len(tokens), start + MAX_HOLE_TOKENS)):
        token = tokens[at]
        if not closers and token == until and at > start:
            return at
        if token in _OPEN:
            closers.append(_OPEN[token])
        elif token in ")]}" and (not closers or closers.pop() != token):
            return None
    return None
