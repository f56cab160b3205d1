"""What the working tree says of HEAD, of the paths that differ, and of their contents."""

import os
import shutil
from pathlib import Path

import pytest

from tests.git_repo import GitRepo
from zeta_context.counts import Counts
from zeta_context.errors import RepositoryError
from zeta_context.repository.worktree import Change, Limits, NotOurs, Worktree, find


def open_worktree(repo: GitRepo, limits: Limits | None = None) -> Worktree:
    found = find(repo.root, limits=limits)
    assert isinstance(found, Worktree), found
    return found


def changes_of(worktree: Worktree) -> dict[str, tuple[bytes | None, bytes | None]]:
    return {change.path: (change.old, change.new) for change in worktree.uncommitted().changes}


def test_head_is_a_branch_a_commit_or_not_born_yet(repo: GitRepo) -> None:
    worktree = open_worktree(repo)
    assert worktree.head().is_unborn
    assert worktree.head().branch == "main"
    sha = repo.commit({"a.py": "x\n"})
    assert (worktree.head().sha, worktree.head().branch) == (sha, "main")
    assert not worktree.head().is_detached
    repo.git("checkout", "-q", "--detach")
    assert worktree.head().is_detached
    assert worktree.head().sha == sha


def test_status_tells_apart_what_is_staged_modified_deleted_untracked_and_ignored(
    repo: GitRepo,
) -> None:
    repo.commit({"a.py": "a\n", "b.py": "b\n", "c.py": "c\n", ".gitignore": "*.log\nbuild/\n"})
    worktree = open_worktree(repo)
    assert worktree.status().is_clean
    repo.write("a.py", "a2\n")
    repo.git("add", "a.py")
    repo.write("a.py", "a3\n")
    repo.write("b.py", "b2\n")
    (repo.root / "c.py").unlink()
    repo.write("new/deep/d.py", "d\n")
    repo.write("new/noise.log", "n\n")
    repo.write("build/out.py", "o\n")
    status = worktree.status()
    assert status.staged == ("a.py",)
    assert status.modified == ("a.py", "b.py")
    assert status.deleted == ("c.py",)
    assert status.untracked == ("new/deep/d.py",)
    assert not status.is_clean


def test_status_agrees_with_git_itself_about_names_that_need_quoting(repo: GitRepo) -> None:
    repo.commit({"täst file.py": "x\n", "plain.py": "x\n"})
    repo.write("täst file.py", "y\n")
    repo.write('quote".py', "z\n")
    repo.write("plain.py", "x\n")
    shown = repo.git("-c", "core.quotePath=false", "ls-files", "-mo", "-z").split("\0")
    from_git = {line for line in shown if line}
    status = open_worktree(repo).status()
    assert {*status.modified, *status.untracked} == from_git == {"täst file.py", 'quote".py'}


