"""A program in a terminal of its own: keys go in as bytes, and its screen can be read back."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyte

COLUMNS, ROWS = 110, 32
TIMEOUT_S = 20


class Screen(pyte.Screen):
    """Passes over private forms of colours and questions, which pyte takes for wrong arguments."""

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)

    def report_device_status(self, mode: int, *, private: bool = False) -> None:
        if not private:
            super().report_device_status(mode)


class Terminal:
    """Runs a command on a pseudo terminal of `COLUMNS` by `ROWS`.

    `output` is all that it wrote, each piece with the time at which it came.
    """

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._screen = Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.output: list[tuple[float, bytes]] = []
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.output.append((time.monotonic(), data))
                self._stream.feed(data)

    def press(self, keys: str) -> None:
        """Keys as the terminal sends them, all at once."""
        os.write(self._master, keys.encode())

    def type(self, keys: str, *, pause_s: float = 0.03) -> None:
        """Keys one at a time, at the pace of a fast typist."""
        for key in keys:
            self.press(key)
            time.sleep(pause_s)

    def screen(self) -> list[str]:
        """The rows of the screen, without trailing blanks."""
        with self._lock:
            return [row.rstrip() for row in self._screen.display]

    def cells(self) -> list[list[tuple[str, str, str, bool]]]:
        """The characters of the screen with their colours, and whether they are bold."""
        with self._lock:
            buffer = self._screen.buffer
            return [
                [
                    (cell.data, cell.fg, cell.bg, cell.bold)
                    for cell in (buffer[row][column] for column in range(COLUMNS))
                ]
                for row in range(ROWS)
            ]

    def close(self) -> None:
        """End the program, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._master)
        self._reader.join(5)


def wait_for(is_so: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
    """What `is_so` gives once it is true."""
    ends = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < ends, "it did not come to pass in time"
        time.sleep(0.05)
    return found
