"""Carries a prediction over what the user has typed since it was made.

A prediction stands as long as the text lies on a path from the text it was made from to the text
it leads to: every place that it changes holds the old text, or the beginning of the new one, or
the new one. Besides, an editor may have closed the brackets and quotes that were typed, and have
indented the row that was begun. Knows texts and edits, nothing of documents or of time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from zeta_context.events.change import Change
from zeta_context.text.diff import count_common_prefix
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_WINDOW = 262_144
"""Text that is compared at most; a change further from the prediction than this ends it."""

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_QUOTES = "\"'`"
_BLANKS = " \t\r\n"
_AUTOMATIC = frozenset([*_CLOSERS.values(), *_QUOTES, *_BLANKS])
_SLACK = 256


def interpolate(
    base: TextSnapshot, edits: Sequence[TextEdit], change: Change
) -> tuple[TextEdit, ...] | None:
    """What is left of `edits`, which were made against `base`, once `change` was made to it.

    The result is against `change.new`; it is empty when all was typed already, and None when the
    text went another way. `change.old` has the text of `base`.
    """
    if not edits:
        return ()
    start = min(change.old_span.start, edits[0].span.start)
    end = max(change.old_span.end, edits[-1].span.end)
    now_end = end + change.new_span.end - change.old_span.end
    if max(end, now_end) - start > MAX_WINDOW:
        return None
    old = base.slice(Span(start, end))
    now = change.new.slice(Span(start, now_end))
    local = _move(edits, -start)
    if now == old:
        return tuple(edits)
    if now == apply_edits(old, local):
        return ()
    found = _Path.between(old, local, now).find()
    return None if found is None else _move(found, start)


def _move(edits: Sequence[TextEdit], by: int) -> tuple[TextEdit, ...]:
    return tuple(
        TextEdit(Span(edit.span.start + by, edit.span.end + by), edit.new_text) for edit in edits
    )


@dataclass(slots=True)
class _Path:
    """A text cut at the places that a prediction changes: `gaps` stand around and between them."""

    gaps: list[str]
    places: list[tuple[str, str]]
    now: str
    dead_ends: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def between(cls, old: str, edits: Sequence[TextEdit], now: str) -> _Path:
        gaps: list[str] = []
        places: list[tuple[str, str]] = []
        reached = 0
        for edit in edits:
            gap = old[reached : edit.span.start]
            removed = old[slice(*edit.span)]
            if places and not gap:
                # Edits that touch cannot be told apart in the text: they are one place.
                removed_before, new_before = places[-1]
                places[-1] = (removed_before + removed, new_before + edit.new_text)
            else:
                gaps.append(gap)
                places.append((removed, edit.new_text))
            reached = edit.span.end
        return cls([*gaps, old[reached:]], places, now)

    def find(self) -> list[TextEdit] | None:
        """The edits that are left, or None."""
        first, last = self.gaps[0], self.gaps[-1]
        if not self.now.startswith(first) or not self.now.endswith(last):
            return None
        return self._search(0, len(first))

    def _search(self, number: int, start: int) -> list[TextEdit] | None:
        if (number, start) in self.dead_ends:
            return None
        old, new = self.places[number]
        is_last = number == len(self.places) - 1
        gap = self.gaps[number + 1]
        for end in self._ends(start, old, new, gap, is_last=is_last):
            left = find_rest(old, new, self.now[start:end])
            if left is None:
                continue
            rest = [] if is_last else self._search(number + 1, end + len(gap))
            if rest is not None:
                return [*_move(left, start), *rest]
        self.dead_ends.add((number, start))
        return None

    def _ends(self, start: int, old: str, new: str, gap: str, *, is_last: bool) -> list[int]:
        """Where the place can end: before its gap; where it would untouched comes first."""
        if is_last:
            end = len(self.now) - len(gap)
            return [end] if end >= start else []
        ends = []
        limit = start + len(old) + len(new) + _SLACK + len(gap)
        at = self.now.find(gap, start, limit)
        while at >= 0:
            ends.append(at)
            at = self.now.find(gap, at + 1, limit)
        untouched = start + len(old)
        return sorted(ends, key=lambda end: (end != untouched, end))


def find_rest(old: str, new: str, now: str) -> tuple[TextEdit, ...] | None:
    """What is left of replacing `old` by `new` where `now` stands; None if that is on no way there.

    On the way are: a beginning of `old` (the rest was deleted from behind), and a beginning of
    `new`, followed by what the editor added by itself and by an end of `old`.
    """
    if now == new:
        return ()
    if now == old or old.startswith(now):
        return (TextEdit(Span(0, len(now)), new),)
    for typed in range(count_common_prefix(now, new), -1, -1):
        rest = now[typed:]
        if old.endswith(rest):
            return (TextEdit(Span(typed, len(now)), new[typed:]),)
        found = _absorb(old, new, typed, rest)
        if found is not None:
            return _move([edit for edit in found if not edit.is_empty], typed)
    return None


def _absorb(old: str, new: str, typed: int, rest: str) -> list[TextEdit] | None:
    """The edits left of `rest` when it begins with what an editor adds to `new[:typed]`."""
    automatic = 0
    while automatic < len(rest) and rest[automatic] in _AUTOMATIC:
        automatic += 1
    for added in range(automatic, 0, -1):
        if not old.endswith(rest[added:]):
            continue
        found = _absorb_closers(new, typed, rest[:added]) or _absorb_indent(
            new, typed, rest[:added]
        )
        if found is not None:
            *inner, last = found
            # What is left of the old text goes with the last edit.
            return [*inner, TextEdit(Span(last.span.start, len(rest)), last.new_text)]
    return None


def _absorb_indent(new: str, typed: int, added: str) -> list[TextEdit] | None:
    """The edits for a row that the editor indented further or otherwise than `new` does."""
    row = new[:typed].rpartition("\n")
    if not row[1] or row[2].strip(" \t") or added.strip(" \t"):
        return None
    return [TextEdit(Span(0, len(added)), new[typed:])]


def _absorb_closers(new: str, typed: int, added: str) -> list[TextEdit] | None:
    """The edits that put in what `new` has before each of the closing brackets and quotes."""
    unclosed = _unclosed(new[:typed])
    closings = _closings(new, typed, unclosed)
    edits: list[TextEdit] = []
    reached, place = 0, typed
    for at, character in enumerate(added):
        if character in _BLANKS:
            continue
        closing = next(closings, None)
        if closing is None or new[closing] != character:
            return None
        edits.append(TextEdit(Span(reached, at), new[place:closing]))
        reached, place = at + 1, closing + 1
    if not edits:
        return None
    edits.append(TextEdit(Span(reached, len(added)), new[place:]))
    kept = [edit for edit in edits[:-1] if added[slice(*edit.span)] != edit.new_text]
    return [*kept, edits[-1]]


def _unclosed(text: str) -> list[str]:
    """The brackets and quotes that are open at the end of a text, the innermost last."""
    stack: list[str] = []
    for character in text:
        _step(stack, character)
    return stack


def _step(stack: list[str], character: str) -> bool:
    """Take one character in; whether it closed the innermost."""
    innermost = stack[-1] if stack else ""
    if innermost and innermost in _QUOTES:
        if character == innermost:
            stack.pop()
            return True
        return False
    if innermost and character == _CLOSERS.get(innermost):
        stack.pop()
        return True
    if character in _CLOSERS or character in _QUOTES:
        stack.append(character)
    return False


def _closings(text: str, start: int, unclosed: list[str]) -> Iterator[int]:
    """Where a text closes what was open at `start`, the innermost first."""
    stack, is_open = list(unclosed), len(unclosed)
    for at in range(start, len(text)):
        if _step(stack, text[at]) and len(stack) < is_open:
            is_open = len(stack)
            yield at
