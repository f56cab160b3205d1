"""Cuts the body of a streamed answer into its JSON messages.

Server-sent events (WHATWG HTML, section 9.2), JSON lines, or one JSON document. Knows neither
connections nor what the messages say; whoever feeds it bounds how much it is fed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from zeta_context.errors import BadAnswer

END = "[DONE]"
"""The data of the event that ends a stream of OpenAI's API."""


class Framing(Protocol):
    """Turns bytes into messages."""

    is_ended: bool
    """Whether the body said itself that nothing follows."""

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete with this chunk; raises BadAnswer."""
        ...

    def finish(self) -> Iterator[dict[str, Any]]:
        """What remains when the body ends; raises BadAnswer when that is half a message."""
        ...


def framing_for(content_type: str) -> Framing:
    """The framing of a media type; raises BadAnswer for one that is no answer of a model."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "text/event-stream":
        return EventStream()
    if media_type in ("application/x-ndjson", "application/jsonl", "application/x-jsonlines"):
        return JsonLines()
    if media_type == "application/json":
        return OneDocument()
    raise BadAnswer("the server answered with something other than JSON")


class _Rows:
    """Rows of bytes, ended by a line feed, with or without a carriage return before it."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        start = len(self._rest)
        self._rest += chunk
        if b"\n" not in chunk:
            return
        end = self._rest.rindex(b"\n", start)
        rows = bytes(self._rest[:end])
        del self._rest[: end + 1]
        for row in rows.split(b"\n"):
            yield row.removesuffix(b"\r")

    def finish(self) -> bytes:
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


class EventStream:
    """Server-sent events; comments, names and ids of events say nothing here."""

    def __init__(self) -> None:
        self.is_ended = False
        self._rows = _Rows()
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """The messages whose events end in this chunk."""
        for row in self._rows.feed(chunk):
            if not row:
                yield from self._dispatch()
            elif row.startswith(b"data:"):
                self._data.append(row[5:].removeprefix(b" "))

    def finish(self) -> Iterator[dict[str, Any]]:
        """An event that its body does not end is none, except the end itself."""
        last = self._rows.finish()
        if last.startswith(b"data:"):
            self._data.append(last[5:].strip())
        if b"\n".join(self._data) == END.encode():
            self.is_ended = True
        self._data.clear()
        return iter(())

    def _dispatch(self) -> Iterator[dict[str, Any]]:
        if not self._data:
            return
        data = b"\n".join(self._data)
        self._data.clear()
        if data == END.encode():
            self.is_ended = True
        elif not self.is_ended:
            yield _parse(data)


class JsonLines:
    """One JSON object in each row."""

    def __init__(self) -> None:
        self.is_ended = False
        self._rows = _Rows()

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """The objects whose rows end in this chunk."""
        for row in self._rows.feed(chunk):
            if row.strip():
                yield _parse(row)

    def finish(self) -> Iterator[dict[str, Any]]:
        """The last row, which needs no line feed."""
        last = self._rows.finish()
        if last.strip():
            yield _parse(last)


class OneDocument:
    """A body that is one JSON object."""

    def __init__(self) -> None:
        self.is_ended = False
        self._body = bytearray()

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Nothing before the end."""
        self._body += chunk
        return iter(())

    def finish(self) -> Iterator[dict[str, Any]]:
        """The object."""
        self.is_ended = True
        yield _parse(bytes(self._body))


def _parse(data: bytes) -> dict[str, Any]:
    """A JSON object; the error never repeats the data, which may hold text of a file."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise BadAnswer("the server's answer is no JSON") from None
    if not isinstance(message, dict):
        raise BadAnswer("the server's answer is JSON but no object")
    return message
