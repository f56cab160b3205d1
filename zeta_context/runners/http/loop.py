"""An event loop in a thread of its own, for callers that are not asynchronous.

Knows nothing of what runs in it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Started with the first task, stopped by `close`; the thread never keeps a process alive."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, task: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine; the future's `cancel` cancels it. Raises RuntimeError once closed."""
        with self._lock:
            if self._is_closed:
                task.close()
                raise RuntimeError("the event loop is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name=self._name, daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(task, self._loop)

    def close(self, last: Coroutine[Any, Any, object], *, timeout_s: float = 5.0) -> None:
        """Cancel every task, run `last`, and stop; a second call does nothing."""
        with self._lock:
            loop, thread = self._loop, self._thread
            was_closed, self._is_closed = self._is_closed, True
        if was_closed or loop is None or thread is None:
            last.close()
            return
        asyncio.run_coroutine_threadsafe(_end(last), loop)
        if thread is not threading.current_thread():
            thread.join(timeout_s)

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


async def _end(last: Coroutine[Any, Any, object]) -> None:
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    try:
        await last
    finally:
        asyncio.get_running_loop().stop()
