"""Asks a model server for completions: the `Runner` of every model that is not in this process.

Decides whether the server may be asked at all, how long it is left alone, and what counts as an
answer; `exchange` does the asking. Knows no prompt format. No prompt, output or key is logged.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any, Literal

from zeta_context.counts import Counts
from zeta_context.errors import (
    BadAnswer,
    RemoteNotAllowed,
    RunnerBusy,
    RunnerError,
    SettingsError,
)
from zeta_context.prompt.format import FinishReason
from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
    Usage,
)
from zeta_context.runners.endpoint import Endpoint, RemotePermission
from zeta_context.runners.http.answers import Piece, read_refusal
from zeta_context.runners.http.exchange import Answer, Exchange, Fault, Limits
from zeta_context.runners.http.framing import OneDocument, framing_for
from zeta_context.runners.http.loop import LoopThread
from zeta_context.runners.http.servers import ServerKind
from zeta_context.runners.http.stops import StopCutter
from zeta_context.runners.retry_after import parse_retry_after

CANCEL_POLL_S = 0.01
"""How often a waiting caller looks whether anybody still wants the answer."""

_LONGEST_BACK_OFF_S = 60.0


class HttpRunner:
    """One model behind one endpoint.

    What goes wrong is counted by reason (`http_late`, `http_wrong_shape` ...) and raised as the
    RunnerError it amounts to. A server that answers 429 or 503 is left alone for as long as it
    says, or twice as long each time; until then every request is RunnerBusy without a connection.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        server: ServerKind,
        *,
        model: str = "",
        permission: RemotePermission | None = None,
        api_key_env: str = "",
        options: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._server = server
        self._model = model
        self._permission = permission if permission is not None else RemotePermission()
        self._api_key_env = api_key_env
        self._options = dict(options or {})
        self._counts = counts if counts is not None else Counts()
        self._exchange = Exchange(endpoint, limits if limits is not None else Limits())
        self._loop = LoopThread("zeta-context-http")
        self._pause = _Pause(clock)
        self._is_closed = False

    @property
    def model(self) -> str:
        """The model that is asked for, or the server's address where it has only one."""
        return self._model or str(self._endpoint)

    @property
    def is_remote(self) -> bool:
        """Whether the endpoint may be another machine."""
        return self._endpoint.is_remote

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The server's answer; cancelling closes the connection.

        Raises RemoteNotAllowed before anything is sent or looked up, RunnerBusy, RunnerTimeout,
        RunnerGone, ContextOverflow, BadAnswer, and SettingsError for a key that is not there.
        """
        if cancel is not None and cancel.is_cancelled:
            return Cancelled()
        body = self._server.body(request, model=self._model, options=self._options)
        headers = self._prepare()
        return self._wait(self._ask(body, headers, request.stop, on_text), cancel)

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Let a server on this machine read ahead; one elsewhere is never sent more than asked."""
        ahead = self._server.prefill
        if ahead is None or self.is_remote or (cancel is not None and cancel.is_cancelled):
            return
        body = self._server.body(
            CompletionRequest(prompt=prompt),
            model=self._model,
            options={**self._options, **ahead},
        )
        with contextlib.suppress(RunnerError, SettingsError):
            self._wait(self._ask(body, self._prepare(), (), None), cancel)

    def close(self) -> None:
        """Close all connections; calls in flight end as cancelled."""
        self._is_closed = True
        self._loop.close(self._exchange.aclose())

    def _prepare(self) -> dict[str, str]:
        """What must hold before a request, and its headers."""
        try:
            self._permission.check(self._endpoint)
        except RemoteNotAllowed:
            self._counts.note("remote_not_allowed")
            raise
        left_s = self._pause.left_s()
        if left_s > 0:
            self._counts.note("http_paused")
            raise RunnerBusy(
                f"the server asked to be left alone for {left_s:.0f} s more", retry_after_s=left_s
            )
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json, application/x-ndjson",
            "Accept-Encoding": "identity",
            "User-Agent": "zeta-context",
        }
        if self._api_key_env:
            headers["Authorization"] = f"Bearer {self._read_key()}"
        return headers

    def _read_key(self) -> str:
        key = os.environ.get(self._api_key_env, "").strip()
        if not key:
            self._counts.note("http_no_key")
            raise SettingsError(f"the environment variable {self._api_key_env} holds no API key")
        if not (key.isascii() and key.isprintable()):
            raise SettingsError(f"the API key in {self._api_key_env} has characters no key has")
        if self._endpoint.is_remote and self._endpoint.scheme != "https":
            raise SettingsError("an API key is sent to another machine by https only")
        return key

    def _wait(self, task: Any, cancel: CancelToken | None) -> Completion | Cancelled:
        try:
            future: Future[Completion] = self._loop.submit(task)
        except RuntimeError:
            return Cancelled(reason="closed")
        while True:
            try:
                return future.result(CANCEL_POLL_S if cancel is not None else None)
            except CancelledError:
                return Cancelled(reason="closed" if self._is_closed else "canceled")
            except Fault as fault:
                self._counts.note(fault.reason)
                raise fault.error from None
            except TimeoutError:
                if future.done():
                    raise
                if cancel is not None and cancel.is_cancelled:
                    future.cancel()
                    return Cancelled()

    async def _ask(
        self, body: bytes, headers: Mapping[str, str], stop: tuple[str, ...], on_text: OnText | None
    ) -> Completion:
        started = time.perf_counter()
        async with self._exchange.post(body, headers) as answer:
            if answer.status != 200:
                raise await self._refusal(answer)
            self._pause.end()
            collected = _Collected(stop, on_text)
            try:
                await collected.read(answer, self._server)
                completion = collected.completion(self.model)
            except BadAnswer as problem:
                raise Fault(collected.reason, problem) from None
            except RunnerError as problem:
                raise Fault("http_server_error", problem) from None
        usage = completion.usage
        if not (usage.prefill_ms or usage.decode_ms):
            # Where the server does not tell: until the first text, and from there on.
            ended, first = time.perf_counter(), collected.first_text_at or time.perf_counter()
            usage = replace(
                usage, prefill_ms=(first - started) * 1000, decode_ms=(ended - first) * 1000
            )
        return replace(completion, usage=usage)

    async def _refusal(self, answer: Answer) -> Fault:
        """Why the server gave no answer, and how long it is left alone for that."""
        if answer.status in (429, 503):
            wait_s = self._pause.begin(parse_retry_after(answer.headers.get("retry-after", "")))
            busy = RunnerBusy(
                f"the server is busy (HTTP {answer.status}): it is left alone for {wait_s:.0f} s",
                retry_after_s=wait_s,
            )
            return Fault(f"http_status_{answer.status}", busy)
        message: dict[str, Any] = {}
        with contextlib.suppress(BadAnswer):
            document = OneDocument()
            async for chunk in answer.chunks:
                document.feed(chunk)
            message = next(iter(document.finish()))
        error = read_refusal(answer.status, message)
        return Fault(f"http_status_{answer.status}", error)


