"""Text cut into blocks by numbered tags, and answers that replace the text from one tag to another.

Knows tags, offsets and bytes; knows nothing of prompts, or of what a model may have meant by an
answer. Offsets are UTF-8 bytes of the old text, as the tags' places are part of the wire format.
Source: the public client of the Zeta models, V0316 to V0318.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from zeta_context.errors import OutputError

TAG_PREFIX = "<|marker_"
_TAG = re.compile(r"<\|marker_([0-9]+)\|>")
_LONGEST_NUMBER = 9


def render_tag(at: int) -> str:
    """The tag of the marker with an index; the numbers start at one."""
    return f"{TAG_PREFIX}{at + 1}|>"


def render_blocks(
    text: str,
    offsets: Sequence[int],
    cursor: int | None,
    cursor_marker: str,
    *,
    first: int = 0,
) -> str:
    """The text with a tag at every offset, and the cursor in the first block that holds it.

    `first` is the index of the marker at the first offset.
    """
    raw = text.encode()
    pieces = [render_tag(first)]
    is_placed = cursor is None
    for at, (start, end) in enumerate(pairwise(offsets), first + 1):
        if cursor is not None and not is_placed and start <= cursor <= end:
            pieces += [raw[start:cursor].decode(), cursor_marker, raw[cursor:end].decode()]
            is_placed = True
        else:
            pieces.append(raw[start:end].decode())
        pieces.append(render_tag(at))
    return "".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What an answer says: `text` stands instead of the bytes from `start` to `end`.

    `is_edit` is False where its first tag is its last one, whatever stands between them.
    `ends_at` is where the last tag ends in the answer.
    """

    start: int
    end: int
    text: str
    is_edit: bool
    ends_at: int


def count_tags(answer: str) -> int:
    """How many numbered tags an answer has."""
    return sum(1 for _ in _TAG.finditer(answer))


def read_replacement(answer: str, offsets: Sequence[int]) -> Replacement:
    """The replacement from the first tag of an answer to its last; the ones between vanish.

    Raises OutputError when it has fewer than two tags, a number that the old text has not, or ends
    before it starts.
    """
    tags = list(_TAG.finditer(answer))
    if len(tags) < 2:
        raise OutputError(f"the output has {len(tags)} of the two markers that it needs")
    first, last = (_find_offset(tags[at], offsets) for at in (0, -1))
    if offsets[first] > offsets[last]:
        raise OutputError(f"the output ends at marker {last + 1}, before its start at {first + 1}")
    text = "".join(answer[tag.end() : after.start()] for tag, after in pairwise(tags))
    return Replacement(
        start=offsets[first],
        end=offsets[last],
        text=text,
        is_edit=first != last,
        ends_at=tags[-1].end(),
    )


def encode_replacement(
    old: str, new: str, offsets: Sequence[int], cursor: int | None, cursor_marker: str
) -> str:
    """The shortest answer, by tags, that turns `old` into `new`, which must differ.

    It repeats each tag between its first and its last where the new text corresponds, at the start
    of a row. `cursor` is an offset in the new text; it is told only where it lies in the answer.
    """
    before, after = old.encode(), new.encode()
    prefix, suffix = _common_ends(before, after)
    first = max(at for at, offset in enumerate(offsets) if offset <= prefix)
    last = min(at for at, offset in enumerate(offsets) if offset >= len(before) - suffix)
    first, last = min(first, last), max(first, last)
    if first == last:
        first, last = (first, last + 1) if last + 1 < len(offsets) else (first - 1, last)
    start, end = offsets[first], len(after) - (len(before) - offsets[last])
    old_changed, new_changed = len(before) - prefix - suffix, len(after) - prefix - suffix
    places = [start]
    for offset in offsets[first + 1 : last]:
        place = prefix + (offset - prefix) * new_changed // old_changed
        places.append(min(max(_next_row(after, place), places[-1]), end))
    places.append(end)
    return render_blocks(
        after[start:end].decode(),
        [place - start for place in places],
        None if cursor is None else cursor - start,
        cursor_marker,
        first=first,
    )


def _find_offset(tag: re.Match[str], offsets: Sequence[int]) -> int:
    """The index of a tag's marker."""
    number = tag[1]
    if len(number) > _LONGEST_NUMBER or not 1 <= int(number) <= len(offsets):
        raise OutputError(f"the output names a marker that is none of the {len(offsets)} there are")
    return int(number) - 1


def _common_ends(old: bytes, new: bytes) -> tuple[int, int]:
    """How many bytes both start with, and how many of the others both end with."""
    limit = min(len(old), len(new))
    prefix = next((at for at in range(limit) if old[at] != new[at]), limit)
    limit -= prefix
    return prefix, next((at for at in range(limit) if old[-1 - at] != new[-1 - at]), limit)


def _next_row(text: bytes, place: int) -> int:
    """The first start of a row at or after a place, or the end of the text."""
    if place == 0 or text[place - 1 : place] == b"\n":
        return place
    found = text.find(b"\n", place)
    return len(text) if found < 0 else found + 1
