"""Lines around a licence's text that say nothing of what is allowed: titles, copyright notices.

A copyright notice holds years and names. It is refused as soon as it could say more: by the words
that licences are written with, by words that forbid in several languages, by a second sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator

from zeta_context.consent.licence_text import digest_word_short, split_words

MAX_NAME_WORDS = 16
MAX_LINE = 300
_MAX_BORROWED = 2
_MAX_NICKNAME_WORDS = 2
_ADDRESS_WORD = "QADDRESSQ"
"""Stands for mail and web addresses."""

_MAX_ADDRESSES = 4


def _split(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TITLES: dict[str, tuple[str, ...]] = {
    "MIT": (
        "mit license",
        "the mit license",
        "mit license mit",
        "the mit license mit",
        "mit",
        "license mit",
        "license mit license",
        "license the mit license",
        "expat license",
        "mit expat license",
    ),
    "MIT-0": ("mit no attribution", "mit 0", "mit no attribution license", "mit 0 license"),
    "ISC": ("isc license", "the isc license", "isc license isc", "isc", "license isc"),
    "0BSD": (
        "bsd zero clause license",
        "zero clause bsd",
        "0bsd",
        "0bsd license",
        "bsd zero clause license 0bsd",
        "zero clause bsd license",
        "bsd 0 clause license",
    ),
    "BSD-1-Clause": ("bsd 1 clause license",),
    "BSD-2-Clause": (
        "bsd 2 clause license",
        "the bsd 2 clause license",
        "bsd license",
        "the bsd license",
        "simplified bsd license",
        "bsd 2 clause simplified license",
        "freebsd license",
        "bsd 2 clause",
        "bsd two clause license",
    ),
    "BSD-3-Clause": (
        "bsd 3 clause license",
        "the bsd 3 clause license",
        "bsd license",
        "the bsd license",
        "new bsd license",
        "the new bsd license",
        "modified bsd license",
        "revised bsd license",
        "bsd 3 clause new or revised license",
        "bsd 3 clause",
        "bsd three clause license",
        "3 clause bsd license",
        "the 3 clause bsd license",
        "software license agreement bsd license",
    ),
    "Apache-2.0": ("apache license 2 0", "apache 2 0"),
    "Zlib": (
        "zlib license",
        "the zlib license",
        "zlib libpng license",
        "the zlib libpng license",
        "zlib libpng license zlib",
    ),
    "UPL-1.0": (
        "the universal permissive license upl version 1 0",
        "universal permissive license v1 0",
        "universal permissive license version 1 0",
        "the universal permissive license upl",
        "version 1 0",
    ),
    "BSL-1.0": (
        "boost software license version 1 0 august 17th 2003",
        "boost software license version 1 0",
        "boost software license 1 0",
        "the boost software license",
    ),
    "Unlicense": ("the unlicense", "unlicense"),
    "CC0-1.0": ("cc0 1 0 universal", "creative commons cc0 1 0 universal", "cc0"),
    "BlueOak-1.0.0": (),
}
"""Titles by licence, as words."""

_ANY_TITLE = (
    "license",
    "license agreement",
    "copyright",
    "copyright notice",
    "copyright and license",
)

_FORBIDDING = _split(
    """
    no not non nor never none only solely exclusively except excepting excluding unless without
    void revoked revocable terminated terminate expires expire prohibited prohibit prohibits
    forbidden forbid forbids banned restricted restrict restriction restrictions limited-use
    confidential proprietary secret internal private personal individual academic educational
    education research evaluation trial demo noncommercial commercial commercially commerce
    business enterprise profit nonprofit fee fees pay paid payment royalty royalties purchase
    buy subscription license licensed licensee licensing licenses permission permissions
    permitted permit consent authorized unauthorized use used uses user users using usage copy
    copying redistribute redistribution distribute distribution modify modification sell selling
    resale sublicense military weapons weapon police government governments nuclear surveillance
    ai ml llm training train trained scraping machine learning evil good must shall may can
    cannot agree agreement terms condition conditions subject provided clause apply applies
    hereby grant granted warranty liable required requires require obtain contact nicht kein
    keine nur ohne verboten untersagt ausser gewerblich kommerziell kommerzielle nutzung lizenz
    erlaubt zwecke interdit interdite sans sauf seulement uniquement usage utilisation
    commerciale commercial licence prohibido prohibida sin excepto solo solamente uso comercial
    permitido licencia proibido proibida somente apenas exceto comercial vietato vietata senza
    soltanto esclusivamente commerciale verboden niet geen alleen zonder behalve gebruik
    commercieel zakazane tylko bez wyjatkiem komercyjne uzycie
    """
)
"""Words that no name of a copyright holder is likely to hold and that a restriction is."""

_FORBIDDING_ADDRESS = _FORBIDDING - {"license", "licenses", "use", "contact", "research"}

_NAMING = _split(
    """
    the of and by a an for from in at on to its his her their with present c r tm copyright
    copyrights author authors contributor contributors holder holders owner owners project
    projects foundation software systems system labs lab group team company corporation corp inc
    incorporated ltd limited llc llp gmbh ag bv ab oy sa sas spa pty co plc kg ev university
    institute college school department regents technology technologies open source free network
    networks media data web internet consortium association organization society center centre
    national international community developers developer maintainers maintainer members member
    others other et al all various individual affiliates subsidiaries respective js design
    studio solutions services computer computing digital research science sciences research
    engineering works group holdings de van von der den da di la le du dos del el ter platforms
    year years yyyy name fullname email trustees board massachusetts committee committers
    original portions parts part or core collaborators collaborator organisation people dba many
    repository
    """
) - {"research", "individual"}
"""Words of licences that names are made of too."""

_COPYRIGHT = re.compile(
    r"^(?P<before>[^©]{0,80}?)(?:\b(?:copyright|copyrights|copr)\b|\(c\)|©)", re.IGNORECASE
)
_BASED_ON = re.compile(r"based on [\w.-]+,? *", re.IGNORECASE)
_BEFORE_NOTICE = frozenset(
    (
        "",
        "original code",
        "original work",
        "original source",
        "modified work",
        "modifications",
        "portions",
        "portions of this software are",
        "parts",
        "and",
        "typescript port",
        "port to typescript",
    )
)
_ADDRESS = re.compile(r"[<(\[]?\b[\w.+-]+(?:@| at | \[at\] )[\w-]+(?:\.[\w-]+)+[>)\]]?")
_URL = re.compile(r"[<(\[]?\b(?:https?://|www\.)[^\s<>()\[\],;]+[>)\]]?")
_BARE_URL = re.compile(
    r"[<(\[]?\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|dev|me|de|fr)(?:/[^\s<>()\[\],;]*)?[>)\]]?",
    re.IGNORECASE,
)
_RIGHTS = re.compile(r"\ball rights reserved\b[.!]?", re.IGNORECASE)
_HARMLESS = re.compile(
    r"\ball rights reserved\b[.!]?|\bindividual contributors\b|\bwith contributions from\b"
    r"|\(?,?\s*\b(?:see|as listed in)(?: the)? (?:AUTHORS|CONTRIBUTORS)"
    r"(?:\.\w{1,4})?(?: file)?\b\)?",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<!\w)(?:@[\w-]+|@?(?=[\w./-]*[a-z])[a-z0-9]+(?:[-_./][a-z0-9]+)+)(?!\w)")
_SENTENCE_END = re.compile(r"([^\W_]+)\s*[.!?;:](?=\s+[^\W_])")
_TOP_LEVEL = re.compile(r"\.[a-z]+[^a-z]*$", re.IGNORECASE)
_ONE_HANDLE = re.compile(r"(?:the )?[\w.@/-]+(?: (?:project|module))?", re.IGNORECASE)
_YEARS = re.compile(r"\b\d{4}\b")
_NICKNAME = re.compile(r"\(@?[\w-]+\)")
_BETWEEN_NAMES = re.compile(
    rf"[,;/&()<>\[\]|\"]| - |--|\band\b|\bby\b|\bcopyright\b|©|{_ADDRESS_WORD}", re.IGNORECASE
)
_ABBREVIATION = _split(
    """
    inc ltd llc sta co corp jr sr et al dr st prof ing dipl gmbh pty bv sa mr ms mrs c copyright
    """
)
_LETTERS = re.compile(r"[^\W\d_][^\W_]*(?:'[^\W\d_]+)?")
_LINK_NAME = re.compile(r"^\[[\w -]{1,30}\]:\s")
_INTRODUCTION = re.compile(
    r"^this is |^node module [a-z0-9 ]{1,40}$| full text below$"
    r"|^(?:this |the )?(?:(?:software|project|library|package|module|code|program|work) )?(?:is )?"
    r"(?:released|licensed|distributed|available|made available|provided) under "
    r"(?:the terms of )?"
)
_TAG = re.compile(r"^\W*SPDX-License-Identifier:\s*(\S+)\W*$", re.IGNORECASE)


def is_copyright_line(line: str, licence: str, vocabulary: Container[int]) -> bool:
    """Whether a line is a copyright notice and nothing else, but for a title before it."""
    notice = _COPYRIGHT.match(line) if len(line) <= MAX_LINE else None
    if notice is None:
        return False
    before = notice["before"]
    is_plain = (
        " ".join(split_words(before)) in _BEFORE_NOTICE
        or is_title_line(before, licence)
        or bool(_BASED_ON.fullmatch(before))
    )
    return is_plain and is_name(line[notice.end("before") :], vocabulary)


def is_address_line(line: str, vocabulary: Container[int]) -> bool:
    """Whether a line is a name with its address, or addresses alone, as go on with a notice."""
    if len(line) > MAX_LINE:
        return False
    line = _LINK_NAME.sub("", line)
    name, address, rest = _without_addresses(line)[0].partition(_ADDRESS_WORD)
    if not address or _LETTERS.search(rest.replace(_ADDRESS_WORD, "")):
        return False
    has_plain = any(word.islower() and word not in _NAMING for word in _LETTERS.findall(name))
    return not has_plain and is_name(line, vocabulary)


def is_rights_line(line: str) -> bool:
    """Whether a line says `All rights reserved` alone, as belongs to the notice before it."""
    return bool(_RIGHTS.fullmatch(line.strip(" *.")))


def is_title_line(line: str, licence: str) -> bool:
    """Whether a line is one of the licence's titles, its tag, or only decoration."""
    if len(line) > MAX_LINE:
        return False
    tag = _TAG.match(line)
    if tag:
        return tag.group(1) == licence
    words = _INTRODUCTION.sub("", " ".join(split_words(line)))
    return not words or words in _TITLES[licence] or words in _ANY_TITLE


