"""Files that can be read as text, and those that only look like it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zeta_context.errors import Unreadable
from zeta_context.events.language import language_of
from zeta_context.events.reading import read_text


def test_the_text_of_a_file_is_read_with_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"a\r\n")
    decoded = read_text(tmp_path / "a.py")
    assert (decoded.text, decoded.encoding, decoded.newline) == ("a\r\n", "utf-8", "\r\n")


def test_what_is_gone_binary_too_large_or_no_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\0\1")
    (tmp_path / "large").write_bytes(b"x" * 101)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name in ("gone", "binary", "large", "folder", "loop", "pipe", "zero\0"):
        with pytest.raises(Unreadable) as caught:
            read_text(tmp_path / name, max_bytes=100)
        assert name in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no /dev/zero here")
def test_a_device_is_not_read() -> None:
    with pytest.raises(Unreadable):
        read_text(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("path", "given", "language"),
    [
        ("src/a.py", "", "python"),
        ("a.d.ts", "", "typescript"),
        ("A.TSX", "", "typescriptreact"),
        ("deploy/Dockerfile", "", "dockerfile"),
        ("Makefile", "", "makefile"),
        ("LICENSE", "", ""),
        (".gitignore", "", ""),
        ("script", "sh", "shellscript"),
        ("a.h", "cpp", "cpp"),
        ("a.jsx", "javascript.jsx", "javascript"),
        ("go.mod", "", "go.mod"),
    ],
)
def test_the_language_is_what_the_editor_says_or_the_name_shows(path, given, language) -> None:
    assert language_of(path, given) == language
