"""From places in a file to the rows worth showing: whole small items, outlines of big ones.

Knows nothing of how the places were found. The rules are those that the released models were
trained with: an item whose body is over `BIG_BODY_BYTES` is shown by its head and tail only, and
ranges at most one row apart are one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zeta_context.context.files import SourceFile
from zeta_context.context.syntax import OutlineItem
from zeta_context.prompt.input import ContextSource, RelatedExcerpt, RelatedFile
from zeta_context.text.point import Span

BIG_BODY_BYTES = 512

Rows = tuple[int, int]
"""First row, and one past the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of a file that belong in the context: how early, why, and for which symbol."""

    rows: Rows
    order: int
    source: ContextSource
    symbol: str = ""


def definition_rows(
    file: SourceFile, target: Span, *, full_rows: Rows | None = None
) -> tuple[Rows, ...]:
    """The rows to show for a definition whose name (or more) is at `target`, merged.

    `full_rows` are the rows of the whole definition where the server told them: they are used
    for what is in no outline, such as a constant.
    """
    key = (target.start, target.end)
    if key not in file.excerpts:
        file.excerpts[key] = tuple(merge_rows(_definition_rows(file, target, full_rows)))
    return file.excerpts[key]


def _definition_rows(file: SourceFile, target: Span, full_rows: Rows | None) -> list[Rows]:
    snapshot = file.snapshot
    rows = [(snapshot.point(target.start).row, snapshot.point(target.end).row + 1)]
    enclosing = file.enclosing(target.start)
    for item in enclosing:
        if not is_big(file, item):
            rows.append((item.start_row, item.end_row))
            continue
        rows += head_and_tail(item)
        if item is enclosing[-1] and item.header.contains(target.start):
            for child in file.children(item):
                rows += head_and_tail(child)
    if full_rows is not None and not (enclosing and _names(enclosing[-1], target)):
        first, end = full_rows[0], min(full_rows[1], snapshot.row_count)
        if 0 <= first < end and _byte_count(file, (first, end)) <= BIG_BODY_BYTES:
            rows.append((first, end))
    return rows


def _names(item: OutlineItem, target: Span) -> bool:
    return item.name_span is not None and item.name_span.contains(target.start)


def is_big(file: SourceFile, item: OutlineItem) -> bool:
    """Whether an item's body is too big to be shown whole."""
    if item.body is None or item.body.length * 4 <= BIG_BODY_BYTES:
        return False
    body = file.snapshot.slice(item.body)
    return len(body.encode("utf-8", "replace")) > BIG_BODY_BYTES


def head_and_tail(item: OutlineItem) -> list[Rows]:
    """The rows of an item's header, and of what closes it."""
    rows = [(item.start_row, item.header_end_row)]
    if item.tail_start_row < item.end_row:
        rows.append((item.tail_start_row, item.end_row))
    return rows


def _byte_count(file: SourceFile, rows: Rows) -> int:
    return sum(len(row.encode("utf-8", "replace")) for row in file.snapshot.rows(*rows))


def merge_rows(rows: Iterable[Rows]) -> list[Rows]:
    """Row ranges in order, those that overlap or are at most one row apart joined."""
    merged: list[Rows] = []
    for start, end in sorted(rows):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def assemble_file(
    file: SourceFile,
    pieces: Iterable[Piece],
    *,
    project: str,
    path: str,
    is_outside_project: bool = False,
) -> RelatedFile:
    """One related file from pieces: merged ranges take the earliest piece's order and reason."""
    excerpts: list[RelatedExcerpt] = []
    waiting = sorted(pieces, key=lambda piece: piece.rows)
    groups: list[tuple[Rows, Piece]] = []
    for piece in waiting:
        if groups and piece.rows[0] <= groups[-1][0][1] + 1:
            (start, end), best = groups[-1]
            best = piece if piece.order < best.order else best
            groups[-1] = ((start, max(end, piece.rows[1])), best)
        else:
            groups.append((piece.rows, piece))
    for (start, end), best in groups:
        excerpts.append(
            RelatedExcerpt(
                start_row=start,
                end_row=end,
                text="".join(file.snapshot.rows(start, end)),
                order=best.order,
                source=best.source,
                symbol=best.symbol,
            )
        )
    return RelatedFile(
        project=project,
        path=path,
        last_row=file.last_row,
        excerpts=tuple(excerpts),
        is_outside_project=is_outside_project,
    )
