"""Shows texts to the editor's own language server in documents that the editor never sees.

The other half is the pump's: it keeps what the server says of them from the editor, and takes them
away before the editor asks something that could find them. Knows nothing of why texts are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from zeta_context.counts import Counts
from zeta_context.errors import NotOpen, ServerGone
from zeta_context.lsp import uri as uris
from zeta_context.lsp.diagnostics import DiagnosticStore, ServerDiagnostic
from zeta_context.lsp.documents import Location, encode_place, to_unit_point
from zeta_context.lsp.locations import decode_locations
from zeta_context.lsp.patience import ask_patiently
from zeta_context.lsp.rpc import Connection, encode_body
from zeta_context.lsp.wire import encode_frame
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

TIMEOUT_S = 2.0

ShadowStep = Literal["open", "ask", "close"]


class Host(Protocol):
    """The server that texts are shown to."""

    encoding: Encoding

    @property
    def is_running(self) -> bool: ...

    def supports(self, method: str) -> bool: ...


class _Shown(NamedTuple):
    uri: str
    version: int
    snapshot: TextSnapshot


class Beside:
    """The texts that are shown now; each is shown anew, and taken away soon.

    `shadow` sends a message about one, by its URI, through the pump. Ids of questions begin with
    `id_prefix`.
    """

    def __init__(
        self,
        host: Host,
        *,
        shadow: Callable[[ShadowStep, str, bytes], None],
        id_prefix: str,
        counts: Counts,
    ) -> None:
        self._host = host
        self._shadow = shadow
        self._id_prefix = id_prefix
        self._counts = counts
        self._asked_about = ""
        self._connections = 0
        self._connection = self._connect()
        self._diagnostics = DiagnosticStore()
        self._shown: dict[Path, _Shown] = {}
        self._number = 0

    @property
    def is_running(self) -> bool:
        """Whether the server can be asked now."""
        return self._host.is_running

    def supports(self, method: str) -> bool:
        """Whether the server offers a method."""
        return self._host.supports(method)

    def sync(self, path: Path, *, language: str, version: int, snapshot: TextSnapshot) -> None:
        """Show a text as the document `path`, which is no file."""
        self.close_document(path)
        self._number += 1
        shown = self._shown[path] = _Shown(uris.from_path(path), self._number, snapshot)
        self._diagnostics.remember_text(shown.uri, shown.version, snapshot)
        item = {
            "uri": shown.uri,
            "languageId": language,
            "version": shown.version,
            "text": snapshot.text,
        }
        message = {
            "jsonrpc": "2.0",
            "method": "textDocument/didOpen",
            "params": {"textDocument": item},
        }
        self._shadow("open", shown.uri, encode_frame(encode_body(message)))

    def close_document(self, path: Path) -> None:
        """Take a text away; nothing when it was not shown."""
        shown = self._shown.pop(path, None)
        if shown is not None:
            self._shadow("close", shown.uri, b"")
            self._diagnostics.forget(shown.uri)

    def take_closed(self) -> None:
        """The pump has taken all away: what is said of them now means nothing."""
        for shown in self._shown.values():
            self._diagnostics.forget(shown.uri)
        self._shown.clear()
        self._connection.close("the editor came first")
        self._connection = self._connect()

    def take_answer(self, answer_id: str, body: bytes) -> bool:
        """The server's answer to a question, if it is one of these."""
        if not answer_id.startswith(self._id_prefix):
            return False
        if answer_id.startswith(self._newest_prefix):
            self._connection.receive(body)
        return True

    def _connect(self) -> Connection:
        """Ids of its own: answers to questions that were given up are told from later ones."""
        self._connections += 1
        return Connection(
            lambda body: self._shadow("ask", self._asked_about, encode_frame(body)),
            answer=lambda method, params: None,
            observe=lambda method, params: None,
            counts=self._counts,
            id_prefix=self._newest_prefix,
        )

    @property
    def _newest_prefix(self) -> str:
        return f"{self._id_prefix}{self._connections}:"

    def take_published(self, params: Any) -> None:
        """What the server says of a document, ours or not."""
        self._diagnostics.take_published(params)

    async def diagnostics(self, path: Path, *, timeout_s: float) -> tuple[ServerDiagnostic, ...]:
        """What the server finds wrong with a text; raises ServerGone if that was taken away."""
        shown = self._find(path)
        params = {"textDocument": {"uri": shown.uri}}
        report = await self._request(
            "textDocument/diagnostic", params, path, shown, timeout_s=timeout_s
        )
        self._diagnostics.take_report(shown.uri, report, shown.version, shown.snapshot)
        return self.known_diagnostics(path)

    async def was_told(self, path: Path, *, timeout_s: float) -> bool:
        """Whether the server publishes something about a text in time."""
        shown = self._find(path)
        is_told = await self._diagnostics.wait_for(shown.uri, shown.version, timeout_s)
        self._check(path, shown)
        return is_told

    def known_diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]:
        """What is known to be wrong with a text, without asking or waiting."""
        shown = self._find(path)
        return self._diagnostics.read(shown.uri, shown.snapshot, self._host.encoding)

    async def definition(self, path: Path, offset: int) -> tuple[Location, ...]:
        """Where the name at `offset` of a text is defined."""
        return await self._locate("textDocument/definition", path, offset, {})

    async def references(self, path: Path, offset: int) -> tuple[Location, ...]:
        """Where the name at `offset` of a text is used, its definition included."""
        extra = {"context": {"includeDeclaration": True}}
        return await self._locate("textDocument/references", path, offset, extra)

    async def _locate(
        self, method: str, path: Path, offset: int, extra: Mapping[str, Any]
    ) -> tuple[Location, ...]:
        shown, encoding = self._find(path), self._host.encoding
        if not self._host.supports(method):
            return ()
        place = encode_place(to_unit_point(shown.snapshot, offset, encoding))
        params = {"textDocument": {"uri": shown.uri}, "position": place, **extra}
        result = await self._request(method, params, path, shown, timeout_s=TIMEOUT_S)
        return decode_locations(result, encoding)

    async def _request(
        self, method: str, params: Any, path: Path, shown: _Shown, *, timeout_s: float
    ) -> Any:
        def check() -> None:
            self._check(path, shown)
            self._asked_about = shown.uri

        check()
        result = await ask_patiently(
            self._connection,
            method,
            params,
            timeout_s=timeout_s,
            counts=self._counts,
            check=check,
        )
        self._check(path, shown)
        return result

    def _find(self, path: Path) -> _Shown:
        if path not in self._shown:
            raise NotOpen("a text that is not shown any more")
        return self._shown[path]

    def _check(self, path: Path, shown: _Shown) -> None:
        if self._shown.get(path) is not shown:
            raise ServerGone("a text was taken away before the server had looked at it")
