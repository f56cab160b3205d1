"""The editor's own language server as something that definitions can be asked of.

Speaks through the pump with ids of our own; the documents are the editor's to open and to change,
so nothing is opened here but what `beside` shows. Knows nothing of sockets. An answer for a text
that has changed meanwhile is refused, as the server itself would.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zeta_context.counts import Counts
from zeta_context.errors import NotOpen, ResponseError, ServerGone
from zeta_context.lsp import uri as uris
from zeta_context.lsp.diagnostics import DiagnosticStore, ServerDiagnostic
from zeta_context.lsp.documents import Location, encode_place, to_unit_point
from zeta_context.lsp.locations import decode_locations
from zeta_context.lsp.patience import ask_patiently
from zeta_context.lsp.progress import Progress
from zeta_context.lsp.rpc import CONTENT_MODIFIED, METHOD_NOT_FOUND, Connection
from zeta_context.server.proxy.beside import Beside, ShadowStep
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

REQUEST_TIMEOUT_S = 2.0
MAX_IN_FLIGHT = 12
"""The server is the editor's first: no more of our questions are open at once, others wait."""

MAX_VISITED = 32
REFERENCES = "textDocument/references"
_WITH_DECLARATION = {"context": {"includeDeclaration": True}}
_PROVIDERS = {
    "textDocument/definition": "definitionProvider",
    "textDocument/typeDefinition": "typeDefinitionProvider",
    REFERENCES: "referencesProvider",
    "textDocument/diagnostic": "diagnosticProvider",
}


class HeldDocument(NamedTuple):
    """A document that the editor has open, as the worker knows it now."""

    uri: str
    version: int
    snapshot: TextSnapshot


