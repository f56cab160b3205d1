"""References, commits and changed paths, compared with what git itself prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.git_repo import GitRepo
from zeta_context.errors import RepositoryError
from zeta_context.repository.history import ChangedPath, History, Reference
from zeta_context.repository.worktree import Worktree, find


def open_history(root: Path) -> History:
    worktree = find(root)
    assert isinstance(worktree, Worktree), worktree
    return History(worktree)


def test_commits_come_newest_first_with_who_when_and_parents(repo: GitRepo) -> None:
    first = repo.commit({"a.py": "a\n"}, "first line\n\nbody ü\n")
    second = repo.commit({"a.py": "b\n"}, "second")
    with open_history(repo.root) as history:
        commits = history.commits(10)
        assert [commit.sha for commit in commits] == [second, first]
        assert commits[0].parents == (first,)
        assert commits[1].parents == ()
        assert commits[1].message == "first line\n\nbody ü\n"
        assert (commits[0].author_name, commits[0].author_email) == ("Ada", "ada@example.org")
        assert commits[0].authored_at == float(repo.git("log", "-1", "--format=%at"))
        assert not commits[0].is_merge
        assert [commit.sha for commit in history.commits(1)] == [second]
        assert [commit.sha for commit in history.commits(5, revision=first)] == [first]


def test_changed_paths_name_each_path_with_its_letter(repo: GitRepo) -> None:
    root = repo.commit({"a.py": "a\n", "b.py": "b\n"})
    (repo.root / "b.py").unlink()
    sha = repo.commit({"a.py": "a2\n", "ö dir/c.py": "c\n"})
    with open_history(repo.root) as history:
        assert history.changed_paths(sha) == (
            ChangedPath(path="a.py", letter="M"),
            ChangedPath(path="b.py", letter="D"),
            ChangedPath(path="ö dir/c.py", letter="A"),
        )
        assert [changed.letter for changed in history.changed_paths(root)] == ["A", "A"]


def test_a_merge_is_compared_with_its_first_parent(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n"})
    repo.git("checkout", "-qb", "side")
    repo.commit({"side.py": "s\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"main.py": "m\n"})
    repo.git("merge", "-q", "--no-edit", "side")
    with open_history(repo.root) as history:
        merge = history.commits(1)[0]
        assert merge.is_merge
        assert [changed.path for changed in history.changed_paths(merge.sha)] == ["side.py"]


def test_references_are_branches_and_tags_loose_or_packed(repo: GitRepo) -> None:
    sha = repo.commit({"a.py": "a\n"})
    repo.git("tag", "v1")
    repo.git("pack-refs", "--all")
    repo.git("branch", "feature/x")
    with open_history(repo.root) as history:
        assert history.references() == (
            Reference(name="refs/heads/feature/x", sha=sha),
            Reference(name="refs/heads/main", sha=sha),
            Reference(name="refs/tags/v1", sha=sha),
        )


def test_a_repository_without_a_commit_has_no_history(repo: GitRepo) -> None:
    with open_history(repo.root) as history:
        assert history.commits(5) == ()
        assert history.references() == ()


def test_a_linked_worktree_has_the_history_of_its_own_head(repo: GitRepo, tmp_path: Path) -> None:
    first = repo.commit({"a.py": "a\n"})
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    repo.commit({"a.py": "b\n"})
    with open_history(tmp_path / "linked") as history:
        assert [commit.sha for commit in history.commits(5)] == [first]


def test_an_unknown_revision_or_one_that_looks_like_an_option_is_an_error(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n"})
    with open_history(repo.root) as history:
        for revision in ("nowhere", "--output=stolen", "-x"):
            with pytest.raises(RepositoryError):
                history.commits(1, revision=revision)
            with pytest.raises(RepositoryError):
                history.changed_paths(revision)
    assert not (repo.root / "stolen").exists()


def test_variables_that_a_git_hook_sets_do_not_lead_to_another_repository(
    repo: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = repo.commit({"a.py": "a\n"})
    other = GitRepo(tmp_path / "other")
    other.commit({"o.py": "o\n"})
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.root / ".git" / "objects"))
    worktree = find(repo.root)
    assert isinstance(worktree, Worktree)
    assert worktree.head().sha == sha
    assert worktree.status().is_clean
    with History(worktree) as history:
        assert [commit.sha for commit in history.commits(5)] == [sha]


def test_git_libraries_are_imported_only_when_used() -> None:
    code = (
        "import sys, zeta_context.repository.discovery, zeta_context.repository.history\n"
        "assert not {'git', 'pygit2'} & set(sys.modules), 'too early'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
