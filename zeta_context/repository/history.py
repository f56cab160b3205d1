"""The history of a git repository, read with GitPython: references, commits, changed paths.

The only module that imports GitPython, and never for the working tree or the index, where git runs
programs that a repository's configuration names. The few plumbing commands used run from an
absolute path, with every transport forbidden, so that a partial clone cannot fetch what it lacks.
Knows nothing of file contents.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from zeta_context.errors import RepositoryError
from zeta_context.repository.discovery import Location

if TYPE_CHECKING:
    import git

    from zeta_context.repository.worktree import Worktree

COMMAND_TIMEOUT_S = 30.0
"""How long a plumbing command may take; they take milliseconds."""

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

    def _walk(self, limit: int, revision: str) -> Iterator[CommitFacts]:
        import git

        try:
            for commit in self._repo.iter_commits(revision, max_count=limit):
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

    def _run(self, command: str, *arguments: str) -> str:
        import git

        try:
            answer = getattr(self._repo.git, command)(
                *arguments, strip_newline_in_stdout=False, kill_after_timeout=COMMAND_TIMEOUT_S
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
