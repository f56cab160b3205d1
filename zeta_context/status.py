"""Lets each running process tell its own user how it fares, over a private Unix socket.

A process offers one JSON object (names, counts and places, never text of a file) at
`<user runtime folder>/zeta-context/<pid>.sock`; `read_statuses` asks all of them. Nobody else can:
the folder is 0700 and the user's own, each socket 0600, and both ends compare user ids. Knows
nothing of what is told, and never fails its host: a status that cannot be offered is counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import stat
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.counts import Counts

READ_TIMEOUT_S = 0.3
"""How long one process may take to answer before it is passed over."""

MAX_STATUS_BYTES = 262_144
_MAX_STATUSES = 64
_CAN_OFFER = hasattr(socket, "AF_UNIX") and sys.platform != "win32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What one process told: `fields` is the JSON object that its provider gave."""

    pid: int
    fields: Mapping[str, Any]


def status_folder() -> Path:
    """The folder of this user's status sockets, which may not exist."""
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():
        # Where the system names no runtime folder, platformdirs warns about the one it takes.
        warnings.simplefilter("ignore")
        return Path(user_runtime_path("zeta-context", appauthor=False))


def open_listener(folder: Path | None = None) -> tuple[socket.socket, Path]:
    """A listening socket for this process's status, and its path; raises OSError.

    For a process that answers by itself: whoever takes it must remove the path in the end.
    """
    folder = folder or status_folder()
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not (is_private_folder(folder) and is_settled_folder(folder.parent)):
        raise OSError("the status folder is not this user's alone")
    path = _free_path(folder)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(8)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener, path


class StatusOffer:
    """Offers `provider()` to the same user's `zeta-context doctor` until stopped.

    The provider is called in a background thread, once for each reader. What goes wrong is counted
    as `status_unavailable`, `status_refused_peer` or `status_provider_failed`, never raised.
    """

    def __init__(
        self,
        provider: Callable[[], Mapping[str, Any]],
        *,
        counts: Counts | None = None,
        folder: Path | None = None,
    ) -> None:
        self._provider = provider
        self._counts = counts if counts is not None else Counts()
        self._folder = folder
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._path: Path | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._pid = os.getpid()

    @property
    def path(self) -> Path | None:
        """The socket's path while it is offered."""
        return self._path

    def start(self) -> None:
        """Begin to answer; does nothing when already begun or where there are no Unix sockets."""
        if self._thread is not None:
            return
        if not _CAN_OFFER:
            self._counts.note("status_unsupported_platform")
            return
        try:
            self._open()
        except Exception:  # whatever keeps it from being offered is no fault of the host
            self._counts.note("status_unavailable")
            self._close()

    def stop(self) -> None:
        """Stop answering and remove the socket; may be called again."""
        self._is_stopping.set()
        if self._wake is not None and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                self._wake[1].send(b"x")
        if self._thread is not None:
            self._thread.join(2 * READ_TIMEOUT_S)
            self._thread = None
        self._close()

    def _open(self) -> None:
        listener, self._path = open_listener(self._folder)
        self._listener, self._pid = listener, os.getpid()
        self._is_stopping.clear()
        self._wake = socket.socketpair()
        self._thread = threading.Thread(
            target=self._serve,
            args=(listener, self._wake[0]),
            name="zeta-context-status",
            daemon=True,
        )
        self._thread.start()

    def _close(self) -> None:
        for closing in (self._listener, *(self._wake or ())):
            if closing is not None:
                closing.close()
        self._listener = self._wake = None
        if self._path is not None:
            if self._pid == os.getpid():  # a forked child leaves its parent's socket alone
                with contextlib.suppress(OSError):
                    self._path.unlink()
            self._path = None

    def _serve(self, listener: socket.socket, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while not self._is_stopping.is_set():
                if wake in {key.fileobj for key, _ in selector.select()}:
                    return
                with contextlib.suppress(OSError):
                    peer, _ = listener.accept()
                    with peer:
                        self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(READ_TIMEOUT_S)
        if not is_same_user(peer):
            self._counts.note("status_refused_peer")
            return
        try:
            answer = json.dumps(dict(self._provider())).encode()
        except Exception:  # a provider's fault is no fault of the host
            self._counts.note("status_provider_failed")
            answer = b'{"error": "status_provider_failed"}'
        if len(answer) > MAX_STATUS_BYTES:
            self._counts.note("status_too_large")
            answer = b'{"error": "status_too_large"}'
        peer.sendall(answer)


def read_statuses(
    *, folder: Path | None = None, counts: Counts | None = None
) -> tuple[Status, ...]:
    """What this user's running processes tell, by process id; sockets of dead ones are removed.

    A process that is slow, or answers no JSON object, is counted and left out.
    """
    folder = folder or (status_folder() if _CAN_OFFER else Path(os.devnull))
    counts = counts if counts is not None else Counts()
    if not _CAN_OFFER:
        counts.note("status_unsupported_platform")
        return ()
    if not os.path.lexists(folder):
        return ()
    if not is_private_folder(folder):
        counts.note("status_folder_not_private")
        return ()
    paths = sorted(folder.glob("*.sock"), key=lambda path: path.name)
    if len(paths) > _MAX_STATUSES:
        counts.add("status_too_many", len(paths) - _MAX_STATUSES)
    found = (_read(path, counts) for path in paths[:_MAX_STATUSES])
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.pid))


