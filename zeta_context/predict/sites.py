"""Asks a language server where else a changed name stands.

A rename can only be asked about in the text before it: either the places were asked for while the
cursor stood on the name, or a server of our own is shown the old text once more; an editor's is
shown it beside the new one, and knows the name in that file alone. Everything that a server says is
compared with the texts it spoke of. Knows nothing of proposals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from zeta_context.context.questions import Server
from zeta_context.context.syntax import SyntaxCache
from zeta_context.counts import Counts
from zeta_context.errors import TextError, ZetaError
from zeta_context.events.projects import Projects
from zeta_context.events.tracker import Tracker
from zeta_context.lsp.documents import Location, from_unit_point
from zeta_context.predict.asked_ahead import AskedAhead, ReferencesServer
from zeta_context.predict.causes import Cause, find_cause, has_word
from zeta_context.predict.closed_files import ClosedFiles
from zeta_context.predict.provenance import Provenance
from zeta_context.predict.ripples import MAX_PLACES, Place, Ripple, Ripples
from zeta_context.predict.showing import Lent, Showing, name_beside, stands_alone
from zeta_context.predict.view import Document
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

DEADLINE_S = 0.1
REWOUND_S = 0.6
"""So long a prediction waits for a server of ours that is shown the old text: showing it the new
one again before it has answered would spoil the answer."""


class Sites:
    """Finds causes and their places, and keeps the ripples; belongs to one event loop."""

    def __init__(
        self,
        projects: Projects,
        tracker: Tracker,
        ripples: Ripples,
        find_server: Callable[[Document], Server | None],
        *,
        counts: Counts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._projects = projects
        self._tracker = tracker
        self._ripples = ripples
        self._find_server = find_server
        self._counts = counts
        self._closed = ClosedFiles(projects)
        self._syntax = SyntaxCache(max_documents=4)
        self._ahead = AskedAhead(projects, tracker, self._sync_all, clock=clock)
        self._searches: dict[str, tuple[Cause, asyncio.Task[None]]] = {}

    async def look(
        self,
        document: Document,
        cursor: int,
        provenance: Provenance,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> Ripple | None:
        """The ripple that goes through the document's project, as far as it is known in time."""
        server = self._find_server(document)
        if not isinstance(server, ReferencesServer) or not server.is_running:
            return None
        cause = self._find_cause(document, provenance)
        if cause is None:
            self._ahead.ask_soon(server, document, cursor)
        elif not self._ripples.knows(cause):
            is_rewound = cause.kind == "rename" and self._ahead.recall(cause) is None
            search = self._search_for(server, cause, document)
            await asyncio.wait((search,), timeout=REWOUND_S if is_rewound else deadline_s)
        return self._ripples.current(document.project)

    async def aclose(self) -> None:
        """Give up what is being asked."""
        tasks = [task for _, task in self._searches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._ahead.aclose(), *tasks, return_exceptions=True)

    def _find_cause(self, document: Document, provenance: Provenance) -> Cause | None:
        key = f"{document.project}/{document.path}"
        tree = self._syntax.tree(key, document.language, document.snapshot, path=document.path)
        texts = [one.snapshot for one in self._tracker.documents(document.project)]

        def is_used(name: str) -> bool:
            if self._ahead.knows_name(document.project, name):
                return True
            return any(has_word(text.text, name) for text in texts)

        return find_cause(document, provenance, tree, is_used=is_used)

    # Searching.

    def _search_for(
        self, server: ReferencesServer, cause: Cause, document: Document
    ) -> asyncio.Task[None]:
        known, search = self._searches.get(cause.project, (None, None))
        if search is not None and known == cause and not search.done():
            return search
        if search is not None:
            search.cancel()
        self._ahead.stop()
        search = asyncio.create_task(self._search(server, cause, document))
        self._searches[cause.project] = (cause, search)
        return search

    async def _search(self, server: ReferencesServer, cause: Cause, document: Document) -> None:
        try:
            defined, used = await self._ask(server, cause)
        except ZetaError:
            self._counts.add("ripple_unanswered")
            return
        own = self._projects.root(cause.project) / cause.path
        places = await asyncio.to_thread(self._to_places, cause, used)
        own_place = Place(
            path=cause.path, span=Span(cause.span.start, cause.span.start + len(cause.name))
        )
        if own_place not in self._read(cause, used, own):
            # What was asked about is not in the answer: the server spoke of another text.
            self._counts.add("ripple_unanswered")
            return
        start = cause.span.start
        is_definition = any(place.span.start == start for place in self._read(cause, defined, own))
        if cause.kind == "rename" and not is_definition:
            # Another name was put where the old one was used: that concerns nobody else.
            self._counts.add("ripple_no_definition")
            return
        now = self._tracker.document(cause.project, cause.path)
        if now.snapshot.is_same(document.snapshot):
            self._ripples.begin(cause, places)
            self._counts.add("ripple_found")

    async def _ask(
        self, server: ReferencesServer, cause: Cause
    ) -> tuple[tuple[Location, ...], tuple[Location, ...]]:
        path = self._projects.root(cause.project) / cause.path
        start = cause.span.start
        if cause.kind == "rename":
            remembered = self._ahead.recall(cause)
            if remembered is not None:
                return remembered.defined, remembered.used
            if isinstance(server, Lent):
                return await self._ask_beside(server.beside, cause)
        document = self._tracker.document(cause.project, cause.path)
        self._sync_all(server, cause.project)
        server.sync(path, language=document.language, version=0, snapshot=cause.before)
        try:
            return await asyncio.gather(
                server.definition(path, start), server.references(path, start)
            )
        finally:
            now = self._tracker.document(cause.project, cause.path)
            server.sync(path, language=now.language, version=now.version, snapshot=now.snapshot)

    async def _ask_beside(
        self, server: Showing, cause: Cause
    ) -> tuple[tuple[Location, ...], tuple[Location, ...]]:
        """What an editor's server says of the old text, beside the new one: in this file alone."""
        document = self._tracker.document(cause.project, cause.path)
        if not stands_alone(document):
            self._counts.add("ripple_not_remembered")
            return (), ()
        self._counts.add("ripple_in_file")
        path = self._projects.root(cause.project) / cause.path
        shown, start = name_beside(path, "was"), cause.span.start
        server.sync(shown, language=document.language, version=0, snapshot=cause.before)
        try:
            found = await asyncio.gather(
                server.definition(shown, start), server.references(shown, start)
            )
        finally:
            server.close_document(shown)
        defined, used = (
            tuple(replace(one, path=path) if one.path == shown else one for one in told)
            for told in found
        )
        return defined, used

    def _sync_all(self, server: Server, project: str) -> None:
        """Tell a server of ours all texts of its language; an editor's has been told them."""
        root = self._projects.root(project)
        for one in self._tracker.documents(project):
            if self._find_server(one) is server:
                server.sync(
                    root / one.path,
                    language=one.language,
                    version=one.version,
                    snapshot=one.snapshot,
                )

    # What the server said, in our texts.

    def _to_places(self, cause: Cause, used: Sequence[Location]) -> list[Place]:
        by_path: dict[Path, list[Location]] = {}
        for location in used[: 2 * MAX_PLACES]:
            if location.path is not None:
                by_path.setdefault(location.path, []).append(location)
        own = self._projects.root(cause.project) / cause.path
        places: list[Place] = []
        for path, locations in by_path.items():
            if cause.is_import and path.resolve() != own.resolve():
                continue
            places += self._read(cause, locations, path)
        return [
            place
            for place in dict.fromkeys(places)
            if (place.path, place.span.start) != (cause.path, cause.span.start)
        ]

    def _read(self, cause: Cause, locations: Iterable[Location], path: Path) -> list[Place]:
        """The places in one file whose text is the name; in the cause's own, as it is now."""
        found = self._text_of(cause, path)
        if found is None:
            return []
        name, snapshot = found
        growth = cause.span.length - len(cause.name)
        places = []
        for location in locations:
            if location.path is None or location.path.resolve() != path.resolve():
                continue
            try:
                start = from_unit_point(snapshot, location.start, location.encoding)
                end = from_unit_point(snapshot, location.end, location.encoding)
            except TextError:
                continue
            # A server may mean the whole `a.name`: its last word is the name.
            start = end - len(cause.name)
            if start < 0 or snapshot.slice(Span(start, end)) != cause.name:
                continue
            if name == cause.path and start > cause.span.start:
                start, end = start + growth, end + growth
            places.append(Place(path=name, span=Span(start, end)))
        return places

    def _text_of(self, cause: Cause, path: Path) -> tuple[str, TextSnapshot] | None:
        root = self._projects.root(cause.project).resolve()
        try:
            name = path.resolve().relative_to(root).as_posix()
        except ValueError:
            return None
        if name == cause.path:
            return name, cause.before
        for one in self._tracker.documents(cause.project):
            if one.path == name:
                return name, one.snapshot
        closed = self._closed.read(cause.project, name)
        return None if closed is None else (name, closed.snapshot)
