"""Git's glob patterns, turned into regular expressions that match in linear time.

Follows what gitignore(5) says and what git's matcher does beyond it: a pattern's literal beginning
is compared first, so that `a**/b` finds `ab`, and a malformed pattern matches nothing. Works on
bytes, as git does. Knows nothing of files of patterns or of what a match means.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

_SPECIAL = frozenset(b"*?[\\")
_SLASH = ord("/")
_ANY = rb"(?s:.)*"
_SPACES = frozenset(b" \t\n\r")
_PRINTED = frozenset(range(0x20, 0x7F))

_CLASSES: dict[bytes, frozenset[int]] = {
    b"alnum": frozenset((string.ascii_letters + string.digits).encode()),
    b"alpha": frozenset(string.ascii_letters.encode()),
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset((*range(0x20), 0x7F)) - _SPACES,
    b"digit": frozenset(string.digits.encode()),
    b"graph": _PRINTED - _SPACES,
    b"lower": frozenset(string.ascii_lowercase.encode()),
    b"print": _PRINTED,
    b"punct": frozenset(string.punctuation.encode()),
    b"space": _SPACES,
    b"upper": frozenset(string.ascii_uppercase.encode()),
    b"xdigit": frozenset(string.hexdigits.encode()),
}
"""Git's own tables of characters, in which vertical tab and form feed are no spaces."""


class NeverMatches(ValueError):
    """The glob is malformed: git, too, takes it as one that matches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glob:
    """A glob as a literal beginning and a compiled expression for the rest (None: no rest)."""

    literal: bytes
    rest: Any | None

    def matches(self, name: bytes) -> bool:
        """Whether the glob is all of `name`."""
        if self.rest is None:
            return name == self.literal
        return (
            name.startswith(self.literal)
            and self.rest.fullmatch(name, len(self.literal)) is not None
        )


def parse_glob(
    pattern: bytes, *, crosses_slashes: bool = False, ignores_case: bool = False
) -> Glob:
    """The glob that a pattern is; raises NeverMatches for one that is malformed or far too large.

    `crosses_slashes` is how git matches a file's name alone, where a star is any run of bytes.
    With `ignores_case` it is to be given names in ASCII lower case.
    """
    at = next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))
    literal = pattern[:at].lower() if ignores_case else pattern[:at]
    if at == len(pattern):
        return Glob(literal=literal, rest=None)
    expression = translate_glob(
        pattern[at:], crosses_slashes=crosses_slashes, ignores_case=ignores_case
    )
    import re2  # type: ignore[import-untyped]

    try:
        return Glob(literal=literal, rest=re2.compile(expression, _byte_options()))
    except re2.error:
        raise NeverMatches("too large an expression") from None


def translate_glob(
    pattern: bytes, *, crosses_slashes: bool = False, ignores_case: bool = False
) -> bytes:
    """The regular expression of a whole glob, in RE2's syntax over Latin-1."""
    pieces: list[bytes] = []
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        if byte == ord("*"):
            piece, at = _translate_stars(pattern, at, crosses_slashes)
            # A run of `**/` says no more than one, and would make the expression long.
            if not (pieces and piece == pieces[-1]):
                pieces.append(piece)
            continue
        members = frozenset(bytes((byte,)).lower() if ignores_case else (byte,))
        if byte == ord("?"):
            members = frozenset(range(256)) - {_SLASH}
        elif byte == ord("["):
            members, at = _parse_set(pattern, at, ignores_case)
        elif byte == ord("\\"):
            at += 1
            members = frozenset((_byte(pattern, at),))
        pieces.append(_render_set(members))
        at += 1
    return b"".join(pieces)


@cache
def _byte_options() -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = True
    return options


def _translate_stars(pattern: bytes, start: int, crosses_slashes: bool) -> tuple[bytes, int]:
    """The expression of a run of stars, and where it ends (after the slash that belongs to it)."""
    at = start
    while at < len(pattern) and pattern[at] == ord("*"):
        at += 1
    if crosses_slashes:
        return _ANY, at
    follows = pattern[at : at + 2]
    begins = start == 0 or pattern[start - 1] == _SLASH
    ends = not follows or follows[:1] == b"/" or follows == b"\\/"
    if at - start == 1 or not begins or not ends:
        return rb"[^/]*", at
    if follows[:1] == b"/":
        return rb"(?:(?s:.)*/)?", at + 1
    return _ANY, at


def _parse_set(pattern: bytes, start: int, ignores_case: bool) -> tuple[frozenset[int], int]:
    """The bytes that a bracket matches, never a slash, and where its closing bracket is.

    Without regard to case git takes ranges and classes in both cases, single members as they are.
    """
    at = start + 1
    is_negated = pattern[at : at + 1] in (b"!", b"^")
    first = at = at + is_negated
    members: set[int] = set()
    previous: int | None = None
    while at == first or pattern[at : at + 1] != b"]":
        byte = _byte(pattern, at)
        following = pattern[at + 1 : at + 2]
        if byte == ord("-") and previous and following not in (b"", b"]"):
            at += 1 if following != b"\\" else 2
            members |= _with_lower(range(previous, _byte(pattern, at) + 1), ignores_case)
            previous = None
        elif byte == ord("[") and following == b":" and (end := _class_end(pattern, at)):
            name = pattern[at + 2 : end - 1]
            if name not in _CLASSES:
                raise NeverMatches("an unknown class of characters")
            members |= _with_lower(_CLASSES[name], ignores_case)
            previous, at = None, end
        else:
            if byte == ord("\\"):
                at += 1
                byte = _byte(pattern, at)
            members.add(byte)
            previous = byte
        at += 1
    return frozenset(set(range(256)) - members if is_negated else members) - {_SLASH}, at


def _with_lower(members: Iterable[int], ignores_case: bool) -> set[int]:
    found = bytes(members)
    return {*found, *found.lower()} if ignores_case else set(found)


def _class_end(pattern: bytes, at: int) -> int | None:
    """Where a class such as `[:alpha:]` ends; None when it is no class but single characters."""
    end = pattern.find(b"]", at + 2)
    if end < 0:
        raise NeverMatches("a bracket that is not closed")
    return end if end > at + 2 and pattern[end - 1] == ord(":") else None


def _byte(pattern: bytes, at: int) -> int:
    if at >= len(pattern):
        raise NeverMatches("it ends in the middle")
    return pattern[at]


def _render_set(members: frozenset[int]) -> bytes:
    if not members:
        raise NeverMatches("a set without members")
    ranges: list[list[int]] = []
    for byte in sorted(members):
        if ranges and byte == ranges[-1][1] + 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    return b"[" + b"".join(b"\\x%02x-\\x%02x" % (low, high) for low, high in ranges) + b"]"
