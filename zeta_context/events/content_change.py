"""The changes of a `textDocument/didChange` notification, and where they lie in a text.

Knows nothing of documents or versions. Editors send columns in the unit that was negotiated; a
column past the end of its row is clipped to it, as the protocol asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zeta_context.errors import DocumentError, OutOfRange
from zeta_context.text.point import Encoding, Point, Span
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentChange:
    """Replace what lies from `start` to `end` by `text`; without a range, the whole text.

    Columns count units of the negotiated encoding, not code points.
    """

    text: str
    start: Point | None = None
    end: Point | None = None


def parse_content_changes(raw: object) -> tuple[ContentChange, ...]:
    """Read the `contentChanges` of a notification as decoded JSON; DocumentError if malformed."""
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise DocumentError("contentChanges must be an array")
    return tuple(_parse_change(change) for change in raw)


def _parse_change(raw: object) -> ContentChange:
    if not isinstance(raw, Mapping) or not isinstance(text := raw.get("text"), str):
        raise DocumentError("a content change must be an object with a text")
    place = raw.get("range")
    if place is None:
        return ContentChange(text=text)
    if not isinstance(place, Mapping):
        raise DocumentError("the range of a content change must be an object")
    return ContentChange(
        text=text, start=_parse_position(place.get("start")), end=_parse_position(place.get("end"))
    )


def _parse_position(raw: object) -> Point:
    if not isinstance(raw, Mapping):
        raise DocumentError("a position must be an object")
    row, column = raw.get("line"), raw.get("character")
    if not isinstance(row, int) or not isinstance(column, int) or row < 0 or column < 0:
        raise DocumentError("a position must have a line and a character, neither negative")
    return Point(row, column)


def locate_change(snapshot: TextSnapshot, change: ContentChange, encoding: Encoding) -> Span:
    """The span of a change in the text it is made against.

    The row below the last one is the end of the text; any other row that is not there means that
    the editor holds another text than we do: OutOfRange.
    """
    if change.start is None or change.end is None:
        return Span(0, len(snapshot))
    start = _find_offset(snapshot, change.start, encoding)
    end = _find_offset(snapshot, change.end, encoding)
    if end < start:
        raise OutOfRange("a content change whose range ends before it starts")
    return Span(start, end)


def _find_offset(snapshot: TextSnapshot, position: Point, encoding: Encoding) -> int:
    if position.row > snapshot.row_count:
        raise OutOfRange(f"row {position.row} of a text with {snapshot.row_count} rows")
    return snapshot.offset_of_position(position.row, position.column, encoding)
