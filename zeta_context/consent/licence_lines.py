"""Lines around a licence's text that say nothing of what is allowed: titles, copyright notices.

A copyright notice holds years and names. It is refused as soon as it could say more: by the words
that licences are written with, by words that forbid in several languages, by a second sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator

from zeta_context.consent.licence_text import digest_word_short, split_words
from zeta_context.consent.licence_words import (
    ABBREVIATIONS,
    ANY_TITLE,
    BEFORE_NOTICE,
    FORBIDDING,
    FORBIDDING_ADDRESS,
    NAMING,
    TITLES,
)

MAX_NAME_WORDS = 16
MAX_LINE = 300
_MAX_BORROWED = 2
_MAX_NICKNAME_WORDS = 2
_ADDRESS_WORD = "QADDRESSQ"
"""Stands for mail and web addresses."""

_MAX_ADDRESSES = 4

_COPYRIGHT = re.compile(
    r"^(?P<before>[^©]{0,80}?)(?:\b(?:copyright|copyrights|copr)\b|\(c\)|©)", re.IGNORECASE
)
_BASED_ON = re.compile(r"based on [a-z-]+\.js,? *", re.IGNORECASE)
_ADDRESS = re.compile(r"[<(\[]?\b[\w.+-]+(?:@| at | \[at\] )[\w-]+(?:\.[\w-]+)+[>)\]]?")
_URL = re.compile(r"[<(\[]?\b(?:https?://|www\.)[^\s<>()\[\],;]+[>)\]]?")
_BARE_URL = re.compile(
    r"[<(\[]?\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|dev|me|de|fr)(?:/[^\s<>()\[\],;]*)?[>)\]]?",
    re.IGNORECASE,
)
_RIGHTS = re.compile(r"\ball rights reserved\b[.!]?", re.IGNORECASE)
_HARMLESS = re.compile(
    r"\ball rights reserved\b[.!]?|\bindividual contributors\b|\bwith contributions from\b"
    r"|\bto the [\w.-]+ project\b"
    r"|\(?,?\s*\b(?:see|as listed in)(?: the)? (?:AUTHORS|CONTRIBUTORS)"
    r"(?:\.\w{1,4})?(?: file)?\b\)?",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<!\w)(?:@[\w-]+|@?(?=[\w./-]*[a-z])[a-z0-9]+(?:[-_./][a-z0-9]+)+)(?!\w)")
_SENTENCE_END = re.compile(r"([^\W_]+)\s*[.!?;:](?=\s+[^\W_])")
_TOP_LEVEL = re.compile(r"\.[a-z]+[^a-z]*$", re.IGNORECASE)
_ONE_HANDLE = re.compile(
    r"(?:the )?[a-z0-9_.@/-]+(?: (?:project|module))?", re.IGNORECASE | re.ASCII
)
_YEARS = re.compile(r"\b\d{4}\b")
_NICKNAME = re.compile(r"\(@?[\w-]+\)")
_BETWEEN_NAMES = re.compile(
    rf"[,;/&()<>\[\]|\"]| - |--|\band\b|\bby\b|\bcopyright\b|©|{_ADDRESS_WORD}", re.IGNORECASE
)
_LETTERS = re.compile(r"[^\W\d_][^\W_]*(?:'[^\W\d_]+)?")
_INTRODUCTION = re.compile(
    r"^this is | full text below$"
    r"|^(?:this |the )?(?:(?:software|project|library|package|module|code|program|work) )?(?:is )?"
    r"(?:released|licensed|distributed|available|made available|provided) under "
    r"(?:the terms of )?"
)
_MODULE = re.compile(r"\s*Node module: ([a-z0-9.@/-]{1,60})\s*")
_TAG = re.compile(r"^\W*SPDX-License-Identifier:\s*(\S+)\W*$", re.IGNORECASE)


def is_copyright_line(line: str, licence: str, vocabulary: Container[int]) -> bool:
    """Whether a line is a copyright notice and nothing else, but for a title before it."""
    notice = _COPYRIGHT.match(line) if len(line) <= MAX_LINE else None
    if notice is None:
        return False
    before = notice["before"]
    is_plain = (
        " ".join(split_words(before)) in BEFORE_NOTICE
        or is_title_line(before, licence)
        or bool(_BASED_ON.fullmatch(before))
    )
    return is_plain and is_name(line[notice.end("before") :], vocabulary)


def is_address_line(line: str, vocabulary: Container[int]) -> bool:
    """Whether a line is a name with its address, or addresses alone, as go on with a notice."""
    if len(line) > MAX_LINE:
        return False
    name, address, rest = _without_addresses(line)[0].partition(_ADDRESS_WORD)
    if not address or _LETTERS.search(rest.replace(_ADDRESS_WORD, "")):
        return False
    has_plain = any(word.islower() and word not in NAMING for word in _LETTERS.findall(name))
    return not has_plain and is_name(line, vocabulary)


def is_rights_line(line: str) -> bool:
    """Whether a line says `All rights reserved` alone, as belongs to the notice before it."""
    return bool(_RIGHTS.fullmatch(line.strip(" *.")))


def is_title_line(line: str, licence: str) -> bool:
    """Whether a line is one of the licence's titles, its tag, or only decoration."""
    if len(line) > MAX_LINE:
        return False
    module = _MODULE.fullmatch(line)
    if module:
        return FORBIDDING.isdisjoint(re.split(r"[\W_]+", module.group(1).lower()))
    tag = _TAG.match(line)
    if tag:
        return tag.group(1) == licence
    words = _INTRODUCTION.sub("", " ".join(split_words(line)))
    return not words or words in TITLES[licence] or words in ANY_TITLE


