"""Puts what was found together: ranked places in files become excerpts by file.

Knows nothing of how anything was found. Works in the order of relevance, so that running out of
time costs the least relevant.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from zeta_context.context.assemble import (
    Piece,
    Rows,
    assemble_file,
    definition_rows,
    head_rows,
)
from zeta_context.context.current import CurrentDocument
from zeta_context.context.files import SourceFile, SourceFiles
from zeta_context.context.questions import Target, TargetKind
from zeta_context.lsp.documents import Change, change_between
from zeta_context.prompt.input import ContextSource, RelatedFile
from zeta_context.text.point import Span

MEMBERS_ORDER = 500
SECOND_HOP_ORDER = 1000
IMPORTED_ORDER = 2000
CURRENT_FILE_ORDER = 3000
EDITED_ORDER = 3500
MODULES_ORDER = 4000
VISITED_ORDER = 5000
OUTSIDE_ORDER = 10_000
"""The orders at which each kind of context begins: nearer kinds are chosen first."""

MAX_ROWS = 1500
"""More than any prompt format has room for."""

_NOT_THE_PROJECT = frozenset({"site-packages", "dist-packages", "node_modules", ".venv", "venv"})
_LIBRARY_MARKS = ("site-packages", "dist-packages", "node_modules", "stdlib", "typeshed")
_SOURCES: dict[TargetKind, ContextSource] = {
    "definition": "lsp_definition",
    "type_definition": "lsp_type_definition",
    "second_hop": "lsp_second_hop",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A definition that was found: of which name, how, and where (`row` is 0-based)."""

    symbol: str
    kind: TargetKind
    path: str
    row: int
    is_outside_project: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """A target in the text that we hold of its file now; `order` ranks it, lowest first."""

    order: int
    target: Target
    file: SourceFile
    span: Span


class ProjectPaths:
    """Which files belong to the project at `root`, and what they are called there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[Path, str | None] = {}

    def is_outside(self, path: Path) -> bool:
        """Whether a file does not belong to the project: a library's, or linked from elsewhere."""
        return self._name(path) is None

    def shown(self, path: Path) -> str:
        """The path below the root; of a file elsewhere no more than tells which library it is."""
        name = self._name(path)
        if name is not None:
            return name
        parts = path.parts
        for mark in _LIBRARY_MARKS:
            if mark in parts:
                return "/".join(parts[len(parts) - parts[::-1].index(mark) :])
        return "/".join(parts[-2:])

    def _name(self, path: Path) -> str | None:
        if path not in self._names:
            real = Path(os.path.realpath(path))
            name = None
            if real.is_relative_to(self.root):
                below = real.relative_to(self.root)
                name = below.as_posix() if _NOT_THE_PROJECT.isdisjoint(below.parts) else None
            self._names[path] = name
        return self._names[path]


