"""What a prediction looks like beside the text: ghost text, or the rows as they would be.

Front ends draw these without moving a character of the user's text. Pure: knows texts and edits,
nothing of screens or protocols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span, content_length
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRow:
    """A row as it would be, without its line ending; `added` are columns of what is new in it."""

    text: str
    added: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewBlock:
    """Neighbouring rows that change together.

    The rows `first_row` to before `end_row` become `rows`; where both are the same, `rows` come
    in before `first_row`. `removed` are offsets in the old text of what goes. `ghost` is the edit
    of a block that only adds text at the end of a row: it can be shown right there.
    """

    first_row: int
    end_row: int
    rows: tuple[PreviewRow, ...]
    removed: tuple[Span, ...]
    ghost: TextEdit | None


def preview(text: TextSnapshot, edits: Sequence[TextEdit]) -> tuple[PreviewBlock, ...]:
    """The blocks of simultaneous `edits` of `text`, from top to bottom."""
    small: list[TextEdit] = []
    for edit in edits:
        old = text.slice(edit.span)
        small += (
            TextEdit(Span(edit.span.start + at.start, edit.span.start + at.end), new)
            for at, new in ((part.span, part.new_text) for part in diff_text(old, edit.new_text))
        )
    blocks: list[list[TextEdit]] = []
    reached = -2
    for edit in small:
        if text.point(edit.span.start).row > reached:
            blocks.append([])
        blocks[-1].append(edit)
        reached = text.point(edit.span.end).row
    return tuple(_block(text, block) for block in blocks)


def _block(text: TextSnapshot, edits: Sequence[TextEdit]) -> PreviewBlock:
    first_row = text.point(edits[0].span.start).row
    last_row = text.point(edits[-1].span.end).row
    start = text.row_start(first_row)
    end = text.row_start(last_row) + content_length(text.row(last_row))
    end = max(end, edits[-1].span.end)
    local = [
        TextEdit(Span(edit.span.start - start, edit.span.end - start), edit.new_text)
        for edit in edits
    ]
    olds = _rows(text.slice(Span(start, end)))
    new = apply_edits(text.slice(Span(start, end)), local)
    news = _mark(new, local)
    top = 0
    while top < min(len(olds), len(news)) and olds[top] == news[top].text:
        top += 1
    tail = 0
    while tail < min(len(olds), len(news)) - top and olds[-1 - tail] == news[-1 - tail].text:
        tail += 1
    return PreviewBlock(
        first_row=first_row + top,
        end_row=first_row + len(olds) - tail,
        rows=tuple(news[top : len(news) - tail]),
        removed=tuple(edit.span for edit in edits if edit.span.length),
        ghost=_ghost(text, edits),
    )


def _ghost(text: TextSnapshot, edits: Sequence[TextEdit]) -> TextEdit | None:
    edit = edits[0]
    if len(edits) > 1 or edit.span.length:
        return None
    row = text.point(edit.span.start).row
    at_end = text.row_start(row) + content_length(text.row(row)) == edit.span.start
    return edit if at_end else None


def _rows(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _mark(new: str, edits: Sequence[TextEdit]) -> list[PreviewRow]:
    spans: list[Span] = []
    shift = 0
    for edit in edits:
        start = edit.span.start + shift
        spans.append(Span(start, start + len(edit.new_text)))
        shift += edit.growth
    rows: list[PreviewRow] = []
    start = 0
    for row in _rows(new):
        end = start + len(row)
        added = tuple(
            Span(max(span.start, start) - start, min(span.end, end) - start)
            for span in spans
            if min(span.end, end) > max(span.start, start)
        )
        rows.append(PreviewRow(text=row, added=added))
        start = end + (2 if new[end : end + 2] == "\r\n" else 1)
    return rows
