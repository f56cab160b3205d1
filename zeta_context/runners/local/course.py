"""A way that an answer may go on along a known text, with words of it replaced.

Pure text: knows nothing of tokens or models, nor of how a course is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zeta_context.runners.local.words import WORD, is_word_character, word_end


@dataclass(frozen=True, slots=True)
class Segment:
    """Text that comes next with some probability, if all before it came."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of a course and the span of the reference that it stands for."""

    text: str
    start: int
    end: int

    @property
    def is_copy(self) -> bool:
        """Whether it is as long as what it stands for: then places match one by one."""
        return len(self.text) == self.end - self.start


@dataclass(slots=True)
class Course:
    """How the answer goes on from its `base`-th character.

    `back_at` is where it is back on the reference, `pieces` from `base` on; `left_at` are the
    places in answer and reference where the two went apart, None when they never did. `source`
    says by what the course was found.
    """

    reference: str
    base: int
    pieces: tuple[Piece, ...]
    text: str
    segments: tuple[Segment, ...]
    back_at: int
    left_at: tuple[int, int] | None = None
    source: str = ""


def make_course(
    reference: str,
    base: int,
    head: Sequence[Piece],
    rest: Sequence[Piece],
    chances: tuple[float, float],
) -> Course:
    """A course of what comes first and the reference after it, each with its probability."""
    head_chance, rest_chance = chances
    head_text = "".join(piece.text for piece in head)
    rest_text = "".join(piece.text for piece in rest)
    if head_text:
        segments = [Segment(head_text, head_chance), Segment(rest_text, rest_chance)]
    else:
        segments = [Segment(rest_text, head_chance * rest_chance)]
    return Course(
        reference=reference,
        base=base,
        pieces=(*head, *rest),
        text=head_text + rest_text,
        segments=tuple(segment for segment in segments if segment.text),
        back_at=base + len(head_text),
    )


def reference_place(course: Course, at: int) -> int:
    """The place in the reference that a place of the answer, on the course, stands for."""
    offset = at - course.base
    for piece in course.pieces:
        if offset < len(piece.text):
            return piece.start + offset if piece.is_copy else piece.start
        offset -= len(piece.text)
    return course.pieces[-1].end if course.pieces else 0


def replaced_pieces(reference: str, at: int, replaced: Mapping[str, str]) -> list[Piece]:
    """The reference from a place on, with words replaced; a word cut by the place stays."""
    pieces: list[Piece] = []
    start = at
    search = at
    if 0 < at < len(reference) and is_word_character(reference[at - 1]):
        search = word_end(reference, at)
    if replaced:
        for found in WORD.finditer(reference, search):
            new = replaced.get(found[0])
            if new is not None:
                if found.start() > start:
                    pieces.append(Piece(reference[start : found.start()], start, found.start()))
                pieces.append(Piece(new, found.start(), found.end()))
                start = found.end()
    if start < len(reference):
        pieces.append(Piece(reference[start:], start, len(reference)))
    return pieces
