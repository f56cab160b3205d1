"""Reads small files of a repository, or of the user, without being blocked or led astray.

Knows nothing of what they hold. A FIFO or device is never waited for, a size is never believed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

MAX_BYTES = 1_048_576

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class CannotRead(Exception):
    """Something is there that is no small regular file, or may not be opened."""


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it."""

    modified_ns: int
    size: int
    inode: int


def take_stamp(path: Path, *, follows_links: bool = False) -> Stamp | None:
    """The stamp of a file; None when there is none (a link counts as none unless followed)."""
    try:
        facts = path.stat() if follows_links else path.lstat()
    except (OSError, ValueError):
        return None
    if stat.S_ISLNK(facts.st_mode) or stat.S_ISDIR(facts.st_mode):
        return None
    return Stamp(facts.st_mtime_ns, facts.st_size, facts.st_ino)


def read_small_file(path: Path, *, follows_links: bool = False) -> bytes | None:
    """The content of a regular file of at most `MAX_BYTES`; None when there is none.

    A folder, or a link that is not followed, is none. Raises CannotRead for anything else.
    """
    if take_stamp(path, follows_links=follows_links) is None:
        return None
    try:
        descriptor = os.open(path, _FLAGS if follows_links else _FLAGS | _NO_FOLLOW)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise CannotRead("it cannot be opened") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise CannotRead("it is no regular file")
        try:
            content = file.read(MAX_BYTES + 1)
        except OSError:
            raise CannotRead("it cannot be read") from None
    if len(content) > MAX_BYTES:
        raise CannotRead("it is too large")
    return content
