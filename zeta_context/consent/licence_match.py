"""Tells which accepted licence a text is, all of it, and says where it departs when it is none.

Compares the words of the whole file with compiled fingerprints (see `tools/compile_licences.py`):
what stands around the licence must be titles and copyright notices, and inside it only the known
wordings may differ. Knows nothing of files or repositories.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from zeta_context.consent.licence_lines import (
    find_names,
    is_address_line,
    is_copyright_line,
    is_known_name,
    is_name,
    is_rights_line,
    is_title_line,
)
from zeta_context.consent.licence_text import NotPlainText, decode_text, digest_word, find_words

_MAX_AROUND = 60
_EXCERPT_WORDS = 12
_OPENING_WORDS = 3
MAX_WORDS = 2500
"""The longest licence has some 1,700."""

Wording = tuple["tuple[int, ...] | int", ...]
"""Fixed words (digests), and lengths of names (negative: of whole notices), in order."""

Element = tuple[Wording, ...]
"""Several wordings of one place; a single one is fixed text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One licence: its elements in order, and after them parts that may each be missing."""

    name: str
    elements: tuple[Element, ...]
    optional: tuple[tuple[Element, ...], ...]

    @property
    def opening(self) -> tuple[int, ...]:
        """The first words, which are always the same."""
        first = self.elements[0][0][0]
        return first[:_OPENING_WORDS] if isinstance(first, tuple) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVerdict:
    """Which licence a text is; empty for none, with the reason and the words where it departs."""

    licence: str
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The compiled licences, and the words that licences are written with."""

    licences: tuple[Reference, ...]
    vocabulary: frozenset[int]
    version: str


@lru_cache(maxsize=64)
def match_text(content: bytes) -> TextVerdict:
    """Which accepted licence the bytes of a file are."""
    try:
        text = _Text(decode_text(content))
    except NotPlainText as problem:
        return TextVerdict(licence="", reason="not_plain_text", excerpt=str(problem))
    if not text.digests:
        return TextVerdict(licence="", reason="empty")
    if len(text.digests) > MAX_WORDS:
        return TextVerdict(licence="", reason="unknown_text", excerpt="longer than any licence")
    references = load_references()
    for reference in references.licences:
        if _is_all(text, reference, references.vocabulary):
            return TextVerdict(licence=reference.name, reason="accepted")
    at = max(0, text.furthest - 2)
    quoted = " ".join(text.quote(at, at + _EXCERPT_WORDS).split())
    return TextVerdict(licence="", reason="unknown_text", excerpt=quoted)


@cache
def load_references() -> References:
    """The compiled licences of this package."""
    content = files("zeta_context.consent").joinpath("licence_fingerprints.json").read_bytes()
    table = json.loads(content)
    words = _unpack("Q", table["words"])
    licences = tuple(
        Reference(
            name=name.partition("#")[0],
            elements=tuple(_element(one, words) for one in parts[0]),
            optional=tuple(tuple(_element(one, words) for one in part) for part in parts[1:]),
        )
        for name, parts in sorted(table["licences"].items())
    )
    short = base64.b64decode(table["vocabulary"])
    numbers = (int.from_bytes(short[at : at + 3], "big") for at in range(0, len(short), 3))
    return References(
        licences=licences,
        vocabulary=frozenset(numbers),
        version=f"{digest_word(content.decode()):016x}",
    )


