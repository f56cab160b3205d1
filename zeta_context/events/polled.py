"""What can be seen of a project by looking again: the checked out commit or branch, and open files.

Knows nothing of when to look. Files are told apart by inode, size and time; their text is not read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from zeta_context.events.outside_change import OutsideChange, OutsideKind
from zeta_context.events.projects import Project

MAX_HEAD_BYTES = 4_096


class GitHead:
    """The `HEAD` file of the repository at a root; no git is run and no setting of it is read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder: Path | None = None
        self._text = b""
        self.find()

    def find(self) -> None:
        """Look for the repository's folder, as after `git init`."""
        self.folder = find_git_folder(self._root)
        self._text = self._read()

    def has_moved(self) -> bool:
        """Whether another branch or commit was checked out since this was asked last."""
        text = self._read()
        has_moved = text not in (self._text, b"")
        if text:
            self._text = text
        return has_moved

    def _read(self) -> bytes:
        if self.folder is None:
            return b""
        return _read_start(self.folder / "HEAD")


def find_git_folder(root: Path) -> Path | None:
    """The folder that holds the `HEAD` of a root: `.git`, or what a linked worktree's names."""
    folder = root / ".git"
    if folder.is_dir():
        return folder
    text = _read_start(folder)
    if not text.startswith(b"gitdir:"):
        return None
    named = root / os.fsdecode(text.removeprefix(b"gitdir:").strip())
    # Git writes this back-reference into the folder of every linked worktree: without it, anything
    # on the disk could be named here.
    return named if (named / "gitdir").is_file() and (named / "HEAD").is_file() else None


class PolledFiles:
    """The open files of a project, looked at again and again."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._seen: dict[str, tuple[int, int, int] | None] = {}

    def follow(self, paths: Iterable[str]) -> None:
        """Look at these paths from now on, and at no others."""
        self._seen = {path: self._seen.get(path, self._look(path)) for path in paths}

    def look(self) -> Iterator[OutsideChange]:
        """What happened to the files since the last look."""
        for path, before in list(self._seen.items()):
            now = self._look(path)
            if now != before:
                self._seen[path] = now
                kind: OutsideKind = (
                    "deleted" if now is None else "created" if before is None else "changed"
                )
                yield OutsideChange(kind=kind, project=self._project.name, path=path)

    def _look(self, path: str) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._project.root / path)
        except (OSError, ValueError):
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def _read_start(path: Path) -> bytes:
    """The first bytes of a regular file; none if there is no such file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""
        with path.open("rb") as file:
            return file.read(MAX_HEAD_BYTES)
    except OSError:
        return b""
