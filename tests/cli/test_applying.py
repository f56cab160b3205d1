"""A prediction is written into its file whole, as it was read, or not at all."""

import os
import stat
from pathlib import Path

import pytest

from zeta_context.cli.applying import apply_prediction
from zeta_context.errors import DocumentError, StaleSnapshot, Unreadable
from zeta_context.predict.prediction import Prediction
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span


def predict(path: str, *edits: tuple[int, int, str]) -> Prediction:
    return Prediction(
        id="1",
        project="project",
        path=path,
        version=0,
        edits=tuple(TextEdit(Span(start, end), new) for start, end, new in edits),
        proposer="repeat",
        why="you did so above",
    )


def folder_is_untouched(folder: Path, before: dict[str, bytes]) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("data", "text", "expected"),
    [
        (b"one\ntwo\n", "one\ntwo\n", b"1\nx\ntwo\n"),
        (b"one\r\ntwo", "one\r\ntwo", b"1\r\nx\r\ntwo"),
        (b"\xef\xbb\xbfone\ntwo", "one\ntwo", b"\xef\xbb\xbf1\nx\ntwo"),
        ("\ufeffone\ntwö\n".encode("utf-16-le"), "one\ntwö\n", None),
        ("one\ntwö\n".encode("cp1252"), "one\ntwö\n", "1\nx\ntwö\n".encode("cp1252")),
    ],
)
def test_encoding_mark_and_line_endings_stay(
    tmp_path: Path, data: bytes, text: str, expected: bytes | None
) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(data)
    end = text.index("two" if "two" in text else "twö")
    apply_prediction(tmp_path, predict("a.py", (0, 3, "1"), (end, end, "x\n")), text)
    assert file.read_bytes() == (expected or "\ufeff1\nx\ntwö\n".encode("utf-16-le"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]


def test_the_mode_stays(tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text("one\n")
    file.chmod(0o750)
    apply_prediction(tmp_path, predict("run.sh", (0, 3, "two")), "one\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o750
    assert file.read_text() == "two\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\n")
    os.chown(file, 12345, 54321)
    apply_prediction(tmp_path, predict("a.py", (0, 3, "two")), "one\n")
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_a_link_within_the_project_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("one\n")
    (tmp_path / "link.py").symlink_to("real.py")
    apply_prediction(tmp_path, predict("link.py", (0, 3, "two")), "one\n")
    assert (tmp_path / "link.py").is_symlink()
    assert (tmp_path / "real.py").read_text() == "two\n"


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("other\n")
    before = {"a.py": b"other\n"}
    with pytest.raises(StaleSnapshot, match="changed meanwhile"):
        apply_prediction(tmp_path, predict("a.py", (0, 3, "two")), "one\n")
    assert folder_is_untouched(tmp_path, before)


def test_a_change_in_the_last_moment_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\n")

    def write_meanwhile(descriptor: int) -> None:
        file.write_text("typed\n")

    monkeypatch.setattr(os, "fsync", write_meanwhile)
    with pytest.raises(StaleSnapshot):
        apply_prediction(tmp_path, predict("a.py", (0, 3, "two")), "one\n")
    assert folder_is_untouched(tmp_path, {"a.py": b"typed\n"})


def test_a_read_only_file_is_refused_with_the_mend(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\n")
    file.chmod(0o444)
    with pytest.raises(DocumentError, match=r"a\.py is read-only; run `chmod u\+w`"):
        apply_prediction(tmp_path, predict("a.py", (0, 3, "two")), "one\n")
    assert folder_is_untouched(tmp_path, {"a.py": b"one\n"})


def test_a_character_that_the_encoding_lacks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("twö\n".encode("cp1252"))
    with pytest.raises(Unreadable):
        apply_prediction(tmp_path, predict("a.py", (0, 0, "日本")), "twö\n")
    assert folder_is_untouched(tmp_path, {"a.py": "twö\n".encode("cp1252")})


@pytest.mark.parametrize("kind", ["gone", "folder", "fifo", "link out", "dots"])
def test_what_is_no_plain_file_below_the_root_is_refused(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    outside = tmp_path / "outside.py"
    outside.write_text("one\n")
    name = "a.py"
    if kind == "folder":
        (root / name).mkdir()
    elif kind == "fifo":
        os.mkfifo(root / name)
    elif kind == "link out":
        (root / name).symlink_to(outside)
    elif kind == "dots":
        name = "../outside.py"
    with pytest.raises(DocumentError) as raised:
        apply_prediction(root, predict(name, (0, 3, "two")), "one\n")
    assert str(tmp_path) not in str(raised.value)
    assert outside.read_text() == "one\n"


def test_a_full_disk_leaves_the_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").write_text("one\n")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DocumentError, match="No space left on device"):
        apply_prediction(tmp_path, predict("a.py", (0, 3, "two")), "one\n")
    assert folder_is_untouched(tmp_path, {"a.py": b"one\n"})
