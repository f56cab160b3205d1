"""The worker process as the pump sees it: started late, fed without waiting, replaced when it dies.

Knows records and processes, no messages. The pump's loop polls `sink` and `fd`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Literal

from zeta_context.server.proxy import link
from zeta_context.server.proxy.backlog import Backlog
from zeta_context.server.proxy.sink import Sink

Keep = Literal["no", "sync", "handshake"]
"""Whether a worker that starts later must be told: never, unless checkpointed since, always."""

MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""So much may wait for a busy worker; then copies are dropped and it is told everything anew."""

MAX_STARTS = 6
"""Within `START_WINDOW_S`; then the pump stays a dumb pipe until the window has passed."""

START_WINDOW_S = 600.0
_FIRST_PAUSE_S = 0.25


class WorkerLink:
    """At most one living worker process and its socket."""

    def __init__(
        self, argv: list[str], *, count: Callable[[str], None], backlog: Backlog | None = None
    ) -> None:
        self._argv = argv
        self._count = count
        self.backlog = backlog if backlog is not None else Backlog()
        self.pid = 0
        self.sink: Sink | None = None
        self._reader = link.RecordReader()
        self._starts: list[float] = []
        self._start_at: float | None = None
        self._is_lagging = False
        self._socket: socket.socket | None = None

    @property
    def fd(self) -> int:
        """The socket, or -1 while there is none."""
        return self._socket.fileno() if self._socket is not None else -1

    @property
    def wait_s(self) -> float | None:
        """Seconds until the next start is due, None if none is."""
        return None if self._start_at is None else max(0.0, self._start_at - time.monotonic())

    def start_soon(self) -> None:
        """Plan the next start: at once the first time, then after ever longer pauses."""
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < START_WINDOW_S]
        if not self._starts:
            self._start_at = now
        elif len(self._starts) < MAX_STARTS:
            self._start_at = now + _FIRST_PAUSE_S * 2 ** (len(self._starts) - 1)
        else:
            self._count("worker_given_up")
            self._start_at = self._starts[0] + START_WINDOW_S

    def start_if_due(self) -> bool:
        """Start the worker if its time has come; whether it did."""
        if self._start_at is None or time.monotonic() < self._start_at:
            return False
        self._start_at = None
        self._starts.append(time.monotonic())
        ours, theirs = socket.socketpair()
        try:
            theirs.set_inheritable(True)
            argv = [*self._argv, str(theirs.fileno())]
            null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
            actions: list[tuple[int, ...]] = [null]  # type: ignore[list-item]
            actions.append((os.POSIX_SPAWN_DUP2, 0, 1))
            actions.append((os.POSIX_SPAWN_DUP2, 0, 2))
            self.pid = os.posix_spawn(
                sys.executable,
                argv,
                os.environ,
                file_actions=actions,
                setsigdef=[signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP],
            )
        except OSError:
            ours.close()
            self._count("worker_not_started")
            self.start_soon()
            return False
        finally:
            theirs.close()
        self._count("worker_started")
        self._socket = ours
        self._reader = link.RecordReader()
        self.sink = Sink(ours.fileno())
        self._is_lagging = False
        self._replay()
        return True

    def send(self, kind: bytes, body: bytes, keep: Keep) -> bool:
        """Hand a copy over; False if nobody is there to take it now (kept ones are not lost)."""
        sequence = 0
        if keep != "no":
            sequence = self.backlog.keep(kind, body, is_handshake=keep == "handshake")
        sink = self.sink
        if sink is None or sink.is_broken:
            return False
        if self._is_lagging:
            self._count("copy_dropped")
            return False
        if sink.size + len(body) > MAX_QUEUED_BYTES:
            self._is_lagging = True
            self._count("worker_lagged")
            return False
        sink.write(link.encode_record(kind, body, sequence))
        return not sink.is_broken

    def flush(self) -> None:
        """The socket takes bytes again; a worker that had fallen behind is told everything anew."""
        if self.sink is None:
            return
        self.sink.flush()
        if self._is_lagging and self.sink.size == 0 and not self.sink.is_broken:
            self._is_lagging = False
            self._replay()

    def read(self) -> list[link.Record] | None:
        """What the worker has said, or None if it is gone."""
        if self._socket is None:
            return None
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._reader.feed(data) if data else None

    def drop(self, *, kill: bool) -> None:
        """Close the socket of a dead or unwanted worker."""
        if kill and self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except OSError:
                self._count("worker_not_killed")
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.sink = None

    def say_goodbye(self) -> None:
        """Tell the worker that the end is an ordinary one."""
        if self.sink is not None and not self.sink.is_broken:
            self.sink.write(link.encode_record(link.BYE, b""))

    def _replay(self) -> None:
        if self.sink is not None:
            for record in self.backlog.records():
                self.sink.write(record)
