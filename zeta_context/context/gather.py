"""Gathers the prompt input of a prediction: excerpt, syntax, events, definitions.

The one place where the parts of the context meet; knows no prompt format and no proposer. What a
language server does not answer before the deadline is left out and counted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zeta_context.context.diagnostics import to_prompt_diagnostics
from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.syntax import SyntaxCache
from zeta_context.counts import Counts
from zeta_context.events.document import OpenDocument
from zeta_context.events.event import Event
from zeta_context.events.projects import Projects
from zeta_context.prompt.input import PromptInput, Trigger
from zeta_context.text.point import Span

if TYPE_CHECKING:
    from zeta_context.context.definitions import DefinitionContext
    from zeta_context.context.definitions import Gathered as Definitions
    from zeta_context.context.questions import Server
    from zeta_context.lsp.pool import LanguageServers


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """What context is gathered, and how long it may take.

    With `definitions`, language servers are asked, started by the library itself: `servers` names
    the user's own command by language (an empty one: none), otherwise the first known one that is
    installed. Servers that run the project's code start only with `allow_project_code`.
    A prediction waits for them `deadline_ms` at most.
    """

    definitions: bool = False
    deadline_ms: float = 80.0
    servers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    allow_project_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A step on the way to a prediction and the milliseconds it took."""

    name: str
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The prompt input, the definitions in it with where they were found, and the time it took."""

    prompt_input: PromptInput
    definitions: Definitions | None = None
    stages: tuple[Stage, ...] = ()


class ContextGatherer:
    """Gathers context for the documents of a session; belongs to one event loop."""

    def __init__(self, projects: Projects, settings: ContextSettings, counts: Counts) -> None:
        self._projects = projects
        self._settings = settings
        self._counts = counts
        self._syntax = SyntaxCache()
        self._pools: dict[str, LanguageServers] = {}
        self._contexts: dict[tuple[str, str], DefinitionContext] = {}
        self._lent: Server | None = None

    async def gather(
        self,
        document: OpenDocument,
        cursor: int,
        events: tuple[Event, ...],
        *,
        trigger: Trigger = "other",
        with_definitions: bool = True,
    ) -> Gathered:
        """The prompt input for a cursor (an offset) in a document; without definitions at once."""
        started = time.perf_counter()
        tree = self._syntax.tree(
            f"{document.project}/{document.path}",
            document.language,
            document.snapshot,
            path=document.path,
        )
        excerpt = gather_excerpt(document.snapshot, cursor, tree)
        stages = [Stage(name="excerpt", elapsed_ms=(time.perf_counter() - started) * 1000)]
        definitions = None
        if with_definitions:
            definitions = await self._find_definitions(document, cursor, events)
        if definitions is not None:
            stages.append(Stage(name="definitions", elapsed_ms=definitions.elapsed_ms))
        prompt_input = PromptInput(
            project=document.project,
            path=document.path,
            language=document.language,
            cursor_excerpt=excerpt.text,
            cursor_offset=excerpt.cursor_offset,
            excerpt_start_row=excerpt.start_row,
            syntax_spans=excerpt.syntax_spans,
            events=events,
            related_files=definitions.related_files if definitions is not None else (),
            diagnostics=to_prompt_diagnostics(
                definitions.diagnostics if definitions is not None else (),
                Span(excerpt.start, excerpt.start + len(excerpt.text)),
            ),
            trigger=trigger,
        )
        return Gathered(prompt_input=prompt_input, definitions=definitions, stages=tuple(stages))

    def server(self, document: OpenDocument) -> Server | None:
        """The language server that is asked about a document; None where none is."""
        if not self._settings.definitions and self._lent is None:
            return None
        context = self._context_for(document)
        return None if context is None else context.server

    def lend(self, server: Server) -> None:
        """Ask this server, which somebody else runs, instead of starting any."""
        self._lent = server
        self._contexts.clear()

    def warm_up(self, document: OpenDocument) -> None:
        """Start the language server that a document will need; never waits."""
        if self._settings.definitions:
            self._context_for(document)

    def forget(self, document: OpenDocument) -> None:
        """Drop what is known of a document that was closed."""
        self._syntax.drop(f"{document.project}/{document.path}")
        context = self._contexts.get((document.project, document.language))
        if context is not None:
            context.forget(document.path)

    async def aclose(self) -> None:
        """Stop what was started."""
        for context in self._contexts.values():
            await context.close()
        for pool in self._pools.values():
            await pool.close()

    async def _find_definitions(
        self, document: OpenDocument, cursor: int, events: tuple[Event, ...]
    ) -> Definitions | None:
        if not self._settings.definitions and self._lent is None:
            return None
        context = self._context_for(document)
        if context is None:
            return None
        return await context.gather(
            document, cursor, events=events, deadline_ms=self._settings.deadline_ms
        )

    def _context_for(self, document: OpenDocument) -> DefinitionContext | None:
        from zeta_context.context.definitions import DefinitionContext
        from zeta_context.lsp.pool import LanguageServers

        key = (document.project, document.language)
        if key in self._contexts:
            return self._contexts[key]
        root = self._projects.root(document.project)
        if self._lent is not None:
            context = self._contexts[key] = DefinitionContext(
                self._lent,
                root=root,
                project=document.project,
                syntax_cache=self._syntax,
                counts=self._counts,
            )
            return context
        pool = self._pools.get(document.project)
        if pool is None:
            pool = self._pools[document.project] = LanguageServers(
                root,
                commands=self._settings.servers,
                allow_project_code=self._settings.allow_project_code,
                counts=self._counts,
            )
        server = pool.server(document.language)
        if server is None:
            return None
        context = self._contexts[key] = DefinitionContext(
            server,
            root=root,
            project=document.project,
            syntax_cache=self._syntax,
            counts=self._counts,
        )
        return context
