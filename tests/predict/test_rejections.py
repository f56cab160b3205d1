"""What was rejected is remembered: where, how long, how much, and that no text is kept."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from tests.predict.desk import put, swap
from zeta_context.counts import Counts
from zeta_context.predict.rejections import (
    MAX_AGE_S,
    MAX_REJECTIONS,
    RejectionMemory,
    Rejections,
)
from zeta_context.text.snapshot import TextSnapshot

TEXT = TextSnapshot("import os\n\nuser = load(1)\nprint(user)\n")
RENAME = swap(11, 15, "account")


def memory_of(
    file: Path | None = None, counts: Counts | None = None, at: float = 1e9
) -> RejectionMemory:
    return RejectionMemory(file, counts=counts, clock=lambda: at)


def test_the_same_edit_is_known_and_others_are_not() -> None:
    memory = memory_of()
    memory.add("a.py", TEXT, [RENAME])
    assert memory.has("a.py", TEXT, [RENAME])
    assert memory.has("a.py", TEXT, [RENAME, swap(32, 36, "other")])
    assert not memory.has("a.py", TEXT, [swap(11, 15, "person")])
    assert not memory.has("b.py", TEXT, [RENAME])


def test_it_is_known_in_other_words_and_at_a_place_that_has_moved() -> None:
    memory = memory_of()
    memory.add("a.py", TEXT, [RENAME])
    moved = TextSnapshot("# a\n# b\n" + TEXT.text)
    assert memory.has("a.py", moved, [swap(19, 23, "account")])
    # The same rows by another edit.
    assert memory.has("a.py", TEXT, [swap(11, 25, "account = load(1)")])


def test_far_away_it_may_come_again_unless_the_rows_around_say_it_is_the_place() -> None:
    memory = memory_of()
    memory.add("a.py", TEXT, [RENAME])
    rows = "".join(f"x{number} = {number}\n" for number in range(40))
    far = TextSnapshot(f"{rows}\n\nuser = load(1)\n{rows}")
    assert not memory.has("a.py", far, [swap(len(rows) + 2, len(rows) + 6, "account")])
    same_place = TextSnapshot(rows + TEXT.text)
    at = len(rows) + 11
    assert memory.has("a.py", same_place, [swap(at, at + 4, "account")])


def test_it_outlives_the_process_and_keeps_no_text(tmp_path: Path) -> None:
    file = tmp_path / "state" / "r.json"
    memory_of(file).add("secret_name.py", TEXT, [RENAME])
    content = file.read_text()
    for word in ("secret_name", "user", "account", "load", "print"):
        assert word not in content
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.parent.iterdir()] == ["r.json"]
    again = memory_of(file)
    assert again.has("secret_name.py", TEXT, [RENAME])
    again.add("secret_name.py", TEXT, [put(0, "x")])
    assert len(memory_of(file)) == 2


def test_two_processes_do_not_forget_each_others(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    one, other = memory_of(file), memory_of(file)
    assert not other.has("a.py", TEXT, [RENAME])
    one.add("a.py", TEXT, [RENAME])
    other.add("a.py", TEXT, [put(0, "x")])
    third = memory_of(file)
    assert third.has("a.py", TEXT, [RENAME])
    assert third.has("a.py", TEXT, [put(0, "x")])


def test_it_is_bounded_and_forgets_the_oldest(tmp_path: Path) -> None:
    memory = memory_of()
    for number in range(MAX_REJECTIONS + 20):
        memory.add("a.py", TEXT, [put(0, f"name{number}")])
    assert len(memory) == MAX_REJECTIONS
    assert not memory.has("a.py", TEXT, [put(0, "name0")])
    assert memory.has("a.py", TEXT, [put(0, f"name{MAX_REJECTIONS + 19}")])


def test_after_a_month_it_may_be_said_again(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    memory_of(file, at=1e9).add("a.py", TEXT, [RENAME])
    assert memory_of(file, at=1e9 + MAX_AGE_S - 1).has("a.py", TEXT, [RENAME])
    assert not memory_of(file, at=1e9 + MAX_AGE_S + 2).has("a.py", TEXT, [RENAME])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema": 0, "salt": "00", "rejections": []}',
        b'{"schema": 1, "salt": "zz", "rejections": []}',
        b'{"schema": 1, "salt": "00", "rejections": [[1, 2, 3]]}',
        b'{"schema": 1, "salt": "00", "rejections": [[1, 2, "0", "a", "b", "c", []]]}',
        b"[" * 100_000,
        b" " * 2_000_000,
    ],
)
def test_a_file_that_cannot_be_read_is_counted_and_made_new(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(content)
    counts = Counts()
    memory = memory_of(file, counts)
    assert not memory.has("a.py", TEXT, [RENAME])
    assert counts.total("rejections_unreadable") == 1
    memory.add("a.py", TEXT, [RENAME])
    assert json.loads(file.read_text())["schema"] == 1
    assert memory_of(file).has("a.py", TEXT, [RENAME])


def test_a_folder_that_cannot_be_written_costs_the_memory_not_the_session(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    counts = Counts()
    memory = memory_of(blocker / "r.json", counts)
    memory.add("a.py", TEXT, [RENAME])
    assert memory.has("a.py", TEXT, [RENAME])
    assert counts.total("rejections_unwritable") == 1


def test_each_project_has_its_own(tmp_path: Path) -> None:
    roots = {"one": tmp_path / "one", "two": tmp_path / "two"}
    rejections = Rejections(roots.__getitem__, folder=tmp_path / "state")
    rejections.add("one", "a.py", TEXT, [RENAME])
    assert rejections.has("one", "a.py", TEXT, [RENAME])
    assert not rejections.has("two", "a.py", TEXT, [RENAME])
    again = Rejections(roots.__getitem__, folder=tmp_path / "state")
    assert again.has("one", "a.py", TEXT, [RENAME])
