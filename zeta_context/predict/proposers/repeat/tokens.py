"""Lines as tokens: words, single marks, and the gaps of white space between them.

Knows nothing of any language's grammar: a word is what `\\w+` matches, every other visible
character is a token of its own, so that one tokenisation serves code, comments and prose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"\w+|[^\w\s]")
SUBWORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_]+")
_COMMENT = re.compile(r"^\s*(?:#|//|/\*|\*|--|;)|(?:^|\s)(?:#|//)(?:\s|$|!)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its ending: token `i` is `text[starts[i]:ends[i]]`."""

    text: str
    tokens: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def indent(self) -> str:
        """The white space before the first token."""
        return self.text[: self.starts[0]] if self.starts else ""

    def left_end(self, index: int) -> int:
        """Where the token before `index` ends; before the first token, where that one starts."""
        if index:
            return self.ends[index - 1]
        return self.starts[0] if self.starts else len(self.text)

    def right_start(self, index: int) -> int:
        """Where token `index` starts; after the last token, where that one ends."""
        if index < len(self.starts):
            return self.starts[index]
        return self.ends[-1] if self.ends else len(self.text)


@lru_cache(maxsize=32_768)
def read_line(text: str) -> Line:
    """The tokens of a line (without its ending)."""
    matches = list(_TOKEN.finditer(text))
    return Line(
        text,
        tuple(match.group() for match in matches),
        tuple(match.start() for match in matches),
        tuple(match.end() for match in matches),
    )


def is_word(token: str) -> bool:
    """Whether a token is a word rather than a mark."""
    return token[0].isalnum() or token[0] == "_"


def is_name(token: str) -> bool:
    """Whether a token could be an identifier or keyword: a word that is no number."""
    return is_word(token) and not token[0].isdigit()


def has_word(tokens: tuple[str, ...]) -> bool:
    """Whether any token is a word."""
    return any(map(is_word, tokens))


@lru_cache(maxsize=8_192)
def split_words(word: str) -> tuple[str, ...]:
    """The parts of a compound word: `user_id`, `userId` and `UserID` all give two."""
    return tuple(SUBWORD.findall(word))


def comment_start(text: str) -> int:
    """The offset from which a line is a comment, as far as one line can tell; its length if not."""
    match = _COMMENT.search(text)
    return match.start() if match else len(text)


def is_quoted(text: str, offset: int) -> bool:
    """Whether `offset` lies in a string literal that starts in this line."""
    quote = ""
    previous = ""
    for char in text[:offset]:
        if quote:
            if char == quote and previous != "\\":
                quote = ""
        elif char in "\"'`" and not (char == "'" and (previous.isalnum() or previous in "<&")):
            quote = char
        previous = char
    return bool(quote)


_DEFINERS = frozenset(
    {"def", "class", "func", "fn", "function", "let", "const", "var", "type", "struct", "enum"}
    | {"interface", "mod", "static", "import", "as", "for", "mut", "package", "trait", "define"}
    | {"val", "fun", "record", "union", "namespace", "module", "object", "protocol"}
)
_NO_TYPES = frozenset(
    {"return", "in", "not", "and", "or", "is", "else", "await", "new", "delete", "throw", "yield"}
    | {"case", "goto", "raise", "assert", "del", "if", "elif", "while", "typeof", "instanceof"}
    | {"do", "print", "from", "with", "match", "when", "unless", "of", "then", "end", "echo"}
    | {"using", "global", "nonlocal", "extends", "implements", "lambda", "move", "async", "go"}
    | {"defer", "select", "where", "by", "on", "except", "catch", "try", "puts", "require", "use"}
)
_ROUTINES = frozenset({"def", "func", "fn", "function", "async", "pub", "public", "private"})


def is_defining(tokens: Sequence[str], start: int, end: int) -> bool:
    """Whether tokens `start`..`end` look like the place where a name gets its meaning.

    That is after a keyword such as `def` or `let`, after a type (`int size;`), before a lone `=`
    or `:=`, or among the parameters of a routine, as far as one line can tell.
    """
    if start and tokens[start - 1] in _DEFINERS:
        return True
    if start and is_name(tokens[start - 1]) and tokens[start - 1] not in _NO_TYPES:
        return tokens[end : end + 1] in ((";",), ("=",), (",",), (")",), ("[",), ("(",))
    one, two = (*tokens[end : end + 2], "", "")[:2]
    if (one == "=" and two not in ("=", ">")) or (one == ":" and two == "="):
        head = start
        while head > 1 and tokens[head - 1] == ".":
            head -= 2
        return head == 0
    if tokens[0] in _ROUTINES and start:
        return tokens[start - 1] in ("(", ",", "*") and (
            one in (",", ")", ":", "=") or is_word(one or ".")
        )
    return start == 0 and one == ":" and two != ":"


def diff_ends(old: Sequence[str], new: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both sides without the tokens that they have in common at either end."""
    limit = min(len(old), len(new))
    head = tail = 0
    while head < limit and old[head] == new[head]:
        head += 1
    while tail < limit - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return tuple(old[head : len(old) - tail]), tuple(new[head : len(new) - tail])
