"""Finds the git repository that a path belongs to, and judges whether it may be asked anything.

A repository is hostile input: it came with an archive or a clone, and its `.git` can point
anywhere. Only one whose git directory is the root's own (or proves by pointing back that it is a
linked worktree) is used; any other is `NotOurs`, with its reason. Reads a few small files and runs
nothing; knows no git library.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NotOursReason = Literal[
    "no_repository",
    "inside_git_directory",
    "embedded_bare",
    "bare",
    "git_directory_elsewhere",
    "submodule",
    "outside_root",
    "nested_repository",
    "other_owner",
    "special_file",
    "unreadable",
]
"""Why a path is treated as if there were no git at all."""

_EMPTY = Path(os.devnull)
_MAX_CONFIG_BYTES = 1_048_576
_MAX_INCLUDES = 50

_VETTED_FILES = (
    "HEAD",
    "config",
    "config.worktree",
    "index",
    "packed-refs",
    "shallow",
    "info/exclude",
    "info/attributes",
    "info/grafts",
    "objects/info/alternates",
)
"""Files that a git library opens without looking: a FIFO in their place would block it."""

_FILE_SETTING = re.compile(
    rb"(?:^|[\s\]])(path|excludesfile|attributesfile)[ \t]*=[ \t]*([^\n]*)", re.IGNORECASE
)
"""Settings of git's configuration that name a file to be read (an `include` has a `path`).

Looked for anywhere in a line: finding one where git would not is no harm.
"""

_WORKTREE_SETTING = re.compile(rb"(?:^|[\s\]])worktree[ \t]*=", re.IGNORECASE)
_VALUE = re.compile(rb'"((?:[^"\\]|\\.)*)"?|\\(.)|([#;].*)|([^"\\#;]+)', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOurs:
    """No repository for this path, and why; falsy. `detail` is for people and names the mend."""

    reason: NotOursReason
    detail: str

    def __bool__(self) -> Literal[False]:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a repository lives: real paths of its root, its git directory, and the shared one.

    `common_directory` differs from `git_directory` only in a linked worktree.
    """

    root: Path
    git_directory: Path
    common_directory: Path


def locate(path: str | os.PathLike[str]) -> Location | NotOurs:
    """The repository that `path` (a file or folder, which may be missing) belongs to.

    Walks up from the path as it is written, so that a symbolic link is judged where it stands, and
    refuses when the real file lies outside the root found.
    """
    start = Path(os.path.abspath(path))
    try:
        found = _walk_up(start)
        if isinstance(found, NotOurs):
            return found
        if not Path(os.path.realpath(start)).is_relative_to(found.root):
            return NotOurs(
                reason="outside_root",
                detail=f"{start.name} is a symbolic link that leaves the repository; "
                "name the real file instead",
            )
        return _vet(found)
    except (OSError, ValueError) as error:
        return NotOurs(reason="unreadable", detail=f"git state cannot be read: {_says(error)}")


def looks_like_git_directory(folder: Path) -> bool:
    """Whether a folder holds what git asks of a git directory: HEAD, objects and refs."""
    return (
        os.path.lexists(folder / "HEAD")
        and (folder / "objects").is_dir()
        and (folder / "refs").is_dir()
    )


def _walk_up(start: Path) -> Location | NotOurs:
    for folder in (start, *start.parents):
        if folder.name == ".git" and looks_like_git_directory(folder):
            return NotOurs(
                reason="inside_git_directory", detail="the path lies inside a .git folder"
            )
        found = _at(folder)
        if found is not None:
            return found
    return NotOurs(
        reason="no_repository",
        detail="no git repository here; run `git init`, commit once, and edit on",
    )


def _at(folder: Path) -> Location | NotOurs | None:
    """The repository whose root is exactly this folder, None when it is not the root of one."""
    entry = folder / ".git"
    root = Path(os.path.realpath(folder))
    try:
        mode = entry.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not looks_like_git_directory(folder):
            return None
        return NotOurs(
            reason="embedded_bare",
            detail=f"{folder.name} is a bare repository: it has no working tree",
        )
    if stat.S_ISREG(mode):
        return _follow_git_file(root)
    if not stat.S_ISDIR(mode) or os.path.lexists(entry / "commondir"):
        return _elsewhere(entry)
    if not looks_like_git_directory(entry):
        return None  # an empty .git folder is no repository: git walks on as well
    return Location(root=root, git_directory=root / ".git", common_directory=root / ".git")


