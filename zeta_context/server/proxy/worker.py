"""The process beside the pump: observes, asks the editor's server, predicts, answers.

Knows the records of `link` and which message goes to which part; predictions are `Features`. Ends
when its socket does. If the pump vanishes without a word, the server is ended, as it would have
been with the pump's own death.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zeta_context.counts import Counts
from zeta_context.errors import SettingsError
from zeta_context.lsp import uri as uris
from zeta_context.lsp.answers import negotiated_encoding
from zeta_context.lsp.rpc import Connection, decode_body, encode_body
from zeta_context.lsp.wire import encode_frame
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.feature_set import FeatureSet
from zeta_context.server.features import Commands, Features
from zeta_context.server.handshake import (
    ENCODINGS,
    find_environment,
    find_roots,
    has_document_changes,
)
from zeta_context.server.proxy import link
from zeta_context.server.proxy.beside import ShadowStep
from zeta_context.server.proxy.editor_server import EditorServer, HeldDocument
from zeta_context.server.proxy.envelope import find_member
from zeta_context.session import Session
from zeta_context.settings import Settings, load_settings

CHECKPOINT_BYTES = 1024 * 1024
"""After so many bytes of changes the pump gets a checkpoint that replaces them."""

OFFER_DELAY_S = 0.06
STATUS_PERIOD_S = 1.0
NICENESS = 10


class Worker:
    """One editor behind one socket; everything on one event loop."""

    def __init__(self, options: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        self._options = options
        self._writer = writer
        self._counts = Counts()
        self._initialize: dict[str, Any] = {}
        self._session: Session | None = None
        self._features: Features | None = None
        self._feature_set: FeatureSet | None = None
        self._server: EditorServer | None = None
        self._client = Connection(
            self._write_to_client,
            answer=lambda method, params: None,
            observe=lambda method, params: None,
            counts=self._counts,
            id_prefix=f"{options['id_prefix']}{os.getpid()}:c",
        )
        self._pump_counts: dict[str, int] = {}
        self._is_live = False
        self._kept_bytes = 0
        self._sequence = 0
        self._status_at = 0.0
        self._offering: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self.is_dismissed = False

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in (*self._asking, self._offering):
            if task is not None:
                task.cancel()
        if self._feature_set is not None:
            self._feature_set.cancel_all()
        if self._session is not None:
            await self._session.aclose()

    def take(self, record: link.Record) -> None:
        """One record of the pump; what is malformed in it is counted."""
        try:
            self._take(record)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            self._counts.add("message_not_understood")
        if time.monotonic() - self._status_at > STATUS_PERIOD_S:
            self._tell_status()

    def _take(self, record: link.Record) -> None:
        kind, payload, sequence = record
        if kind == link.FROM_CLIENT:
            self._take_from_client(payload)
            if sequence:
                self._sequence = sequence
                self._kept_bytes += len(payload)
                if self._kept_bytes > CHECKPOINT_BYTES and self._is_live:
                    self._save_checkpoint()
        elif kind == link.FROM_SERVER:
            self._take_from_server(payload)
        elif kind == link.REQUEST:
            self._take_request(payload)
        elif kind == link.STATE:
            self._is_live = False
            if self._features is not None:
                self._features.documents.forget_all()
            self._state = payload
        elif kind == link.LIVE:
            self._is_live = True
        elif kind == link.LOST and self._features is not None:
            self._features.documents.forget_all()
            # Whether the editor still allows collecting may be among what is lost.
            self._features.take_environment({"telemetry": False})
        elif kind == link.SHADOWS_CLOSED and self._server is not None:
            self._server.beside.take_closed()
        elif kind == link.COUNTERS:
            self._pump_counts = json.loads(payload)
        elif kind == link.BYE:
            self.is_dismissed = True

    # From the editor.

    def _take_from_client(self, body: bytes) -> None:
        message = decode_body(body)
        if message is None:
            self._counts.add("message_not_understood")
            return
        method, params = message.get("method"), message.get("params") or {}
        if method is None:
            self._client.receive(body)
        elif method == "initialize":
            self._initialize = params
        elif method == "initialized":
            self._set_ready(True)
        elif method in ("shutdown", "exit"):
            self._set_ready(False)
        elif method == "$/cancelRequest" and self._feature_set is not None:
            self._feature_set.cancel(params)
        elif method == "workspace/didChangeWorkspaceFolders":
            self._change_folders(params["event"])
        elif self._features is not None:
            if "id" in message:
                self._features.take_hint(params)
            else:
                self._features.take_notification(method, params)
            if self._options["has_code_actions"]:
                self._offer_soon(params)

    def _set_ready(self, is_ready: bool) -> None:
        if self._server is not None:
            self._server.set_ready(is_ready)

    def _change_folders(self, event: Mapping[str, Any]) -> None:
        if self._session is None:
            return
        for folder in event.get("added", ()):
            path = uris.to_path(folder["uri"])
            if path is not None:
                self._session.projects.add(path)

    def _take_request(self, body: bytes) -> None:
        message = decode_body(body)
        place = find_member(body, "id")
        if message is None or place is None:
            self._counts.add("message_not_understood")
            return
        token = body[place[0] : place[1]]

        def answer(reply: bytes) -> None:
            self._write(link.ANSWER, link.encode_answer(token, reply))

        if self._feature_set is None:
            answer(b'{"jsonrpc":"2.0","id":%b,"result":null}' % token)
        else:
            self._feature_set.take_request(message, answer)

    # From the server.

    def _take_from_server(self, body: bytes) -> None:
        message = decode_body(body)
        if message is None:
            self._counts.add("message_not_understood")
            return
        method = message.get("method")
        if method is not None:
            if self._server is not None:
                self._server.observe(method, message.get("params"))
        elif str(message.get("id")).startswith(self._options["id_prefix"]):
            if self._server is not None:
                self._server.take_answer(str(message["id"]), body)
        elif isinstance(message.get("result"), dict):
            self._begin(message["result"])

    def _begin(self, result: dict[str, Any]) -> None:
        """The handshake is through: now there is an encoding, and a project."""
        settings = _read_settings(self._counts)
        roots = find_roots(self._initialize)
        session = Session(roots[0], more_roots=roots[1:], settings=settings, counts=self._counts)
        encoding = negotiated_encoding(result, ENCODINGS)
        documents = EditorDocuments(session, encoding=encoding)
        self._session = session
        self._features = Features(
            session,
            documents,
            Commands.named(self._options["commands"]),
            has_document_changes=has_document_changes(self._initialize),
        )
        self._features.take_environment(find_environment(self._initialize))
        self._feature_set = FeatureSet(
            self._features, show_document=self._show_document, status=self._status
        )
        self._server = EditorServer(
            lambda body: self._write(link.TO_SERVER, encode_frame(body)),
            id_prefix=f"{self._options['id_prefix']}{os.getpid()}:",
            held=self._held,
            shadow=self._write_shadow,
            counts=self._counts,
        )
        self._server.encoding = encoding
        self._server.take_result(result)
        if self._options["has_definitions"]:
            session.lend_server(self._server)
        session.start()
        self._load_checkpoint()

    def _held(self, path: Path) -> HeldDocument | None:
        """A document that the editor has open, as it is now."""
        documents = self._features.documents if self._features is not None else None
        document = documents.find_file(path) if documents is not None else None
        state = documents.state(document) if documents is not None and document else None
        if document is None or state is None:
            return None
        return HeldDocument(document.uri, state.version, state.snapshot)

    # To the pump.

    def _write(self, kind: bytes, payload: bytes, sequence: int = 0) -> None:
        self._writer.write(link.encode_record(kind, payload, sequence))

    def _write_shadow(self, kind: ShadowStep, uri: str, frame: bytes) -> None:
        token = uri.encode()
        if kind == "close":
            self._write(link.SHADOW_CLOSE, token)
        else:
            record = link.SHADOW_OPEN if kind == "open" else link.SHADOW_ASK
            self._write(record, link.encode_answer(token, frame))

    def _write_to_client(self, body: bytes) -> None:
        self._write(link.TO_CLIENT, encode_frame(body))

    def _show_document(self, params: dict[str, Any]) -> None:
        async def ask() -> None:
            with contextlib.suppress(Exception):
                await self._client.request("window/showDocument", params, timeout_s=10)

        task = asyncio.create_task(ask(), name="show document")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def _status(self) -> dict[str, Any]:
        status = self._features.status() if self._features is not None else {}
        return {**status, "proxy": self._pump_counts}

    def _tell_status(self) -> None:
        self._status_at = time.monotonic()
        if self._session is not None:
            self._write(link.STATUS, encode_body(dict(self._session.status())))

    def _offer_soon(self, params: Any) -> None:
        """Have code actions ready before they are asked for: the pump waits for nobody."""
        if self._offering is not None:
            self._offering.cancel()
        if self._is_live and isinstance(params, Mapping):
            self._offering = asyncio.create_task(self._offer(params), name="offer")

    async def _offer(self, params: Mapping[str, Any]) -> None:
        await asyncio.sleep(OFFER_DELAY_S)
        features = self._features
        target = params.get("textDocument")
        if features is None or not isinstance(target, Mapping):
            return
        asked = {key: params[key] for key in ("textDocument", "position") if key in params}
        asked["context"] = {"triggerKind": 1 if _asks_for_actions(params) else 2}
        actions = await features.code_actions(asked)
        self._write(link.OFFERS, encode_body({str(target.get("uri")): actions}))

    # What a successor must know.

    def _save_checkpoint(self) -> None:
        features = self._features
        if features is None:
            return
        documents = []
        for document in features.documents:
            state = features.documents.state(document)
            if state is not None and not state.needs_resync:
                item = {"uri": document.uri, "languageId": document.language}
                documents.append({**item, "version": state.version, "text": state.snapshot.text})
        self._kept_bytes = 0
        checkpoint = {"documents": documents, "environment": features.environment}
        self._write(link.CHECKPOINT, encode_body(checkpoint), self._sequence)

    _state = b""

    def _load_checkpoint(self) -> None:
        state, self._state = self._state, b""
        if state and self._features is not None:
            checkpoint = json.loads(state)
            self._features.take_environment(checkpoint["environment"])
            for item in checkpoint["documents"]:
                self._features.documents.take_open({"textDocument": item})


def _asks_for_actions(params: Mapping[str, Any]) -> bool:
    """Whether params are those of a `codeAction` request that the user has made."""
    context = params.get("context")
    if not isinstance(context, Mapping) or "diagnostics" not in context:
        return False
    return bool(context.get("triggerKind") != 2)


def _read_settings(counts: Counts) -> Settings:
    """The user's settings as they hold behind a server; the defaults if they cannot be used."""
    try:
        settings = load_settings().settings
    except SettingsError:
        counts.note("settings_not_used")
        settings = Settings()
    return replace(
        settings,
        # The pump offers the status, and the editor's server is asked: none is started beside it.
        offer_status=False,
        context=replace(settings.context, definitions=False),
        predict=replace(settings.predict, keep_rejections=True),
    )


def _end_server(server: int, handle: int | None) -> None:
    """The pump was killed: its server must not outlive it."""
    with contextlib.suppress(OSError):
        if handle is not None:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        else:
            os.kill(server, signal.SIGKILL)


async def run(options: Mapping[str, Any], pump: int, server: int, fd: int) -> None:
    """Serve one pump until its socket ends."""
    handle = os.pidfd_open(server) if hasattr(os, "pidfd_open") else None
    stream = socket.socket(fileno=fd)
    reader, writer = await asyncio.open_connection(sock=stream, limit=1 << 20)
    worker = Worker(options, writer)
    records = link.RecordReader()
    while data := await reader.read(1 << 18):
        for record in records.feed(data):
            worker.take(record)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
    if not worker.is_dismissed and os.getppid() != pump:
        _end_server(server, handle)
    await worker.aclose()
    writer.close()


def main() -> None:
    """Entry of the worker's own process: its options, the two processes, the socket."""
    options, pump, server, fd = sys.argv[1:5]
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ConnectionError):
        asyncio.run(run(json.loads(options), int(pump), int(server), int(fd)))
