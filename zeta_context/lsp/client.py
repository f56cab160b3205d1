"""One language server, from start to exit, as something that can be asked for definitions.

Knows nothing of prompts or of which server serves which language. Whatever the server does (hang,
die, answer late or with nonsense), no call here waits longer than its timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from zeta_context.counts import Counts
from zeta_context.errors import LspError, ServerGone
from zeta_context.lsp.answers import (
    ENCODINGS,
    Answers,
    initialize_params,
    negotiated_encoding,
)
from zeta_context.lsp.diagnostics import DiagnosticStore, ServerDiagnostic
from zeta_context.lsp.documents import Location, encode_place, to_unit_point
from zeta_context.lsp.locations import decode_locations
from zeta_context.lsp.patience import ask_patiently
from zeta_context.lsp.process import ServerProcess
from zeta_context.lsp.progress import Progress
from zeta_context.lsp.rpc import Connection
from zeta_context.lsp.sync import DocumentSync
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

State = Literal["new", "starting", "running", "crashed", "closed"]

START_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 5.0
SHUTDOWN_TIMEOUT_S = 2.0
SETTLING_S = 2.0
"""So long after its start a server's empty and same-file answers are taken as preliminary."""

MAX_RESTARTS = 3
RESTART_WINDOW_S = 300.0

_PROVIDERS = {
    "textDocument/definition": "definitionProvider",
    "textDocument/typeDefinition": "typeDefinitionProvider",
    "textDocument/references": "referencesProvider",
    "textDocument/diagnostic": "diagnosticProvider",
}


