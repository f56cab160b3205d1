"""Lets one request after another to a model that many programs share.

Each client has one place: its newest request takes the place of an older one, waiting or running.
The model is loaded with the first request and unloaded when it has been idle for long. Knows
nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from zeta_context.counts import Counts
from zeta_context.errors import RunnerBusy, SettingsError
from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    Runner,
)

MAX_WAITING = 64
Result = Completion | Cancelled
T = TypeVar("T")


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """One request in the queue. `text` is the output so far; `has_text` wakes whoever waits."""

    client: Hashable
    request: CompletionRequest
    is_prefill: bool = False
    text: str = ""
    queued_at: float = 0.0
    cancel: CancelToken = field(default_factory=CancelToken)
    cancelled: Literal["canceled", "replaced", "closed"] = "canceled"
    has_text: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Future[Result] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def drop(self, reason: Literal["canceled", "replaced", "closed"]) -> None:
        """Nobody wants it any more, for this reason."""
        if not self.cancel.is_cancelled:
            self.cancelled = reason
            self.cancel.cancel()


class ModelQueue:
    """Owns the model and the one thread that it runs in; belongs to one event loop."""

    def __init__(
        self,
        open_runner: Callable[[], Runner],
        *,
        idle_s: float | None = None,
        max_waiting: int = MAX_WAITING,
        counts: Counts | None = None,
    ) -> None:
        self._open_runner = open_runner
        self._idle_s = idle_s
        self._max_waiting = max_waiting
        self._counts = counts if counts is not None else Counts()
        self._waiting: dict[Hashable, Job] = {}
        self._running: Job | None = None
        self._wake = asyncio.Event()
        self._runner: Runner | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="zeta-context-model")

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._runner is not None

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Queue a job, whose `done` gets the result or the RunnerError.

        Raises RunnerBusy when too many wait.
        """
        older = self._waiting.pop(job.client, None)
        if older is not None:
            older.drop("replaced")
            self._end(older, Cancelled(reason="replaced"))
        if len(self._waiting) >= self._max_waiting:
            self._counts.note("serve_queue_full")
            raise RunnerBusy("too many requests wait for the model", retry_after_s=1.0)
        running = self._running
        if running is not None and (
            running.client == job.client or (running.is_prefill and not job.is_prefill)
        ):
            running.drop("replaced")
        job.queued_at = time.perf_counter()
        self._waiting[job.client] = job
        self._wake.set()

    def drop(self, job: Job) -> None:
        """Nobody waits for this job any more: it leaves the queue, or stops."""
        job.drop("canceled")
        if self._waiting.get(job.client) is job:
            del self._waiting[job.client]
            self._end(job, Cancelled())

    async def run(self) -> None:
        """Work until cancelled; then what waits ends as closed and the model is given back."""
        try:
            while True:
                job = await self._next()
                self._running = job
                await self._work(job)
                self._running = None
        finally:
            await asyncio.shield(self._close())

    async def _next(self) -> Job:
        while not self._waiting:
            self._wake.clear()
            try:
                await asyncio.wait_for(
                    self._wake.wait(), self._idle_s if self._runner is not None else None
                )
            except TimeoutError:
                self._counts.note("serve_idle_unload")
                await self._in_thread(self._unload)
        # Reading ahead waits until nothing else does.
        wanted = next(
            (one for one in self._waiting.values() if not one.is_prefill),
            next(iter(self._waiting.values())),
        )
        return self._waiting.pop(wanted.client)

    async def _work(self, job: Job) -> None:
        loop = asyncio.get_running_loop()

        def take(text: str) -> None:
            job.text = text
            with contextlib.suppress(RuntimeError):  # the loop may be gone by now
                loop.call_soon_threadsafe(job.has_text.set)

        try:
            result = await self._in_thread(lambda: self._complete(job, take))
        except Exception as error:
            self._counts.note(f"serve_{type(error).__name__}")
            self._end(job, error)
        else:
            self._end(job, result)

    def _complete(self, job: Job, take: Callable[[str], None]) -> Result:
        """In the model's thread: load it if need be, and ask it."""
        if job.cancel.is_cancelled:
            return Cancelled(reason=job.cancelled)
        waited_ms = (time.perf_counter() - job.queued_at) * 1000
        if self._runner is None:
            runner = self._open_runner()
            if runner.is_remote:
                runner.close()
                raise SettingsError(
                    "a model on another machine is not shared: what other programs send it could "
                    "not be freed of excluded files and secrets"
                )
            self._runner = runner
        if job.is_prefill:
            self._runner.prefill(job.request.prompt, cancel=job.cancel)
            return Completion(text="", finish_reason="length", model=self._runner.model)
        result = self._runner.complete(job.request, cancel=job.cancel, on_text=take)
        if not isinstance(result, Completion):
            return Cancelled(reason=job.cancelled)
        queue_ms = result.usage.queue_ms + waited_ms
        return replace(result, usage=replace(result.usage, queue_ms=queue_ms))

    def _unload(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    async def _close(self) -> None:
        for job in [*self._waiting.values(), *([self._running] if self._running else [])]:
            job.drop("closed")
            self._end(job, Cancelled(reason="closed"))
        self._waiting.clear()
        await self._in_thread(self._unload)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    @staticmethod
    def _end(job: Job, result: Result | Exception) -> None:
        job.has_text.set()
        if job.done.done():
            return
        if isinstance(result, Exception):
            job.done.set_exception(result)
            job.done.exception()  # whoever asked may be gone: then nobody misses it
        else:
            job.done.set_result(result)