def _read(path: Path, counts: Counts) -> Status | None:
    pid_text = path.stem.partition("-")[0]
    if not (pid_text.isascii() and pid_text.isdecimal()):
        counts.note("status_foreign_file")
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(READ_TIMEOUT_S)
        try:
            asking.connect(str(path))
            if not is_same_user(asking):
                counts.note("status_refused_peer")
                return None
            fields = json.loads(_receive(asking))
        except ConnectionRefusedError:
            _remove_stale(path)
            return None
        except (OSError, ValueError, RecursionError):
            counts.note("status_unreadable")
            return None
    if not isinstance(fields, dict):
        counts.note("status_unreadable")
        return None
    return Status(pid=int(pid_text), fields=fields)


def _receive(asking: socket.socket) -> bytes:
    """All that the peer sends, within the time of one reading; ValueError when it is too much."""
    end = time.monotonic() + READ_TIMEOUT_S
    received = bytearray()
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        asking.settimeout(left)
        chunk = asking.recv(65_536)
        if not chunk:
            return bytes(received)
        received += chunk
        if len(received) > MAX_STATUS_BYTES:
            raise ValueError("a status is longer than allowed")


def _free_path(folder: Path) -> Path:
    """`<pid>.sock`, or `<pid>-<n>.sock` for further offers of one process; stale ones removed."""
    for n in range(100):
        path = folder / (f"{os.getpid()}.sock" if n == 0 else f"{os.getpid()}-{n}.sock")
        if not os.path.lexists(path):
            return path
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(READ_TIMEOUT_S)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                _remove_stale(path)
                return path
            except OSError:
                continue
    raise OSError("no free name for the status socket")


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on; anything else of that name is left alone."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def is_private_folder(folder: Path) -> bool:
    """Whether it is a real folder of this user that nobody else can enter."""
    try:
        facts = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(facts.st_mode)
        and facts.st_uid == os.geteuid()
        and stat.S_IMODE(facts.st_mode) & 0o077 == 0
    )


def is_settled_folder(parent: Path) -> bool:
    """Whether only this user and root could move what lies in a folder (or it is sticky)."""
    facts = parent.lstat()
    is_shared = stat.S_IMODE(facts.st_mode) & 0o022 and not facts.st_mode & stat.S_ISVTX
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid in (os.geteuid(), 0) and not is_shared


def is_same_user(peer: socket.socket) -> bool:
    """Whether the other end belongs to this user, where the system can tell (it can on Linux);
    elsewhere the folder's mode stands alone."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    facts = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", facts)
    return bool(uid == os.geteuid())
