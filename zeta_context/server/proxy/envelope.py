"""What kind of message a body is, told from a few bytes of its head or tail.

Reads only the scalar members of the outermost object, so a completion list of megabytes costs as
much as an empty one. Knows nothing of what a method means. Pure: no I/O, no JSON library for
anything but a single escaped string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

HEAD_BYTES = 4096
"""So much of a body is looked at from its front."""

TAIL_BYTES = 1024
"""So much of a body is looked at from its end."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SCALAR = _STRING + rb"|-?[0-9][0-9.eE+\-]*+|true|false|null"
_OPEN = re.compile(rb"[ \t\r\n]*+(?:\xef\xbb\xbf)?\{")
_MEMBER = re.compile(
    rb"[ \t\r\n,]*+("
    + _STRING
    + rb")[ \t\r\n]*+:[ \t\r\n]*+(?:("
    + _SCALAR
    + rb")(?=[ \t\r\n]*+[,}])|([{\[]))",
    re.DOTALL,
)
_LONG_RESULT = re.compile(rb'[ \t\r\n,]*+"(?:result|error)"[ \t\r\n]*+:[ \t\r\n]*+"')
_CLOSE = re.compile(rb"[ \t\r\n,]*+\}")
_TAIL_MEMBER = (
    rb'[,{][ \t\r\n]*+"(?:id|jsonrpc|method)"[ \t\r\n]*+:[ \t\r\n]*+(?:' + _SCALAR + rb")"
)
_TAIL = re.compile(rb"((?:" + _TAIL_MEMBER + rb"[ \t\r\n]*+)+)\}[ \t\r\n]*\Z", re.DOTALL)
_STRUCTURE = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)


class Envelope(NamedTuple):
    """The outside of a message; `id` is the raw JSON token, as `7` or `"a"`.

    `is_settled` says that nothing which follows can change what is here. A message with a
    `method` is a request or a notification; one without is a response.
    """

    method: str | None = None
    id: bytes | None = None
    is_settled: bool = False


UNKNOWN = Envelope()


def read_head(body: bytes | bytearray, *, is_whole: bool) -> Envelope:
    """The envelope as far as the front of a body tells it.

    Settled once the method is known, or the id of what must be a response. A notification's or
    request's `id` after its `params` is not looked for: the method decides what becomes of it.
    """
    opening = _OPEN.match(body)
    if opening is None:
        # A batch, text, or nothing: not ours to understand once there is something.
        return Envelope(is_settled=is_whole or bool(bytes(body[:64]).strip(b" \t\r\n\xef\xbb\xbf")))
    at = opening.end()
    message_id: bytes | None = None
    method: str | None = None
    limit = min(len(body), HEAD_BYTES)
    while (member := _MEMBER.match(body, at, limit)) is not None:
        key, scalar, composite = member[1], member[2], member[3]
        if composite is not None:
            is_response = method is None and key in (b'"result"', b'"error"')
            return Envelope(
                method, message_id, method is not None or (is_response and message_id is not None)
            )
        if key == b'"method"':
            method = _read_string(scalar)
        elif key == b'"id"':
            message_id = scalar
        at = member.end()
    is_settled = _CLOSE.match(body, at) is not None
    if method is None and message_id is not None:
        # A long text as the result: a response all the same.
        is_settled = is_settled or _LONG_RESULT.match(body, at) is not None
    return Envelope(method, message_id, is_settled)


def read_whole(body: bytes | bytearray) -> Envelope:
    """The envelope of a complete body: its head, else its tail, else a walk over its structure."""
    head = read_head(body, is_whole=True)
    if head.is_settled:
        return head
    tail = _TAIL.search(body, max(0, len(body) - TAIL_BYTES))
    if tail is not None:
        found = _merge(head, tail[1])
        if found.method is not None or found.id is not None:
            return found
    return _walk(body)


def _merge(head: Envelope, members: bytes) -> Envelope:
    method, message_id = head.method, head.id
    at = 0
    while (member := _MEMBER.match(members + b"}", at)) is not None:
        if member[1] == b'"method"':
            method = _read_string(member[2])
        elif member[1] == b'"id"':
            message_id = member[2]
        at = member.end()
    return Envelope(method, message_id, True)


def _walk(body: bytes | bytearray) -> Envelope:
    """The envelope by skipping over every value: time linear in the body, no value built."""
    method: str | None = None
    message_id: bytes | None = None
    for key, start, end in _members(body):
        if key == b'"method"':
            method = _read_string(bytes(body[start:end]))
        elif key == b'"id"':
            message_id = bytes(body[start:end])
    return Envelope(method, message_id, True)


def find_member(body: bytes, name: str) -> tuple[int, int] | None:
    """Where the value of the outermost object's member `name` starts and ends."""
    wanted = b'"' + name.encode() + b'"'
    for key, start, end in _members(body):
        if key == wanted:
            return start, end
    return None


def _members(body: bytes | bytearray) -> Iterator[tuple[bytes, int, int]]:
    opening = _OPEN.match(body)
    at = -1 if opening is None else opening.end()
    while at >= 0 and (member := _MEMBER.match(body, at)) is not None:
        start, at = member.span(2)
        if member[2] is None:
            start = member.start(3)
            end = _skip_composite(body, start)
            if end is None:
                return
            at = end
        yield member[1], start, at


def _skip_composite(body: bytes | bytearray, at: int) -> int | None:
    depth = 0
    for token in _STRUCTURE.finditer(body, at):
        first = body[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _read_string(token: bytes) -> str | None:
    if token[:1] != b'"':
        return None
    if b"\\" not in token:
        return token[1:-1].decode("utf-8", "replace")
    try:
        value = json.loads(token)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
