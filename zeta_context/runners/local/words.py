"""Words in program text: where they begin and end, and replacing some by others.

A word is what programming languages call an identifier. Knows nothing of any one language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

WORD = re.compile(r"[^\W\d]\w*")


def word_start(text: str, at: int) -> int:
    """Where the word that reaches up to `at` begins; `at` itself when none does."""
    start = at
    while start > 0 and is_word_character(text[start - 1]):
        start -= 1
    return start


def word_end(text: str, at: int) -> int:
    """Where the word that stands at `at`, or reaches up to it, ends."""
    end = at
    while end < len(text) and is_word_character(text[end]):
        end += 1
    return end


def is_word_character(character: str) -> bool:
    """Whether it can stand in a word."""
    return character == "_" or character.isalnum()


def is_word(text: str) -> bool:
    """Whether all of it is one word."""
    return WORD.fullmatch(text) is not None


def replace_words(text: str, replacements: Mapping[str, str], *, start: int = 0) -> str:
    """What follows `start` in the text, with every word that has a replacement replaced.

    A word that `start` cuts is left as it is.
    """
    if start and start < len(text) and is_word_character(text[start - 1]):
        kept = word_end(text, start)
    else:
        kept = start
    rest = text[kept:]
    if replacements:
        rest = WORD.sub(lambda found: replacements.get(found[0], found[0]), rest)
    return text[start:kept] + rest
