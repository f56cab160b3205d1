"""Definitions of what is named around the cursor, gathered within a deadline.

Knows nothing of prompts or budgets: it ranks what it found and leaves the choice to the prompt
format. What the server does not answer in time is left out this once, counted as `lsp_late`, and
there for the next prediction: the questions go on in the background.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zeta_context.context.current import CurrentDocument, continue_document
from zeta_context.context.diagnostics import diagnostics_near
from zeta_context.context.files import SourceFile, SourceFiles
from zeta_context.context.hops import Hop, Hops
from zeta_context.context.imports import import_pieces, imported_names
from zeta_context.context.layout import (
    CURRENT_FILE_ORDER,
    IMPORTED_ORDER,
    OUTSIDE_ORDER,
    SECOND_HOP_ORDER,
    Found,
    Layout,
    Placed,
    ProjectPaths,
)
from zeta_context.context.nearby import Name, names_near
from zeta_context.context.questions import (
    DiagnosticsServer,
    Question,
    Questions,
    Server,
    Target,
)
from zeta_context.context.related import edited_spans, outline_pieces, recent_names
from zeta_context.context.surroundings import Surroundings
from zeta_context.context.syntax import SyntaxCache
from zeta_context.counts import Counts
from zeta_context.errors import DocumentError, LspError
from zeta_context.events.event import Event
from zeta_context.lsp.diagnostics import ServerDiagnostic
from zeta_context.prompt.input import RelatedFile
from zeta_context.text.snapshot import TextSnapshot

DEADLINE_MS = 80.0
WAITING_SHARE = 0.4
"""The part of the deadline in which answers are waited for; the rest is for putting them together,
which stops with what is the most relevant when that takes too long."""

ASSEMBLY_SHARE = 0.5
MAX_NAMES = 96
MAX_BASES = 16
BASE_AGE_S = 1.0
"""So long a document's outline may be carried along before it is worked out again."""

DIAGNOSTICS_PAUSE_S = 0.5
"""Checking a whole document keeps a server busy: not for every keystroke."""

RECENT_ORDER = 200
"""Where the names of recent edits rank, behind those around the cursor."""


