"""A chain shows every change, is shared by processes, and survives a crash in a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.consent.chain import Chain


def make(path: Path, n: int = 6) -> Chain:
    chain = Chain(path / "ledger" / "ledger.jsonl", clock=lambda: 1_800_000_000.0)
    for number in range(n):
        chain.append("sending", {"record": f"r{number}", "text": "ü\n"})
    return chain


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    chain = make(tmp_path)
    assert [entry.fields["record"] for entry in chain.entries()] == [f"r{n}" for n in range(6)]
    assert chain.verify() == (6, ())
    assert Chain(chain.path).append("answer", {}).number == 7
    assert chain.verify() == (7, ())


def test_no_file_is_an_empty_chain(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "none" / "ledger.jsonl")
    assert chain.verify() == (0, ())
    assert tuple(chain.entries()) == ()
    assert not (tmp_path / "none").exists()


def test_the_files_are_the_user_s_alone(tmp_path: Path) -> None:
    chain = make(tmp_path)
    assert chain.path.parent.stat().st_mode & 0o777 == 0o700
    for file in chain.path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


@settings(max_examples=25)
@given(st.integers(0, 5), st.sampled_from(["change", "remove", "repeat", "swap", "insert"]))
def test_every_tampering_is_found(
    tmp_path_factory: pytest.TempPathFactory, at: int, how: str
) -> None:
    chain = make(tmp_path_factory.mktemp("chain"))
    lines = chain.path.read_bytes().splitlines(keepends=True)
    if how == "change":
        lines[at] = lines[at].replace(f"r{at}".encode(), b"rX")
    elif how == "remove":
        del lines[at]
    elif how == "repeat":
        lines.insert(at, lines[at])
    elif how == "swap":
        other = (at + 1) % 6
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines.insert(at, lines[at].replace(f"r{at}".encode(), b"rY"))
    chain.path.write_bytes(b"".join(lines))
    assert chain.verify()[1]


@settings(max_examples=6)
@given(st.integers(1, 6))
def test_a_missing_end_is_found(tmp_path_factory: pytest.TempPathFactory, n: int) -> None:
    chain = make(tmp_path_factory.mktemp("chain"))
    lines = chain.path.read_bytes().splitlines(keepends=True)
    chain.path.write_bytes(b"".join(lines[: 6 - n]))
    assert chain.verify()[1]


def test_a_line_that_a_crash_left_unfinished_is_taken_away(tmp_path: Path) -> None:
    chain = make(tmp_path)
    with chain.path.open("ab") as file:
        file.write(b'{"number": 7, "at": 1')
    assert chain.verify() == (6, ())
    assert chain.append("sending", {"record": "r6"}).number == 7
    assert chain.verify() == (7, ())


def test_a_crash_before_the_note_of_the_end_is_no_fault(tmp_path: Path) -> None:
    chain = make(tmp_path)
    note = chain.path.with_suffix(".end")
    before = note.read_bytes()
    chain.append("sending", {})
    note.write_bytes(before)
    assert chain.verify() == (7, ())


def test_a_damaged_last_line_stays_visible(tmp_path: Path) -> None:
    chain = make(tmp_path)
    with chain.path.open("ab") as file:
        file.write(b"garbage\n")
    chain.append("sending", {"record": "after"})
    assert chain.verify()[1]
    assert [entry.fields.get("record") for entry in chain.entries()][-1] == "after"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"")
    folder = tmp_path / "ledger"
    folder.mkdir(mode=0o700)
    (folder / "ledger.jsonl").symlink_to(target)
    with pytest.raises(OSError, match=r".*"):
        Chain(folder / "ledger.jsonl").append("sending", {})
    assert target.read_bytes() == b""


def test_processes_share_a_chain(tmp_path: Path) -> None:
    chain = make(tmp_path, 0)
    program = (
        "import sys; from pathlib import Path; from zeta_context.consent.chain import Chain\n"
        "c = Chain(Path(sys.argv[1]))\n"
        "for n in range(25): c.append('sending', {'n': n})\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(chain.path)]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert chain.verify() == (75, ())
