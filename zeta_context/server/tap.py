"""Runs an agent for a front end and keeps a copy of all that the two say to each other.

`python -m zeta_context.server.tap FILE -- COMMAND`, for `zeta-context plugin check`: the copy holds
the text of files, so it is written to a file of the user's own that is removed afterwards. Bytes
pass unchanged; knows nothing of what they mean.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

Side = Literal["editor", "agent"]


def read_tapped(path: Path) -> Iterator[tuple[Side, bytes]]:
    """The pieces that were said, in order; a torn last one is left out."""
    data = path.read_bytes()
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        side, length = json.loads(data[at:end])
        piece = data[end + 1 : end + 1 + length]
        if len(piece) < length:
            return
        yield side, piece
        at = end + 1 + length


def _relay(side: Side, source: int, target: IO[bytes], copy: IO[bytes], lock: object) -> None:
    while data := os.read(source, 65536):
        with lock:  # type: ignore[attr-defined]
            copy.write(json.dumps([side, len(data)]).encode() + b"\n" + data)
            copy.flush()
        try:
            target.write(data)
            target.flush()
        except OSError:
            break
    if side == "editor":
        target.close()


def main() -> int:
    """Relay until both are done; the exit status is the agent's."""
    path, command = Path(sys.argv[1]), sys.argv[3:]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as copy:
        agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert agent.stdin is not None
        assert agent.stdout is not None
        lock = threading.Lock()
        # The editor may never close its side: the agent's end is what counts.
        threading.Thread(
            target=_relay, args=("editor", 0, agent.stdin, copy, lock), daemon=True
        ).start()
        _relay("agent", agent.stdout.fileno(), sys.stdout.buffer, copy, lock)
        status = agent.wait()
    os._exit(status)


if __name__ == "__main__":
    main()
