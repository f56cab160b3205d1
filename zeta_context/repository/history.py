"""The history of a git repository, read with GitPython: references, commits, changed paths.

The only module that imports GitPython, and never for the working tree or the index, where git runs
programs that a repository's configuration names. The few plumbing commands used run from an
absolute path, with every transport forbidden, so that a partial clone cannot fetch what it lacks.
Contents are read as they are stored; knows nothing of what is in them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from zeta_context.errors import RepositoryError
from zeta_context.repository.discovery import Location
from zeta_context.repository.files import is_text_path

if TYPE_CHECKING:
    import git

    from zeta_context.repository.worktree import Worktree

COMMAND_TIMEOUT_S = 30.0
"""How long a plumbing command may take; they take milliseconds."""

CHANGES_AT_ONCE = 200
"""How many commits one plumbing command compares."""

_OBJECT_NAME = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_IMPORTING = threading.Lock()

_FORCED_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.sshCommand": "false",
    "core.pager": "cat",
    "core.attributesFile": os.devnull,
    "credential.helper": "",
    "diff.external": "",
    "protocol.allow": "never",
    "log.showSignature": "false",
    "gc.auto": "0",
}
"""Settings that would make git run a program, given as the command line gives them: they win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A branch, remote branch or tag by its full name, and the object it points at."""

    name: str
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """Who made a commit, when, and from which parents; times are seconds since the epoch."""

    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    authored_at: float
    committed_at: float
    message: str

    @property
    def is_merge(self) -> bool:
        """Whether it has more than one parent."""
        return len(self.parents) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPath:
    """A path that a commit changed against its first parent, with git's letter (A, D, M, T)."""

    path: str
    letter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedBlob:
    """A file as it was before and after a commit, by the names of its contents.

    `letter` is git's (A, D, M, T); a missing side is None. `is_regular` is false where either side
    is a symbolic link or a submodule.
    """

    path: str
    letter: str
    old_blob: str | None
    new_blob: str | None
    is_regular: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitChange:
    """A commit and what it changed against its first parent."""

    facts: CommitFacts
    files: tuple[ChangedBlob, ...]


