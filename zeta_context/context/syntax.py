"""Syntax trees: what encloses a place, what is named there, what a file defines.

The only importer of tree-sitter, whose grammars are loaded when a language is first met. Knows
nothing of documents on disk or of language servers. All spans are code points of the text that
the tree was parsed from; rows are those of its snapshot.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from zeta_context.context.grammars import Grammar, find_grammar
from zeta_context.context.offsets import ByteOffsets, encode_text, find_changed_bytes
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query, Tree

MAX_PARSE_BYTES = 4 * 1024 * 1024
"""Larger texts are plain text: no tree is worth the wait."""

PARSE_LIMIT_MS = 500.0
"""A first parse of ordinary code takes about 0.15 ms per kilobyte; what takes longer than this
is generated or broken, and is plain text."""

_CHUNK = 65536
"""Bytes handed to the parser at a time.

No more than so much new text is parsed without a limit of time, half a second at the very worst:
py-tree-sitter 0.26 keeps everything for ever that a callback hands to it, and a limit needs one.
"""

_FUNCTIONS_AND_TYPES = frozenset(
    {"function", "method", "class", "struct", "interface", "enum", "trait", "impl", "macro"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A name in the text and where it stands."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineItem:
    """Something that a file defines: a function, a class, a key, a section.

    `span` includes what wraps it (decorators, `export`). `header` runs from its start to its
    body, without trailing blanks; it is the whole item when there is no `body`. Rows are 0-based,
    ends exclusive: `start_row` to `header_end_row` is the head, `tail_start_row` to `end_row` the
    row of a closing brace, tag or `end` (no row at all where nothing closes the item). `depth` is
    0 at the top level and counts enclosing items.
    """

    kind: str
    name: str
    name_span: Span | None
    span: Span
    header: Span
    body: Span | None
    start_row: int
    header_end_row: int
    tail_start_row: int
    end_row: int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntaxTree:
    """A parsed text; the text and its tree never change."""

    grammar: Grammar
    snapshot: TextSnapshot
    source: bytes
    offsets: ByteOffsets
    tree: Tree

    def span(self, node: Node) -> Span:
        """The span of a node, in code points."""
        return Span(
            self.offsets.code_point(node.start_byte), self.offsets.code_point(node.end_byte)
        )


def parse(language: str, text: str | TextSnapshot, *, path: str = "") -> SyntaxTree | None:
    """The syntax tree of a text; None when it is to be treated as plain text.

    That is so when there is no grammar for `language` (or, without one, for the suffix of
    `path`), when the text is larger than `MAX_PARSE_BYTES`, or parsing takes too long.
    """
    grammar = find_grammar(language, path)
    return None if grammar is None else _parse(grammar, text, None)


class SyntaxCache:
    """The latest tree of each document, from which the next one is made by parsing only changes.

    Knows nothing of versions: it compares texts. Belongs to one thread. A document whose text
    took too long to parse is plain text until its size has changed by a tenth.
    """

    def __init__(self, max_documents: int = 64) -> None:
        self._trees: dict[str, SyntaxTree] = {}
        self._too_slow: dict[str, int] = {}
        self._max_documents = max_documents

    def tree(
        self, document: str, language: str, text: str | TextSnapshot, *, path: str = ""
    ) -> SyntaxTree | None:
        """The tree of `text`, the current text of `document` (any unique name)."""
        grammar = find_grammar(language, path)
        if grammar is None:
            return None
        snapshot = text if isinstance(text, TextSnapshot) else TextSnapshot(text)
        slow_length = self._too_slow.get(document)
        if slow_length is not None and abs(len(snapshot) - slow_length) * 10 < slow_length:
            return None
        old = self._trees.pop(document, None)
        if old is not None and (old.grammar is not grammar):
            old = None
        tree = old if old is not None and old.snapshot is snapshot else None
        tree = tree or _parse(grammar, snapshot, old)
        if tree is None:
            self._too_slow[document] = len(snapshot)
            return None
        self._too_slow.pop(document, None)
        self._trees[document] = tree
        while len(self._trees) > self._max_documents:
            del self._trees[next(iter(self._trees))]
        return tree

    def drop(self, document: str) -> None:
        """Forget a document that was closed."""
        self._trees.pop(document, None)
        self._too_slow.pop(document, None)


def enclosing_spans(tree: SyntaxTree, offset: int) -> tuple[Span, ...]:
    """The spans of the nodes that contain `offset`, innermost first, each once.

    A node contains the offset when it starts at or before it and ends after it; the root always
    does.
    """
    spans: list[Span] = []
    for node in _nodes_to(tree, offset):
        span = tree.span(node)
        if not spans or spans[-1] != span:
            spans.append(span)
    return tuple(reversed(spans))


def identifiers(tree: SyntaxTree, row_range: tuple[int, int]) -> tuple[Identifier, ...]:
    """The identifiers in rows `row_range` (first, and one past the last), in text order."""
    if not tree.grammar.identifiers:
        return ()
    first, end = max(row_range[0], 0), min(row_range[1], tree.snapshot.row_count)
    if first >= end:
        return ()
    return identifiers_in(tree, Span(tree.snapshot.row_start(first), tree.snapshot.row_start(end)))


def identifiers_in(tree: SyntaxTree, span: Span) -> tuple[Identifier, ...]:
    """The identifiers that lie wholly in `span`, in text order."""
    if not tree.grammar.identifiers or span.start >= span.end:
        return ()
    nodes = _capture(tree, tree.grammar.identifiers, span).get("id", [])
    found: dict[Span, Identifier] = {}
    for node in nodes:
        at = tree.span(node)
        if span.start <= at.start and at.end <= span.end and at.start < at.end:
            found[at] = Identifier(name=tree.snapshot.slice(at), span=at)
    return tuple(found[at] for at in sorted(found))


def occurrences(tree: SyntaxTree, name: str, span: Span) -> tuple[Span, ...]:
    """Where `name` stands as an identifier in `span`: not in strings, comments or longer names."""
    return tuple(found.span for found in identifiers_in(tree, span) if found.name == name)


def outline(tree: SyntaxTree) -> tuple[OutlineItem, ...]:
    """Everything that the file defines, in text order, outer items before inner ones."""
    return _outline(tree, Span(0, len(tree.snapshot)))


def items_in(tree: SyntaxTree, span: Span) -> tuple[OutlineItem, ...]:
    """The outline items that overlap `span`, those that hold all of it included."""
    return _outline(tree, span)


def enclosing_items(tree: SyntaxTree, offset: int) -> tuple[OutlineItem, ...]:
    """The outline items that hold `offset` or end at it, outermost first."""
    around = Span(max(0, offset - 1), min(len(tree.snapshot), offset + 1))
    items = _outline(tree, around)
    return tuple(item for item in items if item.span.start <= offset <= item.span.end)


def enclosing_scope(tree: SyntaxTree, offset: int) -> Span:
    """The span of the innermost function or type around `offset`; outside any, all of the text."""
    for item in reversed(enclosing_items(tree, offset)):
        if item.kind in _FUNCTIONS_AND_TYPES:
            return item.span
    return Span(0, len(tree.snapshot))


def error_count(tree: SyntaxTree) -> int:
    """How many errors and missing tokens the parser found."""
    total = 0
    waiting = [tree.tree.root_node]
    while waiting:
        node = waiting.pop()
        if not node.has_error and not node.is_missing:
            continue
        total += node.is_error or node.is_missing
        waiting.extend(node.children)
    return total


def _parse(grammar: Grammar, text: str | TextSnapshot, old: SyntaxTree | None) -> SyntaxTree | None:
    """Parse a text, from the tree of an older version where there is one."""
    snapshot = text if isinstance(text, TextSnapshot) else TextSnapshot(text)
    if len(snapshot) > MAX_PARSE_BYTES:
        return None
    source = encode_text(snapshot.text)
    if len(source) > MAX_PARSE_BYTES:
        return None
    tree: Tree | None
    if old is None:
        tree = _run_parser(grammar, source, None, len(source))
    elif old.source == source:
        tree = old.tree
    else:
        start, old_end, new_end = find_changed_bytes(old.source, source)
        edited = _edited(old, source, start, old_end, new_end)
        tree = _run_parser(grammar, source, edited, new_end - start)
    if tree is None:
        return None
    return SyntaxTree(
        grammar=grammar,
        snapshot=snapshot,
        source=source,
        offsets=ByteOffsets(snapshot.text, source),
        tree=tree,
    )


def _run_parser(grammar: Grammar, source: bytes, old: Tree | None, new_length: int) -> Tree | None:
    """The tree of a source of which so many bytes are in no older tree; None if it takes long."""
    from tree_sitter import Parser

    parser = Parser(_language(grammar))
    if new_length <= _CHUNK:
        return parser.parse(source) if old is None else parser.parse(source, old)
    give_up_at = time.monotonic() + PARSE_LIMIT_MS / 1000

    def read(byte: int, _point: object) -> bytes:
        return source[byte : byte + _CHUNK]

    def is_over(_byte: int, _has_error: bool) -> bool:
        return time.monotonic() > give_up_at

    try:
        if old is None:
            return parser.parse(read, progress_callback=is_over)
        return parser.parse(read, old, progress_callback=is_over)
    except ValueError:  # how the binding says that the callback stopped it
        return None


def _edited(old: SyntaxTree, source: bytes, start: int, old_end: int, new_end: int) -> Tree:
    """A copy of the old tree with its nodes moved to where they are in the new source."""
    tree = old.tree.copy()
    tree.edit(
        start,
        old_end,
        new_end,
        _point(old.source, start),
        _point(old.source, old_end),
        _point(source, new_end),
    )
    return tree


def _point(source: bytes, byte: int) -> tuple[int, int]:
    """The parser's own row (line feeds only) and byte column."""
    return source.count(b"\n", 0, byte), byte - source.rfind(b"\n", 0, byte) - 1


