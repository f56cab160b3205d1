"""Definitions of what is named around the cursor, gathered within a deadline.

Knows nothing of prompts or budgets: it ranks what it found and leaves the choice to the prompt
format. What the server does not answer in time is left out this once, counted as `lsp_late`, and
there for the next prediction: the questions go on in the background.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zeta_context.context.assemble import Piece, assemble_file, definition_rows
from zeta_context.context.files import SourceFile, SourceFiles
from zeta_context.context.hops import Hop, Hops
from zeta_context.context.nearby import Name, names_near
from zeta_context.context.questions import Question, Questions, Server, Target, TargetKind
from zeta_context.context.syntax import SyntaxCache
from zeta_context.counts import Counts
from zeta_context.prompt.input import ContextSource, RelatedFile
from zeta_context.text.snapshot import TextSnapshot

DEADLINE_MS = 80.0
WAITING_SHARE = 0.75
"""The part of the deadline in which answers are waited for; the rest is for putting them together,
which stops with what is the most relevant when that takes too long."""

ASSEMBLY_SHARE = 0.9
MAX_NAMES = 96
SECOND_HOP_ORDER = 1000
OUTSIDE_ORDER = 10_000
"""Added to the order of what was found, so that nearer kinds of context are chosen first."""

_NOT_THE_PROJECT = frozenset({"site-packages", "dist-packages", "node_modules", ".venv", "venv"})
_SOURCES: dict[TargetKind, ContextSource] = {
    "definition": "lsp_definition",
    "type_definition": "lsp_type_definition",
    "second_hop": "lsp_second_hop",
}


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
class Found:
    """A definition that was found: of which name, how, and where (`row` is 0-based)."""

    symbol: str
    kind: TargetKind
    path: str
    row: int
    is_outside_project: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was found in time: excerpts by file, each definition, and what it took.

    `late` counts the names whose answers did not come in time, `cache_hits` those that were known.
    """

    related_files: tuple[RelatedFile, ...] = ()
    found: tuple[Found, ...] = ()
    late: int = 0
    elapsed_ms: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0


