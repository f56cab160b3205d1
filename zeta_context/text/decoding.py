"""Text from the bytes of a file: which encoding, which line endings, or that it is no text.

Knows nothing of files. The encoding is told in this order: a byte order mark (UTF-8, UTF-16,
UTF-32); UTF-8, strictly; Windows-1252, strictly, of which printable Latin-1 is a part. Latin-1
itself is no last resort: it would take anything, and what only it takes holds control characters
that occur in no text. Bytes that are UTF-8 here and not there are refused too, since either reading
would silently spoil part of them. `Decoded.encode` gives back the very bytes that were read.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

from zeta_context.errors import Unreadable

FileEncoding = Literal[
    "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp1252"
]
"""Names of Python's codecs; all UTF-16 and UTF-32 files here begin with a byte order mark."""

Newline = Literal["\n", "\r\n", "\r", ""]

_MARKS: tuple[tuple[bytes, FileEncoding], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""The marks of UTF-32 come first, because that of UTF-16 LE is the beginning of one of them."""

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that occur in no 8-bit text; tab, form feed and escape do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The text of a file, as it stands: line endings are kept, a byte order mark is not part of it.

    `newline` is the ending that most rows have, the first of equals, and empty if there is none.
    """

    text: str
    encoding: FileEncoding
    newline: Newline

    def encode(self, text: str) -> bytes:
        """Bytes of a text in this file's encoding, with its byte order mark.

        Raises Unreadable when the encoding lacks a character.
        """
        try:
            body = text.encode("utf-8" if self.encoding == "utf-8-sig" else self.encoding)
        except UnicodeEncodeError:
            raise Unreadable(f"text that cannot be written in {self.encoding}") from None
        mark = next((mark for mark, encoding in _MARKS if encoding == self.encoding), b"")
        return mark + body


def decode(data: bytes) -> Decoded:
    """The text that the bytes of a file hold; Unreadable if it is binary or cannot be told."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            codec = "utf-8" if encoding == "utf-8-sig" else encoding
            return _decode(data[len(mark) :], codec, encoding)
    if b"\0" in data:
        raise Unreadable("binary: it holds a zero byte")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        if _CONTROL.search(data):
            raise Unreadable("binary: neither UTF-8 nor text in one byte a character") from None
        if _has_utf8(data):
            raise Unreadable("UTF-8 in part only: its encoding cannot be told") from None
        return _decode(data, "cp1252", "cp1252")
    return Decoded(text=text, encoding="utf-8", newline=find_newline(text))


def find_newline(text: str) -> Newline:
    """The line ending that most rows of a text have."""
    pairs = text.count("\r\n")
    counts: dict[Newline, int] = {
        "\n": text.count("\n") - pairs,
        "\r\n": pairs,
        "\r": text.count("\r") - pairs,
    }
    most = max(counts, key=lambda newline: counts[newline])
    return most if counts[most] else ""


def _decode(data: bytes, codec: str, encoding: FileEncoding) -> Decoded:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        raise Unreadable(f"not the {codec} that it seemed to be") from None
    return Decoded(text=text, encoding=encoding, newline=find_newline(text))


def _has_utf8(data: bytes) -> bool:
    """Whether some characters of the bytes, which are not UTF-8 as a whole, are in UTF-8."""
    text = data.decode("utf-8", "surrogateescape")
    return any(character > "\x7f" and not "\udc80" <= character <= "\udcff" for character in text)