def _nodes_to(tree: SyntaxTree, offset: int) -> Iterator[Node]:
    """The nodes that contain `offset`, outermost first."""
    byte = tree.offsets.byte(offset)
    cursor = tree.tree.walk()
    yield tree.tree.root_node
    while cursor.goto_first_child_for_byte(byte) is not None:
        node = cursor.node
        if node is None or node.start_byte > byte:
            return
        yield node


def _outline(tree: SyntaxTree, span: Span) -> tuple[OutlineItem, ...]:
    if not tree.grammar.outline:
        return ()
    found: dict[Span, OutlineItem] = {}
    for captures in _match(tree, tree.grammar.outline, span):
        item = _outline_item(tree, captures)
        found.setdefault(item.span, item)
    items: list[OutlineItem] = []
    open_ends: list[int] = []
    for at in sorted(found, key=lambda at: (at.start, -at.end)):
        while open_ends and open_ends[-1] <= at.start:
            open_ends.pop()
        items.append(_with_depth(found[at], len(open_ends)))
        open_ends.append(at.end)
    return tuple(items)


def _outline_item(tree: SyntaxTree, captures: dict[str, list[Node]]) -> OutlineItem:
    """An item from one match of an outline query, its depth still 0."""
    kind = next(name for name in captures if name not in ("name", "body", "header"))
    node = captures[kind][0]
    body = captures["body"][0] if captures.get("body") else None
    name = _drill_to_name(captures["name"][0]) if captures.get("name") else None
    start_node = node
    parent = node.parent
    while parent is not None and _wraps(tree.grammar, parent, start_node):
        start_node, parent = parent, parent.parent
    text, span = tree.snapshot.text, tree.span(start_node)
    span = _without_trailing_blanks(text, span)
    header = span
    body_span = None
    if body is not None:
        body_span = _without_trailing_blanks(text, tree.span(body))
        header = _without_trailing_blanks(text, Span(span.start, body_span.start))
    elif captures.get("header"):
        header = _without_trailing_blanks(
            text, Span(span.start, tree.span(captures["header"][-1]).end)
        )
        body_span = Span(header.end, span.end) if header.end < span.end else None
    start_row = tree.snapshot.point(span.start).row
    end_row = tree.snapshot.point(span.end).row + 1
    header_end_row = tree.snapshot.point(header.end).row + 1
    closes = body_span is not None and end_row > header_end_row and _is_closed(node, body)
    return OutlineItem(
        kind=kind,
        name=tree.snapshot.slice(tree.span(name)).strip() if name is not None else "",
        name_span=tree.span(name) if name is not None else None,
        span=span,
        header=header,
        body=body_span,
        start_row=start_row,
        header_end_row=header_end_row,
        tail_start_row=end_row - 1 if closes else end_row,
        end_row=end_row,
        depth=0,
    )


