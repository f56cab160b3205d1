"""Tells `zeta-context doctor` how the proxy fares, over a socket that was opened before it ran.

Knows nothing of what is told: see `zeta_context.status` for the other end. Never waits for a
reader, and tells nobody but the same user.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable


class Report:
    """A listening socket by number and path; `answer` when it polls as readable."""

    def __init__(self, fd: int, path: str, provider: Callable[[], bytes]) -> None:
        os.set_inheritable(fd, False)
        self.fd = fd
        self._path = path
        self._provider = provider
        self._listener = socket.socket(fileno=fd)

    def answer(self) -> None:
        """Tell one reader."""
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        with peer:
            peer.setblocking(False)
            if _is_same_user(peer):
                try:
                    # It fits the socket's buffer; a reader that is not there loses it.
                    peer.send(self._provider())
                except OSError:
                    return

    def close(self) -> None:
        """Remove the socket."""
        self._listener.close()
        try:
            os.unlink(self._path)
        except OSError:
            return


def _is_same_user(peer: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    facts = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", facts)[1] == os.geteuid())
