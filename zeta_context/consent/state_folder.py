"""The user's own state folder: private files, written whole or not at all.

Knows nothing of what is kept there. Whatever others could have written counts as unreadable.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zeta_context.consent.safe_read import CannotRead, read_small_file
from zeta_context.status import is_private_folder


def state_folder() -> Path:
    """Where consent, ledger and spool of this user are; it need not exist."""
    from platformdirs import user_state_path

    return Path(user_state_path("zeta-context", appauthor=False))


def make_private_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 where it is missing; raises OSError when it is another's.

    A folder of ours that others could enter is closed to them.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if os.name == "posix":
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            raise OSError(f"the folder {folder.name!r} in the user's state is not the user's own")
        if stat.S_IMODE(facts.st_mode) & 0o077:
            folder.chmod(0o700)
    return folder


def read_private_file(path: Path) -> bytes | None:
    """The content of a file of ours; None when there is none.

    Raises CannotRead when it, or its folder, is anything that others could have written or put
    there, a link included.
    """
    if not os.path.lexists(path):
        return None
    if os.name == "posix":
        if not is_private_folder(path.parent):
            raise CannotRead("its folder is not the user's alone")
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise CannotRead("it is no regular file")
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o022:
            raise CannotRead("others can write it")
    content = read_small_file(path)
    if content is None:
        raise CannotRead("it is no regular file")
    return content


def write_private_file(path: Path, content: bytes) -> None:
    """Put a file in its place at once and for good (0600, synced); raises OSError."""
    folder = make_private_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make names that were added to or taken from a folder last, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_private(path: str, flags: int) -> int:
    """An opener for `open`: files of the user alone, and no link is followed."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes that do the same from a file meanwhile; its folder has to exist."""
    with open(path.with_suffix(".lock"), "ab", opener=open_private) as lock:
        if os.name == "posix":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
