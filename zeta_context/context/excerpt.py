"""Cuts the cursor excerpt out of a document: the rows around the cursor that a prompt may use.

Knows snapshots and syntax trees; which of these rows a model sees or rewrites is the prompt
format's matter (`zeta_context.prompt.ranges`).
"""

from __future__ import annotations

from typing import NamedTuple

from zeta_context.context.syntax import SyntaxTree, enclosing_spans
from zeta_context.prompt.budget import row_cost
from zeta_context.prompt.ranges import EXCERPT_TOKENS, expand_rows_evenly
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

_BLOCK_ROWS = 64


class CursorExcerpt(NamedTuple):
    """Whole rows around a cursor, without the ending of the last one.

    `cursor_offset` and `syntax_spans` (innermost first) lie in `text`; `start_row` and `start`
    are the row and the offset of its beginning in the file.
    """

    text: str
    cursor_offset: int
    start_row: int
    syntax_spans: tuple[Span, ...]
    start: int


def gather_excerpt(
    snapshot: TextSnapshot,
    cursor_offset: int,
    tree: SyntaxTree | None,
    *,
    max_tokens: int = EXCERPT_TOKENS,
) -> CursorExcerpt:
    """The largest window of rows around the cursor within `max_tokens`, grown evenly.

    The cursor's own row is always in it, however long. `tree` must be that of this very text.
    Raises OutOfRange when the cursor lies outside the text.
    """
    row = snapshot.point(cursor_offset).row

    costs: dict[int, list[int]] = {}

    def cost(row: int) -> int:
        block, place = divmod(row, _BLOCK_ROWS)
        if block not in costs:  # rows side by side are found faster than one by one
            first = block * _BLOCK_ROWS
            rows = snapshot.rows(first, min(first + _BLOCK_ROWS, snapshot.row_count))
            costs[block] = [row_cost(text.rstrip("\r\n")) for text in rows]
        return costs[block][place]

    first, last, _ = expand_rows_evenly(row, snapshot.row_count, max_tokens, cost)
    start = snapshot.row_start(first)
    end = snapshot.row_start(last) + len(snapshot.row(last).rstrip("\r\n"))
    end = max(end, cursor_offset)
    spans: list[Span] = []
    for span in enclosing_spans(tree, cursor_offset) if tree is not None else ():
        clipped = Span(max(span.start, start) - start, min(span.end, end) - start)
        if clipped.end >= clipped.start and (not spans or spans[-1] != clipped):
            spans.append(clipped)
    return CursorExcerpt(
        text=snapshot.slice(Span(start, end)),
        cursor_offset=cursor_offset - start,
        start_row=first,
        syntax_spans=tuple(spans),
        start=start,
    )
