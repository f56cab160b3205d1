"""The reversal guard: whether a prediction undoes what the user has just done.

Whatever the user did last is taken as intended: typos, half-typed words and second thoughts, too.
So a prediction may neither take away what was just typed nor bring back what was just deleted,
unless it carries on a replacement that the user has made since. What an accepted prediction did
may be undone. Judges by provenance; knows nothing of proposers or of what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from zeta_context.predict.provenance import Provenance, Segment, Step
from zeta_context.predict.retreat import leads_back
from zeta_context.text.diff import count_common_prefix, diff_text
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_SLIDE = 2_000
"""How far the place of an edit is moved over equal text."""

MAX_GAP = 200
"""Blanks between a deletion and an insertion that are still the same place."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deleted:
    """`text` was deleted at a place, last by `step`; the place ends at `span.end`, behind what was
    typed there instead."""

    span: Span
    text: str
    step: Step
    instead: str


def undoes_user(snapshot: TextSnapshot, edits: Sequence[TextEdit], provenance: Provenance) -> bool:
    """Whether edits of a text, whose provenance is given, undo something of the user's."""
    if not provenance.segments:
        return False
    if leads_back(snapshot, edits, provenance.undos):
        return True
    scene = _Scene(snapshot, provenance)
    pieces = [piece for edit in edits for piece in _divide(snapshot, edit)]
    changes_words = any(_WORD.search(one.new_text) for one in pieces) or any(
        _WORD.search(snapshot.slice(one.span)) for one in pieces
    )
    return any(
        scene.takes_away(piece, changes_words=changes_words)
        or scene.brings_back(piece, changes_words=changes_words)
        for piece in pieces
    )


class _Scene:
    """A text, and what the user did to it."""

    def __init__(self, snapshot: TextSnapshot, provenance: Provenance) -> None:
        self._snapshot = snapshot
        self._last = provenance.last
        self._typed = list(_find_typed(provenance.segments))
        self._deleted = list(_find_deleted(provenance.segments, snapshot))
        # A replacement that the user made, or accepted: to carry it on is no reversal.
        self._made = [(_pair(one.text, one.instead), one.step) for one in self._deleted]

    def takes_away(self, piece: TextEdit, *, changes_words: bool) -> bool:
        """Whether a piece deletes what the user has just typed."""
        if not piece.span.length:
            return False
        removed = self._snapshot.slice(piece.span)
        for shift in _slides(self._snapshot, piece):
            span = Span(piece.span.start + shift, piece.span.end + shift)
            for typed, step in self._typed:
                start, end = max(typed.start, span.start), min(typed.end, span.end)
                if start >= end:
                    continue
                text = self._snapshot.slice(Span(start, end))
                if not text.strip() and changes_words:
                    # Indentation and spaces give way with the words around them.
                    continue
                shrinks = end - start > len(piece.new_text)
                if (shrinks or self._is_last_run(step)) and not self._carries_on(
                    removed, piece.new_text, step
                ):
                    return True
        return False

    def brings_back(self, piece: TextEdit, *, changes_words: bool) -> bool:
        """Whether a piece inserts what the user has deleted at its place."""
        if not piece.new_text:
            return False
        removed = self._snapshot.slice(piece.span)
        slides = list(_slides(self._snapshot, piece))
        low, high = min(slides), max(slides)
        for deleted in self._deleted:
            step = deleted.step
            if not step.is_intended or self._carries_on(removed, piece.new_text, step):
                continue
            # The insertion as it is, and moved over equal text to either end of the place.
            wanted = (0, deleted.span.start - piece.span.start, deleted.span.end - piece.span.start)
            for shift in {min(max(one, low), high) for one in wanted}:
                span = Span(piece.span.start + shift, piece.span.end + shift)
                new = _rotate(piece.new_text, shift) if shift else piece.new_text
                if self._touches(deleted.span, span) and _restores(
                    deleted.text,
                    new,
                    may_be_punctuation=self._is_last_run(step),
                    may_be_blank=not changes_words,
                ):
                    return True
        return False

    def _is_last_run(self, step: Step) -> bool:
        return self._last is not None and step.run == self._last.run

    def _carries_on(self, removed: str, inserted: str, step: Step) -> bool:
        """Whether the user has made the same replacement after `step`.

        One that takes away much more than it puts in is not: that is taking back, however often.
        """
        pair = _pair(removed, inserted)
        return 0 < len(pair[0]) <= 3 * len(pair[1]) and any(
            made == pair and by.number > step.number for made, by in self._made
        )

    def _touches(self, place: Span, span: Span) -> bool:
        if place.start <= span.end and span.start <= place.end:
            return True
        gap = Span(span.end, place.start) if span.end < place.start else Span(place.end, span.start)
        return gap.length <= MAX_GAP and not self._snapshot.slice(gap).strip()


def _pair(old: str, new: str) -> tuple[str, str]:
    """What a replacement changes, without what both sides share at their ends."""
    one, other = old.strip().casefold(), new.strip().casefold()
    if not one or not other:
        return one, other
    shared = count_common_prefix(one, other)
    one, other = one[shared:], other[shared:]
    shared = count_common_prefix(one[::-1], other[::-1])
    return one[: len(one) - shared], other[: len(other) - shared]