class _Text:
    """The words of a text, as they are and digested, and how far they were found to match."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = find_words(text, limit=MAX_WORDS + 1)
        self.digests = tuple(digest_word(word.text) for word in self._words)
        self.furthest = 0
        self.names: frozenset[str] = frozenset()

    def quote(self, start: int, end: int) -> str:
        """Some words as they stand in the text, with what is between them."""
        found = self._words[start:end]
        return self._text[found[0].start : found[-1].end] if found else ""

    def lines_before(self, at: int) -> list[str]:
        """The lines before a word; the last one is what stands before it in its own line."""
        return self._text[: self._words[at].start].split("\n")

    def lines_after(self, at: int) -> list[str]:
        """The lines after a word; the first one is what follows it in its own line."""
        return self._text[self._words[at - 1].end :].split("\n")

    def find(self, words: tuple[int, ...]) -> Iterator[int]:
        """Where some words stand together."""
        at = -1
        while True:
            try:
                at = self.digests.index(words[0], at + 1)
            except ValueError:
                return
            if self.digests[at : at + len(words)] == words:
                yield at


def _is_all(text: _Text, reference: Reference, vocabulary: Container[int]) -> bool:
    """Whether the text is the licence, with nothing around it but titles and notices."""
    start = next(text.find(reference.opening), None)
    if start is None:
        return False
    head = text.lines_before(start)
    if not _is_head(head, reference.name, vocabulary):
        return False
    text.names = find_names(head)
    ends = _match_all(text, {start}, reference.elements, vocabulary)
    for part in reference.optional:
        ends = ends | _match_all(text, ends, part, vocabulary)
    return any(_is_tail(text.lines_after(end), reference.name, vocabulary) for end in ends)


def _is_head(lines: list[str], licence: str, vocabulary: Container[int]) -> bool:
    has_notice = False
    if sum(map(bool, lines)) > _MAX_AROUND:
        return False
    for line in _join_continued(lines):
        if is_copyright_line(line, licence, vocabulary):
            has_notice = True
        elif not is_title_line(line, licence) and not (
            has_notice and (is_rights_line(line) or is_address_line(line, vocabulary))
        ):
            return False
    return True


def _join_continued(lines: list[str]) -> Iterator[str]:
    """The lines, one that ends in a comma or an `and` together with the next."""
    held = ""
    for line in lines:
        joined = f"{held} {line.strip()}" if held else line
        held = joined if line.rstrip().endswith((",", " and", "&")) else ""
        if not held:
            yield joined
    if held:
        yield held


def _is_tail(lines: list[str], licence: str, vocabulary: Container[int]) -> bool:
    return sum(map(bool, lines)) <= _MAX_AROUND and all(
        is_title_line(line, licence)
        or is_copyright_line(line, licence, vocabulary)
        or is_address_line(line, vocabulary)
        for line in lines
    )


def _match_all(
    text: _Text, starts: set[int], elements: Sequence[Element], vocabulary: Container[int]
) -> set[int]:
    for element in elements:
        starts = {
            end
            for start in starts
            for wording in element
            for end in _match_wording(text, start, wording, vocabulary)
        }
        if not starts:
            return set()
    return starts


def _match_wording(
    text: _Text, start: int, wording: Wording, vocabulary: Container[int]
) -> set[int]:
    ends = {start}
    for part in wording:
        if isinstance(part, int):
            ends = {end for at in ends for end in _name_ends(text, at, part, vocabulary)}
        else:
            ends = {at + len(part) for at in ends if _has(text, at, part)}
    return ends


def _has(text: _Text, at: int, part: tuple[int, ...]) -> bool:
    found = text.digests[at : at + len(part)]
    if found == part:
        text.furthest = max(text.furthest, at + len(part))
        return True
    same = next(
        (n for n, (a, b) in enumerate(zip(found, part, strict=False)) if a != b), len(found)
    )
    text.furthest = max(text.furthest, at + same)
    return False


def _name_ends(text: _Text, at: int, most: int, vocabulary: Container[int]) -> set[int]:
    """Where a name may end; a whole notice when `most` is negative."""
    ends = set()
    for end in range(at + 1, min(at + abs(most), len(text.digests)) + 1):
        quoted = text.quote(at, end)
        if is_known_name(quoted, text.names) if most > 0 else is_name(quoted, vocabulary):
            ends.add(end)
    return ends


def _element(compiled: object, words: tuple[int, ...]) -> Element:
    if isinstance(compiled, str):
        return ((_fixed(compiled, words),),)
    assert isinstance(compiled, list)
    return tuple(
        tuple(part if isinstance(part, int) else _fixed(part, words) for part in wording)
        for wording in compiled
    )


def _fixed(packed: str, words: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(words[n] for n in _unpack("H", packed))


def _unpack(kind: str, packed: str) -> tuple[int, ...]:
    data = base64.b64decode(packed)
    return struct.unpack(f">{len(data) // struct.calcsize(kind)}{kind}", data)
