"""A persistent tree of chunks of text: what snapshots share.

Every chunk (`Leaf`) holds whole rows, so no line ending is ever split between two chunks and a
row is always in one of them; a branch knows how many characters and line endings lie before each
child. Knows nothing of points, spans or errors: offsets given to it must lie in the text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import TypeAlias

LEAF_TARGET = 1536
"""A new chunk takes rows until it has this many characters."""
LEAF_MAX = 3072
"""A chunk that grows beyond this is split, unless it is one row."""
LEAF_MIN = 512
"""A chunk that shrinks below this joins a neighbour, where both fit in `LEAF_MAX`."""
FANOUT = 32
"""The most children of a branch."""


class Leaf:
    """A chunk of whole rows; only the last one of a text may lack its final line ending."""

    __slots__ = ("_starts", "endings", "has_lone_return", "length", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.length = len(text)
        self.endings = text.count("\n")
        self.has_lone_return = False
        self._starts: list[int] | None = None
        if "\r" in text:
            lone = text.count("\r") - text.count("\r\n")
            self.endings += lone
            self.has_lone_return = lone > 0

    @property
    def starts(self) -> list[int]:
        """Where rows start, and where one would after the last line ending."""
        if self._starts is None:
            pieces = _with_line_feeds(self.text).split("\n")
            pieces.pop()
            self._starts = [0, *accumulate([len(piece) + 1 for piece in pieces])]
        return self._starts


class Branch:
    """A run of chunks below one node; all chunks of a tree lie at the same depth."""

    __slots__ = ("children", "endings", "ends", "has_lone_return", "length", "row_ends")

    def __init__(self, children: tuple[Node, ...]) -> None:
        self.children = children
        self.ends = list(accumulate([child.length for child in children]))
        self.row_ends = list(accumulate([child.endings for child in children]))
        self.length: int = self.ends[-1]
        self.endings: int = self.row_ends[-1]
        self.has_lone_return: bool = any([child.has_lone_return for child in children])  # noqa: C419


Node: TypeAlias = Leaf | Branch


def build(text: str) -> Node:
    """The tree of a text."""
    return _grow(list(_chunks(text)))


def leaf_at(node: Node, offset: int) -> tuple[Leaf, int, int]:
    """The chunk that holds `offset`, its first offset, and how many line endings precede it.

    An offset between two chunks belongs to the second; the end of the text to the last.
    """
    start = row = 0
    while isinstance(node, Branch):
        index = min(bisect_right(node.ends, offset - start), len(node.children) - 1)
        if index:
            start += node.ends[index - 1]
            row += node.row_ends[index - 1]
        node = node.children[index]
    return node, start, row


def leaf_of_row(node: Node, row: int) -> tuple[Leaf, int, int]:
    """The chunk in which a row starts, its first offset, and how many line endings precede it."""
    start = before = 0
    while isinstance(node, Branch):
        index = min(bisect_right(node.row_ends, row - before), len(node.children) - 1)
        if index:
            start += node.ends[index - 1]
            before += node.row_ends[index - 1]
        node = node.children[index]
    return node, start, before


def leaves(node: Node) -> Iterator[Leaf]:
    """All chunks, in order."""
    if isinstance(node, Leaf):
        yield node
    else:
        for child in node.children:
            yield from leaves(child)


def substring(root: Node, start: int, end: int) -> str:
    """The text between two offsets."""
    leaf, at, _ = leaf_at(root, start)
    if end <= at + leaf.length:
        return leaf.text[start - at : end - at]
    pieces = [leaf.text[start - at :]]
    at += leaf.length
    while at < end:
        leaf = leaf_at(root, at)[0]
        pieces.append(leaf.text if at + leaf.length <= end else leaf.text[: end - at])
        at += leaf.length
    return "".join(pieces)


def replace(root: Node, start: int, end: int, new_text: str) -> Node:
    """The tree of the text with the part between two offsets replaced.

    Costs the chunks touched and one path to the root, never the whole text.
    """
    leaf, first, _ = leaf_at(root, start)
    text = leaf.text[: start - first] + new_text
    last = first + leaf.length
    if end > last:
        leaf, last, _ = leaf_at(root, end - 1)
        text += leaf.text[end - last :]
        last += leaf.length
    else:
        text += leaf.text[end - first :]
    text, first, last = _with_whole_rows(root, text, first, last)
    return _grow(_splice(root, first, last, list(_chunks(text)) if text else []))


def _with_whole_rows(root: Node, text: str, first: int, last: int) -> tuple[str, int, int]:
    """Take in the neighbours that `text`, to stand between two chunks, cannot do without."""
    if last < root.length:
        following = leaf_at(root, last)[0]
        joins = not text.endswith("\n")
        if text.endswith("\r"):
            joins = following.text.startswith("\n")
        if joins or _should_join(text, following):
            text += following.text
            last += following.length
    if first > 0:
        preceding = leaf_at(root, first - 1)[0]
        splits_ending = text.startswith("\n") and preceding.text.endswith("\r")
        if splits_ending or _should_join(text, preceding):
            text = preceding.text + text
            first -= preceding.length
    return text, first, last


def _should_join(text: str, neighbour: Leaf) -> bool:
    return len(text) < LEAF_MIN and len(text) + neighbour.length <= LEAF_MAX


def _splice(node: Node, start: int, end: int, new: list[Leaf]) -> list[Node]:
    """Replace the chunks between two offsets; the result is nodes of the height of `node`."""
    if isinstance(node, Leaf):
        return list(new)
    first = bisect_right(node.ends, start)
    last = bisect_left(node.ends, end)
    before = node.ends[first - 1] if first else 0
    middle: list[Node]
    if first == last:
        middle = _splice(node.children[first], start - before, end - before, new)
    else:
        middle = _splice(node.children[first], start - before, node.ends[first] - before, new)
        middle += _splice(node.children[last], 0, end - node.ends[last - 1], [])
    nodes = [*node.children[:first], *middle, *node.children[last + 1 :]]
    return _group(_evened(nodes) if any(map(_is_thin, middle)) else nodes)


def _is_thin(node: Node) -> bool:
    return isinstance(node, Branch) and len(node.children) < FANOUT // 4


def _evened(nodes: list[Node]) -> list[Node]:
    """Join branches that have too few children with a neighbour."""
    evened: list[Node] = []
    for node in nodes:
        if evened and isinstance(node, Branch) and (_is_thin(node) or _is_thin(evened[-1])):
            neighbour = evened.pop()
            assert isinstance(neighbour, Branch)
            evened.extend(_group([*neighbour.children, *node.children]))
        else:
            evened.append(node)
    return evened


def _group(nodes: list[Node]) -> list[Node]:
    """Branches over nodes of one height, as few and as even as can be."""
    if len(nodes) <= FANOUT:
        return [Branch(tuple(nodes))] if nodes else []
    count = -(-len(nodes) // FANOUT)
    cuts = [len(nodes) * index // count for index in range(count + 1)]
    return [Branch(tuple(nodes[a:b])) for a, b in pairwise(cuts)]


def _grow(nodes: Iterable[Node]) -> Node:
    nodes = list(nodes)
    if not nodes:
        return Leaf("")
    while len(nodes) > 1:
        nodes = _group(nodes)
    node = nodes[0]
    while isinstance(node, Branch) and len(node.children) == 1:
        node = node.children[0]
    return node


def _chunks(text: str) -> Iterator[Leaf]:
    if len(text) <= LEAF_MAX:
        yield Leaf(text)
        return
    normal = _with_line_feeds(text)
    start = 0
    while start < len(text):
        end = normal.find("\n", start + LEAF_TARGET - 1) + 1
        if not end or len(text) - end < LEAF_MIN:
            end = len(text)
        yield Leaf(text[start:end])
        start = end


def _with_line_feeds(text: str) -> str:
    """A text of the same length whose line feeds are where the line endings of `text` end."""
    if "\r" not in text:
        return text
    return text.replace("\r\n", " \n").replace("\r", "\n")
