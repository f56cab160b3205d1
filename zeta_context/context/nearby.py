"""The names around the cursor that a definition is worth asking for.

Knows nothing of language servers. As the released models were trained: the names in the rows
around the cursor, and in the headers of what encloses it, the nearest (in bytes) first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zeta_context.context import syntax
from zeta_context.context.syntax import Identifier, SyntaxTree
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

ROWS_AROUND = 3
MAX_NAME_LENGTH = 128

_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """An identifier and its rank: names at the same distance from the cursor share one."""

    name: str
    span: Span
    rank: int


def names_near(snapshot: TextSnapshot, tree: SyntaxTree | None, cursor_offset: int) -> list[Name]:
    """The names near the cursor, nearest first; words where there is no syntax tree."""
    row = snapshot.point(cursor_offset).row
    first, end = max(0, row - ROWS_AROUND), min(snapshot.row_count, row + ROWS_AROUND + 1)
    if tree is None:
        found = _words(snapshot, first, end)
    else:
        found = {one.span: one for one in syntax.identifiers(tree, (first, end))}
        for item in syntax.enclosing_items(tree, cursor_offset):
            found.update((one.span, one) for one in syntax.identifiers_in(tree, item.header))
    return rank_by_distance(snapshot, list(found.values()), cursor_offset)


def rank_by_distance(
    snapshot: TextSnapshot, found: list[Identifier], cursor_offset: int
) -> list[Name]:
    """Names in the order of their distance from the cursor."""
    at_distance = sorted(
        ((_distance(snapshot, one.span, cursor_offset), one) for one in found),
        key=lambda pair: (pair[0], pair[1].span),
    )
    names: list[Name] = []
    rank, last = -1, -1
    for distance, one in at_distance:
        if distance != last:
            rank, last = rank + 1, distance
        if one.span.length <= MAX_NAME_LENGTH:
            names.append(Name(name=one.name, span=one.span, rank=rank))
    return names


def _distance(snapshot: TextSnapshot, span: Span, cursor_offset: int) -> int:
    if span.contains(cursor_offset):
        return 0
    between = (
        Span(span.end, cursor_offset)
        if span.end < cursor_offset
        else Span(cursor_offset, span.start)
    )
    return len(snapshot.slice(between).encode("utf-8", "replace"))


def _words(snapshot: TextSnapshot, first: int, end: int) -> dict[Span, Identifier]:
    found: dict[Span, Identifier] = {}
    for row in range(first, end):
        start = snapshot.row_start(row)
        for match in _WORD.finditer(snapshot.row(row)):
            span = Span(start + match.start(), start + match.end())
            found[span] = Identifier(name=match[0], span=span)
    return found
