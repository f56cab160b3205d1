"""The records that pump and worker exchange over their socket.

A record is a kind (one byte), a sequence number (eight), a length (four) and a payload, all
big-endian. Knows nothing of what a kind asks for; `docs/protocol.md` does not cover it: both ends
always come from one installation.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_RECORD_BYTES = 1 << 30
_HEAD = struct.Struct(">cQI")

# From the pump to the worker.
FROM_CLIENT = b"C"
"""A message that the editor sent; the payload is its body. Its sequence number is 0 if not kept."""
FROM_SERVER = b"S"
"""A message that the server sent."""
REQUEST = b"R"
"""A message of the editor that is ours to answer."""
STATE = b"T"
"""The start of a replay: the worker's own last checkpoint, or nothing."""
LIVE = b"V"
"""The end of a replay: what follows happens now."""
LOST = b"L"
"""Changes were lost: no document is known until it is opened or sent whole again."""
COUNTERS = b"N"
"""The pump's counters as JSON."""
SHADOWS_CLOSED = b"H"
"""All documents that were shown to the server alone have been taken away."""
BYE = b"B"
"""The server has ended in the ordinary way: end too."""

# From the worker to the pump.
ANSWER = b"a"
"""An answer to a `REQUEST`: the length of the id's token (two bytes), the token, the body."""
TO_CLIENT = b"c"
"""A message for the editor."""
TO_SERVER = b"s"
"""A message for the server."""
CHECKPOINT = b"k"
"""All that the worker would need to know again, up to the sequence number of the record."""
OFFERS = b"o"
"""Code actions to add to the server's answers: a JSON object from URI to actions."""
SHADOW_OPEN = b"h"
"""A document to show to the server alone: like an `ANSWER`, its URI and the `didOpen`."""
SHADOW_ASK = b"q"
"""A question about one: like an `ANSWER`, its URI and the message."""
SHADOW_CLOSE = b"j"
"""The URI of one to take away."""
STATUS = b"u"
"""The worker's status as JSON, for `zeta-context doctor`."""


class Record(NamedTuple):
    """One record; `sequence` is 0 where it means nothing."""

    kind: bytes
    payload: bytes
    sequence: int = 0


def encode_record(kind: bytes, payload: bytes, sequence: int = 0) -> bytes:
    """The bytes of a record."""
    return _HEAD.pack(kind, sequence, len(payload)) + payload


def encode_answer(request_id: bytes, body: bytes) -> bytes:
    """The payload of an `ANSWER`."""
    return len(request_id).to_bytes(2, "big") + request_id + body


def decode_answer(payload: bytes) -> tuple[bytes, bytes]:
    """The id's token and the body of an `ANSWER`."""
    end = 2 + int.from_bytes(payload[:2], "big")
    return payload[2:end], payload[end:]


class RecordReader:
    """Cuts the socket's bytes into records."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Record]:
        """The records that `data` completes; ValueError for what cannot be a record."""
        buffer = self._buffer
        buffer += data
        records: list[Record] = []
        at = 0
        while len(buffer) - at >= _HEAD.size:
            kind, sequence, length = _HEAD.unpack_from(buffer, at)
            if length > MAX_RECORD_BYTES:
                raise ValueError("a record is longer than any can be")
            end = at + _HEAD.size + length
            if len(buffer) < end:
                break
            records.append(Record(kind, bytes(buffer[at + _HEAD.size : end]), sequence))
            at = end
        del buffer[:at]
        return records
