"""Descriptors and processes of the pump: starting the server, ending as it ended.

Knows nothing of messages. POSIX only.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import NoReturn

READ_BYTES = 65536
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1024 * 1024


def read_some(fd: int) -> bytes | None:
    """What can be read: empty at the end, None if nothing is there after all."""
    try:
        return os.read(fd, READ_BYTES)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""


def close_fd(fd: int) -> None:
    """Close a descriptor; a standard one keeps its number, with nothing behind it."""
    if fd > 2:
        os.close(fd)
        return
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, fd)
    os.close(null)


def open_wakeup() -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def start_server(argv: list[str]) -> tuple[int, int, int]:
    """Start the server on two pipes, with our error stream; its pid, input and output."""
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    for fd in (our_out, our_in):
        _enlarge_pipe(fd)
    try:
        pid = os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, their_in, 0),
                (os.POSIX_SPAWN_DUP2, their_out, 1),
            ],
            setsigdef=[signal.SIGPIPE],
        )
    finally:
        os.close(their_in)
        os.close(their_out)
    return pid, our_out, our_in


def _enlarge_pipe(fd: int) -> None:
    # A server that writes megabytes is then not woken for every 64 KiB; Linux only.
    try:
        import fcntl

        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
    except (ImportError, OSError):
        return


def end_as(status: int) -> NoReturn:
    """End this process as the server's wait status says that it ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL,) else None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
