"""Where two texts meet again, and how a row may go on that began like another one.

Pure functions on program text; knows nothing of drafts or models.
"""

from __future__ import annotations

import re

from zeta_context.runners.local.words import is_word, is_word_character


def is_in_new_row(answer: str, left: int) -> bool:
    """Whether the row that the answer is in began where it left the reference, or later."""
    row_start = answer.rfind("\n") + 1
    return row_start >= left or not answer[row_start:left].strip()


def continue_like(row: str, other: str) -> tuple[int, str] | None:
    """How many tokens of a row another one shares, and the rest of it for this row.

    Where both have a word at the same place but not the same, that word takes the place of the
    other in the rest, too. None when they share too little, or nothing is left.
    """
    mine = _TOKEN.findall(row.strip())
    others = _TOKEN.findall(other)
    if not mine or len(others) <= len(mine):
        return None
    replaced: dict[str, str] = {}
    same = 0
    for number, token in enumerate(mine):
        if token == others[number]:
            same += 1
        elif is_word(token) and is_word(others[number]):
            if number == len(mine) - 1 and others[number].startswith(token):
                rest = "".join(others[number + 1 :])
                return (same, others[number][len(token) :] + rest) if same >= 2 else None
            replaced[others[number]] = token
        else:
            return None
    if same < 3 or len(replaced) > same:
        return None
    rest = "".join(replaced.get(token, token) for token in others[len(mine) :])
    return (same, rest) if rest else None


_TOKEN = re.compile(r"[^\W\d]\w*|\s+|.")


def place_after_copy(answer: str, left: int, reference: str, place: int) -> int:
    """Where the reference goes on after something was copied to the end of a row.

    At the row's end when the answer left it within a row, else where it left: a row was put in.
    """
    row_start = answer.rfind("\n", 0, left) + 1
    if not answer[row_start:left].strip() and "\n" not in answer[left:]:
        return reference.rfind("\n", 0, place) if reference.rfind("\n", 0, place) >= 0 else place
    end = reference.find("\n", place)
    return end if end >= 0 else len(reference)


def find_meeting(copied: str, reference: str, place: int) -> int | None:
    """Where in a copied text the rest of the reference's row begins, if it does."""
    end = reference.find("\n", place)
    rest = reference[place : end if end >= 0 else len(reference)]
    for length in range(min(len(rest), 24), 0, -1):
        if rest[:length].strip() and (at := copied.find(rest[:length])) > 0:
            return at
    return None


def can_anchor(answer: str, suffix: str) -> bool:
    """Whether it says enough of where the answer is: not blanks, not the tail of a longer word."""
    if len(suffix.strip()) < 2 and suffix.strip() not in _MARKS:
        return False
    start = len(answer) - len(suffix)
    cuts_word = start > 0 and is_word_character(answer[start - 1]) and is_word_character(suffix[0])
    return len(suffix) >= 6 or not cuts_word


_MARKS = frozenset("(),:;=[]{}\"'.")


def find_nearest(text: str, wanted: str, low: int, high: int, centre: int) -> int | None:
    """The occurrence nearest to a place; None when there is none in between."""
    after = text.find(wanted, max(low, min(centre, high)), high + len(wanted))
    before = text.rfind(wanted, low, max(low, min(centre, high)) + len(wanted))
    if after < 0 or before < 0:
        found = max(after, before)
        return found if found >= 0 else None
    return after if after - centre <= centre - before else before
