"""Places in client and server where a test can end the process, as a power cut would."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Any

from zeta_context.capture.spool import Spool
from zeta_context.capture.transport import HttpTransport


def end_process() -> None:
    """Nothing is flushed, closed or told."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(owner: type, name: str, *, after: bool, countdown: int) -> None:
    """End the process at the `countdown`th call of a method, before or after it."""
    wrapped: Callable[..., Any] = getattr(owner, name)
    left = [countdown]

    def is_now() -> bool:
        left[0] -= 1
        return left[0] == 0

    if owner is HttpTransport:

        async def ending_async(self: Any, *arguments: Any, **options: Any) -> Any:
            now = is_now()
            if now and not after:
                end_process()
            result = await wrapped(self, *arguments, **options)
            if now:
                end_process()
            return result

        setattr(owner, name, ending_async)
        return

    def ending(self: Any, *arguments: Any, **options: Any) -> Any:
        now = is_now()
        if now and not after:
            end_process()
        result = wrapped(self, *arguments, **options)
        if now:
            end_process()
        return result

    setattr(owner, name, ending)


def client_points() -> list[tuple[type, str]]:
    """Where a client keeps, sends and forgets."""
    names = ("add", "_insert", "_make_room", "lease", "mark_sent", "acknowledge", "_remove")
    points: list[tuple[type, str]] = [(Spool, name) for name in names]
    points += [(Spool, name) for name in ("release", "withdraw", "wipe", "keep_receipt")]
    return [*points, (HttpTransport, "post"), (HttpTransport, "post")]


def server_points() -> list[tuple[type, str]]:
    """Where a server takes, moves and deletes."""
    from zeta_context.ingest.index import Index
    from zeta_context.ingest.shards import Shards
    from zeta_context.ingest.store import Store

    names = ("add", "_take_names", "_insert", "move", "replace", "_add_shards", "withdraw")
    points: list[tuple[type, str]] = [(Index, name) for name in names]
    points += [(Index, "finish_deletion"), (Index, "keep_papers")]
    points += [(Shards, name) for name in ("write", "merge", "write_without", "_put", "remove")]
    return [*points, (Store, "_move_some"), (Store, "_delete")]


def arm_one(points: list[tuple[type, str]], choice: random.Random) -> None:
    """Arm one of these places, at one of its next calls."""
    owner, name = choice.choice(points)
    arm(owner, name, after=choice.random() < 0.5, countdown=choice.randint(1, 25))
