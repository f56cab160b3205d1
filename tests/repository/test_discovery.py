"""Which repository a path belongs to, and which repositories are refused."""

import os
from pathlib import Path

import pytest

from tests.git_repo import GitRepo
from zeta_context.repository.discovery import Location, NotOurs, locate


def refusal(path: Path) -> str:
    found = locate(path)
    assert isinstance(found, NotOurs), found
    assert not found
    assert found.detail
    return found.reason


def test_a_file_deep_in_the_tree_is_found_even_when_it_does_not_exist(repo: GitRepo) -> None:
    repo.write("a/b/c.py", "")
    for path in ("a/b/c.py", "a/b", "a/b/missing.py", "gone/also.py", "."):
        found = locate(repo.root / path)
        assert isinstance(found, Location)
        assert found.root == repo.root.resolve()
        assert found.git_directory == found.common_directory == repo.root.resolve() / ".git"


def test_no_repository_is_a_reason_that_names_the_mend(tmp_path: Path) -> None:
    found = locate(tmp_path)
    assert isinstance(found, NotOurs)
    assert found.reason == "no_repository"
    assert "git init" in found.detail


def test_a_root_that_is_reached_through_a_symbolic_link_is_still_ours(repo: GitRepo) -> None:
    repo.write("x.py", "")
    alias = repo.root.parent / "alias"
    alias.symlink_to(repo.root)
    found = locate(alias / "x.py")
    assert isinstance(found, Location)
    assert found.root == repo.root.resolve()


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_symbolic_link_out_of_the_root_is_refused(
    repo: GitRepo, tmp_path: Path, link: str
) -> None:
    secret = tmp_path / "elsewhere" / "id_rsa"
    secret.parent.mkdir()
    secret.write_text("key")
    if link == "file":
        (repo.root / "key.py").symlink_to(secret)
        assert refusal(repo.root / "key.py") == "outside_root"
    else:
        (repo.root / "lib").symlink_to(secret.parent)
        assert refusal(repo.root / "lib" / "id_rsa") == "outside_root"


def test_a_symbolic_link_within_the_root_is_ours(repo: GitRepo) -> None:
    repo.write("real.py", "x")
    (repo.root / "link.py").symlink_to("real.py")
    assert isinstance(locate(repo.root / "link.py"), Location)


def test_a_git_file_that_points_outside_is_refused(repo: GitRepo, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / ".git").write_text(f"gitdir: {repo.root / '.git'}\n")
    assert refusal(trap / "x.py") == "git_directory_elsewhere"


def test_a_git_folder_that_is_a_symbolic_link_is_refused(repo: GitRepo, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / ".git").symlink_to(repo.root / ".git")
    assert refusal(trap) == "git_directory_elsewhere"


def test_a_git_folder_that_shares_the_objects_of_another_is_refused(
    repo: GitRepo, tmp_path: Path
) -> None:
    trap = GitRepo(tmp_path / "trap")
    (trap.root / ".git" / "commondir").write_text(f"{repo.root / '.git'}\n")
    assert refusal(trap.root) == "git_directory_elsewhere"


def test_a_linked_worktree_is_ours_because_its_repository_points_back(
    repo: GitRepo, tmp_path: Path
) -> None:
    repo.commit({"a.py": "x\n"})
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    found = locate(tmp_path / "linked" / "a.py")
    assert isinstance(found, Location)
    assert found.root == (tmp_path / "linked").resolve()
    assert found.common_directory == repo.root.resolve() / ".git"

    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / ".git").write_bytes((tmp_path / "linked" / ".git").read_bytes())
    assert refusal(copied) == "git_directory_elsewhere"


def test_a_submodule_is_refused_by_its_name(repo: GitRepo, tmp_path: Path) -> None:
    library = GitRepo(tmp_path / "library")
    library.commit({"lib.py": "x\n"})
    repo.git(
        *("-c", "protocol.file.allow=always", "submodule", "add", "-q"),
        *(str(library.root), "vendored"),
    )
    assert refusal(repo.root / "vendored" / "lib.py") == "submodule"
    assert isinstance(locate(repo.root / "a.py"), Location)


def test_a_bare_repository_inside_the_tree_is_refused(repo: GitRepo) -> None:
    repo.git("init", "-q", "--bare", "inner.git")
    assert refusal(repo.root / "inner.git") == "embedded_bare"
    assert refusal(repo.root / "inner.git" / "hooks" / "x.py") == "embedded_bare"