class LanguageServer:
    """A language server for one project.

    `command` is an absolute program and its arguments; `hint` says what to install when it is
    missing. Documents that were opened before it runs, or before it crashed, are told to it as
    soon as it does. After a crash it is started again by the next request, at most
    `MAX_RESTARTS` times in `RESTART_WINDOW_S` seconds; that request itself fails at once.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        root: Path,
        name: str = "",
        hint: str = "",
        options: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        encodings: Sequence[Encoding] = ENCODINGS,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name or Path(command[0]).name
        self.root = Path(os.path.realpath(root))
        self.counts = counts if counts is not None else Counts()
        self.settling_s = SETTLING_S
        self._command = tuple(command)
        self._hint = hint
        self._options = options
        self._settings = settings
        self._env = env
        self._encodings = tuple(encodings)
        self._clock = clock
        self._state: State = "new"
        self._encoding: Encoding = "utf-16"
        self._capabilities: dict[str, Any] = {}
        self._server_info: dict[str, Any] = {}
        self._answers = Answers(self.root, settings)
        self._progress = Progress(clock=clock)
        self._diagnostics = DiagnosticStore()
        self._documents = DocumentSync(self.notify, self._diagnostics)
        self._process: ServerProcess | None = None
        self._connection: Connection | None = None
        self._starting: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._started_at = 0.0
        self._crashes: list[float] = []

    async def __aenter__(self) -> LanguageServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def state(self) -> State:
        """Where in its life the server is."""
        return self._state

    @property
    def is_running(self) -> bool:
        """Whether it can be asked now."""
        return self._state == "running"

    @property
    def is_busy(self) -> bool:
        """Whether it says that it is still working something out, or has only just started."""
        is_new = self._clock() - self._started_at < self.settling_s
        return self._state != "running" or is_new or self._progress.is_open

    @property
    def encoding(self) -> Encoding:
        """The position encoding it picked."""
        return self._encoding

    @property
    def server_info(self) -> dict[str, Any]:
        """What it said of its name and version."""
        return dict(self._server_info)

    def supports(self, method: str) -> bool:
        """Whether it offers a request, statically or by registration."""
        provider = _PROVIDERS.get(method, "")
        value = self._capabilities.get(provider)
        return (value is not None and value is not False) or method in self._answers.registered

    # Life

    async def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start and initialise it; raises ServerGone or RequestTimeout. Calls share one start."""
        if self._state == "running":
            return
        if self._state == "closed":
            raise ServerGone(f"{self.name} was closed")
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(timeout_s), name="lsp start")
        await asyncio.shield(self._starting)

    def start_soon(self) -> None:
        """Start it in the background, if it may be started; what goes wrong is counted."""
        if self._state == "crashed" and not self._may_restart():
            return
        is_starting = self._starting is not None and not self._starting.done()
        if self._state in ("new", "crashed") and not is_starting:
            self._starting = asyncio.create_task(self._start(START_TIMEOUT_S), name="lsp start")
            self._starting.add_done_callback(self._count_failure)

    def _count_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.counts.add("lsp_start_failed")

    async def _start(self, timeout_s: float) -> None:
        self._state = "starting"
        self._answers = Answers(self.root, self._settings)
        self._progress = Progress(clock=self._clock)
        self._diagnostics.clear()
        try:
            await self._end_process(grace_s=0.0)
            connection = await self._spawn()
            params = initialize_params(
                self.root,
                process_id=os.getpid(),
                encodings=self._encodings,
                options=self._options,
            )
            result = await connection.request("initialize", params, timeout_s=timeout_s)
        except (LspError, asyncio.CancelledError) as error:
            await self._end_process(grace_s=0.0)
            self._set_crashed()
            if isinstance(error, ServerGone) and self._hint:
                raise ServerGone(f"{error} ({self._hint})") from None
            raise
        self._take_capabilities(result if isinstance(result, dict) else {})
        connection.notify("initialized", {})
        if self._settings:
            connection.notify(
                "workspace/didChangeConfiguration", {"settings": dict(self._settings)}
            )
        self._state = "running"
        self._started_at = self._clock()
        self._documents.tell_all(self._capabilities, self._encoding)

    async def _spawn(self) -> Connection:
        """Start the process and connect to it; an older one has no way to be heard any more."""
        connection = Connection(
            lambda body: self._process.write(body) if self._process is not None else None,
            answer=self._answers.answer,
            observe=self._observe,
            counts=self.counts,
        )
        self._connection = connection

        def on_exit(why: str) -> None:
            connection.close(f"{self.name}: {why}")
            if self._connection is connection and self._state == "running":
                self.counts.note("lsp_crashed")
                self._set_crashed()

        self._process = await ServerProcess.start(
            self._command,
            directory=self.root,
            env=self._env,
            on_body=connection.receive,
            on_exit=on_exit,
        )
        return connection

    async def _end_process(self, *, grace_s: float) -> None:
        """End the process; to the end, even when the caller is cancelled in between."""
        process, self._process = self._process, None
        if process is not None:
            ending = asyncio.create_task(process.stop(grace_s=grace_s), name="lsp stop")
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)

    def _take_capabilities(self, result: dict[str, Any]) -> None:
        capabilities = result.get("capabilities")
        info = result.get("serverInfo")
        self._capabilities = capabilities if isinstance(capabilities, dict) else {}
        self._server_info = info if isinstance(info, dict) else {}
        self._encoding = negotiated_encoding(result, self._encodings)

    def _set_crashed(self) -> None:
        if self._state != "closed":
            self._state = "crashed"
            self._crashes.append(self._clock())

    def _may_restart(self) -> bool:
        now = self._clock()
        self._crashes = [at for at in self._crashes if now - at < RESTART_WINDOW_S]
        if len(self._crashes) > MAX_RESTARTS:
            return False
        # 0, 1 and 4 seconds after the last crash.
        delay = (len(self._crashes) - 1) ** 2
        return not self._crashes or now - self._crashes[-1] >= delay

    async def close(self) -> None:
        """Ask it to shut down, then make sure that it does. May be called twice."""
        was_running = self._state == "running"
        self._state = "closed"
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._connection is not None and was_running:
            with contextlib.suppress(LspError):
                await self._connection.request("shutdown", None, timeout_s=SHUTDOWN_TIMEOUT_S)
            self._connection.notify("exit")
        if self._connection is not None:
            self._connection.close(f"{self.name} was closed")
        await self._end_process(grace_s=1.0)
        await asyncio.gather(*self._endings, return_exceptions=True)

    # Documents

    def sync(self, path: Path, *, language: str, version: int, snapshot: TextSnapshot) -> None:
        """Make the server's text of an open document this one; opens it when it is new.

        Sends the smallest change, or the whole text to a server that wants it so, and nothing
        when it holds this text already. Never waits.
        """
        self._documents.put(path, language=language, version=version, snapshot=snapshot)

    def visit(self, path: Path, *, language: str, snapshot: TextSnapshot) -> None:
        """Open a document that nobody edits, to ask about names in it.

        At most `MAX_VISITED` stay open so; the one visited longest ago is closed for the next.
        A document that was opened by `sync` stays as it is.
        """
        self._documents.visit(path, language=language, snapshot=snapshot)

    def save(self, path: Path) -> None:
        """Tell it that a document was written to disk; raises NotOpen."""
        self._documents.save(path)

    def close_document(self, path: Path) -> None:
        """Tell it that a document was closed; nothing when it was not open."""
        self._documents.close(path)

    def open_snapshot(self, path: Path) -> TextSnapshot | None:
        """The text of a document that was opened by `sync`, as the server was told."""
        return self._documents.edited_snapshot(path)

    # Questions

    async def definition(
        self, path: Path, offset: int, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> tuple[Location, ...]:
        """Where the name at `offset` of an open document is defined."""
        return await self._locations("textDocument/definition", path, offset, timeout_s)

    async def type_definition(
        self, path: Path, offset: int, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> tuple[Location, ...]:
        """Where the type of the name at `offset` of an open document is defined."""
        return await self._locations("textDocument/typeDefinition", path, offset, timeout_s)

    async def references(
        self, path: Path, offset: int, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> tuple[Location, ...]:
        """Where the name at `offset` of an open document is used, its definition included."""
        extra = {"context": {"includeDeclaration": True}}
        return await self._locations("textDocument/references", path, offset, timeout_s, extra)

    async def diagnostics(
        self, path: Path, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> tuple[ServerDiagnostic, ...]:
        """The diagnostics of an open document, with spans in the text it has now.

        Asks a server that can be asked; else gives what it last published, after waiting up to
        `timeout_s` seconds for something about the current text.
        """
        document = self._documents.get(path)
        uri = document.uri
        if self.supports("textDocument/diagnostic"):
            params: dict[str, Any] = {"textDocument": {"uri": uri}}
            previous = self._diagnostics.result_id(uri)
            if previous is not None:
                params["previousResultId"] = previous
            snapshot, sent = document.snapshot, document.sent_version
            report = await self.ask("textDocument/diagnostic", params, timeout_s)
            self._diagnostics.take_report(uri, report, sent, snapshot)
        else:
            await self._diagnostics.wait_for(uri, document.sent_version, timeout_s)
        return self._diagnostics.read(uri, document.snapshot, self._encoding)

    async def was_told(self, path: Path, *, timeout_s: float) -> bool:
        """Whether it publishes something about an open document's current text in time."""
        document = self._documents.get(path)
        return await self._diagnostics.wait_for(document.uri, document.sent_version, timeout_s)

    def known_diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]:
        """The diagnostics that are known of an open document without asking or waiting."""
        document = self._documents.get(path)
        return self._diagnostics.read(document.uri, document.snapshot, self._encoding)

    async def _locations(
        self,
        method: str,
        path: Path,
        offset: int,
        timeout_s: float,
        extra: Mapping[str, Any] | None = None,
    ) -> tuple[Location, ...]:
        document = self._documents.get(path)
        if self._state == "running" and not self.supports(method):
            return ()
        place = to_unit_point(document.snapshot, offset, self._encoding)
        params = {
            "textDocument": {"uri": document.uri},
            "position": encode_place(place),
            **(extra or {}),
        }
        encoding = self._encoding
        return decode_locations(await self.ask(method, params, timeout_s), encoding)

    async def ask(self, method: str, params: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """The result of any request, asked again while the server says that things have changed.

        Raises ResponseError, RequestTimeout or ServerGone; a server that crashed is started again
        in the background, if it may be.
        """
        return await ask_patiently(
            self._running_connection(),
            method,
            params,
            timeout_s=timeout_s,
            counts=self.counts,
            clock=self._clock,
        )

    def _running_connection(self) -> Connection:
        if self._state == "running" and self._connection is not None:
            return self._connection
        self.start_soon()
        raise ServerGone(f"{self.name} is {self._state}")

    # Messages

    def notify(self, method: str, params: Any) -> bool:
        """Send any notification; False while the server does not run, and nothing is sent."""
        if self._state != "running" or self._connection is None:
            return False
        self._connection.notify(method, params)
        return True

    def _observe(self, method: str, params: Any) -> None:
        match method:
            case "$/progress":
                self._progress.take(params)
            case "textDocument/publishDiagnostics":
                self._diagnostics.take_published(params)
