"""Decides which rules may leave the file in which they were learnt.

What is local to one function says nothing about another file, however often it was repeated. No
benchmark of single files shows how much this matters; recorded sessions do. Knows nothing of
confidence.
"""

from __future__ import annotations

from zeta_context.predict.proposers.repeat.rules import AnyRule, Support, TokenRule, WordRule
from zeta_context.predict.proposers.repeat.tokens import is_name, read_line

MIN_EXAMPLES = 2
MIN_NAME_LENGTH = 4

_DECLARERS = frozenset(
    {"class", "const", "def", "define", "enum", "fn", "fun", "func", "function", "import"}
    | {"interface", "mod", "module", "namespace", "object", "package", "protocol", "record"}
    | {"static", "struct", "trait", "type", "union", "val"}
)


def is_foreign(rule: AnyRule) -> bool:
    """Whether all that taught the rule was done in other files."""
    return all(support.change.row < 0 for support in rule.supports)


def may_travel(rule: AnyRule) -> bool:
    """Whether a rule may be applied in a file in which nothing taught it.

    It must have been followed twice and hold a name of some length; and a name that it takes away
    must have been renamed where it is declared for others to use: after `def`, `class`, `import`
    and the like, as a field, or at the top level of a file.
    """
    if not isinstance(rule, TokenRule | WordRule):
        return False
    if len({id(support.change) for support in rule.supports}) < MIN_EXAMPLES:
        return False
    taken = [token for token in rule.removed if is_name(token)]
    if taken:
        is_named = max(map(len, taken)) >= MIN_NAME_LENGTH
        return is_named and any(map(_is_declared, rule.supports))
    beside = (*rule.left, *rule.right) if isinstance(rule, TokenRule) else ()
    return any(is_name(token) and len(token) >= MIN_NAME_LENGTH for token in beside)


def _is_declared(support: Support) -> bool:
    """Whether the example's name was declared in its line for others to use."""
    if support.edit is None:
        return False
    tokens = support.edit.old.tokens
    start, end = support.start, support.end
    if start and tokens[start - 1] in _DECLARERS:
        return True
    if start != 0 or end >= len(tokens):
        return False
    if tokens[end] == ":":
        return True
    is_top_level = any(
        line == line.lstrip() and read_line(line).tokens == tokens for line in support.change.old
    )
    return is_top_level and tokens[end] == "="
