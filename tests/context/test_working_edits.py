"""The uncommitted changes of a real repository, as edits in the order a user would tell them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.git_repo import GitRepo
from zeta_context.context.working_edits import WorkingEdits, order_edits, read_working_edits
from zeta_context.repository.worktree import Worktree, find
from zeta_context.text.edit import TextEdit


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitRepo:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return GitRepo(tmp_path / "project")


def read(repo: GitRepo, focus: str, focus_row: int = 0, **options: int) -> WorkingEdits:
    worktree = find(repo.root)
    assert isinstance(worktree, Worktree)
    return read_working_edits(worktree, focus=focus, focus_row=focus_row, **options)


def apply_in_order(text: str, edits: tuple[TextEdit, ...]) -> str:
    for edit in edits:
        text = text[: edit.span.start] + edit.new_text + text[edit.span.end :]
    return text


rows = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "x = 1\n", "y", "\n"]), max_size=12)


@given(rows, rows, st.one_of(st.none(), st.integers(0, 12)))
def test_the_edits_lead_to_the_file_as_it_is_in_whatever_order(
    old: list[str], new: list[str], focus_row: int | None
) -> None:
    before, after = "".join(old), "".join(new)
    edits = order_edits(before, after, focus_row)
    assert apply_in_order(before, edits) == after
    assert all(not edit.is_empty for edit in edits)


def test_the_place_nearest_to_the_cursor_comes_last_in_its_file() -> None:
    before = "".join(f"row {i}\n" for i in range(30))
    after = before
    for i in (2, 10, 25):
        after = after.replace(f"row {i}\n", f"new {i}\n")

    def order(focus_row: int | None) -> list[str]:
        text, seen = before, []
        for edit in order_edits(before, after, focus_row):
            seen.append(text[: edit.span.start].count("\n"))
            text = apply_in_order(text, (edit,))
        return [str(row) for row in seen]

    assert order(None) == ["2", "10", "25"]
    assert order(28) == ["2", "10", "25"]
    assert order(0) == ["25", "10", "2"]
    assert order(11) == ["25", "2", "10"]


def test_files_come_by_their_time_and_the_one_at_the_cursor_last(repo: GitRepo) -> None:
    repo.commit(dict.fromkeys(("a.py", "b.py", "c.py"), "one\ntwo\n"))
    for name, at in (("a.py", 300), ("b.py", 100), ("c.py", 200)):
        os.utime(repo.write(name, "one\n2\n"), (at, at))
    files = read(repo, "b.py").files
    assert [file.path for file in files] == ["c.py", "a.py", "b.py"]
    assert files[0].edits == (TextEdit(files[0].edits[0].span, "2"),)
    assert (files[0].text_before, files[0].text_after) == ("one\ntwo\n", "one\n2\n")
    assert files[0].modified_at == 200


def test_new_files_tell_an_insertion_except_the_one_at_the_cursor(repo: GitRepo) -> None:
    repo.commit({"a.py": "a\n"})
    repo.write("new.py", "x = 1\ny = 2\n")
    repo.write("long.py", "x" * 7000)
    edits = read(repo, "a.py")
    assert [(file.path, file.is_new) for file in edits.files] == [("new.py", True)]
    assert edits.files[0].edits[0].new_text == "x = 1\ny = 2\n"
    assert edits.skipped["new_file"] == 1
    assert read(repo, "new.py").files == ()


def test_deleted_renamed_and_binary_files_are_counted(repo: GitRepo) -> None:
    repo.commit({"gone.py": "g\n", "old.py": "o\n", "data.bin": b"\0\1", "a.py": "a\n"})
    (repo.root / "gone.py").unlink()
    (repo.root / "old.py").rename(repo.root / "moved.py")
    repo.write("data.bin", b"\0\2")
    edits = read(repo, "a.py")
    assert edits.files == ()
    assert edits.skipped == {"deleted_file": 2, "renamed_file": 1, "not_text": 1}


def test_only_the_newest_edits_are_told_and_the_older_ones_are_in_the_text_before(
    repo: GitRepo,
) -> None:
    before = "".join(f"row {i}\n" for i in range(40))
    repo.commit({"old.py": before, "a.py": before})
    after = before
    for i in (0, 10, 20, 30):
        after = after.replace(f"row {i}\n", f"new {i}\n")
    os.utime(repo.write("old.py", after), (1, 1))
    repo.write("a.py", after)
    edits = read(repo, "a.py", 30, max_edits=3)
    assert edits.edit_count == 3
    assert edits.skipped["older_edits"] == 5
    (file,) = edits.files
    assert file.path == "a.py"
    assert "new 0" in file.text_before
    assert "row 10" in file.text_before
    assert apply_in_order(file.text_before, file.edits) == file.text_after == after


def test_a_repository_without_a_commit_has_only_new_files(repo: GitRepo) -> None:
    repo.write("a.py", "a\n")
    repo.write("b.py", "b\n")
    assert [file.path for file in read(repo, "a.py").files] == ["b.py"]
