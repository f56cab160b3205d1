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

from zeta_context.runners.local.matching import (
    can_anchor,
    continue_like,
    find_meeting,
    find_nearest,
    is_in_new_row,
    place_after_copy,
)
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
_NEAR = 24
"""Characters that a few replaced words may be longer than what stands for them."""
_SUFFIXES = (48, 32, 24, 16, 12, 8, 6, 5, 4, 3, 2)
_COPY_SUFFIXES = (40, 24, 16, 12, 8, 6)
_MAX_COPY = 240
_TEMPLATE_TEXT = 8000


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
        self._known = {old: new for old, new in substitutions if is_word(old) and is_word(new)}
        self._replaced: dict[str, str] = {}
        self._texts = [text for text in texts if text]
        self._course: _Course | None = None

    def draft(self, answer: str, *, is_split: bool = False) -> tuple[Segment, ...]:
        """What may come after the answer so far; empty when there is nothing to go by.

        `is_split` says that the answer's last token is the beginning of one that was drafted:
        the model could have said all of that and did not, so it will hardly go on like it.
        """
        for guess in () if is_split else self._guesses:
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
        if not is_split and agreed == len(answer) and len(course.text) > agreed - course.base:
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
            self._unlearn(course, agreed)
        head, at, reference = self._choose(answer, left, reference, place)
        return self._make(answer, reference, (left, place), head, at)

    def _choose(
        self, answer: str, left: int, reference: str, place: int
    ) -> tuple[Segment, int, str]:
        """What comes first, and the place and the reference where the answer goes on then."""
        choices: list[tuple[Segment, int, str]] = []
        is_new = left < len(answer)
        back = self._find_back(answer, left, reference, place) if is_new else None
        if back is not None:
            other, at, length = back
            is_near = other == reference and 0 <= at - place <= _NEAR + len(answer) - left
            choices.append((Segment("", _chance_of_match(length, is_near=is_near)), at, other))
        word = self._finish_word(answer, left, reference, place) if is_new else None
        if word is not None:
            rest, at, chance = word
            choices.append((Segment(rest, chance), at, reference))
        if choices and (best := max(choices, key=_chance))[0].probability >= 0.5:
            return best
        row = self._like_another_row(answer, left)
        if row is not None:
            choices.append((row, place_after_copy(answer, left, reference, place), reference))
        choices += self._copy_choices(answer, left, reference, place)
        inserted = Segment("", 0.04), min(place, len(reference)), reference
        return max([*choices, inserted], key=_chance)

    def _copy_choices(
        self, answer: str, left: int, reference: str, place: int
    ) -> list[tuple[Segment, int, str]]:
        choices: list[tuple[Segment, int, str]] = []
        for copied in self._copied(answer, left, avoid=reference[place : place + 1]):
            meets = find_meeting(copied.text, reference, place)
            if meets is not None:
                head = Segment(copied.text[:meets], copied.probability)
                choices.append((head, place, reference))
            else:
                after = place_after_copy(answer, left, reference, place)
                choices.append((copied, after, reference))
        return choices

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

    def _unlearn(self, course: _Course, at: int) -> None:
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
        for text in reversed(self._texts):
            counts: dict[str, int] = {}
            for found in pattern.finditer(text):
                if found[0] != old:
                    counts[found[0]] = counts.get(found[0], 0) + 1
            if counts:
                return max(counts, key=lambda word: counts[word])[len(begun) :]
        return ""

    def _like_another_row(self, answer: str, left: int) -> Segment | None:
        """The rest of the row that the answer is in, told from a row that began alike.

        Words may differ: one that stood for another before it does so again.
        """
        if not is_in_new_row(answer, left) or left == len(answer):
            return None
        row = answer[answer.rfind("\n") + 1 :]
        if len(row.strip()) < 3:
            return None
        best: tuple[int, str] | None = None
        for text in (answer[:left], *reversed(self._texts)):
            for other in reversed(text[-_TEMPLATE_TEXT:].split("\n")):
                found = continue_like(row, other.lstrip("+- "))
                if found is not None and (best is None or found[0] > best[0]):
                    best = found
            if best is not None:
                break
        if best is None:
            return None
        return Segment(best[1], min(0.6, 0.2 + 0.05 * best[0]))

    def _copied(self, answer: str, left: int, *, avoid: str = "") -> tuple[Segment, ...]:
        """What followed, elsewhere, on the text that the answer ends in: up to the row's end.

        Where the answer has only just left its reference, not what the reference says there.
        """
        if left == len(answer) and avoid:
            return self._other_continuation(answer, avoid)
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
                    return (Segment(copied, 0.7 if length >= 16 else 0.3),)
        return ()

    def _other_continuation(self, answer: str, avoid: str) -> tuple[Segment, ...]:
        """What else followed on the answer's last words elsewhere, best in the latest rows."""
        for length in (*_COPY_SUFFIXES, 4, 3, 2):
            suffix = answer[len(answer) - length :]
            if len(suffix) < length or not suffix.strip():
                continue
            for text in (answer[: len(answer) - 1], *reversed(self._texts)):
                at = text.rfind(suffix)
                while at >= 0:
                    end = text.find("\n", at + length)
                    copied = text[at + length : (end if end >= 0 else len(text))][:_MAX_COPY]
                    if copied and not copied.startswith(avoid):
                        return (Segment(copied, 0.5 if length >= 6 else 0.35),)
                    at = text.rfind(suffix, 0, at + length - 1) if at > 0 else -1
        return ()

    def _make(
        self, answer: str, reference: str, left_at: tuple[int, int], head: Segment, at: int
    ) -> _Course:
        first = [_Piece(head.text, left_at[1], at)] if head.text else []
        rest = _replaced_pieces(reference, at, self._replaced)
        made = _course(reference, len(answer), first, rest, (head.probability, REST))
        made.left_at = left_at
        return made


def _chance(choice: tuple[Segment, int, str]) -> float:
    return choice[0].probability


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
