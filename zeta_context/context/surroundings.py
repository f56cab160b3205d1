"""Rows of other files that no name led to: what modules offer, what was edited or visited lately.

Gives only what is held already: what would have to be read is read for the next time. Knows
nothing of language servers.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from zeta_context.context.assemble import Piece
from zeta_context.context.current import CurrentDocument
from zeta_context.context.files import SourceFile, SourceFiles
from zeta_context.context.layout import (
    EDITED_ORDER,
    IMPORTED_ORDER,
    MODULES_ORDER,
    VISITED_ORDER,
    Placed,
    ProjectPaths,
)
from zeta_context.context.related import edited_rows, module_pieces, pieces_around
from zeta_context.events.event import Event

MAX_MODULES = 16
MAX_VISITED = 6

PiecesByFile = list[tuple[Path, list[Piece]]]


class Surroundings:
    """What else of one project is worth showing beside a cursor."""

    def __init__(
        self,
        files: SourceFiles,
        paths: ProjectPaths,
        *,
        project: str,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._files = files
        self._paths = paths
        self._project = project
        self._spawn = spawn
        self._visited: OrderedDict[Path, int] = OrderedDict()

    def modules(self, placed: Sequence[Placed]) -> PiecesByFile:
        """What else the files define in which definitions were found, those of imports included."""
        modules: dict[Path, SourceFile] = {}
        for one in placed:
            is_named = one.target.kind == "definition" or one.order >= IMPORTED_ORDER
            if is_named and not self._paths.is_outside(one.target.path):
                modules.setdefault(one.target.path, one.file)
        known = [file for file in list(modules.values())[:MAX_MODULES] if file.has_outline]
        return [
            (file.path, module_pieces(file, MODULES_ORDER + at)) for at, file in enumerate(known)
        ]

    def edited(self, path: str, events: Sequence[Event]) -> PiecesByFile:
        """Excerpts around recent edits of other documents than the one at `path`."""
        found: PiecesByFile = []
        for at, (name, rows) in enumerate(edited_rows(events, self._project, path).items()):
            file = self._held(self._paths.root / name)
            if file is not None:
                order = EDITED_ORDER + at
                found.append((file.path, pieces_around(file, rows, order, "edit_history_file")))
        return found

    def visited(self, path: Path) -> PiecesByFile:
        """Excerpts around where the cursor was last in other documents, the latest first."""
        found: PiecesByFile = []
        places = [place for place in self._visited.items() if place[0] != path]
        for at, (other, row) in enumerate(reversed(places)):
            file = self._held(other)
            if file is not None:
                rows, order = [(row, row + 1)], VISITED_ORDER + at
                found.append((other, pieces_around(file, rows, order, "recent_file")))
        return found

    def visit(self, current: CurrentDocument, cursor_offset: int) -> None:
        """Remember where the cursor was."""
        self._visited[current.path] = current.snapshot.point(cursor_offset).row
        self._visited.move_to_end(current.path)
        while len(self._visited) > MAX_VISITED:
            self._visited.popitem(last=False)

    def forget(self, path: Path) -> None:
        """Drop a document that was closed."""
        self._visited.pop(path, None)

    def _held(self, path: Path) -> SourceFile | None:
        """A file of the project if we hold it as it is; if not, it is read for the next time."""
        if self._paths.is_outside(path):
            return None
        if not self._files.is_current(path):
            self._spawn(self._files.read(path))
            return None
        return self._files.ready(path)
