"""A blocking MessagePack-RPC connection to a Neovim that listens on a Unix socket.

Waits for each answer before anything else happens, as recording needs it; pynvim runs an event loop
of its own, whose sockets and children outlive their connection with warnings. Passes over whatever
Neovim sends unasked. Knows nothing of buffers.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgpack

_TIMEOUT_S = 20
_CHUNK_BYTES = 65536
_RESPONSE = 1


class NeovimError(Exception):
    """Neovim refused a request, or is gone."""


class NeovimConnection:
    """Calls functions of Neovim's API, one at a time."""

    def __init__(self, address: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TIMEOUT_S)
        try:
            self._socket.connect(str(address))
        except OSError:
            self._socket.close()
            raise
        self._unpacker = msgpack.Unpacker(unicode_errors="surrogateescape")
        self._number = 0

    def call(self, function: str, *arguments: object) -> Any:
        """What `nvim_` + `function` returns; raises `NeovimError`."""
        self._number += 1
        request = [0, self._number, f"nvim_{function}", arguments]
        try:
            self._socket.sendall(msgpack.packb(request, unicode_errors="surrogateescape"))
            while True:
                for message in self._unpacker:
                    if message[0] == _RESPONSE and message[1] == self._number:
                        if message[2] is not None:
                            raise NeovimError(f"{function}: {message[2][1]}")
                        return message[3]
                data = self._socket.recv(_CHUNK_BYTES)
                if not data:
                    raise NeovimError("Neovim closed its connection")
                self._unpacker.feed(data)
        except OSError as error:
            raise NeovimError(f"Neovim does not answer: {error}") from None

    def close(self) -> None:
        """Hang up; Neovim itself goes on."""
        self._socket.close()