class Document(Protocol):
    """An open document at one version; `path` is POSIX, below the project's root."""

    @property
    def path(self) -> str: ...

    @property
    def language(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def snapshot(self) -> TextSnapshot: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was found in time: excerpts by file, each definition, and what it took.

    `diagnostics` are those known near the cursor, the nearest first, with spans in the document.
    `late` counts the names whose answers did not come in time, `cache_hits` those that were known.
    """

    related_files: tuple[RelatedFile, ...] = ()
    diagnostics: tuple[ServerDiagnostic, ...] = ()
    found: tuple[Found, ...] = ()
    late: int = 0
    elapsed_ms: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0


class DefinitionContext:
    """Gathers definitions for the documents of one project from one language server.

    `project` names the project in related files; `syntax_cache` may be shared with others who
    name the same documents `project/path` in it. Belongs to one event loop.
    """

    def __init__(
        self,
        server: Server,
        *,
        root: Path,
        project: str = "",
        syntax_cache: SyntaxCache | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.root = Path(os.path.realpath(root))
        self.project = project or self.root.name
        self.counts = counts if counts is not None else Counts()
        self._server = server
        self._syntax = syntax_cache if syntax_cache is not None else SyntaxCache()
        self._clock = clock
        self._paths = ProjectPaths(self.root)
        self._files = SourceFiles(open_snapshot=server.open_snapshot)
        self._questions = Questions(server, self._files)
        self._hops = Hops(
            server, self._files, is_outside=self._paths.is_outside, spawn=self._questions.spawn
        )
        self._surroundings = Surroundings(
            self._files, self._paths, project=self.project, spawn=self._questions.spawn
        )
        self._bases: OrderedDict[Path, tuple[float, SourceFile]] = OrderedDict()
        self._diagnosed: OrderedDict[Path, tuple[TextSnapshot, asyncio.Task[None]]] = OrderedDict()

    @property
    def server(self) -> Server:
        """The server that is asked."""
        return self._server

    async def gather(
        self,
        document: Document,
        cursor_offset: int,
        *,
        events: Sequence[Event] = (),
        deadline_ms: float = DEADLINE_MS,
    ) -> Gathered:
        """The definitions of what is named around the cursor, as far as they came in time.

        `events` is the edit history, oldest first: what was named in recent edits comes next, then
        what the file imports and what else it defines.
        """
        started = self._clock()
        answers_until = started + deadline_ms / 1000 * WAITING_SHARE
        is_over = self._timer(started + deadline_ms / 1000 * ASSEMBLY_SHARE)
        current = self._open(document)
        names = self._names(document, current, cursor_offset, events)
        questions, hits = self._questions.ask(current.path, current.snapshot, names)
        await self._wait((one.task for one in questions if one.targets is None), answers_until)
        late = sum(one.targets is None for one in questions)
        imported, answers = self._imports(current, names)
        ranked = self._rank(names, questions) + self._rank(imported, answers)
        cursor = current.base_offset(cursor_offset)
        layout = Layout(self._files, self._paths, current, cursor=cursor, is_over=is_over)
        await self._refresh_files(ranked, current, answers_until)
        placed = layout.place(ranked)
        hops = self._follow(placed, is_over)
        await self._wait((hop.task for _, hop in hops if hop.targets is None), answers_until)
        ranked = self._rank_hops(hops)
        await self._refresh_files(ranked, current, answers_until)
        placed += layout.place(ranked)
        if current.base.has_outline:
            layout.add_pieces(current.path, import_pieces(current.base, CURRENT_FILE_ORDER))
            pieces = outline_pieces(current.base, cursor, CURRENT_FILE_ORDER + 1)
            layout.add_pieces(current.path, pieces)
        for path, pieces in (
            *self._surroundings.edited(document.path, events),
            *self._surroundings.modules(placed),
            *self._surroundings.visited(current.path),
        ):
            layout.add_pieces(path, pieces)
        if not layout.add(sorted(placed, key=lambda one: one.order)):
            self.counts.add("context_cut_short")
        if late:
            self.counts.add("lsp_late", late)
        gathered = Gathered(
            related_files=layout.related_files(self.project),
            diagnostics=self._diagnostics_near(current, cursor_offset),
            found=layout.found,
            late=late,
            elapsed_ms=(self._clock() - started) * 1000,
            cache_hits=hits,
            cache_misses=len(questions) - hits,
        )
        self._surroundings.visit(current, cursor_offset)
        self._questions.spawn(self._prepare(current, imported))
        return gathered

    def forget(self, path: str) -> None:
        """Drop what is known of a document that was closed."""
        self._questions.forget(self.root / path)
        self._bases.pop(self.root / path, None)
        self._surroundings.forget(self.root / path)
        self._diagnosed.pop(self.root / path, None)
        self._syntax.drop(f"{self.project}/{path}")

    async def close(self) -> None:
        """Give up what is still being asked."""
        await self._questions.close()

    def _timer(self, until: float) -> Callable[[], bool]:
        return lambda: self._clock() > until

    def _open(self, document: Document) -> CurrentDocument:
        """Tell the server of the document as it is, and find its syntax."""
        path, snapshot = self.root / document.path, document.snapshot
        self._server.sync(
            path, language=document.language, version=document.version, snapshot=snapshot
        )
        if not self._server.is_running:
            self._server.start_soon()
        key = f"{self.project}/{document.path}"
        tree = self._syntax.tree(key, document.language, snapshot, path=document.path)
        _, base = self._bases.get(path, (0.0, None))
        current = continue_document(base, path, document.language, snapshot, tree)
        if current.base is not base:
            self._keep_base(current.base)
        return current

    def _names(
        self,
        document: Document,
        current: CurrentDocument,
        cursor_offset: int,
        events: Sequence[Event],
    ) -> list[Name]:
        names = names_near(current.snapshot, current.tree, cursor_offset)[:MAX_NAMES]
        edited = edited_spans(events, document.path, len(current.snapshot))
        names += recent_names(current.snapshot, current.tree, edited, RECENT_ORDER)
        return list({name.span: name for name in reversed(names)}.values())[::-1]

    def _imports(
        self, current: CurrentDocument, names: list[Name]
    ) -> tuple[list[Name], list[Question]]:
        """The imported names, with what is known of them: nobody waits for these."""
        taken = {name.span for name in names}
        imported: list[Name] = []
        for name in imported_names(current.base, IMPORTED_ORDER):
            span = current.span_now(name.span)
            if span is not None and span not in taken:
                imported.append(Name(name=name.name, span=span, rank=name.rank))
        return imported, self._questions.known(current.path, imported)

    def _rank(self, names: list[Name], questions: list[Question]) -> list[tuple[int, Target]]:
        return [
            (self._order(name.rank, target), target)
            for name, question in zip(names, questions, strict=True)
            for target in question.targets or ()
        ]

    def _rank_hops(self, hops: list[tuple[int, Hop]]) -> list[tuple[int, Target]]:
        return [
            (self._order(order % SECOND_HOP_ORDER + SECOND_HOP_ORDER, target), target)
            for order, hop in hops
            for target in hop.targets or ()
        ]

    def _order(self, order: int, target: Target) -> int:
        return order + (OUTSIDE_ORDER if self._paths.is_outside(target.path) else 0)

    def _follow(self, placed: list[Placed], is_over: Callable[[], bool]) -> list[tuple[int, Hop]]:
        hops: list[tuple[int, Hop]] = []
        for one in placed:
            if one.order >= SECOND_HOP_ORDER or is_over():
                break
            hop = self._hops.follow(one.file, one.span)
            if hop is not None:
                hops.append((one.order, hop))
        return hops

    async def _refresh_files(
        self, ranked: list[tuple[int, Target]], current: CurrentDocument, until: float
    ) -> None:
        """Read again what has changed since; what comes late is shown as it was."""
        paths = {target.path for _, target in ranked} - {current.path}
        stale = [path for path in paths if not self._files.is_current(path)]
        await self._wait([self._questions.spawn(self._files.read(path)) for path in stale], until)

    async def _wait(self, tasks: Iterable[asyncio.Task[None] | None], until: float) -> None:
        waiting = [task for task in tasks if task is not None]
        left = until - self._clock()
        if waiting and left > 0:
            await asyncio.wait(waiting, timeout=left)

    # After the answer, for the next one

    async def _prepare(self, current: CurrentDocument, imported: list[Name]) -> None:
        """What the next gathering will want: the imports' definitions, a newer outline."""
        self._questions.ask(current.path, current.snapshot, imported)
        made_at, base = self._bases.get(current.path, (0.0, current.base))
        self._diagnose(current)
        if not base.has_outline:
            await asyncio.to_thread(base.work_out)
        is_old = self._clock() - made_at > BASE_AGE_S
        if is_old and not base.snapshot.is_same(current.snapshot):
            self._bases[current.path] = (self._clock(), base)
            file = current.as_file()
            await asyncio.to_thread(file.work_out)
            self._keep_base(file)

    def _diagnostics_near(
        self, current: CurrentDocument, cursor_offset: int
    ) -> tuple[ServerDiagnostic, ...]:
        if not isinstance(self._server, DiagnosticsServer):
            return ()
        known = self._server.known_diagnostics(current.path)
        return diagnostics_near(known, current.snapshot, cursor_offset)

    def _diagnose(self, current: CurrentDocument) -> None:
        """Ask what is wrong with the document: once for a text, and one question at a time."""
        server = self._server
        before, asking = self._diagnosed.get(current.path, (None, None))
        if (asking is not None and not asking.done()) or before == current.snapshot:
            return
        if server.is_running and isinstance(server, DiagnosticsServer):
            task = self._questions.spawn(_read_diagnostics(server, current.path))
            self._diagnosed[current.path] = (current.snapshot, task)
            self._diagnosed.move_to_end(current.path)
            while len(self._diagnosed) > MAX_BASES:
                self._diagnosed.popitem(last=False)

    def _keep_base(self, file: SourceFile) -> None:
        self._bases[file.path] = (self._clock(), file)
        self._bases.move_to_end(file.path)
        while len(self._bases) > MAX_BASES:
            self._bases.popitem(last=False)


async def _read_diagnostics(server: DiagnosticsServer, path: Path) -> None:
    await asyncio.sleep(DIAGNOSTICS_PAUSE_S)
    with contextlib.suppress(LspError, DocumentError):
        await server.diagnostics(path)
