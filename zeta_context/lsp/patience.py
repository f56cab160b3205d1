"""Asking again, after ever longer pauses, while a server says that things have changed.

Knows nothing of what is asked. `ContentModified` and `ServerCancelled` are LSP's ways to say that
the question was fine and the moment was not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from zeta_context.counts import Counts
from zeta_context.errors import ResponseError
from zeta_context.lsp.rpc import CONTENT_MODIFIED, SERVER_CANCELLED, Connection

RETRY_DELAYS_S = (0.03, 0.06, 0.12, 0.25, 0.5)


async def ask_patiently(
    connection: Connection,
    method: str,
    params: Any,
    *,
    timeout_s: float,
    counts: Counts,
    check: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """The result of a request within `timeout_s` seconds, all its tries together.

    `check` runs before each further try and raises when the question has lost its sense. Raises
    ResponseError, RequestTimeout or ServerGone.
    """
    deadline = clock() + timeout_s
    for delay in RETRY_DELAYS_S:
        left = max(deadline - clock(), 0.001)
        try:
            return await connection.request(method, params, timeout_s=left)
        except ResponseError as error:
            if error.code not in (CONTENT_MODIFIED, SERVER_CANCELLED):
                raise
            if clock() + delay >= deadline:
                raise
            counts.add("lsp_retried")
        await asyncio.sleep(delay)
        check()
    left = max(deadline - clock(), 0.001)
    return await connection.request(method, params, timeout_s=left)