class DefinitionContext:
    """Gathers definitions for the documents of one project from one language server.

    `project` names the project in related files; `syntax_cache` may be shared with others who
    parse the same documents by the same paths. Belongs to one event loop.
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
        self._files = SourceFiles(open_snapshot=server.open_snapshot)
        self._questions = Questions(server, self._files)
        self._outside: dict[Path, bool] = {}
        self._hops = Hops(
            server, self._files, is_outside=self.is_outside, spawn=self._questions.spawn
        )

    async def gather(
        self, document: Document, cursor_offset: int, *, deadline_ms: float = DEADLINE_MS
    ) -> Gathered:
        """The definitions of what is named around the cursor, as far as they came in time."""
        started = self._clock()
        until = started + deadline_ms / 1000 * WAITING_SHARE
        path, snapshot = self.root / document.path, document.snapshot
        self._server.sync(
            path, language=document.language, version=document.version, snapshot=snapshot
        )
        if not self._server.is_running:
            self._server.start_soon()
        tree = self._syntax.tree(document.path, document.language, snapshot, path=document.path)
        self._files.put(
            SourceFile(path=path, language=document.language, snapshot=snapshot, tree=tree)
        )
        names = names_near(snapshot, tree, cursor_offset)[:MAX_NAMES]
        questions, hits = self._questions.ask(path, snapshot, names)
        await self._wait((one.task for one in questions if one.targets is None), until)
        late = sum(one.targets is None for one in questions)
        if late:
            self.counts.add("lsp_late", late)
        targets = self._rank_first(names, questions)
        hops = self._follow(targets)
        await self._wait((hop.task for _, hop in hops if hop.targets is None), until)
        targets += self._rank_second(hops)
        await self._refresh_files(targets, until)
        related, found = self._assemble(targets, started + deadline_ms / 1000 * ASSEMBLY_SHARE)
        return Gathered(
            related_files=related,
            found=found,
            late=late,
            elapsed_ms=(self._clock() - started) * 1000,
            cache_hits=hits,
            cache_misses=len(questions) - hits,
        )

    def is_outside(self, path: Path) -> bool:
        """Whether a file does not belong to the project: a library's, or linked from elsewhere."""
        known = self._outside.get(path)
        if known is None:
            real = Path(os.path.realpath(path))
            known = not real.is_relative_to(self.root) or not _NOT_THE_PROJECT.isdisjoint(
                real.relative_to(self.root).parts
            )
            self._outside[path] = known
        return known

    def forget(self, path: str) -> None:
        """Drop what is known of a document that was closed."""
        self._questions.forget(self.root / path)
        self._syntax.drop(path)

    async def close(self) -> None:
        """Give up what is still being asked."""
        await self._questions.close()

    async def _wait(self, tasks: Iterable[asyncio.Task[None] | None], until: float) -> None:
        waiting = [task for task in tasks if task is not None]
        left = until - self._clock()
        if waiting and left > 0:
            await asyncio.wait(waiting, timeout=left)

    def _rank_first(self, names: list[Name], questions: list[Question]) -> list[tuple[int, Target]]:
        ranked: list[tuple[int, Target]] = []
        for name, question in zip(names, questions, strict=True):
            for target in question.targets or ():
                ranked.append((self._order(name.rank, target), target))
        return ranked

    def _order(self, rank: int, target: Target) -> int:
        order = rank + (SECOND_HOP_ORDER if target.kind == "second_hop" else 0)
        return order + (OUTSIDE_ORDER if self.is_outside(target.path) else 0)

    def _follow(self, targets: list[tuple[int, Target]]) -> list[tuple[int, Hop]]:
        hops: list[tuple[int, Hop]] = []
        for order, target in targets:
            file = self._files.ready(target.path)
            span = target.span_in(file.snapshot) if file is not None else None
            hop = self._hops.follow(file, span) if file is not None and span is not None else None
            if hop is not None:
                hops.append((order, hop))
        return hops

    def _rank_second(self, hops: list[tuple[int, Hop]]) -> list[tuple[int, Target]]:
        return [
            (self._order(order, target), target)
            for order, hop in hops
            for target in hop.targets or ()
        ]

    async def _refresh_files(self, targets: list[tuple[int, Target]], until: float) -> None:
        """Read again what has changed since it was found; late ones are shown as they were."""
        stale = {target.path for _, target in targets if not self._files.is_current(target.path)}
        await self._wait([self._questions.spawn(self._reread(path)) for path in stale], until)

    async def _reread(self, path: Path) -> None:
        await self._files.get(path)

    def _assemble(
        self, targets: list[tuple[int, Target]], until: float
    ) -> tuple[tuple[RelatedFile, ...], tuple[Found, ...]]:
        pieces: dict[Path, list[Piece]] = defaultdict(list)
        found: dict[tuple[Path, int], Found] = {}
        for order, target in sorted(targets, key=lambda pair: pair[0]):
            if self._clock() > until:
                self.counts.add("context_cut_short")
                break
            file = self._files.ready(target.path)
            span = target.span_in(file.snapshot) if file is not None else None
            if file is None or span is None:
                continue
            for rows in definition_rows(file, span, full_rows=target.full_rows_in(file.snapshot)):
                pieces[target.path].append(
                    Piece(
                        rows=rows,
                        order=order,
                        source=_SOURCES[target.kind],
                        symbol=target.symbol,
                    )
                )
            is_outside = self.is_outside(target.path)
            row = file.snapshot.point(span.start).row
            one = Found(
                symbol=target.symbol,
                kind=target.kind,
                path=self._shown_path(target.path),
                row=row,
                is_outside_project=is_outside,
            )
            found.setdefault((target.path, row), one)
        related: list[RelatedFile] = []
        for path, parts in pieces.items():
            file = self._files.ready(path)
            if file is None:
                continue
            is_outside = self.is_outside(path)
            related.append(
                assemble_file(
                    file,
                    parts,
                    project="" if is_outside else self.project,
                    path=self._shown_path(path),
                    is_outside_project=is_outside,
                )
            )
        related.sort(key=lambda one: (min(part.order for part in one.excerpts), one.path))
        return tuple(related), tuple(found.values())

    def _shown_path(self, path: Path) -> str:
        """The path below the root; of a file elsewhere no more than tells which library it is."""
        if not self.is_outside(path):
            return Path(os.path.realpath(path)).relative_to(self.root).as_posix()
        parts = path.parts
        for marker in ("site-packages", "dist-packages", "node_modules", "stdlib", "typeshed"):
            if marker in parts:
                return "/".join(parts[len(parts) - parts[::-1].index(marker) :])
        return "/".join(parts[-2:])
