"""Guesses how an answer goes on, given that it mostly repeats a text that is known.

Pure text: knows nothing of tokens or models, and a wrong guess costs time, never correctness.

The answer follows a *reference* (a whole answer guessed beforehand, or the editable region) until
it leaves it. From there a new *course* is guessed: the words that the answer is putting in, as far
as they can be told from what was replaced before or from the texts at hand, then the reference
again from where the two seem to meet. When a course proves right, the word it replaced by another
is replaced in all that follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.runners.local.words import (
    WORD,
    is_word,
    is_word_character,
    word_end,
    word_start,
)

FIRST_GUESS = 0.9
SAME_GUESS = 0.95
REST = 0.9
"""How probable the rest of a reference is, once the answer is known to be back on it."""

_CONFIRMED = 6
"""Characters that must be right after a course is back on its reference to trust it."""
_BEHIND, _AHEAD = 120, 1200
"""How far from where the answer left its reference it may come back, in characters."""
_SUFFIXES = (48, 32, 24, 16, 12, 8, 6, 5, 4, 3, 2)
_COPY_SUFFIXES = (40, 24, 16, 12, 8, 6)
_MAX_COPY = 240


@dataclass(frozen=True, slots=True)
class Segment:
    """Text that comes next with some probability, if all before it came."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text of a course and the span of the reference that it stands for."""

    text: str
    start: int
    end: int

    @property
    def is_copy(self) -> bool:
        return len(self.text) == self.end - self.start


@dataclass(slots=True)
class _Course:
    """How the answer goes on from its `base`-th character.

    `back_at` is where it is back on the reference, `pieces` from `base` on; `left_at` are the
    places in answer and reference where the two went apart, None when they never did.
    """

    reference: str
    base: int
    pieces: list[_Piece]
    text: str
    segments: tuple[Segment, ...]
    back_at: int
    left_at: tuple[int, int] | None = None


