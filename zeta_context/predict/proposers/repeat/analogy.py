"""Carries an added text over to a line that has other names where the example had its own.

`append(buffer, name)` became `append(buffer, name, strlen(name))`: then `append(buffer, town)`
becomes `append(buffer, town, strlen(town))`. Knows nothing of where a rule fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zeta_context.predict.proposers.repeat.rules import LineRule, TemplateRule, WordRule
from zeta_context.predict.proposers.repeat.tokens import is_name

_WORD = re.compile(r"\w+")


def find_echoes(rule: LineRule) -> frozenset[str]:
    """The names that the rule adds and that stood in the line of every example as well.

    Two examples with other lines around the same added text have but their common names left, so
    that a name which does not follow the line is never taken for one that does.
    """
    if isinstance(rule, WordRule):
        return frozenset()
    cuts = [cut for _, _, cut in rule.cuts] if isinstance(rule, TemplateRule) else [rule]
    echoes = {token for cut in cuts for token in cut.added if is_name(token)}
    echoes.difference_update(token for cut in cuts for token in cut.removed)
    for support in rule.supports:
        if not echoes or support.edit is None:
            break
        echoes.intersection_update(support.edit.old.tokens)
    return frozenset(echoes)


def match_names(
    rule: LineRule, echoes: frozenset[str], tokens: Sequence[str]
) -> Mapping[str, str] | None:
    """Which of the `echoes` has another name in a line, by the latest example that is built alike.

    Empty where all are the same; None where no example's line is alike: the same marks, and names
    that stand for each other throughout.
    """
    for support in reversed(rule.supports):
        if support.edit is None or len(support.edit.old.tokens) != len(tokens):
            continue
        names = _pair_names(support.edit.old.tokens, tokens)
        if names is not None:
            return {name: names[name] for name in echoes if names[name] != name}
    return None


def _pair_names(old: Sequence[str], tokens: Sequence[str]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for one, two in zip(old, tokens, strict=True):
        if one != two and not (is_name(one) and is_name(two)):
            return None
        if names.setdefault(one, two) != two:
            return None
    return names


def rename(text: str, names: Mapping[str, str]) -> str:
    """The text with whole words replaced."""
    return _WORD.sub(lambda match: names.get(match[0], match[0]), text)
