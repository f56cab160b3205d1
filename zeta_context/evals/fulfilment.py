"""Tells from the rest of a trace whether the recorded user went on to do what was predicted.

The rule. A prediction's edits on neighbouring rows are one change; each change must be made by
hand. It is made when, at some moment of the recording, the whole document is the text that the
change alone would have left, carried along with every edit that lies apart from it. The edits that
lead there are the user's visit: it begins with the first edit that touches the changed characters
(or lies on their rows) and may take any way there, slips and second thoughts too; but once it has
begun, an edit elsewhere, in this document or another, ends it, and what is not made by then never
is. Edits apart from the change may come in any number before the visit.

Knows nothing of who predicted, nor of what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from zeta_context.events.trace import (
    Closed,
    Edited,
    Ended,
    Opened,
    Reloaded,
    Renamed,
    TraceEntry,
)
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span

_MAX_READINGS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """Which entries of the trace, by index, make the prediction by hand.

    `first` and `last` are the first and the last of them; entries between that belong to no visit
    (the cursor, saving) are not in `keystrokes`.
    """

    keystrokes: frozenset[int]
    first: int
    last: int


def find_fulfilment(
    edits: Sequence[TextEdit], path: str, text: str, entries: Sequence[TraceEntry], start: int
) -> Fulfilment | None:
    """How the entries from index `start` on make `edits` of `text`, the document at `path` before
    them; None when they do not, or when nothing is left to do.
    """
    keystrokes: set[int] = set()
    for change in _changes(edits, text):
        visit = _find_visit(change, path, text, entries, start)
        if not visit:
            return None
        keystrokes.update(visit)
    if not keystrokes:
        return None
    return Fulfilment(keystrokes=frozenset(keystrokes), first=min(keystrokes), last=max(keystrokes))


def _changes(edits: Sequence[TextEdit], text: str) -> Iterator[tuple[TextEdit, ...]]:
    """The edits, grouped where no row lies between two of them."""
    group: list[TextEdit] = []
    for edit in edits:
        if group and text.count("\n", group[-1].span.end, edit.span.start) > 1:
            yield tuple(group)
            group = []
        group.append(edit)
    if group:
        yield tuple(group)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One way to read the entries so far: which of them lie apart, and which are the visit.

    `target` is the text to be reached; `start` and `end` bound what differs from it now, as wide
    as the difference can be placed; `target_end` is the end of that in the target. Once the visit
    has begun, `start` and `end` bound the rows that it may touch.
    """

    target: str
    start: int
    end: int
    target_end: int
    visit: tuple[int, ...] = ()


def _find_visit(
    change: tuple[TextEdit, ...],
    path: str,
    text: str,
    entries: Sequence[TraceEntry],
    start: int,
) -> tuple[int, ...] | None:
    readings = _first_readings(text, apply_edits(text, change))
    for index in range(start, len(entries)):
        entry = entries[index]
        match entry:
            case Edited() if entry.path == path:
                readings = _read_edit(readings, text, entry, index)
                text = text[: entry.span.start] + entry.new_text + text[entry.span.end :]
                for reading in readings:
                    if reading.visit and reading.target == text:
                        return reading.visit
            case Edited():
                readings = [reading for reading in readings if not reading.visit]
            case Renamed() if entry.path == path:
                path = entry.new_path
            case Reloaded() if entry.path == path:
                return None
            case Closed() | Opened() if entry.path == path:
                return None
            case Ended():
                return None
            case _:
                pass
        if not readings:
            return None
    return None


def _first_readings(text: str, target: str) -> list[_Reading]:
    if text == target:
        return []
    least = min(len(text), len(target))
    head = _count_common(text, target, least)
    tail = _count_common(text[::-1], target[::-1], least)
    # An insertion beside equal text can be placed in several ways: none of them may be missed.
    start = min(head, least - tail)
    end = max(len(text) - tail, head + max(0, len(text) - len(target)))
    return [_Reading(target=target, start=start, end=end, target_end=end + len(target) - len(text))]


def _count_common(one: str, other: str, least: int) -> int:
    low, high = 0, least
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read_edit(readings: Iterable[_Reading], text: str, edit: Edited, index: int) -> list[_Reading]:
    """The readings that an edit of `text` leaves possible, each of a different target or visit."""
    after: dict[tuple[str, bool], _Reading] = {}
    for reading in readings:
        for one in (_apart(reading, edit), _visiting(reading, text, edit, index)):
            if one is not None:
                after.setdefault((one.target, bool(one.visit)), one)
    return list(after.values())[:_MAX_READINGS]


def _apart(reading: _Reading, edit: Edited) -> _Reading | None:
    """The reading in which the edit has nothing to do with the change."""
    if reading.visit:
        return None
    shift = len(edit.new_text) - edit.span.length
    if edit.span.end < reading.start:
        return replace(
            reading,
            target=_edited(reading.target, edit.span, edit.new_text),
            start=reading.start + shift,
            end=reading.end + shift,
            target_end=reading.target_end + shift,
        )
    if edit.span.start > reading.end:
        moved = reading.target_end - reading.end
        span = Span(edit.span.start + moved, edit.span.end + moved)
        return replace(reading, target=_edited(reading.target, span, edit.new_text))
    return None


def _visiting(reading: _Reading, text: str, edit: Edited, index: int) -> _Reading | None:
    """The reading in which the edit is part of making the change."""
    start, end = reading.start, reading.end
    if not reading.visit:
        # From the line feed before the first changed row to the one after the last.
        start = max(text.rfind("\n", 0, start), 0)
        end = min(text.find("\n", end) + 1 or len(text), len(text))
    if not start <= edit.span.start <= edit.span.end <= end:
        return None
    end += len(edit.new_text) - edit.span.length
    return replace(reading, start=start, end=end, visit=(*reading.visit, index))


def _edited(text: str, span: Span, new_text: str) -> str:
    return text[: span.start] + new_text + text[span.end :]