class Drafter:
    """Drafts one answer. `texts` are where words and lines may be taken from, the best last."""

    def __init__(
        self,
        guesses: Sequence[str],
        *,
        reference: str = "",
        substitutions: Sequence[tuple[str, str]] = (),
        texts: Sequence[str] = (),
    ) -> None:
        self._guesses = [guess for guess in guesses if guess]
        self._references = list(self._guesses)
        if reference and not any(reference in guess for guess in self._guesses):
            self._references.append(reference)
        self._replaced = {old: new for old, new in substitutions if is_word(old) and is_word(new)}
        self._texts = [text for text in texts if text]
        self._course: _Course | None = None

    def draft(self, answer: str) -> tuple[Segment, ...]:
        """What may come after the answer so far; empty when there is nothing to go by."""
        for guess in self._guesses:
            if len(guess) > len(answer) and guess.startswith(answer):
                piece = _Piece(guess[len(answer) :], len(answer), len(guess))
                chance = SAME_GUESS if answer else FIRST_GUESS
                self._course = _course(guess, len(answer), [], [piece], (1.0, chance))
                return self._course.segments
        if self._course is None:
            if not self._references:
                return self._copied(answer, 0)
            self._course = _course(self._references[0], 0, [], [], (1.0, 1.0))
        course = self._course
        agreed = course.base + _common_prefix(answer[course.base :], course.text)
        if agreed == len(answer) and len(course.text) > agreed - course.base:
            return self._rest_of(course, agreed)
        self._course = self._new_course(course, answer, agreed)
        return self._course.segments or self._copied(answer, agreed)

    def _rest_of(self, course: _Course, at: int) -> tuple[Segment, ...]:
        done = at - course.base
        segments: list[Segment] = []
        for segment in course.segments:
            if done < len(segment.text):
                segments.append(Segment(segment.text[done:], segment.probability))
            done = max(0, done - len(segment.text))
        if at - course.back_at >= _CONFIRMED:
            segments = [Segment(one.text, max(one.probability, REST)) for one in segments]
        return tuple(segments)

    def _new_course(self, course: _Course, answer: str, agreed: int) -> _Course:
        reference = course.reference
        if course.left_at is not None and agreed - course.back_at < _CONFIRMED:
            left, place = course.left_at
        else:
            left, place = agreed, _reference_place(course, agreed)
            if course.left_at is not None:
                self._learn(course, answer)
        back = self._find_back(answer, left, reference, place)
        if back is not None and back[2] >= 8:
            return self._resume(*back, answer, (left, place))
        word = self._finish_word(answer, left, reference, place)
        if word is not None and word[2] >= 0.5:
            return self._with_word(answer, reference, (left, place), word)
        if back is not None:
            return self._resume(*back, answer, (left, place))
        copied = self._copied(answer, left)
        if copied:
            after = _place_after_copy(answer, left, reference, place, copied[0].text)
            return self._make(answer, reference, (left, place), copied[0], after)
        if word is not None:
            return self._with_word(answer, reference, (left, place), word)
        inserted = place if place < len(reference) else len(reference)
        return self._make(answer, reference, (left, place), Segment("", 0.3), inserted)

    def _learn(self, course: _Course, answer: str) -> None:
        """Remember which word of the reference the last course put another in place of."""
        if course.left_at is None:
            return
        left, place = course.left_at
        place_back = _reference_place(course, course.back_at)
        old = course.reference[
            word_start(course.reference, place) : word_end(course.reference, place_back)
        ]
        new = answer[word_start(answer, left) : word_end(answer, course.back_at)]
        if old != new and is_word(old) and is_word(new):
            self._replaced[old] = new

    def _find_back(
        self, answer: str, left: int, reference: str, place: int
    ) -> tuple[str, int, int] | None:
        """The reference, the place in it that the answer has come back to, the matching length."""
        best: tuple[str, int, int] | None = None
        for one in [reference, *(other for other in self._references if other != reference)]:
            if one == reference:
                low, high, centre = max(0, place - _BEHIND), place + _AHEAD, place
            else:
                low, high, centre = 0, len(one), left
            for length in _SUFFIXES:
                if length > len(answer) or (best is not None and length <= best[2]):
                    continue
                suffix = answer[len(answer) - length :]
                if not _can_anchor(answer, suffix):
                    continue
                found = _nearest(one, suffix, low, high, centre + len(answer) - left - length)
                if found is not None:
                    best = one, found + length, length
                    break
        return best

    def _resume(
        self, reference: str, at: int, length: int, answer: str, left_at: tuple[int, int]
    ) -> _Course:
        chance = 0.5 if length < 4 else 0.65 if length < 8 else 0.8 if length < 16 else 0.92
        return self._make(answer, reference, left_at, Segment("", chance), at)

    def _finish_word(
        self, answer: str, left: int, reference: str, place: int
    ) -> tuple[str, int, float] | None:
        """The rest of the word that the answer is in, where the reference goes on, the chance."""
        begun = answer[word_start(answer, len(answer)) :]
        if not begun or word_start(answer, len(answer)) > left:
            if begun:
                known = self._complete(begun, "")
                return (known, place, 0.4) if known else None
            return None
        start = word_start(reference, place)
        end = word_end(reference, place)
        old = reference[start:end]
        new = self._replaced.get(old, "")
        if new.startswith(begun):
            return new[len(begun) :], end, 0.85
        known = self._complete(begun, old)
        if known:
            return known, end, 0.55
        return "", end, 0.4 if old else 0.3

    def _complete(self, begun: str, old: str) -> str:
        """The rest of a known word that begins so, the latest seen first; not the one replaced."""
        for new in reversed(self._replaced.values()):
            if new.startswith(begun) and new != begun:
                return new[len(begun) :]
        if len(begun) < 2:
            return ""
        pattern = re.compile(rf"(?<!\w){re.escape(begun)}\w+")
        for text in reversed(self._texts):
            counts: dict[str, int] = {}
            for found in pattern.finditer(text):
                if found[0] != old:
                    counts[found[0]] = counts.get(found[0], 0) + 1
            if counts:
                return max(counts, key=lambda word: counts[word])[len(begun) :]
        return ""

    def _with_word(
        self,
        answer: str,
        reference: str,
        left_at: tuple[int, int],
        word: tuple[str, int, float],
    ) -> _Course:
        rest, at, chance = word
        return self._make(answer, reference, left_at, Segment(rest, chance), at)

    def _copied(self, answer: str, left: int) -> tuple[Segment, ...]:
        """What followed, elsewhere, on the text that the answer ends in: up to the row's end."""
        for length in _COPY_SUFFIXES:
            suffix = answer[len(answer) - length :]
            if len(suffix) < length or not suffix.strip() or len(answer) - length > left:
                continue
            for text in (answer[:left], *reversed(self._texts)):
                at = text.rfind(suffix)
                if at < 0:
                    continue
                end = text.find("\n", at + length + 1)
                copied = text[at + length : (end if end >= 0 else len(text))][:_MAX_COPY]
                if copied:
                    return (Segment(copied, min(0.7, 0.2 + length / 50)),)
        return ()

    def _make(
        self, answer: str, reference: str, left_at: tuple[int, int], head: Segment, at: int
    ) -> _Course:
        first = [_Piece(head.text, left_at[1], at)] if head.text else []
        rest = _replaced_pieces(reference, at, self._replaced)
        made = _course(reference, len(answer), first, rest, (head.probability, REST))
        made.left_at = left_at
        return made


