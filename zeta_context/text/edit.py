"""Replacements in a text, by offset, and their algebra: apply, compose, invert, rebase, map.

Knows nothing of documents or versions: an edit means something only together with a text. Wherever
several edits are taken they are *simultaneous*: all against one text, sorted, disjoint. Two may
touch, and insertions at one offset stand in the order given; `sort_edits` brings any order into
this form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from zeta_context.errors import OutOfRange, TextError
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

AnyText = TypeVar("AnyText", str, TextSnapshot)

Bias = Literal["left", "right"]
"""On which side of text inserted exactly at it, or instead of it, a place stays."""


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace `span` (code points) of a text by `new_text`."""

    span: Span
    new_text: str

    @property
    def is_empty(self) -> bool:
        """Whether it replaces nothing by nothing."""
        return self.span.start == self.span.end and not self.new_text

    @property
    def growth(self) -> int:
        """By how many code points the text gets longer; negative where it gets shorter."""
        return len(self.new_text) - self.span.length


def validate_edits(edits: Sequence[TextEdit], length: int | None = None) -> None:
    """Raise unless the edits are sorted and disjoint, and lie in a text of `length` code points.

    Raises `OutOfRange` for a place that no text, or not this one, has, else `TextError`.
    """
    reached = 0
    for number, edit in enumerate(edits):
        start, end = edit.span
        if start < 0 or end < start or (length is not None and end > length):
            of = "" if length is None else f" of a text with {length} characters"
            raise OutOfRange(f"edit {number}: span ({start}, {end}){of}")
        if start < reached:
            raise TextError(f"edit {number} starts at {start}, before the end of the last one")
        reached = end


def sort_edits(edits: Iterable[TextEdit]) -> tuple[TextEdit, ...]:
    """Simultaneous edits in any order, sorted; insertions at one offset keep their order.

    Raises `TextError` when two overlap.
    """
    ordered = tuple(sorted(edits, key=lambda edit: edit.span))
    validate_edits(ordered)
    return ordered


def apply_edits(text: AnyText, edits: Sequence[TextEdit]) -> AnyText:
    """The text with simultaneous edits applied: a string for a string, else a snapshot.

    Raises `OutOfRange` or `TextError` as `validate_edits` does.
    """
    validate_edits(edits, len(text))
    if isinstance(text, TextSnapshot):
        for edit in reversed(edits):
            text = text.edit(edit.span, edit.new_text)
        return text
    pieces: list[str] = []
    reached = 0
    for edit in edits:
        pieces += (text[reached : edit.span.start], edit.new_text)
        reached = edit.span.end
    return "".join([*pieces, text[reached:]])


def invert(edits: Sequence[TextEdit], text: str | TextSnapshot) -> tuple[TextEdit, ...]:
    """The edits that take the result of `edits` back to `text`, which they were made against."""
    validate_edits(edits, len(text))
    inverse: list[TextEdit] = []
    shift = 0
    for edit in edits:
        start = edit.span.start + shift
        old = text.slice(edit.span) if isinstance(text, TextSnapshot) else text[slice(*edit.span)]
        inverse.append(TextEdit(Span(start, start + len(edit.new_text)), old))
        shift += edit.growth
    return tuple(inverse)


def compose(first: Sequence[TextEdit], second: Sequence[TextEdit]) -> tuple[TextEdit, ...]:
    """The simultaneous edits that do what `first` does, followed by `second` on its result.

    Edits that touch come out as one. Needs no text, and so cannot see that an edit puts back what
    another took away: diff the texts for the smallest edits.
    """
    validate_edits(first)
    validate_edits(second)
    source = _pieces(first)[::-1]
    pieces: list[_Piece] = []
    reached = 0
    for edit in second:
        _move(source, edit.span.start - reached, pieces)
        _move(source, edit.span.length, [])
        pieces.append((0, 0, edit.new_text))
        reached = edit.span.end
    return _edits([*pieces, *reversed(source)])