def _divide(snapshot: TextSnapshot, edit: TextEdit) -> Iterator[TextEdit]:
    """The smallest pieces of an edit: words that change, and what is only put in or taken out."""
    old = snapshot.slice(edit.span)
    for piece in diff_text(old, edit.new_text):
        start = edit.span.start + piece.span.start
        removed, new = old[slice(*piece.span)], piece.new_text
        for span, text in _refine(removed, new):
            yield TextEdit(Span(start + span.start, start + span.end), text)


def _refine(old: str, new: str) -> list[tuple[Span, str]]:
    """A replacement as insertions alone, or as deletions alone, where it is that."""
    if old and new:
        places = _embed(old, new)
        if places is not None:
            return _gaps(places, new)
        places = _embed(new, old)
        if places is not None:
            return [(Span(at, at + len(text)), "") for at, text in _runs(places, old)]
    return [(Span(0, len(old)), new)]


def _embed(short: str, long: str) -> list[int] | None:
    """Where the characters of one text stand in another, in order; None if they do not."""
    if len(short) > len(long):
        return None
    places: list[int] = []
    at = -1
    for character in short:
        at = long.find(character, at + 1)
        if at < 0:
            return None
        places.append(at)
    return places


def _gaps(places: Sequence[int], new: str) -> list[tuple[Span, str]]:
    """Insertions into a text whose characters stand at `places` of the new one."""
    inserted: list[tuple[Span, str]] = []
    reached = 0
    for index, place in enumerate([*places, len(new)]):
        if place > reached:
            inserted.append((Span(index, index), new[reached:place]))
        reached = place + 1
    return inserted


def _runs(places: Sequence[int], old: str) -> Iterator[tuple[int, str]]:
    """The stretches of a text around the places that stay."""
    reached = 0
    for place in [*places, len(old)]:
        if place > reached:
            yield reached, old[reached:place]
        reached = place + 1


def _find_typed(segments: Iterable[Segment]) -> Iterator[tuple[Span, Step]]:
    at = 0
    for segment in segments:
        if segment.length and segment.step is not None and segment.step.is_intended:
            yield Span(at, at + segment.length), segment.step
        at += segment.length


def _find_deleted(segments: Sequence[Segment], snapshot: TextSnapshot) -> Iterator[_Deleted]:
    """Deletions one by one, those at one place together, and both with what stands there now."""
    at = 0
    group: list[Segment] = []
    for index, segment in enumerate(segments):
        if segment.deleted:
            group.append(segment)
            continue
        if group:
            yield from _tell(group, segments[index:], at, snapshot)
            group = []
        at += segment.length
    if group:
        yield from _tell(group, (), at, snapshot)


def _tell(
    group: Sequence[Segment], later: Sequence[Segment], at: int, snapshot: TextSnapshot
) -> Iterator[_Deleted]:
    length = 0
    for segment in later:
        if segment.step is None or not segment.length:
            break
        length += segment.length
    length = min(length, len(snapshot) - at)
    span = Span(at, at + length)
    instead = snapshot.slice(span)
    for first in range(len(group)):
        # Every run of deletions that touch: they may be one word, deleted letter by letter.
        steps = [one.step for one in group[first:] if one.step is not None]
        text = "".join(one.deleted for one in group[first:])
        if first == 0 or len(text) > 1:
            yield _Deleted(span=span, text=text, step=max(steps, key=_number), instead=instead)
        deleted = group[first].deleted
        if len(group) - first > 1 and len(deleted) > 1 and (own := group[first].step) is not None:
            yield _Deleted(span=span, text=deleted, step=own, instead=instead)


def _number(step: Step) -> int:
    return step.number


def _slides(snapshot: TextSnapshot, piece: TextEdit) -> Iterator[int]:
    """How far an insertion or a deletion can be moved, either way, and do the same."""
    yield 0
    if piece.span.length and piece.new_text:
        return
    start, end = piece.span
    text = piece.new_text or snapshot.slice(piece.span)
    before = snapshot.slice(Span(max(0, start - MAX_SLIDE), start))
    after = snapshot.slice(Span(end, min(len(snapshot), end + MAX_SLIDE)))
    shift = 0
    while shift < len(after) and after[shift] == (text + after)[shift]:
        shift += 1
        yield shift
    shift = 0
    while shift < len(before) and before[-1 - shift] == (before + text)[-1 - shift]:
        shift += 1
        yield -shift


def _rotate(text: str, shift: int) -> str:
    """The text that an insertion moved by `shift` inserts."""
    shift %= len(text)
    return text[shift:] + text[:shift]


def _restores(deleted: str, new: str, *, may_be_punctuation: bool, may_be_blank: bool) -> bool:
    """Whether inserted text is the deleted one, part of it, or it with more."""
    old, text = deleted.strip(), new.strip()
    if not old or not text:
        # Blanks matter only where the prediction is about nothing else.
        return may_be_blank and not old and not text and (deleted in new or new in deleted)
    if not (_WORD.search(old) and _WORD.search(text)):
        # Brackets and operators come and go; only at once it is the very same thing again.
        return may_be_punctuation and (old in text or text in old)
    shorter, longer = sorted((old, text), key=len)
    if longer.startswith(shorter) or longer.endswith(shorter):
        return True
    if len(shorter) >= 3 and shorter in longer:
        return True
    words, new_words = _WORD.findall(old), _WORD.findall(text)
    shared = sum(map(len, _common(words, new_words)))
    return shared * 2 >= min(sum(map(len, words)), sum(map(len, new_words)))


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """The words of both, each as often as in both."""
    left = list(other)
    found: list[str] = []
    for word in one:
        if word in left:
            left.remove(word)
            found.append(word)
    return found