def _course(
    reference: str,
    base: int,
    head: list[_Piece],
    rest: list[_Piece],
    chances: tuple[float, float],
) -> _Course:
    head_chance, rest_chance = chances
    head_text = "".join(piece.text for piece in head)
    rest_text = "".join(piece.text for piece in rest)
    if head_text:
        segments = [Segment(head_text, head_chance), Segment(rest_text, rest_chance)]
    else:
        segments = [Segment(rest_text, head_chance * rest_chance)]
    return _Course(
        reference=reference,
        base=base,
        pieces=head + rest,
        text=head_text + rest_text,
        segments=tuple(segment for segment in segments if segment.text),
        back_at=base + len(head_text),
    )


def _reference_place(course: _Course, at: int) -> int:
    """The place in the reference that a place of the answer, on the course, stands for."""
    offset = at - course.base
    for piece in course.pieces:
        if offset < len(piece.text):
            return piece.start + offset if piece.is_copy else piece.start
        offset -= len(piece.text)
    return course.pieces[-1].end if course.pieces else 0


def _replaced_pieces(reference: str, at: int, replaced: dict[str, str]) -> list[_Piece]:
    """The reference from a place on, with words replaced; a word cut by the place stays."""
    pieces: list[_Piece] = []
    start = at
    search = at
    if 0 < at < len(reference) and is_word_character(reference[at - 1]):
        search = word_end(reference, at)
    if replaced:
        for found in WORD.finditer(reference, search):
            new = replaced.get(found[0])
            if new is not None:
                if found.start() > start:
                    pieces.append(_Piece(reference[start : found.start()], start, found.start()))
                pieces.append(_Piece(new, found.start(), found.end()))
                start = found.end()
    if start < len(reference):
        pieces.append(_Piece(reference[start:], start, len(reference)))
    return pieces


def _place_after_copy(answer: str, left: int, reference: str, place: int, copied: str) -> int:
    """Where the reference goes on after something was copied to the end of a row.

    At the row's end when the answer left it within a row, else where it left: a row was put in.
    """
    row_start = answer.rfind("\n", 0, left) + 1
    if not answer[row_start:left].strip() and "\n" not in answer[left:]:
        return reference.rfind("\n", 0, place) if reference.rfind("\n", 0, place) >= 0 else place
    end = reference.find("\n", place)
    return end if end >= 0 else len(reference)


def _can_anchor(answer: str, suffix: str) -> bool:
    """Whether it says enough of where the answer is: not blanks, not the tail of a longer word."""
    if len(suffix.strip()) < 2 and suffix.strip() not in _MARKS:
        return False
    start = len(answer) - len(suffix)
    cuts_word = start > 0 and is_word_character(answer[start - 1]) and is_word_character(suffix[0])
    return len(suffix) >= 6 or not cuts_word


_MARKS = frozenset("(),:;=[]{}\"'.")


def _nearest(text: str, wanted: str, low: int, high: int, centre: int) -> int | None:
    """The occurrence nearest to a place; None when there is none in between."""
    after = text.find(wanted, max(low, min(centre, high)), high + len(wanted))
    before = text.rfind(wanted, low, max(low, min(centre, high)) + len(wanted))
    if after < 0 or before < 0:
        found = max(after, before)
        return found if found >= 0 else None
    return after if after - centre <= centre - before else before


def _common_prefix(one: str, other: str) -> int:
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