class _Collected:
    """What has come of an answer; `reason` is what to count if reading it fails."""

    def __init__(self, stop: tuple[str, ...], on_text: OnText | None) -> None:
        self._cutter = StopCutter(stop)
        self._on_text = on_text
        self._finish_reason: FinishReason | None = None
        self._usage = Usage()
        self._model = ""
        self._mean_logprob: float | None = None
        self._is_ended = False
        self.first_text_at: float | None = None
        self.reason: Literal["http_no_json", "http_wrong_shape", "http_truncated"] = "http_no_json"

    async def read(self, answer: Answer, server: ServerKind) -> None:
        """Read pieces until the answer ends or a stop string came."""
        framing = framing_for(answer.headers.get("content-type", ""))
        async with contextlib.aclosing(answer.chunks) as chunks:
            async for chunk in chunks:
                for message in framing.feed(chunk):
                    self._take(message, server)
                if self._cutter.is_stopped:
                    return
        for message in framing.finish():
            self._take(message, server)
        self._is_ended = framing.is_ended

    def _take(self, message: Mapping[str, Any], server: ServerKind) -> None:
        self.reason = "http_wrong_shape"
        piece: Piece = server.read(message)
        self.reason = "http_no_json"
        if piece.text and self.first_text_at is None:
            self.first_text_at = time.perf_counter()
        self._finish_reason = piece.finish_reason or self._finish_reason
        self._usage = piece.usage or self._usage
        self._model = piece.model or self._model
        if piece.mean_logprob is not None:
            self._mean_logprob = piece.mean_logprob
        if self._cutter.add(piece.text) and self._on_text is not None:
            self._on_text(self._cutter.visible)

    def completion(self, model: str) -> Completion:
        """The completion; raises BadAnswer when the server broke off."""
        finish_reason = "stop" if self._cutter.is_stopped else self._finish_reason
        if finish_reason is None:
            if not self._is_ended:
                self.reason = "http_truncated"
                raise BadAnswer("the server broke off in mid-answer")
            # It ended without saying why: what was cut off must never be taken for whole.
            finish_reason = "length"
        return Completion(
            text=self._cutter.text,
            finish_reason=finish_reason,
            model=self._model or model,
            usage=self._usage,
            mean_logprob=self._mean_logprob,
        )


class _Pause:
    """How long a server is left alone; twice as long each time, where it does not say."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._next_s = 1.0

    def left_s(self) -> float:
        with self._lock:
            return max(0.0, self._until - self._clock())

    def begin(self, wanted_s: float | None) -> float:
        with self._lock:
            wait_s = self._next_s if wanted_s is None else wanted_s
            self._next_s = min(2 * self._next_s, _LONGEST_BACK_OFF_S)
            self._until = self._clock() + wait_s
            return wait_s

    def end(self) -> None:
        with self._lock:
            self._until, self._next_s = 0.0, 1.0
