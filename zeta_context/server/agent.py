"""`zeta-context serve`: our methods as a language server of their own, over standard streams.

The same `FeatureSet` as behind the proxy, bound to an editor without a server in
between. Knows the life of a language server and nothing of what its methods do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Mapping
from typing import Any

from zeta_context import __version__
from zeta_context.counts import Counts
from zeta_context.errors import FramingError
from zeta_context.lsp import uri as uris
from zeta_context.lsp.rpc import INVALID_PARAMS, Connection, decode_body, encode_body
from zeta_context.lsp.wire import FrameReader, encode_frame
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.feature_set import FeatureSet
from zeta_context.server.features import Commands, Features
from zeta_context.server.handshake import (
    choose_encoding,
    find_environment,
    find_roots,
    has_document_changes,
)
from zeta_context.server.version import describe_protocol
from zeta_context.session import Session
from zeta_context.settings import Settings

NOT_INITIALIZED = -32002
INVALID_REQUEST = -32600
PARSE_ERROR = -32700
COMMAND_NAMES = ("zeta-context.accept", "zeta-context.reject", "zeta-context.jump")


class Agent:
    """One editor, from `initialize` to `exit`."""

    def __init__(
        self, settings: Settings, *, has_code_actions: bool = False, output: int = 1
    ) -> None:
        # Several in one editor must not register the same command twice.
        self._commands = tuple(f"{name}.{os.urandom(4).hex()}" for name in COMMAND_NAMES)
        self._settings = settings
        self._has_code_actions = has_code_actions
        self._output = output
        self._counts = Counts()
        self._session: Session | None = None
        self._features: Features | None = None
        self._feature_set: FeatureSet | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._editor = Connection(
            self._write,
            answer=lambda method, params: None,
            observe=lambda method, params: None,
            counts=self._counts,
            id_prefix="zeta:",
        )
        self._is_shut_down = False
        self.exit_status: int | None = None

    async def take(self, body: bytes) -> None:
        """One message of the editor."""
        message = decode_body(body)
        if message is None:
            self._counts.add("message_not_understood")
            self._reply(None, {"error": {"code": PARSE_ERROR, "message": "no JSON object"}})
            return
        try:
            await self._take(message, body)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._counts.add("message_not_understood")
            if "id" in message:
                self._refuse(message["id"], INVALID_PARAMS, "params are not understood")

    async def _take(self, message: Mapping[str, Any], body: bytes) -> None:
        method = message.get("method")
        if not isinstance(method, str):
            self._editor.receive(body)
        elif "id" in message:
            await self._take_request(method, message)
        else:
            await self._take_notification(method, message.get("params"))

    async def aclose(self) -> None:
        """End what is under way."""
        if self._feature_set is not None:
            self._feature_set.cancel_all()
        for task in self._asking:
            task.cancel()
        if self._session is not None:
            await self._session.__aexit__(None, None, None)

    async def _take_request(self, method: str, message: Mapping[str, Any]) -> None:
        request_id = message["id"]
        if method == "initialize" and self._session is None:
            params = message.get("params")
            result = await self._begin(params if isinstance(params, Mapping) else {})
            self._reply(request_id, {"result": result})
        elif self._feature_set is None:
            self._refuse(request_id, NOT_INITIALIZED, "not initialized")
        elif self._is_shut_down or method == "initialize":
            self._refuse(request_id, INVALID_REQUEST, "not now")
        elif method == "shutdown":
            self._is_shut_down = True
            self._reply(request_id, {"result": None})
        else:
            self._feature_set.take_request(message, self._write)

    async def _take_notification(self, method: str, params: Any) -> None:
        if method == "exit":
            self.exit_status = 0 if self._is_shut_down else 1
        elif self._features is None or self._feature_set is None or self._session is None:
            return
        elif method == "$/cancelRequest":
            self._feature_set.cancel(params)
        elif method == "workspace/didChangeWorkspaceFolders":
            for folder in params["event"]["added"]:
                if (path := uris.to_path(folder["uri"])) is not None:
                    self._session.projects.add(path)
        else:
            self._features.take_notification(method, params)

    async def _begin(self, params: Mapping[str, Any]) -> dict[str, Any]:
        roots = find_roots(params)
        session = Session(
            roots[0], more_roots=roots[1:], settings=self._settings, counts=self._counts
        )
        documents = EditorDocuments(session, encoding=choose_encoding(params))
        self._session = session
        self._features = Features(
            session,
            documents,
            Commands.named(self._commands),
            has_document_changes=has_document_changes(params),
        )
        self._features.take_environment(find_environment(params))
        await session.__aenter__()
        self._feature_set = FeatureSet(
            self._features, show_document=self._show_document, status=self._features.status
        )
        return {
            "capabilities": {
                "positionEncoding": documents.encoding,
                "textDocumentSync": {"openClose": True, "change": 2, "save": True},
                "inlineCompletionProvider": True,
                "codeActionProvider": self._has_code_actions,
                "executeCommandProvider": {"commands": list(self._commands)},
                "workspace": {"workspaceFolders": {"supported": True, "changeNotifications": True}},
                "experimental": {
                    "zetaContext": describe_protocol(self._commands),
                },
            },
            "serverInfo": {"name": "zeta-context", "version": __version__},
        }

    def _show_document(self, params: dict[str, Any]) -> None:
        async def ask() -> None:
            with contextlib.suppress(Exception):
                await self._editor.request("window/showDocument", params, timeout_s=10)

        task = asyncio.create_task(ask(), name="show document")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def _refuse(self, request_id: Any, code: int, message: str) -> None:
        self._reply(request_id, {"error": {"code": code, "message": message}})

    def _reply(self, request_id: Any, outcome: Mapping[str, Any]) -> None:
        self._write(encode_body({"jsonrpc": "2.0", "id": request_id, **outcome}))

    def _write(self, body: bytes) -> None:
        rest = memoryview(encode_frame(body))
        try:
            while rest:
                rest = rest[os.write(self._output, rest) :]
        except OSError:
            self.exit_status = 1


def read_input(fd: int, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[bytes]) -> None:
    """Put what comes by a descriptor into a queue of the loop, an empty piece at its end."""
    data = b"x"
    while data:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.put_nowait, data)


async def serve(settings: Settings, *, has_code_actions: bool = False) -> int:
    """Serve standard input and output until the editor is done; the exit status."""
    agent = Agent(settings, has_code_actions=has_code_actions)
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    reader = FrameReader()
    # A thread, because standard input may be a file or a terminal, which no loop can watch.
    threading.Thread(
        target=read_input, args=(0, asyncio.get_running_loop(), queue), daemon=True
    ).start()
    try:
        while agent.exit_status is None and (data := await queue.get()):
            for frame in reader.feed(data):
                await agent.take(frame.body)
                if agent.exit_status is not None:
                    break
    except FramingError:
        return 1
    finally:
        await agent.aclose()
    return agent.exit_status if agent.exit_status is not None else 1
