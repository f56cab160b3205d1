"""From places in a file to the rows worth showing: whole small items, outlines of big ones.

Knows nothing of how the places were found. The rules are those that the released models were
trained with: an item whose body is over `BIG_BODY_BYTES` is shown by its head and tail only, and
ranges at most one row apart are one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from zeta_context.context.files import SourceFile
from zeta_context.context.syntax import OutlineItem
from zeta_context.prompt.input import ContextSource, RelatedExcerpt, RelatedFile
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

BIG_BODY_BYTES = 512
MAX_EXCERPT_ROWS = 40
ORDERS_OF_A_KIND = 1000

Rows = tuple[int, int]
"""First row, and one past the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of a file that belong in the context: how early, why, and for which symbol."""

    rows: Rows
    order: int
    source: ContextSource
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRows:
    """The rows to show for a definition: itself with what encloses it, and its members' heads.

    It is not final while the members of a long type are still to be worked out.
    """

    own: tuple[Rows, ...]
    members: tuple[Rows, ...] = ()
    is_final: bool = True


def definition_rows(
    file: SourceFile, target: Span, *, full_rows: Rows | None = None
) -> DefinitionRows:
    """The rows to show for a definition whose name (or more) is at `target`, merged.

    `full_rows` are the rows of the whole definition where the server told them: they are used
    for what is in no outline, such as a constant.
    """
    known = file.excerpts.get(target)
    if known is None:
        known = _definition_rows(file, target, full_rows)
        if known.is_final:
            file.excerpts[target] = known
    return known


def _definition_rows(file: SourceFile, target: Span, full_rows: Rows | None) -> DefinitionRows:
    snapshot = file.snapshot
    rows = [(snapshot.point(target.start).row, snapshot.point(target.end).row + 1)]
    members: list[Rows] = []
    is_final = True
    enclosing = file.enclosing(target.start)
    for item in enclosing:
        if not is_big(file, item):
            rows.append((item.start_row, item.end_row))
            continue
        rows += head_and_tail(item)
        if item is enclosing[-1] and item.header.contains(target.start):
            children = file.children(item)
            is_final = children is not None
            for child in children or ():
                members += head_and_tail(child)
    if full_rows is not None and not (enclosing and _names(enclosing[-1], target)):
        first, end = full_rows[0], min(full_rows[1], snapshot.row_count)
        if 0 <= first < end and _byte_count(file, (first, end)) <= BIG_BODY_BYTES:
            rows.append((first, end))
    return DefinitionRows(
        own=tuple(merge_rows(rows)), members=tuple(merge_rows(members)), is_final=is_final
    )


def head_rows(file: SourceFile, target: Span) -> Rows:
    """The rows from a definition's name to the end of its header, and no more."""
    row = file.snapshot.point(target.start).row
    enclosing = file.enclosing(target.start)
    if enclosing and _names(enclosing[-1], target):
        return row, max(row + 1, enclosing[-1].header_end_row)
    return row, row + 1


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


def merge_rows(rows: Iterable[Rows], *, gap: int = 1) -> list[Rows]:
    """Row ranges in order, those that overlap or are at most `gap` rows apart joined."""
    merged: list[Rows] = []
    for start, end in sorted(rows):
        if merged and start <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def assemble_file(
    snapshot: TextSnapshot,
    pieces: Iterable[Piece],
    *,
    project: str,
    path: str,
    is_outside_project: bool = False,
) -> RelatedFile:
    """One related file from pieces: ranges of the same kind of rank are merged.

    Those at most one row apart become one excerpt with the earliest piece's order and reason, up
    to `MAX_EXCERPT_ROWS`: a budget takes or leaves excerpts as a whole. A range of a later kind
    (`order` in another `ORDERS_OF_A_KIND`) gives way where an earlier one shows its rows already.
    """
    kinds: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        kinds[piece.order // ORDERS_OF_A_KIND].append(piece)
    taken: list[Rows] = []
    groups: list[tuple[Rows, Piece]] = []
    for kind in sorted(kinds):
        fresh = [
            (rows, piece)
            for merged, piece in _merge_pieces(kinds[kind])
            for rows in _subtract_rows(merged, taken)
        ]
        groups += fresh
        taken = merge_rows([*taken, *(rows for rows, _ in fresh)], gap=0)
    return RelatedFile(
        project=project,
        path=path,
        last_row=snapshot.row_count - 1,
        excerpts=tuple(
            RelatedExcerpt(
                start_row=start,
                end_row=end,
                text="".join(snapshot.rows(start, end)),
                order=best.order,
                source=best.source,
                symbol=best.symbol,
            )
            for (start, end), best in sorted(groups, key=lambda group: group[0])
        ),
        is_outside_project=is_outside_project,
    )


def _merge_pieces(pieces: list[Piece]) -> list[tuple[Rows, Piece]]:
    groups: list[tuple[Rows, Piece]] = []
    for piece in sorted(pieces, key=lambda one: one.rows):
        rows = piece.rows
        if groups:
            (start, end), best = groups[-1]
            overlaps = rows[0] < end
            fits = max(end, rows[1]) - start <= MAX_EXCERPT_ROWS
            if overlaps or (rows[0] <= end + 1 and fits):
                best = piece if piece.order < best.order else best
                groups[-1] = ((start, max(end, rows[1])), best)
                continue
        groups.append((rows, piece))
    return groups


def _subtract_rows(rows: Rows, taken: list[Rows]) -> list[Rows]:
    """What of a range lies outside of others, which are sorted and disjoint."""
    left: list[Rows] = []
    start, end = rows
    for taken_start, taken_end in taken:
        if taken_end <= start:
            continue
        if taken_start >= end:
            break
        if taken_start > start:
            left.append((start, taken_start))
        start = taken_end
    if start < end:
        left.append((start, end))
    return left
