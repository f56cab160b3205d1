"""JSON-RPC with one peer: ids, pending answers, cancellation, hard timeouts.

Knows nothing of processes, streams or what any method means: bodies come in through `receive` and
go out through the `write` it was given. Whatever the peer sends, `receive` never raises: what
cannot be understood is counted and dropped. Message bodies are never logged.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from zeta_context.counts import Counts
from zeta_context.errors import RequestTimeout, ResponseError, ServerGone

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
REQUEST_CANCELLED = -32800
CONTENT_MODIFIED = -32801
SERVER_CANCELLED = -32802

UNSTOPPED = frozenset({"textDocument/references"})
"""Once such a request was cancelled, basedpyright 1.40 answers every later one with an error."""

_REMEMBERED_IDS = 512
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encode_body(message: dict[str, Any]) -> bytes:
    """A message as JSON in UTF-8.

    A lone surrogate, which UTF-8 cannot hold, goes as U+FFFD: as long in every position encoding.
    """
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub("\ufffd", text).encode()


def decode_body(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`, or None when it is none."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


class Connection:
    """One side of a JSON-RPC 2.0 conversation.

    `answer` gives the result for a request of the peer, or raises ResponseError; `observe` gets
    its notifications. `id_prefix` makes our ids strings that cannot collide with those of another
    client on the same stream; without it they are numbers.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        answer: Callable[[str, Any], Any],
        observe: Callable[[str, Any], None],
        counts: Counts | None = None,
        id_prefix: str = "",
    ) -> None:
        self._write = write
        self._answer = answer
        self._observe = observe
        self._counts = counts if counts is not None else Counts()
        self._id_prefix = id_prefix
        self._next_id = 0
        # By text: some servers echo the id 7 as "7".
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._done: OrderedDict[str, str] = OrderedDict()
        self._closed: str | None = None

    @property
    def pending_count(self) -> int:
        """How many of our requests wait for an answer."""
        return len(self._pending)

    def notify(self, method: str, params: Any = None) -> None:
        """Send a notification; silently nothing once the connection is closed."""
        if self._closed is None:
            self._send({"method": method, "params": params})

    async def request(self, method: str, params: Any, *, timeout_s: float) -> Any:
        """The result of `method`.

        Raises ResponseError, RequestTimeout after `timeout_s` seconds, or ServerGone. On a timeout
        and when the caller is cancelled the peer is told by `$/cancelRequest`, but for `UNSTOPPED`.
        """
        if self._closed is not None:
            raise ServerGone(self._closed)
        self._next_id += 1
        own_id: int | str = (
            f"{self._id_prefix}{self._next_id}" if self._id_prefix else self._next_id
        )
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[str(own_id)] = future
        self._send({"id": own_id, "method": method, "params": params})
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            self._abandon(own_id, method)
            self._counts.add("lsp_timeout")
            raise RequestTimeout(f"{method}: no answer within {timeout_s:g} s") from None
        except asyncio.CancelledError:
            self._abandon(own_id, method)
            raise

    def receive(self, body: bytes) -> None:
        """Take in one message of the peer; never raises."""
        message = decode_body(body)
        if message is None:
            self._counts.add("lsp_garbage")
            return
        method = message.get("method")
        if isinstance(method, str):
            if message.get("id") is not None:
                self._take_request(message["id"], method, message.get("params"))
            else:
                self._take_notification(method, message.get("params"))
        elif "id" in message and ("result" in message or "error" in message):
            self._take_answer(message)
        else:
            self._counts.add("lsp_garbage")

    def close(self, why: str = "the connection was closed") -> None:
        """Fail every waiting request, and every later one, with ServerGone."""
        if self._closed is not None:
            return
        self._closed = why
        waiting, self._pending = self._pending, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(ServerGone(why))

    def _send(self, message: dict[str, Any]) -> None:
        self._write(encode_body({"jsonrpc": "2.0", **message}))

    def _remember(self, key: str, how: str) -> None:
        self._done[key] = how
        if len(self._done) > _REMEMBERED_IDS:
            self._done.popitem(last=False)

    def _abandon(self, own_id: int | str, method: str) -> None:
        if self._pending.pop(str(own_id), None) is not None:
            self._remember(str(own_id), "lsp_late_answer")
            if method not in UNSTOPPED:
                self.notify("$/cancelRequest", {"id": own_id})

    def _take_request(self, their_id: Any, method: str, params: Any) -> None:
        reply: dict[str, Any] = {"id": their_id}
        try:
            reply["result"] = self._answer(method, params)
        except ResponseError as error:
            reply["error"] = {"code": error.code, "message": str(error)}
        except Exception:
            # Malformed params of theirs; the text of the exception could hold some of them.
            self._counts.add("lsp_garbage")
            reply["error"] = {"code": INTERNAL_ERROR, "message": "the request was not understood"}
        if self._closed is None:
            self._send(reply)

    def _take_notification(self, method: str, params: Any) -> None:
        try:
            self._observe(method, params)
        except Exception:
            self._counts.add("lsp_garbage")

    def _take_answer(self, message: dict[str, Any]) -> None:
        key = str(message["id"])
        future = self._pending.pop(key, None)
        if future is None:
            self._counts.add(self._done.get(key, "lsp_unknown_id"))
            return
        self._remember(key, "lsp_duplicate_answer")
        if future.done():
            return
        error = message.get("error")
        if error is None:
            future.set_result(message.get("result"))
        else:
            future.set_exception(_as_response_error(error))


def _as_response_error(error: Any) -> ResponseError:
    # The server's message may quote the user's text: only the code is kept.
    code = error.get("code") if isinstance(error, dict) else None
    return ResponseError(code if isinstance(code, int) else INTERNAL_ERROR, "request failed")
