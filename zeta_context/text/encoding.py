"""Turns a file's bytes into text and back, byte for byte.

Only what can be told for certain is taken: Unicode by its mark or by being valid UTF-8, or the
encoding that the file itself declares in its first two lines (as Python, Emacs and Vim read it).
Line endings stay as they are. Knows nothing of files.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from zeta_context.errors import Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; UTF-32's begins like UTF-16's, so it is asked for first."""

_DECLARED = re.compile(rb"^[^\n]{0,200}?coding[:=][ \t]*([-\w.]+)[^\n]*$", re.MULTILINE)
_BINARY_PROBE = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class FileText:
    """A file's text, with the encoding and mark that lead back to its bytes."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""


def decode_file(data: bytes) -> FileText:
    """The text of a file; raises Unreadable when it is binary or its encoding cannot be told."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data, encoding, mark)
    if b"\0" in data[:_BINARY_PROBE]:
        raise Unreadable("the file is binary")
    try:
        return FileText(text=data.decode())
    except UnicodeDecodeError:
        declared = _DECLARED.search(b"\n".join(data.split(b"\n", 2)[:2]))
        if declared is None:
            raise Unreadable(
                "the file is no UTF-8 and declares no other encoding; convert it to UTF-8"
            ) from None
    return _decode(data, declared[1].decode("ascii", "replace"), b"")


def encode_file(file: FileText, text: str) -> bytes:
    """The bytes of another text in the file's own encoding.

    Raises Unreadable when the encoding cannot express it.
    """
    try:
        return file.mark + text.encode(file.encoding)
    except UnicodeEncodeError:
        raise Unreadable(
            f"the file's encoding, {file.encoding}, cannot express the new text"
        ) from None


def _decode(data: bytes, encoding: str, mark: bytes) -> FileText:
    body = data[len(mark) :]
    try:
        text = body.decode(encoding)
        is_faithful = isinstance(text, str) and text.encode(encoding) == body
    except (LookupError, ValueError):
        raise Unreadable("the file is not in the encoding that it declares") from None
    if not is_faithful:
        raise Unreadable("the file's encoding cannot be written back byte for byte")
    return FileText(text=text, encoding=encoding, mark=mark)