def test_uncommitted_gives_old_and_new_contents_against_head(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n", "gone.py": "g\n", "same.py": "s\n", "back.py": "k\n"})
    repo.write("a.py", "staged\n")
    repo.write("back.py", "staged, then put back\n")
    repo.git("add", "-A")
    repo.write("a.py", "a2\n")
    repo.write("back.py", "k\n")
    (repo.root / "gone.py").unlink()
    repo.write("new.py", "n\n")
    os.utime(repo.root / "same.py", (1, 1))
    assert changes_of(open_worktree(repo)) == {
        "a.py": (b"a\n", b"a2\n"),
        "gone.py": (b"g\n", None),
        "new.py": (None, b"n\n"),
    }


def test_a_repository_without_a_commit_has_only_new_files(repo: GitRepo) -> None:
    repo.write("a.py", "a\n")
    repo.write("b.py", "b\n")
    repo.git("add", "a.py")
    worktree = open_worktree(repo)
    assert changes_of(worktree) == {"a.py": (None, b"a\n"), "b.py": (None, b"b\n")}
    assert worktree.status().staged == ("a.py",)
    assert worktree.head_text("a.py") is None


def test_head_text_is_what_was_committed(repo: GitRepo) -> None:
    repo.commit({"d/a.py": b"\xff\x00raw\r\n"})
    repo.write("d/a.py", "other")
    (repo.root / "link.py").symlink_to("d/a.py")
    repo.git("add", "link.py")
    repo.git("commit", "-qm", "link")
    worktree = open_worktree(repo)
    assert worktree.head_text("d/a.py") == b"\xff\x00raw\r\n"
    for path in ("d", "missing.py", "link.py", "../a.py", "/d/a.py", ""):
        assert worktree.head_text(path) is None


def test_tracked_paths_are_those_of_the_index_up_to_a_limit(repo: GitRepo) -> None:
    repo.write("staged.py", "s\n")
    repo.write("d/b.py", "b\n")
    repo.git("add", "-A")
    repo.write("untracked.py", "u\n")
    assert open_worktree(repo).tracked_paths() == ("d/b.py", "staged.py")
    assert open_worktree(repo).tracked_paths(limit=1) == ("d/b.py",)


def test_ignore_rules_are_those_of_git(repo: GitRepo) -> None:
    repo.commit({".gitignore": "*.log\n!keep.log\n/out/\n", "sub/.gitignore": "tmp\n"})
    worktree = open_worktree(repo)
    for path, ignored in {
        "a.log": True,
        "keep.log": False,
        "out/": True,
        "sub/out/": False,
        "sub/tmp": True,
        "tmp": False,
    }.items():
        assert worktree.is_ignored(path) is ignored, path


def test_a_conflicted_file_is_named_and_left_out_of_the_changes(repo: GitRepo) -> None:
    repo.commit({"a.py": "base\n"})
    repo.git("checkout", "-qb", "side")
    repo.commit({"a.py": "side\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a.py": "main\n"})
    with pytest.raises(AssertionError):
        repo.git("merge", "side")
    worktree = open_worktree(repo)
    assert worktree.status().conflicted == ("a.py",)
    assert worktree.uncommitted().changes == ()
    assert worktree.uncommitted().skipped == {"conflicted": 1}


def test_links_special_files_and_nested_repositories_are_counted_and_not_read(
    repo: GitRepo, tmp_path: Path
) -> None:
    repo.commit({"tracked.py": "t\n"})
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (repo.root / "tracked.py").unlink()
    (repo.root / "tracked.py").symlink_to(secret)
    (repo.root / "new").mkdir()
    (repo.root / "new" / "link.py").symlink_to(secret)
    os.mkfifo(repo.root / "new" / "fifo.py")
    GitRepo(repo.root / "new" / "inner").write("inner.py", "i\n")
    repo.git("init", "-q", "--bare", "new/bare.git")
    repo.write("new/fine.py", "f\n")
    uncommitted = open_worktree(repo).uncommitted()
    assert [change.path for change in uncommitted.changes] == ["new/fine.py"]
    assert uncommitted.skipped == {
        "symlink": 2,
        "special_file": 1,
        "nested_repository": 1,
        "embedded_bare": 1,
    }


def test_a_folder_swapped_for_a_link_does_not_lead_out_of_the_root(
    repo: GitRepo, tmp_path: Path
) -> None:
    repo.commit({"pkg/a.py": "a\n"})
    shutil.move(repo.root / "pkg", tmp_path / "moved")
    (tmp_path / "moved" / "a.py").write_text("secret\n")
    (repo.root / "pkg").symlink_to(tmp_path / "moved")
    for change in open_worktree(repo).uncommitted().changes:
        assert change.new is None


def test_a_changed_submodule_is_left_out(repo: GitRepo, tmp_path: Path) -> None:
    library = GitRepo(tmp_path / "library")
    library.commit({"lib.py": "x\n"})
    repo.git(
        *("-c", "protocol.file.allow=always", "submodule", "add", "-q"),
        *(str(library.root), "vendored"),
    )
    repo.commit()
    (repo.root / "vendored" / "lib.py").write_text("changed\n")
    worktree = open_worktree(repo)
    assert worktree.status().is_clean
    relative = worktree.relative(repo.root / "vendored" / "lib.py")
    assert isinstance(relative, NotOurs)
    assert relative.reason == "submodule"


def test_relative_paths_are_posix_below_the_root_or_a_reason(repo: GitRepo, tmp_path: Path) -> None:
    counts = Counts()
    repo.write("a/b.py", "x")
    (repo.root / "link.py").symlink_to("a/b.py")
    worktree = find(repo.root / "a", counts=counts)
    assert isinstance(worktree, Worktree)
    assert worktree.relative(repo.root / "a" / "b.py") == "a/b.py"
    assert worktree.relative(repo.root / "link.py") == "a/b.py"
    other = GitRepo(repo.root / "inner")
    nested = worktree.relative(other.root / "x.py")
    assert isinstance(nested, NotOurs)
    assert nested.reason == "nested_repository"
    outside = worktree.relative(tmp_path / "x.py")
    assert isinstance(outside, NotOurs)
    assert counts.totals() == {"git_nested_repository": 1, "git_no_repository": 1}


def test_line_endings_that_git_converts_make_no_change(repo: GitRepo) -> None:
    repo.commit({"a.txt": "one\ntwo\n", "b.txt": "one\ntwo\n"})
    repo.git("config", "core.autocrlf", "true")
    repo.write("a.txt", "one\r\ntwo\r\n")
    repo.write("b.txt", "one\r\n2\r\n")
    assert changes_of(open_worktree(repo)) == {"b.txt": (b"one\r\ntwo\r\n", b"one\r\n2\r\n")}


def test_bounds_are_kept_and_what_lies_beyond_is_counted(repo: GitRepo) -> None:
    repo.commit({f"f{i}.py": f"{i}\n" for i in range(6)})
    for i in range(6):
        os.utime(repo.write(f"f{i}.py", f"changed {i}\n"), (1000 + i, 1000 + i))
    repo.write("large.py", "x" * 5000)
    limits = Limits(max_files=3, max_file_bytes=4000)
    worktree = open_worktree(repo, limits)
    uncommitted = worktree.uncommitted()
    assert [change.path for change in uncommitted.changes] == ["f3.py", "f4.py", "f5.py"]
    assert [change.modified_at for change in uncommitted.changes] == [1003, 1004, 1005]
    assert uncommitted.skipped == {"too_large": 1, "too_many_files": 3}
    few_bytes = open_worktree(repo, Limits(max_total_bytes=10)).uncommitted()
    assert few_bytes.skipped["too_many_bytes"] > 0
    repo.commit({f"tree/many/{i}.py": "x" for i in range(5)})
    for i in range(30):
        repo.write(f"heap/{i}.py", "x")
    scanned = open_worktree(repo, Limits(max_scanned=10)).status()
    assert len(scanned.untracked) < 10
    assert scanned.skipped["too_many_files"] > 0


def test_a_name_that_is_no_unicode_is_counted(repo: GitRepo) -> None:
    repo.commit({"a.py": "x"})
    (repo.root / "new").mkdir()
    for name in (b"caf\xe9.py", b"new/caf\xe9.py"):
        Path(os.fsdecode(os.fsencode(repo.root) + b"/" + name)).write_text("x")
    status = open_worktree(repo).status()
    assert status.untracked == ()
    assert status.skipped["path_encoding"] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_refused_unless_the_user_trusts_it(
    repo: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pygit2

    repo.commit({"a.py": "x\n"})
    for path in (repo.root, repo.root / ".git"):
        os.chown(path, 12345, 12345)
    counts = Counts()
    found = find(repo.root, counts=counts)
    assert isinstance(found, NotOurs)
    assert found.reason == "other_owner"
    assert "safe.directory" in found.detail
    assert counts.total("git_other_owner") == 1

    with (repo.root / ".git" / "config").open("a") as config:
        config.write("[safe]\n\tdirectory = *\n")
    assert isinstance(find(repo.root), NotOurs), "a repository cannot vouch for itself"

    level = pygit2.enums.ConfigLevel.GLOBAL
    saved = pygit2.settings.search_path[level]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(f"[safe]\n\tdirectory = {repo.root}\n")
    pygit2.settings.search_path[level] = str(tmp_path / "home")
    try:
        assert isinstance(find(repo.root), Worktree)
    finally:
        pygit2.settings.search_path[level] = saved


def test_a_read_only_tree_is_read_like_any_other(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n"})
    repo.write("a.py", "b\n")
    folders = [Path(folder) for folder, _, _ in os.walk(repo.root)]
    before = {path: path.stat().st_mtime_ns for path in repo.root.rglob("*")}
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert changes_of(open_worktree(repo)) == {"a.py": (b"a\n", b"b\n")}
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert {path: path.stat().st_mtime_ns for path in repo.root.rglob("*")} == before


def test_a_damaged_repository_is_an_error_that_names_the_mend(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n"})
    worktree = open_worktree(repo)
    for path in (repo.root / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")
    with pytest.raises(RepositoryError, match="git fsck"):
        worktree.status()


def test_a_file_that_blocks_git_ends_at_the_deadline_and_is_asked_no_more(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n"})
    repo.write("a.py", "b\n")
    os.mkfifo(repo.root / ".gitattributes")
    counts = Counts()
    worktree = find(repo.root, limits=Limits(deadline_s=0.3), counts=counts)
    assert isinstance(worktree, Worktree)
    with pytest.raises(RepositoryError, match=r"longer than 0\.3 s"):
        worktree.uncommitted()
    with pytest.raises(RepositoryError, match="not asked again"):
        worktree.head()
    assert counts.total("git_deadline") == 1
    with (repo.root / ".gitattributes").open("w"):
        pass  # lets the blocked thread go


def test_a_filtered_file_is_left_out_because_only_a_program_could_compare_it(
    repo: GitRepo,
) -> None:
    repo.commit({".gitattributes": "*.bin filter=lfs\n*.txt working-tree-encoding=UTF-16\n"})
    repo.commit({"plain.py": "p\n"})
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
    blob = repo.git("hash-object", "-w", "--stdin", input=pointer)
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},model.bin")
    repo.git("commit", "-qm", "pointer")
    repo.write("model.bin", b"abc")
    repo.write("plain.py", "q\n")
    uncommitted = open_worktree(repo).uncommitted()
    assert [change.path for change in uncommitted.changes] == ["plain.py"]
    assert uncommitted.skipped == {"filtered": 1}


def test_a_partial_clone_is_understood(
    repo: GitRepo,
) -> None:
    repo.commit({"a.py": "a\n"})
    repo.write("a.py", "b\n")
    repo.git("config", "core.repositoryFormatVersion", "1")
    repo.git("config", "extensions.partialClone", "origin")
    assert changes_of(open_worktree(repo)) == {"a.py": (b"a\n", b"b\n")}


def test_changes_carry_the_time_of_the_file(repo: GitRepo) -> None:
    os.utime(repo.write("a.py", "a\n"), (5, 5))
    assert open_worktree(repo).uncommitted().changes == (
        Change(path="a.py", old=None, new=b"a\n", modified_at=5.0),
    )
