"""The base protocol's framing: bytes to messages and back, with every original byte kept.

Knows nothing of JSON, requests or streams: a body is bytes. Frames are as the Language Server
Protocol 3.17 defines them ("Base Protocol": header fields, an empty line, `Content-Length` bytes).
Light enough to be imported by a process that does nothing but relay.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from zeta_context.errors import FramingError

MAX_HEADER_BYTES = 8192
"""A header without its end within so many bytes is an error."""

MAX_BODY_BYTES = 512 * 1024 * 1024
"""The largest body that a `FrameReader` collects unless it is told otherwise."""

_END = b"\r\n\r\n"
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:([^\r\n]*)\Z")
_FIELD_START = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*\Z|[ \t]*:)")
_DIGITS = re.compile(rb"[0-9]{1,18}\Z")
_CHARSET = re.compile(rb";[ \t]*charset[ \t]*=[ \t]*\"?([^\s\";]+)", re.IGNORECASE)


class Header(NamedTuple):
    """What a header says: `size` bytes with its empty line, the body's length, its charset."""

    size: int
    content_length: int
    charset: str


class Frame(NamedTuple):
    """One message: `raw` is all of it as it came; `charset` is in lower case, `utf8` as `utf-8`."""

    raw: bytes
    body_offset: int
    charset: str = "utf-8"

    @property
    def body(self) -> bytes:
        """The bytes after the header."""
        return self.raw[self.body_offset :]


def encode_frame(body: bytes) -> bytes:
    """The message with `body`, with the shortest header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def read_header(data: bytes | bytearray, start: int = 0, *, search_from: int = 0) -> Header | None:
    """The header that begins at `start`, or None while its end is still to come.

    `search_from` is how much of `data` is known to hold no end of header, so that a header which
    comes byte by byte is searched once. Raises FramingError as soon as no continuation could make
    it a header: garbage is told by its first bytes, not after `MAX_HEADER_BYTES` of waiting.
    """
    end = data.find(_END, max(start, search_from - 3), start + MAX_HEADER_BYTES)
    if end >= 0:
        lines = bytes(data[start:end]).split(b"\r\n")
        length, charset = _read_fields(lines)
        return Header(end + 4 - start, length, charset)
    if len(data) - start >= MAX_HEADER_BYTES:
        raise FramingError(f"no end of header within {MAX_HEADER_BYTES} bytes")
    line_end = data.find(b"\n", start, start + MAX_HEADER_BYTES)
    first = bytes(data[start : line_end if line_end >= 0 else len(data)])
    if first and not _FIELD_START.match(first):
        raise FramingError("a message begins with bytes that are no header field")
    if line_end >= 0 and not first.endswith(b"\r"):
        raise FramingError("a header line ends with a bare line feed")
    return None


def _read_fields(lines: list[bytes]) -> tuple[int, str]:
    length: int | None = None
    charset = "utf-8"
    for line in lines:
        field = _FIELD.match(line)
        if field is None:
            raise FramingError("a header line is no field")
        name, value = field[1].lower(), field[2].strip(b" \t")
        if name == b"content-length":
            if length is not None:
                raise FramingError("Content-Length is given twice")
            length = _read_length(value)
        elif name == b"content-type":
            named = _CHARSET.search(value)
            if named:
                charset = named[1].decode("ascii", "replace").lower().replace("utf8", "utf-8")
    if length is None:
        raise FramingError("a header has no Content-Length")
    return length, charset


def _read_length(value: bytes) -> int:
    if _DIGITS.match(value):
        return int(value)
    if re.match(rb"-[0-9]+\Z", value):
        raise FramingError("Content-Length is negative")
    if re.match(rb"[0-9]+\Z", value):
        raise FramingError("Content-Length has more than 18 digits")
    raise FramingError("Content-Length is no number")


class FrameReader:
    """Cuts a byte stream into frames, wherever its chunks begin and end, in linear time.

    Holds at most one incomplete message. After a FramingError the stream has no meaning any more:
    every later call raises it again, and `pending` is what was not understood.
    """

    def __init__(self, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._buffer = bytearray()
        self._header: Header | None = None
        self._searched = 0
        self._max_body_bytes = max_body_bytes
        self._error: FramingError | None = None

    @property
    def pending(self) -> bytes:
        """The bytes that belong to no complete frame yet."""
        return bytes(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """The frames that `data` completes; an error after good frames is raised by the next call.

        Raises FramingError for a header that is none, has no usable Content-Length, or announces
        more than `max_body_bytes`; its message never holds bytes of the stream.
        """
        self._buffer += data
        if self._error is not None:
            raise self._error
        frames: list[Frame] = []
        start = 0
        try:
            while (frame := self._cut(start)) is not None:
                frames.append(frame)
                start += len(frame.raw)
        except FramingError as error:
            self._error = error
            if not frames:
                raise
        finally:
            # A bytearray drops its front without moving the rest: no quadratic copying.
            del self._buffer[:start]
            self._searched = max(0, self._searched - start)
        return frames

    def _cut(self, start: int) -> Frame | None:
        buffer = self._buffer
        if self._header is None:
            if start == len(buffer):
                return None
            header = read_header(buffer, start, search_from=self._searched)
            if header is None:
                self._searched = len(buffer)
                return None
            if header.content_length > self._max_body_bytes:
                raise FramingError(
                    f"Content-Length {header.content_length} is more than the"
                    f" {self._max_body_bytes} bytes allowed"
                )
            self._header = header
        size, length, charset = self._header
        if len(buffer) - start < size + length:
            return None
        self._header = None
        self._searched = 0
        with memoryview(buffer) as view:
            return Frame(bytes(view[start : start + size + length]), size, charset)
