"""What a worker that starts late, or fell behind, has to be told.

Holds the handshake, the worker's own last checkpoint (opaque bytes) and the kept messages since
then; knows no documents, because that would mean parsing them. Bounded: past `MAX_BYTES` of
messages without a checkpoint they are given up, and the worker is told that they are lost.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from zeta_context.server.proxy import link

MAX_BYTES = 32 * 1024 * 1024
_MAX_HANDSHAKE = 16


class _Kept(NamedTuple):
    sequence: int
    kind: bytes
    body: bytes


class Backlog:
    """The kept messages, by sequence number."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._handshake: list[_Kept] = []
        self._state = b""
        self._kept: deque[_Kept] = deque()
        self._size = 0
        self._sequence = 0
        self._is_incomplete = False

    @property
    def size(self) -> int:
        """Bytes of messages kept since the last checkpoint."""
        return self._size

    def keep(self, kind: bytes, body: bytes, *, is_handshake: bool) -> int:
        """Keep a message; returns its sequence number."""
        self._sequence += 1
        entry = _Kept(self._sequence, kind, body)
        if is_handshake and len(self._handshake) < _MAX_HANDSHAKE:
            self._handshake.append(entry)
            return self._sequence
        self._kept.append(entry)
        self._size += len(body)
        if self._size > self._max_bytes:
            self._kept.clear()
            self._size = 0
            self._state = b""
            self._is_incomplete = True
        return self._sequence

    def replace(self, up_to: int, state: bytes) -> None:
        """A checkpoint: the messages up to a sequence number are in `state` now."""
        self._state = state
        while self._kept and self._kept[0].sequence <= up_to:
            self._size -= len(self._kept.popleft().body)

    def records(self) -> list[bytes]:
        """All of it as the records of one replay."""
        records = [
            link.encode_record(kept.kind, kept.body, kept.sequence) for kept in self._handshake
        ]
        records.insert(0, link.encode_record(link.STATE, self._state))
        if self._is_incomplete:
            records.append(link.encode_record(link.LOST, b""))
            self._is_incomplete = False
        records += [link.encode_record(kept.kind, kept.body, kept.sequence) for kept in self._kept]
        records.append(link.encode_record(link.LIVE, b""))
        return records
