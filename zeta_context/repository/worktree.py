"""The working tree of a git repository, asked through libgit2, which runs no program.

The only module that imports pygit2. Whatever a repository's configuration names (hooks, filters,
external diffs, a file-system monitor) is never run: where a filter would decide how a file looks,
the file is left out and counted. Knows nothing of events, encodings of text, or history.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pygit2
from pygit2.enums import DeltaStatus, DiffOption, RepositoryOpenFlag

from zeta_context.counts import Counts
from zeta_context.errors import RepositoryError
from zeta_context.repository.discovery import Location, NotOurs, locate
from zeta_context.repository.files import is_text_path, modified_at, read_file, walk_files
from zeta_context.repository.state import Change, Head, Limits, Skipped, Status, Uncommitted

__all__ = ["Change", "Head", "Limits", "NotOurs", "Status", "Uncommitted", "Worktree", "find"]

_T = TypeVar("_T")
_REGULAR_MODES = (0o100644, 0o100755, 0o100664)
_BY_DELTA = {
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.TYPECHANGE: "modified",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.UNTRACKED: "untracked",
    DeltaStatus.CONFLICTED: "conflicted",
}
_CONVERTING_ATTRIBUTES = ("filter", "working-tree-encoding")
"""Attributes under which HEAD holds other bytes than the file, by a program or a recoding."""


# A partial clone reads well in libgit2, which fails on a missing object and never fetches it, but
# refuses the format unless told.
pygit2.settings.set_extensions(["partialclone"])


def find(
    path: str | os.PathLike[str], *, limits: Limits | None = None, counts: Counts | None = None
) -> Worktree | NotOurs:
    """The working tree that a file or folder belongs to, or why there is none that may be asked.

    A repository of another user is refused, as git itself does, unless the user's own
    configuration names it in `safe.directory`.
    """
    location = locate(path)
    if isinstance(location, NotOurs):
        return _counted(location, counts)
    try:
        repository = pygit2.Repository(str(location.root / ".git"), RepositoryOpenFlag.NO_SEARCH)
    except (pygit2.GitError, KeyError) as error:
        if "not owned by current user" in str(error):
            refusal = NotOurs(
                reason="other_owner",
                detail="the repository belongs to another user; if you trust it, run "
                "`git config --global --add safe.directory PATH`",
            )
        else:
            refusal = NotOurs(reason="unreadable", detail="git cannot open the repository")
        return _counted(refusal, counts)
    workdir = repository.workdir
    if repository.is_bare or workdir is None:
        refusal = NotOurs(reason="bare", detail="the repository has no working tree")
        return _counted(refusal, counts)
    if Path(os.path.realpath(workdir)) != location.root:
        refusal = NotOurs(
            reason="git_directory_elsewhere",
            detail="the repository names another folder as its working tree",
        )
        return _counted(refusal, counts)
    return Worktree(location, repository, limits=limits or Limits(), counts=counts or Counts())


def _counted(refusal: NotOurs, counts: Counts | None) -> NotOurs:
    if counts is not None:
        counts.note(f"git_{refusal.reason}")
    return refusal


class Worktree:
    """A working tree with its HEAD and index; made by `find`.

    Every answer is read anew. Raises RepositoryError when git's files are damaged, or when an
    answer takes longer than the deadline: after that no further question is asked of it.
    """

    def __init__(
        self, location: Location, repository: pygit2.Repository, *, limits: Limits, counts: Counts
    ) -> None:
        self.location = location
        self._repository = repository
        self._limits = limits
        self._counts = counts
        self._is_stuck = False

    @property
    def root(self) -> Path:
        """The real path of the root folder."""
        return self.location.root

    @property
    def name(self) -> str:
        """The root folder's name, which stands for the project in events."""
        return self.root.name

    def relative(self, path: str | os.PathLike[str]) -> str | NotOurs:
        """The POSIX path below the root of a file here, or why it is none of ours."""
        found = locate(path)
        if isinstance(found, NotOurs):
            return _counted(found, self._counts)
        if found.root != self.root:
            refusal = NotOurs(
                reason="nested_repository", detail="the file belongs to another repository"
            )
            return _counted(refusal, self._counts)
        return Path(os.path.realpath(path)).relative_to(self.root).as_posix()

    def head(self) -> Head:
        """What HEAD is now."""
        return self._ask(self._head)

    def status(self) -> Status:
        """Which paths differ from HEAD and the index; untracked folders are opened up."""
        return self._ask(self._status)

    def head_text(self, path: str) -> bytes | None:
        """A file's content in HEAD, as stored; None when HEAD has no such regular file."""
        content = self._ask(lambda: self._head_content(path))
        return None if isinstance(content, Skipped) else content

    def head_names(self, folder: str = "") -> tuple[str, ...]:
        """The names in a folder of HEAD, by git's order; none where HEAD has no such folder."""
        return self._ask(lambda: self._head_names(folder))

    def has_commit(self, sha: str) -> bool:
        """Whether the repository holds a commit; it need not be reachable."""
        return self._ask(lambda: self._has_commit(sha))

    def are_tracked(self, paths: Iterable[str]) -> bool:
        """Whether all these files are in the index, as regular files."""
        return self._ask(lambda: self._are_tracked(tuple(paths)))

    def is_ignored(self, path: str) -> bool:
        """Whether git's ignore rules cover a path relative to the root; tracked files too."""
        return self._ask(lambda: self._repository.path_is_ignored(path))

    def tracked_paths(self, limit: int = 20_000) -> tuple[str, ...]:
        """The paths in the index, in its order, at most `limit` of them."""
        return self._ask(lambda: self._tracked_paths(limit))

    def uncommitted(self) -> Uncommitted:
        """The changes since HEAD with both contents; symbolic links, filtered and large files,
        and submodules are counted instead."""
        return self._ask(self._uncommitted)

    def _ask(self, question: Callable[[], _T]) -> _T:
        """Ask libgit2 in a thread of its own, so that a file it blocks on cannot block us."""
        if self._is_stuck:
            raise RepositoryError("git did not answer in time before; not asked again")
        answers: list[_T] = []
        failures: list[Exception] = []

        def run() -> None:
            try:
                answers.append(question())
            except Exception as error:  # handed to the asking thread
                failures.append(error)

        thread = threading.Thread(target=run, name="zeta-context-git", daemon=True)
        thread.start()
        thread.join(self._limits.deadline_s)
        if answers:
            return answers[0]
        if not failures:
            self._is_stuck = True
            self._counts.note("git_deadline")
            raise RepositoryError(
                f"git took longer than {self._limits.deadline_s:g} s to answer; not asked again"
            )
        if isinstance(failures[0], RepositoryError):
            raise failures[0]
        raise RepositoryError(
            f"git state cannot be read ({type(failures[0]).__name__}); run `git fsck`"
        ) from failures[0]

    def _head(self) -> Head:
        repository = self._repository
        if repository.head_is_unborn:
            target = repository.lookup_reference("HEAD").target
            return Head(sha=None, branch=str(target).removeprefix("refs/heads/"))
        branch = None if repository.head_is_detached else repository.head.shorthand
        return Head(sha=str(repository.head.target), branch=branch)

    def _status(self) -> Status:
        skipped: Counter[str] = Counter()
        lists: dict[str, list[str]] = {name: [] for name in ("staged", *_BY_DELTA.values())}
        index = self._repository.index
        index.read(False)
        options = DiffOption.IGNORE_SUBMODULES | DiffOption.SKIP_BINARY_CHECK
        tree = self._head_tree()
        if tree is None:
            lists["staged"] = [entry.path for entry in index if entry.mode in _REGULAR_MODES]
        else:
            staged = index.diff_to_tree(tree, options)
            lists["staged"] = [_path(delta) for delta in staged.deltas]
        options |= DiffOption.INCLUDE_UNTRACKED | DiffOption.INCLUDE_TYPECHANGE
        for delta in index.diff_to_workdir(options).deltas:
            name = _BY_DELTA.get(delta.status)
            if name == "untracked":
                lists[name].extend(self._open_up(_path(delta), skipped))
            elif name is not None:
                lists[name].append(_path(delta))
            else:
                skipped["unreadable"] += 1
        kept = {name: self._newest(paths, skipped) for name, paths in lists.items()}
        for reason, n in skipped.items():
            self._counts.add(f"git_skipped_{reason}", n)
        return Status(skipped=dict(skipped), **kept)

    def _open_up(self, path: str, skipped: Counter[str]) -> list[str]:
        return list(
            walk_files(
                self.root,
                path,
                is_ignored=self._repository.path_is_ignored,
                max_entries=self._limits.max_scanned,
                skipped=skipped,
            )
        )

    def _newest(self, paths: list[str], skipped: Counter[str]) -> tuple[str, ...]:
        """At most `max_files` of the paths: those whose files changed last."""
        text_paths = {path for path in paths if is_text_path(path)}
        skipped["path_encoding"] += len(set(paths)) - len(text_paths)
        kept = sorted(text_paths, key=lambda path: modified_at(self.root, path), reverse=True)
        skipped["too_many_files"] += len(kept[self._limits.max_files :])
        return tuple(sorted(kept[: self._limits.max_files]))

    def _tracked_paths(self, limit: int) -> tuple[str, ...]:
        index = self._repository.index
        index.read(False)
        paths = (entry.path for entry in islice(index, limit))
        return tuple(path for path in paths if is_text_path(path))

    def _uncommitted(self) -> Uncommitted:
        status = self._status()
        skipped = Counter(status.skipped)
        skipped["conflicted"] += len(status.conflicted)
        changes: list[Change] = []
        n_bytes = 0
        paths = {*status.staged, *status.modified, *status.deleted, *status.untracked}
        paths -= set(status.conflicted)
        for path in sorted(paths, key=lambda path: modified_at(self.root, path), reverse=True):
            if len(changes) >= self._limits.max_files:
                change: Change | Skipped | None = Skipped(reason="too_many_files")
            elif n_bytes > self._limits.max_total_bytes:
                change = Skipped(reason="too_many_bytes")
            else:
                change = self._change(path)
            if isinstance(change, Skipped):
                skipped[change.reason] += 1
            elif change is not None:
                n_bytes += len(change.old or b"") + len(change.new or b"")
                changes.append(change)
        changes.sort(key=lambda change: change.path)
        return Uncommitted(changes=tuple(changes), skipped={k: n for k, n in skipped.items() if n})

    def _change(self, path: str) -> Change | Skipped | None:
        """The change of one file, or None when it has none."""
        old = self._head_content(path)
        if isinstance(old, Skipped):
            return old
        if not os.path.lexists(self.root / path):
            return None if old is None else Change(path=path, old=old, new=None, modified_at=0.0)
        new = read_file(self.root, path, self._limits.max_file_bytes)
        if isinstance(new, Skipped):
            return new
        content, at = new
        if old is not None:
            old = _with_line_endings_of(content, old)
            attributes = (self._repository.get_attr(path, name) for name in _CONVERTING_ATTRIBUTES)
            if old == content:
                return None
            if any(attributes):
                return Skipped(reason="filtered")
        return Change(path=path, old=old, new=content, modified_at=at)

    def _head_content(self, path: str) -> bytes | Skipped | None:
        tree = self._head_tree()
        if tree is None or path not in tree:
            return None
        entry = tree[path]
        if not isinstance(entry, pygit2.Blob):
            return Skipped(reason="submodule")
        if entry.filemode not in _REGULAR_MODES:
            return Skipped(reason="symlink")
        _, size = self._repository.odb.read_header(entry.id)
        return entry.data if size <= self._limits.max_file_bytes else Skipped(reason="too_large")

    def _head_names(self, folder: str) -> tuple[str, ...]:
        tree = self._head_tree()
        if tree is None or (folder and folder not in tree):
            return ()
        found = tree[folder] if folder else tree
        return tuple(str(entry.name) for entry in found) if isinstance(found, pygit2.Tree) else ()

    def _has_commit(self, sha: str) -> bool:
        try:
            return isinstance(self._repository.get(sha), pygit2.Commit)
        except ValueError:
            return False

    def _are_tracked(self, paths: tuple[str, ...]) -> bool:
        index = self._repository.index
        index.read(False)
        return all(path in index and index[path].mode in _REGULAR_MODES for path in paths)

    def _head_tree(self) -> pygit2.Tree | None:
        if self._repository.head_is_unborn:
            return None
        return self._repository.head.peel(pygit2.Commit).tree


def _path(delta: pygit2.DiffDelta) -> str:
    return delta.new_file.path or delta.old_file.path


def _with_line_endings_of(content: bytes, old: bytes) -> bytes:
    """`old` with CRLF where HEAD has only LF and the file only CRLF: git's own conversion."""
    ends_in_crlf = b"\r\n" in content and content.count(b"\n") == content.count(b"\r\n")
    return old.replace(b"\n", b"\r\n") if ends_in_crlf and b"\r" not in old else old