def _wraps(grammar: Grammar, outer: Node, inner: Node) -> bool:
    """Whether `outer` belongs to `inner`, and to nothing else of its kind."""
    if outer.type not in grammar.wrappers:
        return False
    return sum(child.type == inner.type for child in outer.named_children) == 1


def _is_closed(node: Node, body: Node | None) -> bool:
    """Whether the item ends in a token of its own: a brace, a closing tag, `end`."""
    for owner in (node, body):
        if owner is not None and owner.child_count:
            last = owner.child(owner.child_count - 1)
            if last.type in ("}", "]", ")", "end", "end_tag"):
                return True
            if last.type == ";" and owner.child_count > 1:
                return True
    return False


def _drill_to_name(node: Node) -> Node:
    """The name itself within a declarator such as C's `*name(arguments)`."""
    while (inner := node.child_by_field_name("declarator")) is not None:
        node = inner
    return node


def _without_trailing_blanks(text: str, span: Span) -> Span:
    end = span.end
    while end > span.start and text[end - 1].isspace():
        end -= 1
    return Span(span.start, end)


def _with_depth(item: OutlineItem, depth: int) -> OutlineItem:
    return replace(item, depth=depth)


def _match(tree: SyntaxTree, query: str, span: Span) -> list[dict[str, list[Node]]]:
    from tree_sitter import QueryCursor

    cursor = QueryCursor(_query(tree.grammar, query))
    cursor.set_byte_range(tree.offsets.byte(span.start), tree.offsets.byte(span.end))
    return [captures for _, captures in cursor.matches(tree.tree.root_node)]


def _capture(tree: SyntaxTree, query: str, span: Span) -> dict[str, list[Node]]:
    from tree_sitter import QueryCursor

    cursor = QueryCursor(_query(tree.grammar, query))
    cursor.set_byte_range(tree.offsets.byte(span.start), tree.offsets.byte(span.end))
    return cursor.captures(tree.tree.root_node)


@cache
def _language(grammar: Grammar) -> Language:
    from tree_sitter import Language

    return Language(getattr(importlib.import_module(grammar.module), grammar.function)())


@cache
def _query(grammar: Grammar, query: str) -> Query:
    from tree_sitter import Query

    return Query(_language(grammar), query)
