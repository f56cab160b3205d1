"""The words of a licence file, as they are compared: without case, layout and punctuation.

Refuses what is not plain text, and marks that take text back. Knows no licence. Digests of words
stand for words in the compiled fingerprints.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

MAX_BYTES = 65_536
"""Files above this are no licence files of the kinds that are accepted (the longest has 12 KB)."""

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u2032\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\f\t", " "),
        "\u2022": "*",
        "\u00b7": "*",
    }
)
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&copy;": "\u00a9", "&amp;": "&"}
_TAKEN_BACK = re.compile(r"~~|<!--|-->|</?(?:del|s|strike|details|template)\b", re.IGNORECASE)
_HARMLESS_COMMENT = re.compile(
    r"<!--\s*(?:/?LICENSE(?:FILE)?/?|prettier-ignore|"
    r"This file is automatically added by [@\w/-]{1,60}\. Do not edit\.)\s*-->"
)
_TAGS = re.compile(r"</?(?:p|br|pre|b|i|em|strong|h[1-6])\s*/?>", re.IGNORECASE)
_COMMENT_MARK = re.compile(r"(?m)^[ \t]*(?://+|/\*+|\*+/|\*(?= |$)|#+|;+|%+|>+|--(?= ))[ \t]?")
_ENUMERATOR = re.compile(
    r"(?m)^[ ]*(?:[0-9]{1,2}[.)]|[a-z][.)])(?=\s)|\((?:[0-9]{1,2}|[a-z]|[ivx]+)\)", re.IGNORECASE
)
_SCHEME = re.compile(r"\bhttps?://", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")

_SPELLINGS = {
    ("non", "infringement"): "noninfringement",
    ("sub", "license"): "sublicense",
    ("merchant", "ability"): "merchantability",
}
_SAME = {"licence": "license", "licences": "licenses", "sublicence": "sublicense"}


class NotPlainText(ValueError):
    """Bytes that are no text, or text that does not say what it shows."""


def decode_text(content: bytes) -> str:
    """The text of a licence file, with plain quotes, dashes, spaces and line ends.

    UTF-8, or Windows-1252 as a last resort. Raises NotPlainText for control characters, invisible
    ones and those that change direction, and for marks that strike text out.
    """
    if len(content) > MAX_BYTES:
        raise NotPlainText("it is too large")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise NotPlainText("it is no text") from None
    text = text.replace("\r\n", "\n").translate(_PLAIN)
    for character in set(text):
        if character != "\n" and unicodedata.category(character)[0] == "C":
            raise NotPlainText("it holds an invisible or control character")
        if unicodedata.category(character)[0] == "M":
            raise NotPlainText("it holds a combining character")
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    text = _HARMLESS_COMMENT.sub("", text)
    if _TAKEN_BACK.search(text):
        raise NotPlainText("it holds marks that take text back")
    return _COMMENT_MARK.sub("", _TAGS.sub(" ", text))


class Word(NamedTuple):
    """A word as it is compared, and where it stands in the text."""

    text: str
    start: int
    end: int


def find_words(text: str, *, limit: int = MAX_BYTES) -> list[Word]:
    """The words, in lower case, without enumerators; some spellings are made one.

    Stops after `limit` words.
    """
    plain = _SCHEME.sub(_blank, _ENUMERATOR.sub(_blank, text))
    found: list[Word] = []
    for match in islice(_WORD.finditer(plain), limit):
        word = match.group().lower()
        word = _SAME.get(word, word)
        joined = _SPELLINGS.get((found[-1].text, word)) if found else None
        if joined:
            found[-1] = Word(joined, found[-1].start, match.end())
        else:
            found.append(Word(word, match.start(), match.end()))
    return found


def split_words(text: str) -> list[str]:
    """The words alone."""
    return [word.text for word in find_words(text)]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


@lru_cache(maxsize=16_384)
def digest_word(word: str) -> int:
    """Eight bytes that stand for a word."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=16_384)
def digest_word_short(word: str) -> int:
    """Three bytes that stand for a word, where taking another for it does no harm."""
    return digest_word(word) >> 40
