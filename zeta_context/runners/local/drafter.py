"""Guesses how an answer goes on, given that it mostly repeats a text that is known.

Pure text: knows nothing of tokens or models, and a wrong guess costs time, never correctness.

The answer follows a *reference* (a whole answer guessed beforehand, or the editable region) until
it leaves it. From there a new *course* is guessed: the words that the answer is putting in, as far
as they can be told from what was replaced before or from the texts at hand, then the reference
again from where the two seem to meet. When a course proves right, the word it replaced by another
is replaced in all that follows. How courses were found is believed less each time that it misleads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.runners.local.copies import Copies, is_astray
from zeta_context.runners.local.course import (
    Course,
    Piece,
    Segment,
    make_course,
    reference_place,
    replaced_pieces,
)
from zeta_context.runners.local.matching import (
    can_anchor,
    find_meeting,
    find_nearest,
    place_after_copy,
)
from zeta_context.runners.local.words import is_word, word_end, word_start

FIRST_GUESS = 0.9
SAME_GUESS = 0.95
REST = 0.9
"""How probable the rest of a reference is, once the answer is known to be back on it."""

_CONFIRMED = 6
"""Characters that must be right after a course is back on its reference to trust it."""
_BEHIND, _AHEAD = 120, 1200
"""How far from where the answer left its reference it may come back, in characters."""
_NEAR = 24
"""Characters that a few replaced words may be longer than what stands for them."""
_SUFFIXES = (48, 32, 24, 16, 12, 8, 6, 5, 4, 3, 2)
_RIGHT = 24
"""Characters that must be right to believe more in how a course was found."""
_DOUBT = 0.8
"""What is left of the belief in a way to find courses when one so found misleads."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """What may come first, and the place and the reference where the answer goes on then."""

    source: str
    head: Segment
    at: int
    reference: str

    @property
    def chance(self) -> float:
        return self.head.probability


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
        self._known = {old: new for old, new in substitutions if is_word(old) and is_word(new)}
        self._replaced: dict[str, str] = {}
        self._copies = Copies(texts)
        self._course: Course | None = None
        self._belief: dict[str, float] = {}

    def draft(self, answer: str, *, is_split: bool = False) -> tuple[Segment, ...]:
        """What may come after the answer so far; empty when there is nothing to go by.

        `is_split` says that the answer's last token is the beginning of one that was drafted:
        the model could have said all of that and did not, so it will hardly go on like it.
        """
        for guess in () if is_split else self._guesses:
            if len(guess) > len(answer) and guess.startswith(answer):
                piece = Piece(guess[len(answer) :], len(answer), len(guess))
                chance = SAME_GUESS if answer else FIRST_GUESS
                self._course = make_course(guess, len(answer), [], [piece], (1.0, chance))
                return self._course.segments
        if self._course is None:
            reference = self._references[0] if self._references else ""
            self._course = make_course(reference, 0, [], [], (1.0, 1.0))
        course = self._course
        agreed = course.base + _common_prefix(answer[course.base :], course.text)
        if not is_split and agreed == len(answer) and len(course.text) > agreed - course.base:
            return self._rest_of(course, agreed)
        self._judge(course, agreed)
        self._course = self._new_course(course, answer, agreed)
        return self._course.segments

    def _rest_of(self, course: Course, at: int) -> tuple[Segment, ...]:
        done = at - course.base
        segments: list[Segment] = []
        for segment in course.segments:
            if done < len(segment.text):
                segments.append(Segment(segment.text[done:], segment.probability))
            done = max(0, done - len(segment.text))
        if at - course.back_at >= _CONFIRMED:
            segments = [Segment(one.text, max(one.probability, REST)) for one in segments]
        return tuple(segments)

    def _new_course(self, course: Course, answer: str, agreed: int) -> Course:
        reference = course.reference
        if course.left_at is not None and agreed - course.back_at < _CONFIRMED:
            left, place = course.left_at
        else:
            left, place = agreed, reference_place(course, agreed)
            if course.left_at is not None:
                self._learn(course, answer)
            self._unlearn(course, agreed)
        return self._make(answer, (left, place), self._choose(answer, left, reference, place))

    def _judge(self, course: Course, agreed: int) -> None:
        """Believe in the way that the last course was found as much as it deserves."""
        right = agreed - course.base
        belief = self._belief.get(course.source, 1.0)
        if right >= min(_RIGHT, len(course.text)):
            self._belief[course.source] = min(1.0, belief / _DOUBT)
        elif right < _CONFIRMED:
            self._belief[course.source] = belief * _DOUBT

    def _believed(self, source: str, head: Segment, at: int, reference: str) -> _Choice:
        belief = self._belief.get(source, 1.0)
        return _Choice(source, Segment(head.text, head.probability * belief), at, reference)

    def _choose(self, answer: str, left: int, reference: str, place: int) -> _Choice:
        choices: list[_Choice] = []
        is_new = left < len(answer)
        back = self._find_back(answer, left, reference, place) if is_new else None
        if back is not None:
            other, at, length = back
            is_near = other == reference and 0 <= at - place <= _NEAR + len(answer) - left
            match = Segment("", _chance_of_match(length, is_near=is_near))
            choices.append(self._believed("back", match, at, other))
        word = self._finish_word(answer, left, reference, place) if is_new else None
        if word is not None:
            rest, at, chance = word
            choices.append(self._believed("word", Segment(rest, chance), at, reference))
        if choices and (best := max(choices, key=_chance)).chance >= 0.5:
            return best
        row = self._copies.find_like_row(answer, left)
        if row is not None:
            after = place_after_copy(answer, left, reference, place)
            choices.append(self._believed("row", row, after, reference))
        choices += self._copy_choices(answer, left, reference, place)
        repeated = self._copies.find_repeated(answer, left)
        if repeated is not None:
            choices.append(self._repeated_choice(repeated, answer, left, reference, place))
        unmoved = Segment("", 0.04)
        choices.append(self._believed("unmoved", unmoved, min(place, len(reference)), reference))
        return max(choices, key=_chance)

    def _copy_choices(self, answer: str, left: int, reference: str, place: int) -> list[_Choice]:
        choices: list[_Choice] = []
        for copied in self._copies.find_copied(answer, left, avoid=reference[place : place + 1]):
            meets = find_meeting(copied.text, reference, place)
            if meets is not None:
                head = Segment(copied.text[:meets], copied.probability)
                choices.append(self._believed("copied", head, place, reference))
            else:
                after = place_after_copy(answer, left, reference, place)
                choices.append(self._believed("copied", copied, after, reference))
        return choices

    def _repeated_choice(
        self, repeated: Segment, answer: str, left: int, reference: str, place: int
    ) -> _Choice:
        """What is said again: up to where the reference goes on, if that is still in sight."""
        if not is_astray(answer, left):
            meets = find_meeting(repeated.text, reference, place)
            if meets is not None:
                head = Segment(repeated.text[:meets], repeated.probability)
                return self._believed("repeated", head, place, reference)
        return self._believed("repeated", repeated, len(reference), reference)

    def _learn(self, course: Course, answer: str) -> None:
        """Remember which word of the reference the last course put another in place of."""
        if course.left_at is None:
            return
        left, place = course.left_at
        place_back = reference_place(course, course.back_at)
        old = course.reference[
            word_start(course.reference, place) : word_end(course.reference, place_back)
        ]
        new = answer[word_start(answer, left) : word_end(answer, course.back_at)]
        if old != new and is_word(old) and is_word(new):
            self._replaced[old] = new

    def _unlearn(self, course: Course, at: int) -> None:
        """Stop replacing a word that the answer has just kept."""
        offset = at - course.base
        for piece in course.pieces:
            if offset < len(piece.text):
                if not piece.is_copy or piece.text != course.reference[piece.start : piece.end]:
                    kept = course.reference[piece.start : piece.end]
                    self._replaced.pop(kept, None)
                    self._known.pop(kept, None)
                return
            offset -= len(piece.text)

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
                if not can_anchor(answer, suffix):
                    continue
                found = find_nearest(one, suffix, low, high, centre + len(answer) - left - length)
                if found is not None:
                    best = one, found + length, length
                    break
        return best

    def _finish_word(
        self, answer: str, left: int, reference: str, place: int
    ) -> tuple[str, int, float] | None:
        """The rest of the word that the answer is in, where the reference goes on, the chance."""
        begun = answer[word_start(answer, len(answer)) :]
        if not begun or word_start(answer, len(answer)) > left:
            if begun:
                known = self._complete(begun, "")
                return (known, place, 0.2) if known else None
            return None
        start = word_start(reference, place)
        end = word_end(reference, place)
        old = reference[start:end]
        new = self._replaced.get(old) or self._known.get(old, "")
        if new.startswith(begun):
            self._replaced[old] = new
            return new[len(begun) :], end, 0.95
        known = self._complete(begun, old)
        if known:
            return known, end, 0.15
        return "", end, 0.15

    def _complete(self, begun: str, old: str) -> str:
        """The rest of a known word that begins so, the latest seen first; not the one replaced."""
        for new in (*reversed(self._replaced.values()), *reversed(self._known.values())):
            if new.startswith(begun) and new != begun:
                return new[len(begun) :]
        if len(begun) < 2:
            return ""
        pattern = re.compile(rf"(?<!\w){re.escape(begun)}\w+")
        for text in self._copies.texts:
            counts: dict[str, int] = {}
            for found in pattern.finditer(text):
                if found[0] != old:
                    counts[found[0]] = counts.get(found[0], 0) + 1
            if counts:
                return max(counts, key=lambda word: counts[word])[len(begun) :]
        return ""

    def _make(self, answer: str, left_at: tuple[int, int], choice: _Choice) -> Course:
        head, at = choice.head, choice.at
        first = [Piece(head.text, left_at[1], at)] if head.text else []
        rest = replaced_pieces(choice.reference, at, self._replaced)
        made = make_course(choice.reference, len(answer), first, rest, (head.probability, REST))
        made.left_at = left_at
        made.source = choice.source
        return made


def _chance(choice: _Choice) -> float:
    return choice.chance


def _chance_of_match(length: int, *, is_near: bool) -> float:
    """How probably an answer that ends in so many characters of a reference is back on it.

    `is_near` says that the match is about where the answer would be had it replaced a few words.
    """
    if length >= 16:
        return 0.92
    if length >= 8:
        return 0.85 if is_near else 0.55
    if length >= 4:
        return 0.75 if is_near else 0.3
    return 0.5


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
