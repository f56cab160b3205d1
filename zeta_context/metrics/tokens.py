"""Texts as the tokens that the reference pipeline compares them by.

Knows nothing of any language: words, runs of blanks and operators look alike everywhere.
"""

from __future__ import annotations

import re

_OPERATORS = (
    *(">>>=", "<<=", ">>=", "...", "..=", "??=", "**=", ">>>", "::", "->", "=>", "==", "!="),
    *("<=", ">=", "&&", "||", "<<", ">>", "..", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="),
    *("++", "--", "**", "??", "?.", ":=", "<-", "//", "/*", "*/"),
)
"""The longest first."""

_TOKEN = re.compile(
    rf"[^\W]+|[\n\r]+|[^\S\n\r]+|{'|'.join(re.escape(one) for one in _OPERATORS)}|.", re.DOTALL
)
_SUBWORD = re.compile(
    r"_+"
    r"|[^\W_]+?(?=_|\Z"
    r"|(?<=[^\W_A-Z])(?=[A-Z])"
    r"|(?<=[A-Z])(?=[A-Z][a-z]))"
)


def split_units(text: str) -> list[str]:
    """Whole identifiers, runs of line ends, runs of blanks, operators, single characters."""
    return _TOKEN.findall(text)


def split_tokens(text: str) -> list[str]:
    """The same with identifiers parted: `myHTTPServer_v2` is `my`, `HTTP`, `Server`, `_`, `v2`."""
    tokens: list[str] = []
    for unit in split_units(text):
        if unit[0].isalnum() or unit[0] == "_":
            tokens += _SUBWORD.findall(unit)
        else:
            tokens.append(unit)
    return tokens