class EditorServer:
    """`context.questions.Server` over a server that somebody else runs."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        id_prefix: str,
        held: Callable[[Path], HeldDocument | None],
        shadow: Callable[[ShadowStep, str, bytes], None],
        counts: Counts,
    ) -> None:
        self.encoding: Encoding = "utf-16"
        self._held = held
        self._counts = counts
        self._capabilities: dict[str, Any] = {}
        self._registered: dict[str, str] = {}
        self._progress = Progress()
        self._diagnostics = DiagnosticStore()
        self._is_ready = False
        self._turn = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._texts: OrderedDict[Path, TextSnapshot] = OrderedDict()
        self.connection = Connection(
            write, answer=_refuse, observe=self.observe, counts=counts, id_prefix=id_prefix
        )

        self.beside = Beside(self, shadow=shadow, id_prefix=f"{id_prefix}b", counts=counts)

    # What the pump hands over.

    def take_result(self, result: dict[str, Any]) -> None:
        """The server's own answer to `initialize`."""
        capabilities = result.get("capabilities")
        self._capabilities = capabilities if isinstance(capabilities, dict) else {}

    def set_ready(self, is_ready: bool) -> None:
        """Whether it may be asked: between `initialized` and `shutdown`."""
        self._is_ready = is_ready
        if not is_ready:
            self.connection.close("the editor has shut its language server down")

    def take_answer(self, answer_id: str, body: bytes) -> None:
        """The server's answer to a question of ours."""
        if not self.beside.take_answer(answer_id, body):
            self.connection.receive(body)

    def observe(self, method: str, params: Any) -> None:
        """A message of the server to the editor."""
        match method:
            case "$/progress":
                self._progress.take(params)
            case "client/registerCapability":
                for item in params["registrations"]:
                    self._registered[str(item["id"])] = str(item["method"])
            case "client/unregisterCapability":
                # The specification itself misspells the key.
                for item in params.get("unregisterations", params.get("unregistrations", ())):
                    self._registered.pop(str(item["id"]), None)
            case "textDocument/publishDiagnostics":
                self._take_published(params)

    def _take_published(self, params: Any) -> None:
        self.beside.take_published(params)
        path = uris.to_path(str(params["uri"]))
        held = self._held(path) if path is not None else None
        if held is not None:
            self._diagnostics.remember_text(held.uri, held.version, held.snapshot)
            self._diagnostics.take_published(params)

    # What is asked of it.

    @property
    def is_running(self) -> bool:
        """Whether it can be asked now."""
        return self._is_ready and self.supports("textDocument/definition")

    @property
    def is_busy(self) -> bool:
        """Whether it says that it is still working something out."""
        return self._progress.is_open

    def start_soon(self) -> None:
        """Nothing: starting it is the editor's business."""

    def sync(self, path: Path, *, language: str, version: int, snapshot: TextSnapshot) -> None:
        """Take in the text that the editor has told the server already."""
        self._keep(path, snapshot)

    def visit(self, path: Path, *, language: str, snapshot: TextSnapshot) -> None:
        """Take in the text of a file that will be asked about; the server reads it from disk."""
        self._keep(path, snapshot)

    def _keep(self, path: Path, snapshot: TextSnapshot) -> None:
        self._texts[path] = snapshot
        self._texts.move_to_end(path)
        while len(self._texts) > MAX_VISITED:
            self._texts.popitem(last=False)

    def open_snapshot(self, path: Path) -> TextSnapshot | None:
        """The text of a document that the editor has open."""
        return self._texts.get(path) if self._held(path) is not None else None

    async def definition(self, path: Path, offset: int) -> tuple[Location, ...]:
        """Where the name at `offset` is defined."""
        return await self._ask("textDocument/definition", path, offset)

    async def type_definition(self, path: Path, offset: int) -> tuple[Location, ...]:
        """Where the type of the name at `offset` is defined."""
        return await self._ask("textDocument/typeDefinition", path, offset)

    async def references(self, path: Path, offset: int) -> tuple[Location, ...]:
        """Where the name at `offset` is used, its definition included."""
        return await self._ask(REFERENCES, path, offset, _WITH_DECLARATION)

    async def uses(
        self, path: Path, offset: int
    ) -> tuple[tuple[Location, ...], tuple[Location, ...]]:
        """Both, also when the text changes meanwhile: the answer is then about either text."""
        return await asyncio.gather(
            self._ask("textDocument/definition", path, offset, may_be_old=True),
            self._ask(REFERENCES, path, offset, _WITH_DECLARATION, may_be_old=True),
        )

    async def _ask(
        self,
        method: str,
        path: Path,
        offset: int,
        extra: Mapping[str, Any] | None = None,
        *,
        may_be_old: bool = False,
    ) -> tuple[Location, ...]:
        if not self.supports(method):
            return ()
        snapshot = self._texts.get(path)
        if snapshot is None:
            raise NotOpen("a question about a document that was never seen")
        if not self._is_ready:
            raise ServerGone("the editor's language server is not there")
        held = self._held(path)
        params = {
            "textDocument": {"uri": held.uri if held is not None else uris.from_path(path)},
            "position": encode_place(to_unit_point(snapshot, offset, self.encoding)),
            **(extra or {}),
        }
        encoding = self.encoding
        result = await self._request(method, params, path, snapshot, may_be_old=may_be_old)
        return decode_locations(result, encoding)

    async def _request(
        self,
        method: str,
        params: Any,
        path: Path,
        snapshot: TextSnapshot,
        *,
        may_be_old: bool = False,
    ) -> Any:
        """Its answer about the text `snapshot`; else refused when that is not the text any more."""
        async with self._turn:
            self._check_current(path, snapshot)
            result = await ask_patiently(
                self.connection,
                method,
                params,
                timeout_s=REQUEST_TIMEOUT_S,
                counts=self._counts,
                check=lambda: self._check_current(path, snapshot),
            )
        if not may_be_old:
            self._check_current(path, snapshot)
        return result

    def known_diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]:
        """What is known to be wrong with a document, without asking or waiting."""
        held = self._held(path)
        if held is None:
            return ()
        return self._diagnostics.read(held.uri, held.snapshot, self.encoding)

    async def diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]:
        """The same after asking a server that can be asked; others have told it the editor."""
        held = self._held(path)
        if held is not None and self._is_ready and self.supports("textDocument/diagnostic"):
            self._keep(path, held.snapshot)
            params = {"textDocument": {"uri": held.uri}}
            report = await self._request("textDocument/diagnostic", params, path, held.snapshot)
            self._diagnostics.take_report(held.uri, report, held.version, held.snapshot)
        return self.known_diagnostics(path)

    def _check_current(self, path: Path, snapshot: TextSnapshot) -> None:
        now = self._texts.get(path)
        if now is None or not now.is_same(snapshot):
            raise ResponseError(CONTENT_MODIFIED, "the document has changed")

    def supports(self, method: str) -> bool:
        """Whether it offers one of the methods that are asked here."""
        value = self._capabilities.get(_PROVIDERS[method])
        is_static = value is not None and value is not False
        return is_static or method in self._registered.values()


def _refuse(method: str, params: Any) -> Any:
    raise ResponseError(METHOD_NOT_FOUND, "nobody asks us through this connection")
