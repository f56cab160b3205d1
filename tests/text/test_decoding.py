"""Which encoding the bytes of a file are in."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.errors import Unreadable
from zeta_context.text.decoding import decode, find_newline

TEXT = "naïve €\r\nαβ𝒳\r\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), "utf-32-be"),
    ],
)
def test_unicode_is_told_by_its_mark_or_by_being_utf8(data: bytes, encoding: str) -> None:
    decoded = decode(data)
    assert (decoded.text, decoded.encoding, decoded.newline) == (TEXT, encoding, "\r\n")
    assert decoded.encode(decoded.text) == data


def test_what_is_not_utf8_is_windows_1252() -> None:
    decoded = decode("café – 5 €\n".encode("cp1252"))
    assert (decoded.text, decoded.encoding) == ("café – 5 €\n", "cp1252")
    with pytest.raises(Unreadable):
        decoded.encode("α")


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\0\0",
        "no mark".encode("utf-16-le"),
        b"\x89PNG\r\n\x1a\n\x01",
        "é".encode() + "é".encode("cp1252"),
        b"\x81\x8d",
        codecs.BOM_UTF16_LE + b"\x00",
        codecs.BOM_UTF8 + b"\xff",
    ],
)
def test_binary_and_mixed_bytes_are_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(data)
    assert "\\x" not in str(caught.value)


def test_an_empty_file_is_empty_text() -> None:
    assert (decode(b"").text, decode(b"").newline) == ("", "")


def test_the_newline_is_the_one_that_most_rows_have() -> None:
    assert find_newline("a\r\nb\nc\n") == "\n"
    assert find_newline("a\r\nb\r\nc\n") == "\r\n"
    assert find_newline("a\rb\r") == "\r"
    assert find_newline("a") == ""


@given(st.binary(max_size=40))
def test_whatever_is_decoded_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        decoded = decode(data)
    except Unreadable:
        return
    assert decoded.encode(decoded.text) == data


@given(st.text(max_size=40).filter(lambda text: "\0" not in text and text[:1] != "\ufeff"))
def test_all_text_in_utf8_is_read_as_it_is(text: str) -> None:
    assert decode(text.encode()).text == text
