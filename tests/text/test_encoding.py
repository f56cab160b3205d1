"""A file's bytes become text and come back the same, or the file is refused."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.errors import Unreadable
from zeta_context.text.encoding import FileText, decode_file, encode_file


@given(st.text())
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_marked_unicode_is_read_and_written_back(encoding: str, mark: bytes, text: str) -> None:
    if encoding == "utf-16-le" and text.startswith("\0"):
        return  # the bytes are a mark of UTF-32 then
    data = mark + text.encode(encoding)
    file = decode_file(data)
    assert file == FileText(text=text, encoding=encoding, mark=mark)
    assert encode_file(file, file.text) == data


@given(st.binary(max_size=300))
def test_whatever_is_read_is_written_back_byte_for_byte(data: bytes) -> None:
    try:
        file = decode_file(data)
    except Unreadable:
        return
    assert encode_file(file, file.text) == data


def test_line_endings_and_a_missing_last_one_stay() -> None:
    assert decode_file(b"a\r\nb\nc\rd").text == "a\r\nb\nc\rd"


@pytest.mark.parametrize(
    "head", ["# -*- coding: latin-1 -*-", "#!/bin/sh\n# vim: set fileencoding=latin-1 :"]
)
def test_a_declared_encoding_is_taken_where_utf_8_does_not_fit(head: str) -> None:
    data = f"{head}\nname = 'Jürgen'\n".encode("latin-1")
    file = decode_file(data)
    assert "Jürgen" in file.text
    assert encode_file(file, file.text.replace("Jürgen", "Zoë")).endswith(b"'Zo\xeb'\n")
    with pytest.raises(Unreadable, match="cannot express"):
        encode_file(file, "日本")


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\0\0",
        b"caf\xe9",
        b"one\ntwo\n# coding: latin-1\n\xe9",
        b"# coding: nothing-known\n\xe9",
        b"# coding: hex\n\xe9",
        b"# coding: ascii\n\xe9",
        codecs.BOM_UTF8 + b"\xff",
        codecs.BOM_UTF16_LE + b"\x00",
    ],
)
def test_binary_files_and_encodings_that_cannot_be_told_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_file(data)
