"""What else of the user's own work is worth showing: recent edits, the file's outline, modules.

Needs no language server for what it gives itself: names to ask about, and rows to show. Knows
nothing of budgets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from zeta_context.context import syntax
from zeta_context.context.assemble import Piece, Rows, merge_rows
from zeta_context.context.files import SourceFile
from zeta_context.context.imports import IMPORTS, SHELLS, statements
from zeta_context.context.nearby import Name
from zeta_context.context.syntax import Identifier, OutlineItem, SyntaxTree
from zeta_context.events.event import Event
from zeta_context.prompt.input import ContextSource
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_RECENT_NAMES = 32
MAX_EDITED_FILES = 4
ROWS_AROUND = 8
MAX_HEADS = 100
MAX_EDITED_ROWS = 40
"""Of one edit: what is larger was pasted, and its names say little about what comes next."""

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_TYPES = frozenset({"class", "struct", "interface", "trait", "impl", "enum", "module"})
_NO_DEFINITIONS = IMPORTS | {"comment", "line_comment", "block_comment", "identifier"}


def edited_spans(events: Sequence[Event], path: str, length: int) -> list[Span]:
    """Where the edits of a document are in its text of now, the newest first.

    Each event tells its place in the text that it left; later ones of the same document have moved
    it since.
    """
    spans: list[Span] = []
    own = [event for event in events if event.path == path]
    for at, event in enumerate(own):
        start, end = event.new_span
        for later in own[at + 1 :]:
            shift = later.new_span.length - later.old_span.length
            if later.old_span.start <= start:
                start, end = start + shift, end + shift
            elif later.old_span.start <= end:
                end += shift
        if 0 <= start <= end <= length:
            spans.append(Span(start, end))
    return spans[::-1]


def edited_rows(events: Sequence[Event], project: str, path: str) -> dict[str, list[Rows]]:
    """The rows of recent edits in other documents of the project, as their diffs tell them.

    The most recently edited document comes first. The rows are those that the edit left: close
    enough to where they are now for an excerpt around them.
    """
    found: dict[str, list[Rows]] = {}
    for event in reversed(events):
        if event.project == project and event.path != path:
            for match in _HUNK.finditer(event.diff):
                start, count = int(match[1]) - 1, int(match[2] or 1)
                found.setdefault(event.path, []).append((max(0, start), max(0, start) + count))
    return dict(list(found.items())[:MAX_EDITED_FILES])


def pieces_around(
    file: SourceFile, rows: Iterable[Rows], order: int, source: ContextSource
) -> list[Piece]:
    """Excerpts around some rows of a file, with the heads of what encloses them."""
    count = file.snapshot.row_count
    around: list[Rows] = []
    for start, end in rows:
        if start >= count:
            continue
        around.append((max(0, start - ROWS_AROUND), min(count, end + ROWS_AROUND)))
        for item in file.enclosing(file.snapshot.row_start(start)):
            around.append((item.start_row, item.header_end_row))
    return [Piece(rows=one, order=order, source=source) for one in merge_rows(around)]


def recent_names(
    snapshot: TextSnapshot, tree: SyntaxTree | None, spans: Iterable[Span], first_rank: int
) -> list[Name]:
    """The names in the rows of recent edits, the newest edit first."""
    if tree is None:
        return []
    found: dict[str, Identifier] = {}
    for span in spans:
        first, last = snapshot.point(span.start).row, snapshot.point(span.end).row
        for one in syntax.identifiers(tree, (first, min(last, first + MAX_EDITED_ROWS) + 1)):
            found.setdefault(one.name, one)
    names = list(found.values())[:MAX_RECENT_NAMES]
    return [
        Name(name=one.name, span=one.span, rank=first_rank + at) for at, one in enumerate(names)
    ]


def outline_pieces(file: SourceFile, cursor: int, first_order: int) -> list[Piece]:
    """The heads of what the file defines, those of the type around the cursor first.

    Among themselves by their distance from the cursor in rows. Top-level constants count as heads.
    """
    if file.tree is None:
        return []
    row = file.snapshot.point(cursor).row
    around = [item for item in file.outline if item.kind in _TYPES and item.span.contains(cursor)]
    inside = around[-1].span if around else None
    heads = [
        (inside is None or not inside.contains(start), abs(item_row - row), rows)
        for start, item_row, rows in file.once(_heads)
    ]
    heads += [(True, abs(rows[0] - row), rows) for rows in file.once(_constants)]
    return [
        Piece(rows=rows, order=first_order + at, source="current_file")
        for at, (_, _, rows) in enumerate(sorted(heads)[:MAX_HEADS])
    ]


def module_pieces(file: SourceFile, order: int) -> list[Piece]:
    """The heads of what a module defines at its top level."""
    return [
        Piece(rows=rows, order=order, source="lsp_definition") for rows in file.once(_module_heads)
    ]


def _heads(file: SourceFile) -> list[tuple[int, int, Rows]]:
    """Of each item but those inside of functions: its offset, its first row, the rows to show."""
    heads: list[tuple[int, int, Rows]] = []
    functions: list[OutlineItem] = []
    for item in file.outline:
        while functions and functions[-1].span.end < item.span.start:
            functions.pop()
        if functions:
            continue  # a function's own functions are nobody else's
        if item.kind not in _TYPES:
            functions.append(item)
        heads.append((item.span.start, item.start_row, _head(file, item)))
    return heads


def _module_heads(file: SourceFile) -> list[Rows]:
    heads = [_head(file, item) for item in file.outline if item.depth == 0]
    return sorted([*heads, *file.once(_constants)])[:MAX_HEADS]


def _head(file: SourceFile, item: OutlineItem) -> Rows:
    """The rows from the name to the end of the header: decorators say less than they cost."""
    first = item.start_row
    if item.name_span is not None:
        first = file.snapshot.point(item.name_span.start).row
    return first, max(item.header_end_row, first + 1)


def _constants(file: SourceFile) -> list[Rows]:
    """The first rows of top-level statements that the outline does not name."""
    if file.tree is None:
        return []
    named = {item.start_row for item in file.outline if item.depth == 0}
    rows: list[Rows] = []
    for kind, span in statements(file.tree, SHELLS):
        row = file.snapshot.point(span.start).row
        if kind not in _NO_DEFINITIONS and row not in named:
            rows.append((row, row + 1))
    return rows
