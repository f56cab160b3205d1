"""Opens the sockets of a model server: a private Unix socket, or a loopback port.

Knows nothing of what is served.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from zeta_context.errors import SettingsError
from zeta_context.status import is_private_folder, is_settled_folder

_LONGEST_PATH = 100
"""Systems take socket paths of 104 to 108 bytes."""


def bind_private_socket(path: Path) -> socket.socket:
    """A Unix socket that only this user can reach, ready to listen.

    Its folder is made if need be. Raises SettingsError when the folder is not this user's alone,
    when something other than a dead socket has the name, or when a server answers there already.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise SettingsError("this system has no Unix sockets: serve with --tcp")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise SettingsError(f"a socket's path has at most {_LONGEST_PATH} bytes: choose a shorter")
    _make_private(path.parent)
    _remove_dead(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as problem:
        listener.close()
        raise SettingsError(f"no socket can be made there: {problem.strerror}") from None
    return listener


def bind_loopback(port: int = 0) -> socket.socket:
    """A TCP socket on 127.0.0.1, on a free port for 0; raises SettingsError when it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let another program take the port over
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as problem:
        listener.close()
        raise SettingsError(f"port {port} cannot be had ({type(problem).__name__})") from None
    return listener


def _make_private(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        for one in reversed(missing):
            one.mkdir(mode=0o700)
        is_safe = is_private_folder(folder) and is_settled_folder(folder.parent)
    except OSError as problem:
        raise SettingsError(f"the socket's folder cannot be made: {problem.strerror}") from None
    if not is_safe:
        raise SettingsError(
            "the socket's folder is a link, not this user's, or open to others: it needs mode 0700"
        )


def _remove_dead(path: Path) -> None:
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise SettingsError("something that is no socket has the name of the model's socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except OSError:
            pass
    raise SettingsError("a model is served there already: all programs can share that one")
