"""Asks a language server about the name under the cursor, before anybody changes it.

Afterwards it could not be asked: the old name stands there no more. A server that was started only
just now knows little of the project: it is asked again until its answer stays the same. Knows
nothing of what the answers are for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from zeta_context.context.questions import Server
from zeta_context.errors import NotOpen, ZetaError
from zeta_context.events.projects import Projects
from zeta_context.events.tracker import Tracker
from zeta_context.lsp.documents import Location
from zeta_context.predict.causes import Cause, word_at
from zeta_context.predict.showing import Lent
from zeta_context.predict.view import Document
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

PAUSE_S = 0.3
"""So long no other name is asked about."""

AGAIN_S = (0.7, 1.5, 3.0)
"""After so long each the same is asked again, while the server is young or busy."""

YOUNG_S = 15.0
"""For so long after the first question of a project its server may still be reading it."""


@runtime_checkable
class ReferencesServer(Server, Protocol):
    """A server that can be asked where a name is used."""

    async def references(self, path: Path, offset: int) -> tuple[Location, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What a server said of the name at `span` of a text: where it is defined, and used."""

    path: str
    snapshot: TextSnapshot
    span: Span
    defined: tuple[Location, ...]
    used: tuple[Location, ...]

    @property
    def name(self) -> str:
        """The name that was asked about."""
        return self.snapshot.slice(self.span)


class AskedAhead:
    """The newest answer for each project; belongs to one event loop.

    `sync_all` tells a server of ours all texts of a project.
    """

    def __init__(
        self,
        projects: Projects,
        tracker: Tracker,
        sync_all: Callable[[Server, str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._projects = projects
        self._tracker = tracker
        self._sync_all = sync_all
        self._clock = clock
        self._known: dict[str, Uses] = {}
        self._first_asked: dict[str, float] = {}
        self._asked_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._is_resting = False

    def ask_soon(self, server: ReferencesServer, document: Document, cursor: int) -> None:
        """Ask about the name that the cursor stands on, unless that is known or another is."""
        span = word_at(document.snapshot, min(cursor, len(document.snapshot)))
        known = self._known.get(document.project)
        is_busy = self._task is not None and not self._task.done() and not self._is_resting
        if (
            not span.length
            or is_busy
            or self._clock() - self._asked_at < PAUSE_S
            or (
                known is not None
                and (known.path, known.span) == (document.path, span)
                and known.snapshot.is_same(document.snapshot)
            )
        ):
            return
        if self._task is not None:
            self._task.cancel()
        self._asked_at = self._clock()
        self._first_asked.setdefault(document.project, self._asked_at)
        self._is_resting = False
        self._task = asyncio.create_task(self._ask(server, document, span))

    def recall(self, cause: Cause) -> Uses | None:
        """What the server said of the name before it was changed, if it was asked."""
        known = self._known.get(cause.project)
        if (
            known is not None
            and (known.path, known.span.start) == (cause.path, cause.span.start)
            and known.snapshot == cause.before
        ):
            return known
        return None

    def knows_name(self, project: str, name: str) -> bool:
        """Whether it was the latest name that was asked about."""
        known = self._known.get(project)
        return known is not None and known.name == name

    def stop(self) -> None:
        """Ask no more about the latest name: something was changed."""
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """Give up what is being asked."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self, server: ReferencesServer, document: Document, span: Span) -> None:
        before: Uses | None = None
        for pause_s in (0.0, *AGAIN_S):
            if pause_s:
                self._is_resting = True
                await asyncio.sleep(pause_s)
                self._is_resting = False
            if not self._is_current(document):
                return
            found = await self._ask_once(server, document, span)
            if found is None:
                return
            self._known[document.project] = found
            is_young = self._clock() - self._first_asked[document.project] < YOUNG_S
            if found == before or not (is_young or server.is_busy):
                return
            before = found

    async def _ask_once(
        self, server: ReferencesServer, document: Document, span: Span
    ) -> Uses | None:
        path = self._projects.root(document.project) / document.path
        self._sync_all(server, document.project)
        try:
            if isinstance(server, Lent):
                defined, used = await server.uses(path, span.start)
            else:
                defined, used = await asyncio.gather(
                    server.definition(path, span.start), server.references(path, span.start)
                )
        except ZetaError:
            return None
        return Uses(
            path=document.path,
            snapshot=document.snapshot,
            span=span,
            defined=defined,
            used=used,
        )

    def _is_current(self, document: Document) -> bool:
        try:
            now = self._tracker.document(document.project, document.path)
        except NotOpen:
            return False
        return now.snapshot.is_same(document.snapshot)