def rebase(edits: Sequence[TextEdit], over: Sequence[TextEdit]) -> tuple[TextEdit, ...] | None:
    """`edits` for the text that `over` makes of the text both were made against; None: conflict.

    They conflict where both replace the same text, where one inserts inside what the other
    replaces, and where both insert at one offset, since nothing tells whose text comes first.
    So either order gives the same text: `over` then `rebase(edits, over)`, or `edits` then
    `rebase(over, edits)`.
    """
    validate_edits(edits)
    validate_edits(over)
    others = [edit for edit in over if not edit.is_empty]
    rebased: list[TextEdit] = []
    shift = passed = 0
    for edit in edits:
        if edit.is_empty:
            continue
        while passed < len(others) and _precedes(others[passed], edit):
            shift += others[passed].growth
            passed += 1
        if passed < len(others) and not _precedes(edit, others[passed]):
            return None
        span = Span(edit.span.start + shift, edit.span.end + shift)
        rebased.append(TextEdit(span, edit.new_text))
    return tuple(rebased)


def map_offset(offset: int, edits: Sequence[TextEdit], *, bias: Bias = "right") -> int:
    """Where a place of the old text is in the new one.

    `bias` decides for an insertion exactly there, and inside replaced text (start or end of what
    stands there now); a place at either end of replaced text keeps to the text outside.
    """
    shift = 0
    for edit in edits:
        start, end = edit.span
        if start > offset or (start == offset and (end > start or bias == "left")):
            break
        if end > offset:
            return start + shift + (len(edit.new_text) if bias == "right" else 0)
        shift += edit.growth
    return offset + shift


def map_span(span: Span, edits: Sequence[TextEdit], *, grow: bool = False) -> Span:
    """Where a span of the old text is in the new one.

    With `grow` it takes in what was inserted exactly at its ends and what replaced text across
    them; without, it leaves that out, and is empty when all of it was replaced from outside.
    """
    if grow:
        return Span(
            map_offset(span.start, edits, bias="left"), map_offset(span.end, edits, bias="right")
        )
    start = map_offset(span.start, edits, bias="right")
    return Span(start, max(start, map_offset(span.end, edits, bias="left")))


def find_hull(edits: Sequence[TextEdit]) -> tuple[Span, Span] | None:
    """The spans that hold all that the edits change, in the old text and in the new one."""
    if not edits:
        return None
    start, end = edits[0].span.start, edits[-1].span.end
    return Span(start, end), Span(start, end + sum(edit.growth for edit in edits))


_Piece = tuple[int, int, str | None]
"""Part of a result: `(start, length, None)` was kept from the old text, else `text` is new."""


def _pieces(edits: Sequence[TextEdit]) -> list[_Piece]:
    pieces: list[_Piece] = []
    reached = 0
    for edit in edits:
        pieces.append((reached, edit.span.start - reached, None))
        pieces.append((0, 0, edit.new_text))
        reached = edit.span.end
    # The old text's length is not known, nor does it matter: its rest is kept.
    pieces.append((reached, sys.maxsize, None))
    return pieces


def _move(source: list[_Piece], length: int, target: list[_Piece]) -> None:
    """Move the next `length` code points from the end of `source`, which is in reverse order."""
    while length > 0:
        start, kept, text = source.pop()
        size = kept if text is None else len(text)
        if size > length:
            if text is None:
                source.append((start + length, kept - length, None))
                target.append((start, length, None))
            else:
                source.append((0, 0, text[length:]))
                target.append((0, 0, text[:length]))
            return
        target.append((start, kept, text))
        length -= size


def _edits(pieces: Iterable[_Piece]) -> tuple[TextEdit, ...]:
    edits: list[TextEdit] = []
    reached = 0
    new: list[str] = []
    for start, length, text in pieces:
        if text is not None:
            new.append(text)
        elif length:
            edit = TextEdit(Span(reached, start), "".join(new))
            if not edit.is_empty:
                edits.append(edit)
            reached = start + length
            new = []
    return tuple(edits)


def _precedes(edit: TextEdit, other: TextEdit) -> bool:
    """Whether all of `edit` lies before `other`, so that their order is clear."""
    if edit.span == other.span and edit.span.length == 0:
        return False
    return edit.span.end <= other.span.start
