"""Cuts what editors send down to what really changed, and tells typing from bulk changes.

Editors replace more than the user touched: a whole row, the whole file, every row a formatter
passed over. Knows nothing of documents or of the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from zeta_context.events.change import Change, count_rows_between
from zeta_context.text.diff import diff_rows, split_lines, trim_edit
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


def reduce_edit(snapshot: TextSnapshot, edit: TextEdit) -> TextEdit:
    """The edit without what it leaves as it was at either end."""
    if edit.new_text and edit.span.length:
        return trim_edit(snapshot, edit)
    return edit


def reduce_replacement(snapshot: TextSnapshot, edit: TextEdit) -> list[TextEdit]:
    """The edits that a replacement of many rows amounts to: none, one, or one a changed place."""
    reduced = reduce_edit(snapshot, edit)
    if reduced.is_empty:
        return []
    old_rows, new_rows = split_lines(snapshot.slice(reduced.span)), split_lines(reduced.new_text)
    if min(len(old_rows), len(new_rows)) < 2:
        return [reduced]
    offsets = list(accumulate(map(len, old_rows), initial=reduced.span.start))
    edits = []
    for hunk in diff_rows(old_rows, new_rows):
        span = Span(offsets[hunk.old_start], offsets[hunk.old_end])
        new_text = "".join(new_rows[hunk.new_start : hunk.new_end])
        edits.append(reduce_edit(snapshot, TextEdit(span, new_text)))
    return edits


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
