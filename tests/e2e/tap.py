"""A tap between the proxy and a server: relays both streams and writes what it saw to two files.

Run as `python tap.py FOLDER SERVER ARGS...`. Plain blocking threads: nothing here is shared with
the code under test.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path


def relay(source: int, target: int, copy: Path) -> None:
    with copy.open("wb", buffering=0) as log:
        while data := os.read(source, 65536):
            log.write(data)
            rest = data
            while rest:
                rest = rest[os.write(target, rest) :]
    os.close(target)


def main() -> None:
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert server.stdin is not None
    assert server.stdout is not None
    to_server = threading.Thread(
        target=relay, args=(0, os.dup(server.stdin.fileno()), folder / "to_server"), daemon=True
    )
    server.stdin.close()
    to_server.start()
    relay(server.stdout.fileno(), 1, folder / "from_server")
    os._exit(server.wait())


if __name__ == "__main__":
    main()
