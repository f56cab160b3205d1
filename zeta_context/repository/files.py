"""Reads and lists files below a root without being led out of it or blocked.

Follows no symbolic link, opens nothing but regular files, and stops at a bound. Knows nothing of
git beyond what a nested repository looks like.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from zeta_context.repository.discovery import looks_like_git_directory
from zeta_context.repository.state import Skipped

_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


def is_text_path(path: str) -> bool:
    """Whether a path is valid Unicode: git allows any bytes, records and editors do not."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def modified_at(root: Path, path: str) -> float:
    """A file's time of change in seconds since the epoch; 0 when it is gone."""
    try:
        return (root / path).lstat().st_mtime
    except (OSError, ValueError):
        return 0.0


def read_file(root: Path, path: str, max_bytes: int) -> tuple[bytes, float] | Skipped:
    """A regular file's bytes and time of change, or the reason why it is not read."""
    full = root / path
    try:
        inside = Path(os.path.realpath(full.parent)).is_relative_to(root)
        if not inside or stat.S_ISLNK(full.lstat().st_mode):
            return Skipped(reason="symlink")
        descriptor = os.open(full, _OPEN_FLAGS)
    except (OSError, ValueError):
        return Skipped(reason="unreadable")
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            return Skipped(reason="special_file")
        content = file.read(max_bytes + 1) if facts.st_size <= max_bytes else b""
    if max(facts.st_size, len(content)) > max_bytes:
        return Skipped(reason="too_large")
    return content, facts.st_mtime


def walk_files(
    root: Path,
    start: str,
    *,
    is_ignored: Callable[[str], bool],
    max_entries: int,
    skipped: Counter[str],
) -> Iterator[str]:
    """The regular files at or under `start` (folders end in a slash) that are not ignored.

    Nested repositories, links and special files are counted in `skipped`.
    """
    pending = [start]
    while pending:
        place = pending.pop()
        max_entries -= 1
        if max_entries < 0:
            skipped["too_many_files"] += 1
            return
        reason = _reason_to_skip(root / place)
        if reason is not None:
            skipped[reason] += 1
        elif not place.endswith("/"):
            yield place
        else:
            names = _names_in(root, place, max_entries, skipped)
            pending.extend(name for name in reversed(names) if not is_ignored(name))


def _names_in(root: Path, folder: str, max_entries: int, skipped: Counter[str]) -> list[str]:
    names: list[str] = []
    try:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = folder + entry.name + "/" * entry.is_dir(follow_symlinks=False)
                if len(names) >= max_entries:
                    skipped["too_many_files"] += 1
                    break
                if is_text_path(name):
                    names.append(name)
                else:
                    skipped["path_encoding"] += 1
    except OSError:
        skipped["unreadable"] += 1
    return sorted(names)


def _reason_to_skip(full: Path) -> str | None:
    try:
        mode = full.lstat().st_mode
    except (OSError, ValueError):
        return "unreadable"
    if stat.S_ISDIR(mode):
        if os.path.lexists(full / ".git"):
            return "nested_repository"
        return "embedded_bare" if looks_like_git_directory(full) else None
    if stat.S_ISLNK(mode):
        return "symlink"
    return None if stat.S_ISREG(mode) else "special_file"