def is_short_name(text: str, vocabulary: Container[int], max_words: int) -> bool:
    """Whether words in the midst of a licence can be a name: one in capitals, or one word."""
    if len(text) > MAX_LINE:
        return False
    handle = _ONE_HANDLE.fullmatch(text)
    if handle:
        return _FORBIDDING.isdisjoint(re.split(r"[\W_]+", text.lower()))
    words = _LETTERS.findall(text)
    has_plain = any(word.islower() and word not in _NAMING for word in words)
    return not has_plain and is_name(text, vocabulary, max_words)


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
        is_short = len(word) == 1 or word in _ABBREVIATION or word.isdigit()
        if not is_short and not (follows and follows.group().lower() in _ABBREVIATION):
            return True
    return False


def _are_name_words(words: list[str], vocabulary: Container[int]) -> bool:
    """Whether none of the words forbids, and few are words that licences are written with."""
    n_borrowed = 0
    for word in words:
        folded = word.lower().removesuffix("'s")
        if folded in _NAMING or word == _ADDRESS_WORD:
            continue
        if folded in _FORBIDDING or not _is_latin(word):
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
        if word.lower().removesuffix("'s") not in _NAMING and word != _ADDRESS_WORD
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
            if len(found) > 100 or not _FORBIDDING_ADDRESS.isdisjoint(words):
                return text, -1
        text = pattern.sub(f" {_ADDRESS_WORD} ", text)
    return text, n_addresses


def _is_latin(word: str) -> bool:
    return word.isascii() or all(
        unicodedata.name(letter, "").startswith("LATIN") for letter in word if letter.isalpha()
    )