def _elsewhere(entry: Path) -> NotOurs:
    return NotOurs(
        reason="git_directory_elsewhere",
        detail=f"{entry.parent.name}/.git leads to another place that does not point back",
    )


def _follow_git_file(root: Path) -> Location | NotOurs:
    """A `.git` file: a linked worktree whose git directory points back here, or not ours."""
    content = _read_small(root / ".git", 4096).strip()
    if not content.startswith(b"gitdir:"):
        return NotOurs(reason="unreadable", detail="the .git file has no gitdir line")
    target = Path(os.path.realpath(root / os.fsdecode(content[len(b"gitdir:") :].strip())))
    above = next((folder for folder in root.parents if (folder / ".git").exists()), None)
    if above is not None and "modules" in target.parts:
        inside = target.is_relative_to(os.path.realpath(above / ".git"))
        if inside or (above / ".git").is_file():
            return NotOurs(
                reason="submodule",
                detail=f"{root.name} is a submodule; its edits belong to a repository of its own",
            )
    if not ((target / "gitdir").is_file() and (target / "commondir").is_file()):
        return _elsewhere(root / ".git")
    back = Path(os.fsdecode(_read_small(target / "gitdir", 4096).strip()))
    common = Path(
        os.path.realpath(target / os.fsdecode(_read_small(target / "commondir", 4096).strip()))
    )
    points_back = Path(os.path.realpath(target / back)) == root / ".git"
    if not points_back or target.parent != common / "worktrees":
        return _elsewhere(root / ".git")
    return Location(root=root, git_directory=target, common_directory=common)


def _vet(location: Location) -> Location | NotOurs:
    """Refuse what would make a git library block or work in another folder."""
    for folder in {location.git_directory, location.common_directory}:
        for name in _VETTED_FILES:
            if _is_special(folder / name):
                return _special(f".git/{name}")
        for name in ("config", "config.worktree"):
            text = _read_config(folder / name)
            if _WORKTREE_SETTING.search(text):
                return NotOurs(
                    reason="git_directory_elsewhere",
                    detail="core.worktree names another folder as the working tree",
                )
            for target in _files_named_in(text, folder):
                if _is_special(target):
                    return _special("a file that .git/config names")
    head = _read_small(location.git_directory / "HEAD", 4096).strip()
    if head.startswith(b"ref:"):
        ref = os.fsdecode(head[len(b"ref:") :].strip())
        if _is_special(location.git_directory / ref) or _is_special(
            location.common_directory / ref
        ):
            return _special("the branch that HEAD names")
    return location


def _files_named_in(text: bytes, folder: Path) -> Iterator[Path]:
    """The files that a git configuration makes a library read, and those that they name.

    ValueError when an include is named twice or there are too many: a library would follow them
    again and again.
    """
    included: set[Path] = set()
    pending = [(text, folder)]
    while pending:
        text, folder = pending.pop()
        for match in _FILE_SETTING.finditer(text):
            target = folder / os.path.expanduser(os.fsdecode(_unquote(match.group(2))))
            yield target
            if match.group(1).lower() != b"path" or not target.is_file():
                continue
            real = Path(os.path.realpath(target))
            if real in included or len(included) >= _MAX_INCLUDES:
                raise ValueError(".git/config includes files in a circle, or too many")
            included.add(real)
            pending.append((_read_config(target), target.parent))


def _unquote(value: bytes) -> bytes:
    """A value as git reads it: without quotes, escapes, and a comment at the end."""
    pieces = []
    for quoted, escaped, _, plain in _VALUE.findall(value):
        pieces.append(re.sub(rb"\\(.)", rb"\1", quoted) + escaped + plain)
    return b"".join(pieces).rstrip()


def _is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder: FIFO, socket, device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    is_harmless = stat.S_ISREG(mode) or stat.S_ISDIR(mode) or path == _EMPTY
    return not is_harmless


def _special(what: str) -> NotOurs:
    return NotOurs(reason="special_file", detail=f"{what} is no regular file")


def _read_config(path: Path) -> bytes:
    """A configuration file with its continued lines joined; empty when there is none."""
    text = _read_small(path, _MAX_CONFIG_BYTES) if path.is_file() else b""
    return text.replace(b"\r\n", b"\n").replace(b"\\\n", b"")


def _read_small(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file of at most `max_bytes`; ValueError when it is longer."""
    if _is_special(path):
        raise ValueError(f"{path.name} is no regular file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path.name} is longer than {max_bytes} bytes")
    return content


def _says(error: Exception) -> str:
    """What an error says, without the absolute path that OSError puts into its text."""
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
