"""Which rows around the cursor a model may rewrite, and which it sees around them.

Pure text: whoever has the cursor excerpt and the syntax spans gets the same ranges, which is what
released models depend on. Rows end at line feeds only (see `model_text.py`), a row costs
max(1, UTF-8 bytes / 3) tokens. Knows nothing of trees, files or formats. Source of the procedure:
the public client of the Zeta models.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from zeta_context.prompt.budget import row_cost
from zeta_context.text.point import Span

EXCERPT_TOKENS = 8192
"""Budget of the cursor excerpt, the rows from which all other ranges are taken."""


def expand_rows_evenly(
    row: int, row_count: int, budget: int, cost: Callable[[int], int]
) -> tuple[int, int, int]:
    """Grow from `row` by one row down, one up, and so on, until the next one tried does not fit.

    Returns the first and the last row and what is left of the budget. The starting row is always
    in, whatever it costs.
    """
    first = last = row
    left = max(0, budget - cost(row))
    while left > 0 and (first > 0 or last < row_count - 1):
        if last < row_count - 1:
            price = cost(last + 1)
            if price > left:
                break
            last += 1
            left -= price
        if first > 0 and left > 0:
            price = cost(first - 1)
            if price > left:
                break
            first -= 1
            left -= price
    return first, last, left


def compute_editable_and_context_spans(
    excerpt: str,
    cursor: int,
    syntax_spans: Sequence[Span],
    editable_budget: int,
    context_budget: int,
) -> tuple[Span, Span]:
    """The editable region and the context around it, both whole rows of `excerpt`.

    `cursor` and the spans are code points in `excerpt`; `syntax_spans` are the nodes around the
    cursor, innermost first; budgets are tokens. A span ends before the line feed of its last row.
    """
    rows = _Rows(excerpt)
    enclosing = [(rows.row_at(span.start), rows.row_at(span.end)) for span in syntax_spans]
    first, last = _editable_rows(rows, rows.row_at(cursor), enclosing, editable_budget)
    editable = rows.span(first, last)
    first, last = _context_rows(rows, first, last, enclosing, context_budget)
    return editable, rows.span(first, last)


class _Rows:
    """The rows of an excerpt and what each costs."""

    def __init__(self, text: str) -> None:
        self._rows = text.split("\n")
        self._starts = [0]
        for row in self._rows:
            self._starts.append(self._starts[-1] + len(row) + 1)
        self._starts.pop()
        self._costs = [row_cost(row) for row in self._rows]
        self.count = len(self._rows)

    def row_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def cost(self, row: int) -> int:
        return self._costs[row]

    def cost_of(self, first: int, end: int) -> int:
        return sum(self._costs[first:end])

    def span(self, first: int, last: int) -> Span:
        return Span(self._starts[first], self._starts[last] + len(self._rows[last]))


def _editable_rows(
    rows: _Rows, cursor_row: int, enclosing: list[tuple[int, int]], budget: int
) -> tuple[int, int]:
    evenly = budget * 3 // 4
    first, last, left = expand_rows_evenly(cursor_row, rows.count, evenly, rows.cost)
    left += budget - evenly
    even_first, even_last = first, last
    first, last, left = _grow_to_nodes(rows, first, last, enclosing, left)
    grown_up, grown_down = even_first - first, last - even_last
    return _expand_rows_by_row(rows, first, last, left, up_first=grown_up <= grown_down)


def _context_rows(
    rows: _Rows, first: int, last: int, enclosing: list[tuple[int, int]], budget: int
) -> tuple[int, int]:
    grown_first, grown_last, _ = _grow_to_nodes(rows, first, last, enclosing, budget)
    if (grown_first, grown_last) != (first, last):
        return grown_first, grown_last
    return _expand_rows_by_row(rows, first, last, budget, up_first=True)


def _grow_to_nodes(
    rows: _Rows, first: int, last: int, enclosing: list[tuple[int, int]], left: int
) -> tuple[int, int, int]:
    """Grow to one enclosing node's rows after the other, up to the first that does not fit."""
    for node_first, node_last in enclosing:
        if node_first >= first and node_last <= last:
            continue
        cost = rows.cost_of(node_first, first) + rows.cost_of(last + 1, node_last + 1)
        if cost > left:
            break
        first, last, left = min(first, node_first), max(last, node_last), left - cost
    return first, last, left


def _expand_rows_by_row(
    rows: _Rows, first: int, last: int, left: int, *, up_first: bool
) -> tuple[int, int]:
    """Grow by a row on each side in turn; a side that does not fit is tried again next round."""
    grew = True
    while grew and left > 0:
        grew = False
        for up in (up_first, not up_first):
            row = first - 1 if up else last + 1
            if left <= 0 or not 0 <= row < rows.count or rows.cost(row) > left:
                continue
            left -= rows.cost(row)
            first, last = min(first, row), max(last, row)
            grew = True
    return first, last
