"""What the proxy's tests share: a client that writes raw bytes and keeps all it gets."""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from zeta_context.lsp.wire import Frame, FrameReader, encode_frame
from zeta_context.server.proxy.launch import pump_argv

CHAOS = [sys.executable, "-S", str(Path(__file__).with_name("chaos_server.py"))]


def encode(**message: Any) -> bytes:
    return encode_frame(json.dumps({"jsonrpc": "2.0", **message}).encode())


class Peer:
    """The editor's end of a server, proxied or not."""

    def __init__(self, argv: list[str], cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
        )
        self.received = bytearray()
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    @property
    def _out(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        fd = self.process.stdin.fileno()
        while data:
            data = data[os.write(fd, data) :]

    def send(self, **message: Any) -> None:
        self.write(encode(**message))

    def receive(self, timeout_s: float = 40) -> dict[str, Any]:
        """The next message."""
        ends = time.monotonic() + timeout_s
        while not self._frames:
            ready, _, _ = select.select([self._out], [], [], max(0, ends - time.monotonic()))
            if not ready:
                raise TimeoutError("no message")
            data = os.read(self._out, 65536)
            if not data:
                raise EOFError
            self.received += data
            self._frames = self._reader.feed(data)
        message: dict[str, Any] = json.loads(self._frames.pop(0).body)
        return message

    def answer_to(self, number: object, timeout_s: float = 40) -> dict[str, Any]:
        """The answer with an id; what comes before it is skipped."""
        while (message := self.receive(timeout_s)).get("id") != number or "method" in message:
            pass
        return message

    def request(self, number: int, method: str, params: object = None) -> Any:
        """The result of a request."""
        self.send(id=number, method=method, params=params)
        return self.answer_to(number).get("result")

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def finish(self, timeout_s: float = 40) -> tuple[bytes, bytes, int]:
        """All output, all of the error stream, the exit status: waits for the end."""
        out, err = self.process.communicate(timeout=timeout_s)
        return bytes(self.received) + out, err, self.process.returncode

    def shake_hands(self) -> None:
        self.request(0, "initialize", {"capabilities": {}})
        self.send(method="initialized", params={})


def through_proxy(server: list[str], **options: Any) -> list[str]:
    """The command of a proxy in front of a server."""
    return pump_argv(server, **options)