class History:
    """The commits of a repository whose working tree was found to be ours.

    Holds no process between calls. Raises RepositoryError when there is no git program outside
    the repository, or when git's answer cannot be read.
    """

    def __init__(self, worktree: Worktree) -> None:
        self._repo = _open_repo(worktree.location)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the object reader that GitPython may have started."""
        self._repo.close()

    def references(self) -> tuple[Reference, ...]:
        """All references, by name; a symbolic one with what it leads to."""
        lines = self._run("for_each_ref", "--format=%(objectname) %(refname)").splitlines()
        pairs = (line.split(" ", 1) for line in lines)
        return tuple(sorted((Reference(name=n, sha=s) for s, n in pairs), key=lambda r: r.name))

    def commits(self, limit: int = 100, *, revision: str = "HEAD") -> tuple[CommitFacts, ...]:
        """The newest commits reachable from a revision, newest first; none when it is unborn."""
        if revision.startswith("-"):
            raise RepositoryError("a revision cannot start with a dash")
        if revision == "HEAD" and not self._repo.head.is_valid():
            return ()
        return tuple(self._walk(limit, revision))

    def changed_paths(self, sha: str) -> tuple[ChangedPath, ...]:
        """What a commit changed against its first parent, by path; a rename is a D and an A."""
        if not sha or sha.startswith("-"):
            raise RepositoryError("a commit is named by its object name")
        out = self._run(
            *("diff_tree", "-r", "--root", "--no-commit-id", "--name-status", "--no-renames", "-z"),
            *("--no-ext-diff", "--no-textconv", "--diff-merges=first-parent", sha, "--"),
        )
        fields = out.split("\0")
        found = (
            ChangedPath(letter=letter, path=path)
            for letter, path in zip(fields[::2], fields[1::2], strict=False)
        )
        return tuple(sorted(found, key=lambda changed: changed.path))

    def changes(
        self, *, revision: str = "HEAD", limit: int | None = None
    ) -> Iterator[CommitChange]:
        """The commits reachable from a revision with their changed files, newest first, no merges.

        Reads as it goes: memory does not grow with the history. A rename is a D and an A.
        """
        if revision.startswith("-"):
            raise RepositoryError("a revision cannot start with a dash")
        if revision == "HEAD" and not self._repo.head.is_valid():
            return
        walk = self._walk(limit, revision, no_merges=True)
        while batch := list(islice(walk, CHANGES_AT_ONCE)):
            files = self._changed_blobs([facts.sha for facts in batch])
            for facts in batch:
                yield CommitChange(facts=facts, files=files.get(facts.sha, ()))

    def read_blob(self, sha: str, *, max_bytes: int) -> bytes | None:
        """A file's content by its name, through one process that stays; None if it is larger.

        Raises RepositoryError for one that is not there, as in a partial clone.
        """
        import git

        if not _OBJECT_NAME.fullmatch(sha):
            raise RepositoryError("a content is named by its object name")
        try:
            _, kind, size, stream = self._repo.git.stream_object_data(sha)
            content = stream.read() if size <= max_bytes else None
            if content is None:
                for _ in iter(lambda: stream.read(1 << 16), b""):
                    pass  # the reader is in step again once all of it is read
        except (git.GitError, ValueError, OSError) as error:
            raise RepositoryError("git cannot read a file's content") from error
        return content if str(kind) in ("blob", "b'blob'") else None

    def _changed_blobs(self, shas: list[str]) -> dict[str, tuple[ChangedBlob, ...]]:
        out = self._run(
            *("diff_tree", "--stdin", "-r", "--root", "--raw", "--no-abbrev", "--no-renames", "-z"),
            *("--no-ext-diff", "--no-textconv"),
            stdin="".join(f"{sha}\n" for sha in shas),
        )
        files: dict[str, list[ChangedBlob]] = {}
        found: list[ChangedBlob] = []
        fields = iter(out.split("\0"))
        for field in fields:
            if not field.startswith(":"):
                found = files.setdefault(field, [])
                continue
            modes_and_names, path = field[1:].split(" "), next(fields)
            old_mode, new_mode, old, new, letter = modes_and_names
            if not is_text_path(path):
                continue
            found.append(
                ChangedBlob(
                    path=path,
                    letter=letter[:1],
                    old_blob=None if letter[:1] == "A" else old,
                    new_blob=None if letter[:1] == "D" else new,
                    is_regular=all(mode[:3] in ("100", "000") for mode in (old_mode, new_mode)),
                )
            )
        return {sha: tuple(found) for sha, found in files.items()}

    def _walk(
        self, limit: int | None, revision: str, *, no_merges: bool = False
    ) -> Iterator[CommitFacts]:
        import git

        options: dict[str, Any] = {} if limit is None else {"max_count": limit}
        try:
            for commit in self._repo.iter_commits(revision, no_merges=no_merges, **options):
                message = commit.message
                yield CommitFacts(
                    sha=commit.hexsha,
                    parents=tuple(parent.hexsha for parent in commit.parents),
                    author_name=commit.author.name or "",
                    author_email=commit.author.email or "",
                    authored_at=float(commit.authored_date),
                    committed_at=float(commit.committed_date),
                    message=message
                    if isinstance(message, str)
                    else message.decode(errors="replace"),
                )
        except (git.GitError, ValueError, OSError) as error:
            raise RepositoryError("git cannot list the commits") from error

    def _run(self, command: str, *arguments: str, stdin: str | None = None) -> str:
        import git

        try:
            with tempfile.TemporaryFile() as given:
                given.write((stdin or "").encode())
                given.seek(0)
                answer = getattr(self._repo.git, command)(
                    *arguments,
                    istream=given,
                    strip_newline_in_stdout=False,
                    kill_after_timeout=COMMAND_TIMEOUT_S,
                )
        except (git.GitError, OSError) as error:
            raise RepositoryError(f"git {command.replace('_', '-')} failed") from error
        return str(answer)


def _environment(location: Location) -> dict[str, str]:
    """What git is told: this repository, no transport, no prompt, no program of its own choice."""
    environment = {
        "GIT_DIR": str(location.git_directory),
        "GIT_COMMON_DIR": str(location.common_directory),
        "GIT_WORK_TREE": str(location.root),
        "GIT_OBJECT_DIRECTORY": str(location.common_directory / "objects"),
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "GIT_PAGER": "cat",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_CONFIG_COUNT": str(len(_FORCED_SETTINGS)),
    }
    for i, (name, value) in enumerate(_FORCED_SETTINGS.items()):
        environment[f"GIT_CONFIG_KEY_{i}"] = name
        environment[f"GIT_CONFIG_VALUE_{i}"] = value
    return environment


def _open_repo(location: Location) -> git.Repo:
    program = _find_git(location)
    if program is None:
        raise RepositoryError("no git program found outside the repository; install git")
    _import_gitpython(program)
    import git

    class ProgramByPath(git.Git):
        GIT_PYTHON_GIT_EXECUTABLE = program

    class Repo(git.Repo):
        GitCommandWrapperType = ProgramByPath

    try:
        repo = Repo(location.root, expand_vars=False)
    except (git.GitError, OSError) as error:
        raise RepositoryError("git cannot open the repository's history") from error
    if Path(os.path.realpath(repo.git_dir)) != location.git_directory:
        repo.close()
        raise RepositoryError("the repository's git directory is not the one it was found in")
    repo.git.update_environment(**_environment(location))
    return repo


def _import_gitpython(program: str) -> None:
    """Import GitPython with git's path given: on import it runs git once, from PATH if not told."""
    told = {"GIT_PYTHON_GIT_EXECUTABLE": program, "GIT_PYTHON_REFRESH": "quiet"}
    with _IMPORTING:
        if "git" in sys.modules:
            return
        saved = {name: os.environ.get(name) for name in told}
        os.environ.update(told)
        try:
            import git  # noqa: F401
        finally:
            for name, value in saved.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _find_git(location: Location) -> str | None:
    """An absolute path of git, from those folders of PATH that are absolute and not the project's.

    An empty or relative entry of PATH means the current folder, which may be the repository.
    """
    folders = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if os.path.isabs(folder)
        and not Path(os.path.realpath(folder)).is_relative_to(location.root)
    ]
    return shutil.which("git", path=os.pathsep.join(folders))
