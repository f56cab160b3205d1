"""`make bench-proxy`: what the proxy adds to each message, to the start, and to memory.

The same server runs directly and behind the proxy, in turns within one run. Prints one JSON line;
`added_*` is the percentile behind the proxy less the same percentile without it, the worse way of
the two. Predictions run all the time: every keystroke behind the proxy asks for one. On a busy
machine `--isolate` lets editor, servers and relay run ahead of everything else, the predicting
process not among them: what is left is what the relay itself adds.
"""

import argparse
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.isolation import run_ahead
from tests.bench.proxy_report import Measured, print_report
from zeta_context.lsp.wire import FrameReader, encode_frame

_STAMP = re.compile(rb'"zt":(\d+)')
SERVER = [sys.executable, "-m", "tests.bench.proxy_load"]
PROXY = [sys.executable, "-m", "zeta_context.cli.main", "proxy", "--"]
URI = "file://{}/names.py"
LINES = 1000


def own_command(server: list[str]) -> list[str]:
    """The installed command, as an editor would run it."""
    command = shutil.which("zeta-context", path=str(Path(sys.executable).parent))
    return [command, "proxy", "--", *server] if command else [*PROXY, *server]


class Editor:
    """Types, asks, reads, and notes how long each message was under way."""

    def __init__(self, argv: list[str], *, asks: bool, root: Path) -> None:
        self.asks = asks
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._reader = FrameReader()
        self._number = 10
        self._version = 2
        self._row = 0
        self.received_ns: list[int] = []
        self.uri = URI.format(root)

    def send(self, message: dict[str, Any]) -> None:
        data = encode_frame(
            json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
        )
        while data:
            data = data[os.write(self._in, data) :]

    def shake_hands(self, root: Path) -> None:
        params = {
            "rootUri": f"file://{root}",
            "capabilities": {"textDocument": {"inlineCompletion": {}}},
        }
        self.send({"id": 1, "method": "initialize", "params": params})
        self.wait_for(b'"capabilities"')
        self.send({"method": "initialized", "params": {}})
        text = "".join(f"    logger.warn('{n}')\n    run_{n}(data)\n" for n in range(LINES // 2))
        document = {"uri": self.uri, "languageId": "python", "version": 2, "text": text}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def type_key(self) -> None:
        """One keystroke of a rename that goes down the file, and the question what comes next."""
        # `warn` becomes `warning` in one row after the other, a letter at a time.
        self._version += 1
        at = self._version % 3
        row, start = self._row, len("    logger.warn") + at
        if at == 2:
            self._row = (row + 2) % LINES
        place = {"line": row, "character": start}
        change = {"range": {"start": place, "end": place}, "text": "ing"[at]}
        target = {"uri": self.uri, "version": self._version}
        params: dict[str, Any] = {"textDocument": target, "contentChanges": [change]}
        params["zt"] = time.monotonic_ns()
        self.send({"method": "textDocument/didChange", "params": params})
        if self.asks:
            self._number += 1
            where = {
                "textDocument": {"uri": self.uri},
                "position": {"line": row, "character": start},
            }
            self.send({"id": self._number, "method": "zeta/predict", "params": where})

    def read(self, timeout_s: float) -> list[bytes]:
        ready, _, _ = select.select([self._out], [], [], max(0.0, timeout_s))
        if not ready:
            return []
        data = os.read(self._out, 65536)
        now = time.monotonic_ns()
        if not data:
            raise EOFError("the server ended")
        bodies = []
        for frame in self._reader.feed(data):
            stamp = _STAMP.search(frame.raw, 0, 400)
            if stamp is not None:
                self.received_ns.append(now - int(stamp[1]))
            bodies.append(frame.raw)
        return bodies

    def wait_for(self, needle: bytes, timeout_s: float = 20) -> bytes:
        ends = time.monotonic() + timeout_s
        while time.monotonic() < ends:
            for raw in self.read(ends - time.monotonic()):
                if needle in raw:
                    return raw
        raise TimeoutError(needle.decode())

    def type_for(self, seconds: float, keys_per_second: float = 10) -> None:
        """Type at a steady pace while the server sends."""
        self.send({"method": "bench/on"})
        ends = time.monotonic() + seconds
        due = time.monotonic()
        while (now := time.monotonic()) < ends:
            if now >= due:
                self.type_key()
                due += 1 / keys_per_second
            self.read(due - time.monotonic())
        self.send({"method": "bench/off"})
        quiet_at = time.monotonic() + 0.3
        while time.monotonic() < quiet_at:
            self.read(0.05)

    def arrivals(self) -> list[int]:
        """How long the keystrokes since the last call were under way."""
        self.send({"method": "bench/arrivals"})
        raw = self.wait_for(b'"bench/arrivals"')
        times: list[int] = json.loads(raw[raw.index(b"\r\n\r\n") + 4 :])["params"]
        return times

    def type_behind_burst(self) -> int:
        """How long a keystroke is under way that is typed while 5 MB come in."""
        self.arrivals()
        self.send({"method": "bench/burst"})
        self.read(5)
        self.type_key()
        while not any(len(raw) > 4_000_000 for raw in self.read(5)):
            pass
        return max(self.arrivals())

    def status(self) -> dict[str, Any]:
        """What the worker counted."""
        self.send({"id": 9, "method": "zeta/status"})
        raw = self.wait_for(b'"protocol"')
        status: dict[str, Any] = json.loads(raw[raw.index(b"\r\n\r\n") + 4 :])["result"]
        return status

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def resident_mb(pid: int) -> float:
    """Of a process and of its descendants that are Python workers of ours."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found]


def own_memory_mb(pump: int) -> float:
    """The pump and its worker, not the server behind them."""
    total = resident_mb(pump)
    return total + sum(resident_mb(child) for child in children(pump) if is_worker(child))


def is_worker(pid: int) -> bool:
    """Whether a process is the one that predicts."""
    return b"zeta_context.server.proxy" in Path(f"/proc/{pid}/cmdline").read_bytes()


def start_ms(argv: list[str], root: Path) -> float:
    began = time.perf_counter()
    editor = Editor(argv, asks=False, root=root)
    editor.send({"id": 1, "method": "initialize", "params": {"capabilities": {}}})
    editor.wait_for(b'"capabilities"')
    took = (time.perf_counter() - began) * 1000
    editor.stop()
    # Its worker, which an editor would go on to use, must not compete with the next start.
    time.sleep(1)
    return took


def isolate(editors: Iterable[Editor]) -> None:
    """Let this process, the relay and the servers run first; not the worker beside the relay."""
    run_ahead(with_children=False)
    for editor in editors:
        run_ahead(editor.process.pid, with_children=False)
        for child in children(editor.process.pid):
            if not is_worker(child):
                run_ahead(child)


def measure(seconds: float, block_s: float, root: Path, *, is_isolated: bool = False) -> Measured:
    """Type for `seconds` in either way, in turns; then the stalls, the memory, the starts."""
    direct = Editor(SERVER, asks=False, root=root)
    proxied = Editor(own_command(SERVER), asks=True, root=root)
    both = {"direct": direct, "proxied": proxied}
    to_server: dict[str, list[int]] = {"direct": [], "proxied": []}
    stalls: dict[str, list[int]] = {"direct": [], "proxied": []}
    try:
        for editor in both.values():
            editor.shake_hands(root)
            editor.type_for(1.5)
        if is_isolated:
            isolate(both.values())
        for editor in both.values():
            editor.arrivals()
            editor.received_ns.clear()
        for _ in range(max(1, round(seconds / block_s))):
            for name, editor in both.items():
                editor.type_for(block_s)
                to_server[name] += editor.arrivals()
        for _ in range(15):
            for name, editor in both.items():
                stalls[name].append(editor.type_behind_burst())
        memory = own_memory_mb(proxied.process.pid)
        counts = proxied.status()["counts"]
    finally:
        direct.stop()
        proxied.stop()
    if is_isolated:
        run_ahead()
    starts = {"direct": list[float](), "proxied": list[float]()}
    for _ in range(7):
        starts["direct"].append(start_ms(SERVER, root))
        starts["proxied"].append(start_ms(own_command(SERVER), root))
    to_editor = {name: editor.received_ns for name, editor in both.items()}
    return Measured(to_server, to_editor, stalls, starts, memory, counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of typing, each of the two ways")
    parser.add_argument("--block", type=float, default=5, help="seconds before taking turns")
    parser.add_argument("--isolate", action="store_true", help="run ahead of all else (root)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        measured = measure(given.seconds, given.block, root, is_isolated=given.isolate)
    print_report(Console(width=100), measured)
    print(json.dumps(measured.figures()))


if __name__ == "__main__":
    main()
