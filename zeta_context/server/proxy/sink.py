"""Writing to a descriptor without ever waiting for its reader.

Knows nothing of messages: bytes go out in order or, once the reader is gone, nowhere.
"""

from __future__ import annotations

import os
from collections import deque

from zeta_context.server.proxy.process import close_fd

PIPE_BUF = 4096
"""A pipe that polls as writable takes so many bytes without blocking (POSIX)."""


class Sink:
    """A descriptor with a queue; `size` is how many bytes wait in it.

    With `may_block`, the descriptor is shared with another process and must stay as it is: it is
    then only written to when polled as writable, in pieces that cannot block.
    """

    def __init__(self, fd: int, *, may_block: bool = False) -> None:
        self.fd = fd
        self.size = 0
        self.is_broken = False
        self._is_closing = False
        self._may_block = may_block
        self._queue: deque[memoryview] = deque()
        if not may_block:
            os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """Send now what fits, keep the rest."""
        if self.is_broken:
            return
        if self._queue or self._may_block:
            self._keep(memoryview(data))
            return
        try:
            written = os.write(self.fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            self._break()
            return
        if written < len(data):
            self._keep(memoryview(data)[written:])

    def flush(self) -> None:
        """Send what waits, as far as it goes; call it when the descriptor polls as writable."""
        while self._queue and not self.is_broken:
            piece = self._queue[0]
            try:
                written = os.write(self.fd, piece[:PIPE_BUF] if self._may_block else piece)
            except BlockingIOError:
                return
            except OSError:
                self._break()
                return
            self.size -= written
            if written == len(piece):
                self._queue.popleft()
            else:
                self._queue[0] = piece[written:]
            if self._may_block:
                break
        if self._is_closing and not self._queue:
            self._close()

    def close_when_empty(self) -> None:
        """Close the descriptor as soon as everything is out."""
        self._is_closing = True
        if not self._queue:
            self._close()

    def _keep(self, piece: memoryview) -> None:
        self._queue.append(piece)
        self.size += len(piece)

    def _break(self) -> None:
        self.is_broken = True
        self._queue.clear()
        self.size = 0
        if self._is_closing:
            self._close()

    def _close(self) -> None:
        if self.fd >= 0:
            close_fd(self.fd)
            self.fd = -1
        self.is_broken = True
