"""A model server that does what a test tells it to, over real sockets, and remembers requests."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent: `target` is the path, or the whole URL when it takes us for a proxy."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.body)
        return fields


Script = Callable[[socket.socket, Request], None]


def answer(
    body: bytes,
    *,
    status: str = "200 OK",
    content_type: str = "application/json",
    headers: str = "",
    length: int | None = None,
) -> Script:
    """A whole HTTP answer; `length` may lie about the body's."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{headers}"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(head.encode() + body)
        if length is not None:
            hang_up(connection, _)

    return script


def hang_up(connection: socket.socket, _: Request) -> None:
    """Break off without a word."""
    connection.shutdown(socket.SHUT_RDWR)


def events(*messages: dict[str, Any] | str) -> Script:
    """An event stream that ends with the connection."""
    data = "".join(
        f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in messages
    )
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall((head + data).encode())
        connection.shutdown(socket.SHUT_WR)

    return script


def text(*pieces: str, finish_reason: str = "stop") -> Script:
    """A good streamed answer of an OpenAI-compatible server."""
    parts = [{"choices": [{"text": piece, "finish_reason": None}]} for piece in pieces]
    end = {"choices": [{"text": "", "finish_reason": finish_reason}], "model": "toy"}
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(pieces)}}
    return events(*parts, end, usage, "[DONE]")


class ScriptedServer:
    """Runs one script for each request, the last one over and over."""

    def __init__(
        self, *scripts: Script, socket_path: Path | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._scripts = list(scripts)
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.is_left = threading.Event()
        """Set when a client closed its connection while its script was still busy."""
        family = socket.AF_INET if socket_path is None else socket.AF_UNIX
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0) if socket_path is None else str(socket_path))
        self._listener.listen()
        self.port = self._listener.getsockname()[1] if socket_path is None else 0
        self.is_stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def wait_until_left(self, connection: socket.socket, _: Request) -> None:
        """A script: say nothing, and notice when the client goes."""
        connection.settimeout(0.05)
        while not self.is_stopped.is_set():
            try:
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            return
        self.is_left.set()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection, connection.makefile("rb") as incoming:
                while (request := _read(incoming)) is not None:
                    self.requests.append(request)
                    script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                    script(connection, request)


def _read(incoming: Any) -> Request | None:
    first = incoming.readline()
    if not first:
        return None
    headers: dict[str, str] = {}
    while (row := incoming.readline()) not in (b"\r\n", b""):
        name, _, value = row.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = incoming.read(int(headers.get("content-length", 0)))
    return Request(first.split()[1].decode(), headers, body)