def test_the_git_folder_itself_is_refused(repo: GitRepo) -> None:
    assert refusal(repo.root / ".git" / "config") == "inside_git_directory"


def test_an_empty_git_folder_does_not_hide_the_repository_above(repo: GitRepo) -> None:
    (repo.root / "sub" / ".git").mkdir(parents=True)
    found = locate(repo.root / "sub" / "a.py")
    assert isinstance(found, Location)
    assert found.root == repo.root.resolve()


def test_another_working_tree_named_in_the_configuration_is_refused(
    repo: GitRepo, tmp_path: Path
) -> None:
    repo.git("config", "core.worktree", str(tmp_path))
    assert refusal(repo.root) == "git_directory_elsewhere"


@pytest.mark.parametrize(
    "name", ["HEAD", "config", "index", "info/exclude", "info/attributes", "refs/heads/main"]
)
def test_a_fifo_in_place_of_a_git_file_is_refused_and_blocks_nothing(
    repo: GitRepo, name: str
) -> None:
    repo.commit({"a.py": "x\n"})
    target = repo.root / ".git" / name
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    os.mkfifo(target)
    assert refusal(repo.root) in {"special_file", "unreadable"}


@pytest.mark.parametrize("setting", ["core.excludesFile", "core.attributesFile", "include.path"])
def test_a_fifo_that_the_configuration_names_is_refused(
    repo: GitRepo, tmp_path: Path, setting: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    repo.git("config", setting, str(tmp_path / "fifo"))
    assert refusal(repo.root) == "special_file"


@pytest.mark.parametrize(
    "written",
    [
        "[core]\n\tattributesFile = @FIFO ; a comment\n",
        '[core]\n\tattributesFile = "@FIFO" # a comment\n',
        "[core] ATTRIBUTESFILE=@FIFO\n",
        '[includeIf "gitdir:]/"] path = @FI"F"O\n',
        "[core]\n\tattributesFile = @FI\\\nFO\n",
        "[core]\r\n\texcludesFile=@FI\\\r\nFO\r\n",
        '[include "x"] path = @FI\\FO\n',
    ],
)
def test_no_way_of_writing_a_setting_hides_a_fifo(repo: GitRepo, written: str) -> None:
    os.mkfifo(repo.root / ".git" / "FIFO")
    with (repo.root / ".git" / "config").open("a", newline="") as config:
        config.write(written.replace("@", f"{repo.root}/.git/"))
    assert refusal(repo.root) == "special_file"


def test_ordinary_settings_are_no_reason_to_refuse(repo: GitRepo) -> None:
    repo.write(".gitconfig", "[alias]\n\tst = status\n")
    for name, value in {
        "include.path": "../.gitconfig",
        "core.excludesFile": "~/.gitignore_global",
        "core.attributesFile": os.devnull,
        "core.hooksPath": ".githooks",
        "submodule.lib.path": "lib",
        "remote.origin.url": "https://example.org/a.git?path=/dev/null",
    }.items():
        repo.git("config", name, value)
    assert isinstance(locate(repo.root), Location)


def test_a_fifo_behind_an_include_of_an_include_is_refused(repo: GitRepo, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "second").write_text(f"[core]\n\tattributesFile = {tmp_path / 'fifo'}\n")
    (tmp_path / "first").write_text(f"[include]\n\tpath = {tmp_path / 'second'}\n")
    repo.git("config", "include.path", str(tmp_path / "first"))
    assert refusal(repo.root) == "special_file"


def test_includes_in_a_circle_and_an_endless_configuration_end(
    repo: GitRepo, tmp_path: Path
) -> None:
    circle = tmp_path / "circle"
    circle.write_text(f"[include]\n\tpath = {circle}\n\tpath = {circle}\n")
    repo.git("config", "include.path", str(circle))
    assert refusal(repo.root) == "unreadable"
    (repo.root / ".git" / "config").write_bytes(b"# " + b"x" * 2_000_000)
    assert refusal(repo.root) == "unreadable"


def test_a_path_that_cannot_be_one_is_a_reason_and_no_error() -> None:
    assert refusal(Path("/no\0where")) == "unreadable"


def test_no_reason_tells_an_absolute_path(repo: GitRepo, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / ".git").write_text(f"gitdir: {repo.root / '.git'}\n")
    for path in (tmp_path, tmp_path / "trap", repo.root / ".git"):
        found = locate(path)
        assert isinstance(found, NotOurs)
        assert str(tmp_path) not in found.detail
