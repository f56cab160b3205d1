"""The language servers of one project: each started when first needed, at most one per language.

Knows nothing of what they are asked. Which server serves a language is the user's choice, or else
the first known one that is installed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import LspError
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.servers import (
    KNOWN_SERVERS,
    InstalledServer,
    KnownServer,
    find_installed,
    find_program,
    language_id,
    search_directories,
    servers_for,
)


class LanguageServers:
    """Starts servers for the project at `root` lazily and shares each among its languages.

    `commands` are the user's own choices by language, an empty one meaning none at all. Servers
    that run a project's code start only with `allow_project_code`. Why a language has no server
    is counted: `lsp_not_installed`, `lsp_not_allowed`, `lsp_unknown_language`, `lsp_turned_off`.
    """

    def __init__(
        self,
        root: Path,
        *,
        commands: Mapping[str, Sequence[str]] | None = None,
        allow_project_code: bool = False,
        counts: Counts | None = None,
    ) -> None:
        self.root = Path(os.path.realpath(root))
        self.counts = counts if counts is not None else Counts()
        self._commands = {language_id(name): c for name, c in (commands or {}).items()}
        self._allow_project_code = allow_project_code
        self._by_language: dict[str, LanguageServer | None] = {}
        self._by_command: dict[tuple[str, ...], LanguageServer] = {}
        self._is_closed = False

    async def __aenter__(self) -> LanguageServers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def started(self) -> tuple[LanguageServer, ...]:
        """The servers that were started so far, whatever became of them."""
        return tuple(self._by_command.values())

    def server(self, language: str) -> LanguageServer | None:
        """The server for a language, starting up in the background if need be; never waits.

        None where there is none. The answer is remembered: an installation made later is found
        by the next session. Needs a running event loop.
        """
        if self._is_closed:
            return None
        name = language_id(language)
        if name not in self._by_language:
            self._by_language[name] = self._choose(name)
        server = self._by_language[name]
        if server is not None and not server.is_running:
            server.start_soon()
        return server

    async def start(self, language: str) -> LanguageServer | None:
        """The server for a language once it runs; None where there is none or it cannot."""
        server = self.server(language)
        if server is None:
            return None
        try:
            await server.start()
        except LspError:
            return None
        return server

    async def close(self) -> None:
        """Shut all of them down."""
        self._is_closed = True
        await asyncio.gather(*(server.close() for server in self._by_command.values()))

    def _choose(self, language: str) -> LanguageServer | None:
        if language in self._commands:
            return self._chosen_by_user(language, tuple(self._commands[language]))
        known = servers_for(language)
        if not known:
            self.counts.note("lsp_unknown_language")
            return None
        installed = [found for one in known if (found := find_installed(one, root=self.root))]
        for found in installed:
            if self._allow_project_code or not found.server.runs_project_code:
                return self._share(found)
        self.counts.note("lsp_not_allowed" if installed else "lsp_not_installed")
        return None

    def _chosen_by_user(self, language: str, command: tuple[str, ...]) -> LanguageServer | None:
        if not command:
            self.counts.note("lsp_turned_off")
            return None
        program = find_program(command[0], search_directories(self.root))
        if program is None:
            self.counts.note("lsp_not_installed")
            return None
        stem = Path(program).stem
        known = next((one for one in KNOWN_SERVERS if one.program == stem), None)
        found = find_installed(known, root=self.root) if known is not None else None
        if found is None:
            other = KnownServer(name=stem, program=stem, languages=(language,), install="")
            found = InstalledServer(server=other, command=(), options={})
        return self._share(replace(found, command=(program, *command[1:])))

    def _share(self, found: InstalledServer) -> LanguageServer:
        known = found.server
        if found.command not in self._by_command:
            self._by_command[found.command] = LanguageServer(
                found.command,
                root=self.root,
                name=known.name,
                hint=f"to install it: {known.install}" if known.install else "",
                options=found.options,
                settings=known.settings,
                env={**os.environ, **known.environment} if known.environment else None,
                counts=self.counts,
            )
        return self._by_command[found.command]
