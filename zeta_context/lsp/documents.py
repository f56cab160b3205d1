"""What a language server is told about open documents, and the places it talks about.

Knows nothing of processes or messages: it turns snapshots into `contentChanges`, and code-point
columns into the units that the server counts in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zeta_context.text.point import Encoding, Span
from zeta_context.text.snapshot import TextSnapshot


class UnitPoint(NamedTuple):
    """A place by 0-based row and column, the column in the units of a position encoding."""

    row: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A range in a file, as a server gave it: columns are in the units of `encoding`.

    `start` and `end` hold the name or what else the server points at; `full_end_row` is the last
    row of the whole definition where the server told it (LocationLink), else None. `path` is None
    for what is no file on this machine.
    """

    uri: str
    path: Path | None
    start: UnitPoint
    end: UnitPoint
    encoding: Encoding
    full_start_row: int | None = None
    full_end_row: int | None = None


@dataclass(slots=True, kw_only=True)
class OpenDocument:
    """A document that the server was told of, as far as it was told."""

    path: Path
    uri: str
    language: str
    version: int
    snapshot: TextSnapshot
    sent_version: int = 1


class Change(NamedTuple):
    """The one replacement that turns an old text into a new one: its span there and here."""

    old: Span
    new: Span

    @property
    def is_empty(self) -> bool:
        """Whether the two texts are the same."""
        return self.old.length == 0 == self.new.length

    def map_offset(self, offset: int) -> int | None:
        """Where an offset of the old text is in the new one; None inside of what was replaced."""
        if offset <= self.old.start:
            return offset
        if offset >= self.old.end:
            return offset + self.new.end - self.old.end
        return None

    def map_span(self, span: Span) -> Span | None:
        """Where a span is now, if nothing in it changed and nothing was put right beside it.

        Typing at the end of a name makes another name of it, so touching counts as changed.
        """
        if span.end < self.old.start:
            return span
        if span.start > self.old.end:
            shift = self.new.end - self.old.end
            return Span(span.start + shift, span.end + shift)
        return span if self.is_empty else None


def _common_length(is_same: Callable[[int, int], bool], limit: int) -> int:
    """The largest n up to `limit` such that everything before n is the same.

    Comparing slices runs at the speed of memcmp; a loop over characters does not.
    """
    low, high, step = 0, limit, 65536
    while low < high:
        middle = min(low + step, high)
        if is_same(low, middle):
            low = middle
        elif middle - low == 1:
            return low
        else:
            high = middle
            step = max(1, (high - low) // 2)
    return low


def change_between(old: str, new: str) -> Change:
    """The smallest single replacement between two texts; it never parts a CR from its LF."""
    if old == new:
        return Change(Span(len(old), len(old)), Span(len(new), len(new)))
    shorter, ends = min(len(old), len(new)), (len(old), len(new))
    prefix = _common_length(lambda a, b: old[a:b] == new[a:b], shorter)
    suffix = _common_length(
        lambda a, b: old[ends[0] - b : ends[0] - a] == new[ends[1] - b : ends[1] - a],
        shorter - prefix,
    )
    if _parts_crlf(old, prefix) or _parts_crlf(new, prefix):
        prefix -= 1
    if _parts_crlf(old, len(old) - suffix) or _parts_crlf(new, len(new) - suffix):
        suffix -= 1
    return Change(Span(prefix, len(old) - suffix), Span(prefix, len(new) - suffix))


def _parts_crlf(text: str, offset: int) -> bool:
    return 0 < offset < len(text) and text[offset - 1] == "\r" and text[offset] == "\n"


def to_unit_point(snapshot: TextSnapshot, offset: int, encoding: Encoding) -> UnitPoint:
    """The place of an offset, as the server wants it."""
    return UnitPoint(*snapshot.position(offset, encoding))


def from_unit_point(snapshot: TextSnapshot, place: UnitPoint, encoding: Encoding) -> int:
    """The offset of a server's place; what is past a row or past the text is its end."""
    return snapshot.offset_of_position(place.row, place.units, encoding)


def encode_place(place: UnitPoint) -> dict[str, int]:
    """A place as LSP's `Position`."""
    return {"line": place.row, "character": place.units}


def encode_change(old: TextSnapshot, new: TextSnapshot, encoding: Encoding) -> list[dict[str, Any]]:
    """The `contentChanges` that turn one text into the other; empty when they are equal."""
    change = change_between(old.text, new.text)
    if change.is_empty:
        return []
    start = to_unit_point(old, change.old.start, encoding)
    end = to_unit_point(old, change.old.end, encoding)
    return [
        {
            "range": {"start": encode_place(start), "end": encode_place(end)},
            "text": new.slice(change.new),
        }
    ]


def decode_place(value: Any) -> UnitPoint:
    """LSP's `Position`; raises what a malformed one makes Python raise."""
    return UnitPoint(int(value["line"]), int(value["character"]))
