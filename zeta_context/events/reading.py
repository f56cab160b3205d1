"""Reads a file of a project as text, without ever hanging on what only looks like one.

Knows nothing of projects: whether a file may be read is decided before.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from zeta_context.errors import Unreadable
from zeta_context.text.decoding import Decoded, decode

MAX_BYTES = 16 * 1024 * 1024
"""Larger files are not read; editors themselves turn most features off long before."""


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> Decoded:
    """The text of a regular file.

    Raises Unreadable if it is gone, forbidden, a directory, pipe or device, too large, binary, or
    in an encoding that cannot be told.
    """
    try:
        # Opening a pipe without O_NONBLOCK would wait for somebody to write to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path.name}: {_say(error)}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unreadable(f"{path.name}: not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise Unreadable(f"{path.name}: {_say(error)}") from None
    finally:
        os.close(handle)
    if len(data) > max_bytes:
        raise Unreadable(f"{path.name}: larger than {max_bytes} bytes")
    try:
        return decode(data)
    except Unreadable as error:
        raise Unreadable(f"{path.name}: {error}") from None


def _say(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "not a path"