def find_names(lines: Iterable[str]) -> frozenset[str]:
    """The words of notices and titles, of which names in the midst of a licence are made."""
    return frozenset(_fold(word) for line in lines for word in _LETTERS.findall(line))


def is_known_name(text: str, known: frozenset[str]) -> bool:
    """Whether words in the midst of a licence repeat a name of its notices, or are one handle."""
    if len(text) > MAX_LINE:
        return False
    if _ONE_HANDLE.fullmatch(text):
        return FORBIDDING.isdisjoint(re.split(r"[\W_]+", text.lower()))
    words = {_fold(word) for word in _LETTERS.findall(text)} - NAMING
    return words <= known and words.isdisjoint(FORBIDDING)


def is_name(text: str, vocabulary: Container[int], max_words: int = MAX_NAME_WORDS) -> bool:
    """Whether a text can be years and names of people and organisations, and can be no more."""
    text, n_addresses = _without_addresses(text[: MAX_LINE + 1])
    if len(text) > MAX_LINE or not 0 <= n_addresses <= _MAX_ADDRESSES:
        return False
    text = _HARMLESS.sub(" ", text)
    words = _LETTERS.findall(text)
    return (
        len(words) - n_addresses <= max_words
        and not _has_second_sentence(text)
        and _are_name_words(words, vocabulary)
        and all(_is_one_name(part, is_first) for part, is_first in _name_parts(text))
    )


def _has_second_sentence(text: str) -> bool:
    for end in _SENTENCE_END.finditer(text):
        word = end.group(1).lower()
        follows = _LETTERS.match(text, end.end() + 1)
        is_short = len(word) == 1 or word in ABBREVIATIONS or word.isdigit()
        if not is_short and not (follows and follows.group().lower() in ABBREVIATIONS):
            return True
    return False


def _are_name_words(words: list[str], vocabulary: Container[int]) -> bool:
    """Whether none of the words forbids, and few are words that licences are written with."""
    n_borrowed = n_capitals = 0
    for word in words:
        folded = _fold(word)
        if folded in NAMING or word == _ADDRESS_WORD:
            continue
        if folded in FORBIDDING or not _is_latin(word):
            return False
        # A sentence in capitals reads like a name: one such word, as companies have it, will do.
        n_capitals += word.isupper() and len(word) > 3
        n_capitals += word.isupper() and len(word) > 1 and not word.isascii()
        if n_capitals > 1:
            return False
        if digest_word_short(folded) in vocabulary and len(folded) > 1:
            # "Mark Will" is a name, "as follows" is not.
            n_borrowed += 1
            if word.islower() or n_borrowed > _MAX_BORROWED:
                return False
    return True


def _name_parts(text: str) -> Iterator[tuple[str, bool]]:
    """What stands between commas, brackets and the like, and whether it is the name after a year
    (or the first one, where there is no year)."""
    by_year = _YEARS.split(_NICKNAME.sub(" ", text))
    for year, of_one_year in enumerate(by_year):
        parts = [part for part in _BETWEEN_NAMES.split(of_one_year) if _LETTERS.search(part)]
        is_after_year = year > 0 or len(by_year) == 1
        yield from ((part, is_after_year and n == 0) for n, part in enumerate(parts))


def _is_one_name(part: str, is_first: bool) -> bool:
    """Whether a part is a name: in capitals but for what names are joined by, or a nickname.

    A sentence, in whatever language, begins with a capital and goes on without.
    """
    words = [
        word
        for word in _LETTERS.findall(part)
        if _fold(word) not in NAMING and word != _ADDRESS_WORD
    ]
    plain = [word for word in words if word[0].islower() and word.islower()]
    if not plain:
        return True
    return is_first and len(plain) == len(words) <= _MAX_NICKNAME_WORDS


def _without_addresses(text: str) -> tuple[str, int]:
    """The text without mail and web addresses, and how many; -1 when one of them forbids."""
    n_addresses = 0
    for pattern in (_URL, _ADDRESS, _BARE_URL, _HANDLE):
        for found in pattern.findall(text):
            n_addresses += 1
            words = re.split(r"[\W_]+", _TOP_LEVEL.sub("", found.lower()))
            if len(found) > 100 or not FORBIDDING_ADDRESS.isdisjoint(words):
                return text, -1
        text = pattern.sub(f" {_ADDRESS_WORD} ", text)
    return text, n_addresses


def _fold(word: str) -> str:
    return word.lower().removesuffix("'s")


def _is_latin(word: str) -> bool:
    return word.isascii() or all(
        unicodedata.name(letter, "").startswith("LATIN") for letter in word if letter.isalpha()
    )