class Layout:
    """One gathering's places and pieces, on their way to related files.

    `cursor` is the cursor's offset in the base of the current document.
    """

    def __init__(
        self,
        files: SourceFiles,
        paths: ProjectPaths,
        current: CurrentDocument,
        *,
        cursor: int,
        is_over: Callable[[], bool],
    ) -> None:
        self._files = files
        self._paths = paths
        self._current = current
        self._cursor = cursor
        self._is_over = is_over
        self._changes: dict[tuple[int, int], Change | None] = {}
        self._pieces: dict[Path, dict[Rows, Piece]] = defaultdict(dict)
        self._found: dict[tuple[Path, int], Found] = {}

    def place(self, ranked: Iterable[tuple[int, Target]]) -> list[Placed]:
        """The targets whose files we hold and in which they still stand, the best first."""
        placed: list[Placed] = []
        for order, target in sorted(ranked, key=lambda pair: pair[0]):
            if self._is_over():
                break
            file = self._file(target.path)
            span = self._span_in(file, target) if file is not None else None
            if file is not None and span is not None:
                placed.append(Placed(order=order, target=target, file=file, span=span))
        return placed

    def add(self, placed: Iterable[Placed]) -> bool:
        """Take in definitions; False when time was up before the last."""
        for one in placed:
            if self._is_over():
                return False
            target, path = one.target, one.target.path
            pieces, source = self._pieces[path], _SOURCES[target.kind]
            for rows, order in self._rows(one):
                # Many names lead to the same rows: the best of them tells why they are shown.
                if rows not in pieces or order < pieces[rows].order:
                    pieces[rows] = Piece(
                        rows=rows, order=order, source=source, symbol=target.symbol
                    )
            row = self._rows_now(path, (one.file.snapshot.point(one.span.start).row, 0))[0]
            found = Found(
                symbol=target.symbol,
                kind=target.kind,
                path=self._paths.shown(path),
                row=row,
                is_outside_project=self._paths.is_outside(path),
            )
            self._found.setdefault((path, row), found)
        return True

    def _rows(self, one: Placed) -> list[tuple[Rows, int]]:
        """The rows of a definition with their orders: its members come after other definitions."""
        if one.order % OUTSIDE_ORDER >= IMPORTED_ORDER:
            return [(head_rows(one.file, one.span), one.order)]
        full_rows = one.target.full_rows_in(one.file.snapshot)
        found = definition_rows(one.file, one.span, full_rows=full_rows)
        ranked = [(rows, one.order) for rows in found.own]
        if not self._is_around_cursor(one):
            ranked += [(rows, one.order + MEMBERS_ORDER) for rows in found.members]
        return ranked

    def _is_around_cursor(self, one: Placed) -> bool:
        """Whether it is what the cursor is in, whose members are shown by their distance."""
        if one.file is not self._current.base:
            return False
        around = one.file.enclosing(self._cursor)
        return any(item.header.contains(one.span.start) for item in around)

    def add_pieces(self, path: Path, pieces: Iterable[Piece]) -> None:
        """Take in rows of a file that we hold; of the current document as they are in its base."""
        known = self._pieces[path]
        for piece in pieces:
            if piece.rows not in known or piece.order < known[piece.rows].order:
                known[piece.rows] = piece

    def related_files(self, project: str) -> tuple[RelatedFile, ...]:
        """The files, the one with the best excerpt first; at most `MAX_ROWS` rows in all."""
        everything = [
            (path, piece) for path, pieces in self._pieces.items() for piece in pieces.values()
        ]
        everything.sort(key=lambda pair: pair[1].order)
        chosen: dict[Path, list[Piece]] = defaultdict(list)
        rows = 0
        for path, piece in everything:
            rows += piece.rows[1] - piece.rows[0]
            if rows > MAX_ROWS:
                break
            chosen[path].append(piece)
        made = (self._assemble(path, pieces, project) for path, pieces in chosen.items())
        related = [one for one in made if one is not None and one.excerpts]
        related.sort(key=lambda one: (min(part.order for part in one.excerpts), one.path))
        return tuple(related)

    def _assemble(self, path: Path, pieces: list[Piece], project: str) -> RelatedFile | None:
        is_outside = self._paths.is_outside(path)
        name = self._paths.shown(path)
        if path == self._current.path:
            snapshot = self._current.snapshot
            moved = ((self._current.rows_now(piece.rows), piece) for piece in pieces)
            pieces = [
                Piece(rows=rows, order=one.order, source=one.source, symbol=one.symbol)
                for rows, one in moved
                if rows[0] < rows[1]
            ]
            return assemble_file(snapshot, pieces, project=project, path=name)
        file = self._files.ready(path)
        if file is None:
            return None
        key = (project, name, tuple(pieces))
        if file.assembled is None or file.assembled[0] != key:
            related = assemble_file(
                file.snapshot,
                pieces,
                project="" if is_outside else project,
                path=name,
                is_outside_project=is_outside,
            )
            file.assembled = (key, related)
        return file.assembled[1]

    @property
    def found(self) -> tuple[Found, ...]:
        """Every definition that was taken in, the best first."""
        return tuple(self._found.values())

    def _file(self, path: Path) -> SourceFile | None:
        return self._current.base if path == self._current.path else self._files.ready(path)

    def _rows_now(self, path: Path, rows: tuple[int, int]) -> tuple[int, int]:
        return (
            self._current.rows_now((rows[0], rows[0] + 1)) if path == self._current.path else rows
        )

    def _span_in(self, file: SourceFile, target: Target) -> Span | None:
        if file.snapshot.is_same(target.snapshot):
            return target.span
        key = (id(target.snapshot), id(file.snapshot))
        if key not in self._changes:
            self._changes[key] = change_between(target.snapshot.text, file.snapshot.text)
        change = self._changes[key]
        return change.map_span(target.span) if change is not None else None
