"""One client's connection: HTTP/1.1 through h11, with bounds on everything a client decides.

Knows nothing of models or of who may ask.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import h11

MAX_BODY_BYTES = 8_000_000
MAX_HEAD_BYTES = 32_768
IDLE_S = 75.0
REQUEST_S = 15.0
"""How long a request may take to arrive once it has begun."""


class Malformed(Exception):
    """A request that is no HTTP, too large or too slow; `status` is the answer to it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a request; names of headers in lower case."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class Connection:
    """Reads requests and writes answers, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._deadline: float | None = None

    async def read_head(self) -> Head | None:
        """The next request's head, None when the client has gone or stays away for long."""
        if self._http.our_state is not h11.IDLE:
            try:
                self._http.start_next_cycle()
            except h11.LocalProtocolError:
                return None
        self._deadline = None
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        headers = tuple((bytes(name), bytes(value)) for name, value in event.headers)
        return Head(method=bytes(event.method), target=bytes(event.target), headers=headers)

    async def read_body(self) -> bytes:
        """The rest of the request; raises Malformed when it is too large or breaks off."""
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.EndOfMessage):
                return bytes(body)
            if not isinstance(event, h11.Data):
                raise Malformed(400, "serve_broken_off")
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise Malformed(413, "serve_too_large")

    async def respond(
        self, status: int, body: bytes, *, content_type: str = "application/json", more: str = ""
    ) -> None:
        """A whole answer; `more` is the seconds of a `Retry-After`."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [
            *self._common(content_type),
            ("Content-Length", str(len(body))),
            *([("Retry-After", more)] if more else []),
        ]
        await self._send(
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )

    async def start_stream(self) -> None:
        """The head of an answer of events."""
        await self._send(h11.Response(status_code=200, headers=self._common("text/event-stream")))

    async def send(self, data: bytes) -> None:
        """A part of a streamed answer."""
        await self._send(h11.Data(data=data))

    async def end_stream(self) -> None:
        """The end of a streamed answer."""
        await self._send(h11.EndOfMessage())

    async def wait_until_left(self) -> None:
        """Return when the client closes the connection; what it sends early is kept."""
        while len(self._http.trailing_data[0]) <= MAX_HEAD_BYTES:
            data = await self._reader.read(4096)
            if not data:
                return
            self._http.receive_data(data)
        await asyncio.Event().wait()  # it talks on without listening: read no further

    async def aclose(self) -> None:
        """Close, without waiting for a client that does not read."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    @staticmethod
    def _common(content_type: str) -> list[tuple[str, str]]:
        return [
            ("Content-Type", content_type),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]

    async def _next_event(self) -> object:
        loop = asyncio.get_running_loop()
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as problem:
                raise Malformed(problem.error_status_hint, "serve_no_http") from None
            if event is not h11.NEED_DATA:
                return event
            is_idle = self._deadline is None and not self._http.trailing_data[0]
            if not is_idle and self._deadline is None:
                self._deadline = loop.time() + REQUEST_S
            try:
                async with asyncio.timeout_at(self._deadline or loop.time() + IDLE_S):
                    data = await self._reader.read(65_536)
            except TimeoutError:
                if is_idle:
                    return None
                raise Malformed(408, "serve_too_slow") from None
            except OSError:
                return None
            if self._deadline is None:
                self._deadline = loop.time() + REQUEST_S
            self._http.receive_data(data)

    async def _send(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        self._writer.write(data)
        async with asyncio.timeout(REQUEST_S):
            await self._writer.drain()
