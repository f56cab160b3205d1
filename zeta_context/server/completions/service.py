"""Answers the requests of many programs with one model.

Routes and waits; the model's turn is `queue`'s, who may ask is `access`'s. Counts why it refuses
and logs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zeta_context.counts import Counts
from zeta_context.errors import RunnerBusy
from zeta_context.runners.base import Cancelled, Completion
from zeta_context.server.completions import api
from zeta_context.server.completions.access import AccessRules
from zeta_context.server.completions.connection import Connection, Head, Malformed
from zeta_context.server.completions.queue import Job, ModelQueue
from zeta_context.status import is_same_user

MAX_CONNECTIONS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A bound socket and what requests over it need."""

    socket: socket.socket
    rules: AccessRules

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return hasattr(socket, "AF_UNIX") and self.socket.family == socket.AF_UNIX


class TakenBack(Exception):
    """The model's answer does not begin with what it had told of it."""


class CompletionService:
    """Serves `/v1/completions`, `/v1/models` and `/health` until cancelled."""

    def __init__(self, queue: ModelQueue, *, model: str, counts: Counts | None = None) -> None:
        self._queue = queue
        self._model = model
        self._counts = counts if counts is not None else Counts()
        self._connections: set[asyncio.Task[None]] = set()
        self._started = int(time.time())

    async def serve(
        self, listeners: Sequence[Listener], *, ready: Callable[[], None] = lambda: None
    ) -> None:
        """Answer on all listeners, which it closes in the end; `ready` is called once it does."""
        async with contextlib.AsyncExitStack() as stack:
            servers = [await self._open(listener, stack) for listener in listeners]
            stack.push_async_callback(self._hang_up)
            for server in servers:  # first of all at the end: take no new connections
                stack.callback(server.close)
            ready()
            await self._queue.run()

    async def _open(self, listener: Listener, stack: contextlib.AsyncExitStack) -> asyncio.Server:
        start = asyncio.start_unix_server if listener.is_unix else asyncio.start_server
        server = await start(self._greet(listener), sock=listener.socket)
        stack.push_async_callback(server.wait_closed)
        return server

    def _greet(
        self, listener: Listener
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._connections) >= MAX_CONNECTIONS:
                self._counts.note("serve_too_many_connections")
                writer.close()
            elif listener.is_unix and not is_same_user(writer.get_extra_info("socket")):
                self._counts.note("serve_other_user")
                writer.close()
            else:
                task = asyncio.create_task(self._attend(reader, writer, listener.rules))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

        return greet

    async def _hang_up(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _attend(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rules: AccessRules
    ) -> None:
        connection = Connection(reader, writer)
        try:
            while (head := await connection.read_head()) is not None:
                if not await self._answer(connection, head, rules):
                    break
        except Malformed as problem:
            self._counts.note(problem.reason)
            with contextlib.suppress(OSError, TimeoutError):
                error = api.error_body("the request cannot be read", "invalid_request_error")
                await connection.respond(problem.status, error)
        except (OSError, TimeoutError):
            self._counts.note("serve_client_gone")
        finally:
            await connection.aclose()

    async def _answer(self, connection: Connection, head: Head, rules: AccessRules) -> bool:
        """Answer one request; whether the connection can serve another."""
        refusal = rules.refuse(head.method, head.target, head.headers)
        if refusal is not None:
            self._counts.note(refusal.reason)
            await connection.respond(
                refusal.status, api.error_body("refused", "permission_error", refusal.reason)
            )
            return False
        body = await connection.read_body()
        if (head.method, head.target) == (b"POST", b"/v1/completions"):
            return await self._complete(connection, body)
        if (head.method, head.target) == (b"GET", b"/v1/models"):
            await connection.respond(200, api.models(self._model, self._started))
        elif (head.method, head.target) == (b"GET", b"/health"):
            state = {
                "status": "ok",
                "is_loaded": self._queue.is_loaded,
                "waiting": self._queue.waiting,
            }
            await connection.respond(200, json.dumps(state).encode())
        else:
            self._counts.note("serve_unknown_path")
            error = api.error_body("there is no such path or method", "not_found_error")
            await connection.respond(404, error)
        return True

    async def _complete(self, connection: Connection, body: bytes) -> bool:
        try:
            asked = api.read_request(body)
            job = Job(
                client=asked.client or id(connection),
                request=asked.request,
                is_prefill=asked.is_prefill,
            )
            self._queue.submit(job)
        except (api.BadRequest, RunnerBusy) as problem:
            await self._apologise(connection, problem)
            return True
        writer = api.Writer(secrets.token_hex(12), self._model, asked)
        leaving = asyncio.create_task(connection.wait_until_left())
        try:
            if asked.stream:
                return await self._stream(connection, job, writer, leaving)
            await asyncio.wait((job.done, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not job.done.done():
                return self._give_up()
            result = _result(job)
            if isinstance(result, Completion):
                await connection.respond(200, writer.whole(result))
            else:
                await self._apologise(connection, result)
            return True
        finally:
            self._queue.drop(job)
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await leaving

    async def _stream(
        self, connection: Connection, job: Job, writer: api.Writer, leaving: asyncio.Task[None]
    ) -> bool:
        told = ""
        while not job.done.done():
            growing = asyncio.create_task(job.has_text.wait())
            await asyncio.wait((growing, job.done, leaving), return_when=asyncio.FIRST_COMPLETED)
            growing.cancel()
            if leaving.done():
                return self._give_up()
            job.has_text.clear()
            text = job.text
            # A runner may take back the end of what it told; what was sent stays sent.
            if not job.done.done() and len(text) > len(told) and text.startswith(told):
                if not told:
                    await connection.start_stream()
                await connection.send(writer.piece(text[len(told) :]))
                told = text
        result = _result(job)
        if isinstance(result, Completion) and result.text.startswith(told):
            if not told:
                await connection.start_stream()
            await connection.send(writer.end(result.text[len(told) :], result))
            await connection.end_stream()
            return True
        if not told:
            await self._apologise(connection, result)
            return True
        problem = result if not isinstance(result, Completion) else TakenBack()
        _, kind, message = api.describe(problem)
        await connection.send(api.error_event(message, kind))
        return False  # without its end, so that nobody takes what came for the whole

    async def _apologise(
        self, connection: Connection, problem: Exception | Cancelled | Completion
    ) -> None:
        if isinstance(problem, Completion):
            raise TypeError("an answer is no problem")
        status, kind, message = api.describe(problem)
        retry = f"{max(1, round(problem.retry_after_s))}" if isinstance(problem, RunnerBusy) else ""
        await connection.respond(status, api.error_body(message, kind, kind), more=retry)

    def _give_up(self) -> bool:
        self._counts.note("serve_client_left")
        return False


def _result(job: Job) -> Completion | Cancelled | Exception:
    error = job.done.exception()
    if error is None:
        return job.done.result()
    if isinstance(error, Exception):
        return error
    raise error
