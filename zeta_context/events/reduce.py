"""Cuts what editors send down to what really changed, and tells typing from bulk changes.

Editors replace more than the user touched: a whole row, the whole file, every row a formatter
passed over. Knows nothing of documents or of the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from zeta_context.events.change import Change, count_rows_between
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

_BLOCK = 4_096
_MAX_ROWS = 1_000


def reduce_edit(old: str, edit: TextEdit) -> TextEdit:
    """The edit without what it leaves as it was; `old` is the text that it replaces.

    A carriage return and the line feed after it are not taken apart.
    """
    new = edit.new_text
    if not old or not new:
        return edit
    prefix = count_common_prefix(old, new)
    if (
        prefix
        and old[prefix - 1] == "\r"
        and "\n"
        in (
            old[prefix : prefix + 1],
            new[prefix : prefix + 1],
        )
    ):
        prefix -= 1
    old, new = old[prefix:], new[prefix:]
    suffix = count_common_suffix(old, new)
    if (
        suffix
        and old[-suffix] == "\n"
        and "\r"
        in (
            old[-suffix - 1 : -suffix],
            new[-suffix - 1 : -suffix],
        )
    ):
        suffix -= 1
    return TextEdit(
        Span(edit.span.start + prefix, edit.span.end - suffix), new[: len(new) - suffix]
    )


def reduce_replacement(snapshot: TextSnapshot, edit: TextEdit) -> list[TextEdit]:
    """The edits that a replacement of many rows amounts to: none, one, or one a changed place."""
    old = snapshot.slice(edit.span)
    reduced = reduce_edit(old, edit)
    if reduced.is_empty:
        return []
    old = snapshot.slice(reduced.span)
    old_rows, new_rows = old.splitlines(keepends=True), reduced.new_text.splitlines(keepends=True)
    if min(len(old_rows), len(new_rows)) < 2 or max(len(old_rows), len(new_rows)) > _MAX_ROWS:
        return [reduced]
    edits = []
    at = row = 0
    for tag, first, last, new_first, new_last in SequenceMatcher(
        None, old_rows, new_rows, autojunk=False
    ).get_opcodes():
        start = at + sum(map(len, old_rows[row:first]))
        end = start + sum(map(len, old_rows[first:last]))
        at, row = end, last
        if tag != "equal":
            span = Span(reduced.span.start + start, reduced.span.start + end)
            part = TextEdit(span, "".join(new_rows[new_first:new_last]))
            edits.append(reduce_edit(old[start:end], part))
    return edits


def count_common_prefix(left: str, right: str) -> int:
    """How many characters two texts have in common at their start."""
    shorter = min(len(left), len(right))
    at = 0
    while at < shorter and left[at : at + _BLOCK] == right[at : at + _BLOCK]:
        at += _BLOCK
    at = min(at, shorter)
    while at < shorter and left[at] == right[at]:
        at += 1
    return at


def count_common_suffix(left: str, right: str) -> int:
    """How many characters two texts have in common at their end."""
    shorter = min(len(left), len(right))
    at = 0
    while at + _BLOCK <= shorter and (
        left[len(left) - at - _BLOCK : len(left) - at]
        == right[len(right) - at - _BLOCK : len(right) - at]
    ):
        at += _BLOCK
    while at < shorter and left[-at - 1] == right[-at - 1]:
        at += 1
    return at


def enclose_in_order(before: TextSnapshot, edits: Sequence[TextEdit]) -> tuple[Change, ...]:
    """Apply sorted, disjoint edits of one text, top down, as one change after another."""
    changes = []
    shift = 0
    for edit in edits:
        span = Span(edit.span.start + shift, edit.span.end + shift)
        after = before.edit(span, edit.new_text)
        end = span.start + len(edit.new_text)
        changes.append(Change(before, after, span, Span(span.start, end)))
        shift += len(edit.new_text) - edit.span.length
        before = after
    return tuple(changes)


def join_near(changes: Sequence[Change], max_rows: int) -> list[Change]:
    """Join each change to the one before it where at most `max_rows` rows lie between them."""
    joined: list[Change] = []
    for change in changes:
        if joined:
            place = change.carry(joined[-1].new_span)
            if count_rows_between(place, change.new_span, change.new) <= max_rows:
                joined[-1] = joined[-1].followed_by(change)
                continue
        joined.append(change)
    return joined


def is_uniform(changes: Sequence[Change]) -> bool:
    """Whether all changes replace the same by the same, as a rename or many cursors do."""
    first = _read_replacement(changes[0])
    return all(_read_replacement(change) == first for change in changes[1:])


def is_spacing_only(change: Change) -> bool:
    """Whether a change leaves all but white space as it was, as formatters do."""
    removed, inserted = _read_replacement(change)
    return "".join(removed.split()) == "".join(inserted.split())


def _read_replacement(change: Change) -> tuple[str, str]:
    return change.old.slice(change.old_span), change.new.slice(change.new_span)
