"""A repository whose own configuration names programs gets none of them run."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.git_repo import GitRepo, git_environment, plant_traps
from zeta_context.errors import RepositoryError
from zeta_context.repository.history import History
from zeta_context.repository.worktree import Worktree, find


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def hostile(repo: GitRepo, marker: Path) -> GitRepo:
    repo.commit({"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"})
    repo.commit({"b.py": "b2\n"})
    plant_traps(repo, marker)
    repo.write("a.py", "changed\n")
    repo.write("new/d.py", "d\n")
    os.utime(repo.root / "c.py", (1, 1))
    return repo


def use_everything(root: Path) -> Worktree:
    worktree = find(root / "a.py")
    assert isinstance(worktree, Worktree), worktree
    worktree.head()
    assert "a.py" in worktree.status().modified
    assert worktree.head_text("a.py") == b"a\n"
    worktree.is_ignored("a.py")
    worktree.relative(root / "a.py")
    uncommitted = worktree.uncommitted()
    assert uncommitted.skipped["filtered"] == 1
    assert "new/d.py" in {change.path for change in uncommitted.changes}
    with History(worktree) as history:
        assert len(history.references()) == 1
        commits = history.commits(10)
        assert len(commits) == 2
        assert [changed.path for changed in history.changed_paths(commits[0].sha)] == ["b.py"]
        assert len(history.changed_paths(commits[1].sha)) == 3
    return worktree


def test_the_trap_works_git_itself_runs_what_is_planted(hostile: GitRepo, marker: Path) -> None:
    assert runs_something(["git", "diff"], hostile.root, marker)


def test_no_public_function_runs_anything_that_the_repository_planted(
    hostile: GitRepo, marker: Path
) -> None:
    use_everything(hostile.root)
    assert not marker.exists(), marker.read_text()


@pytest.mark.parametrize("current", ["project", "elsewhere"])
def test_a_git_program_in_the_project_or_current_folder_is_not_run(
    hostile: GitRepo, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, current: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    for folder in (hostile.root, hostile.root / "bin", elsewhere, elsewhere / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "git").write_text(f'#!/bin/sh\necho fake >> "{marker}"\n')
        (folder / "git").chmod(0o755)
    monkeypatch.chdir(hostile.root if current == "project" else elsewhere)
    monkeypatch.setenv("PATH", f".::{hostile.root / 'bin'}:bin:{os.environ['PATH']}")
    done = subprocess.run(["sh", "-c", "git version"], check=True, capture_output=True)
    assert done.returncode == 0
    assert marker.exists(), "the fake git is the one a shell would find"
    marker.unlink()
    use_everything(hostile.root)
    assert not marker.exists()


def test_importing_gitpython_first_in_a_hostile_folder_runs_no_planted_git(
    hostile: GitRepo, marker: Path
) -> None:
    fake = hostile.write("git", f'#!/bin/sh\necho fake >> "{marker}"\n')
    fake.chmod(0o755)
    code = (
        "from zeta_context.repository.worktree import find\n"
        "from zeta_context.repository.history import History\n"
        "print(len(History(find('.')).commits(5)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=hostile.root,
        env=os.environ | {"PATH": f".:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "2"
    assert not marker.exists()


def test_without_any_git_program_history_is_an_error_and_the_working_tree_still_works(
    hostile: GitRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    worktree = find(hostile.root)
    assert isinstance(worktree, Worktree)
    assert worktree.status().modified
    with pytest.raises(RepositoryError, match="install git"):
        History(worktree)


def test_a_partial_clone_that_lacks_objects_fetches_nothing(hostile: GitRepo, marker: Path) -> None:
    """Reading a missing object makes git fetch it, which runs what the remote's settings name."""
    config = hostile.root / ".git" / "config"
    config.write_text(
        config.read_text().replace(
            "repositoryformatversion = 0",
            "repositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n[core]",
        )
    )
    worktree = find(hostile.root)
    assert isinstance(worktree, Worktree)
    tree = hostile.root / ".git" / "objects"
    listing = subprocess.run(
        ["git", "-c", "protocol.allow=never", "rev-parse", "HEAD^{tree}"],
        cwd=hostile.root,
        env=git_environment() | {"GIT_ALLOW_PROTOCOL": "none"},
        capture_output=True,
        text=True,
        check=True,
    )
    name = listing.stdout.strip()
    (tree / name[:2] / name[2:]).unlink()
    marker.unlink(missing_ok=True)
    with History(worktree) as history:
        sha = history.commits(1)[0].sha
        with pytest.raises(RepositoryError):
            history.changed_paths(sha)
    assert not marker.exists(), marker.read_text()
    assert runs_something(["git", "diff-tree", "-r", sha], hostile.root, marker)


def runs_something(command: list[str], folder: Path, marker: Path) -> bool:
    """Whether a command leaves the marker within some seconds; it is ended with all it started."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=git_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 20
    while not marker.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return marker.exists()
