"""The server of `make bench-proxy`: sends at a steady rate and notes when messages arrive.

A process of its own, with a clock that all processes share (CLOCK_MONOTONIC): every message
carries the nanosecond at which it was written, so each way is measured by itself.
"""

import os
import re
import sys
import threading
import time

from zeta_context.lsp.wire import FrameReader, encode_frame

_STAMP = re.compile(rb'"zt":(\d+)')
_RATE = 5_000_000
_SIZES = (300, 2_000, 8_000, 24_000, 40_000, 65_000)
_RANGE = b'{"start":{"line":%d,"character":0},"end":{"line":%d,"character":4}}'


class Load:
    """What the server does besides answering."""

    def __init__(self) -> None:
        self.is_on = threading.Event()
        self.is_over = False
        self._lock = threading.Lock()

    def write(self, body: bytes) -> None:
        frame = memoryview(encode_frame(body))
        with self._lock:
            while frame:
                frame = frame[os.write(1, frame) :]

    def run(self) -> None:
        """Send `_RATE` bytes a second while on: what servers send, of every size to 64 KB."""
        number = 0
        due = time.monotonic()
        while not self.is_over:
            if not self.is_on.wait(0.2):
                due = time.monotonic()
                continue
            size = _SIZES[number % len(_SIZES)]
            number += 1
            self.write(_message(number, size))
            due = max(due + size / _RATE, time.monotonic() - 0.05)
            time.sleep(max(0.0, due - time.monotonic()))


def _message(number: int, size: int) -> bytes:
    stamp = b'"zt":%d' % time.monotonic_ns()
    if number % 5 == 0 and size < 30_000:
        one = b'{"range":' + _RANGE % (3, 3) + b',"message":"m","severity":1}'
        items = b",".join([one] * max(1, size // len(one)))
        return (
            b'{"jsonrpc":"2.0","method":"textDocument/publishDiagnostics","params":{'
            + stamp
            + b',"uri":"file:///nowhere/x.py","diagnostics":['
            + items
            + b"]}}"
        )
    pad = b"x" * (size - 100)
    if number % 2:
        return (
            b'{"jsonrpc":"2.0","id":'
            + str(10_000_000 + number).encode()
            + b',"result":{'
            + stamp
            + b',"p":"'
            + pad
            + b'"}}'
        )
    return b'{"jsonrpc":"2.0","method":"$/load","params":{' + stamp + b',"p":"' + pad + b'"}}'


def main() -> None:
    load = Load()
    threading.Thread(target=load.run, daemon=True).start()
    reader = FrameReader()
    arrivals: list[int] = []
    sys.setswitchinterval(0.0005)
    while data := os.read(0, 65536):
        now = time.monotonic_ns()
        for frame in reader.feed(data):
            body = frame.body
            if b'"bench/on"' in body:
                load.is_on.set()
            elif b'"bench/off"' in body:
                load.is_on.clear()
            elif b'"bench/arrivals"' in body:
                load.write(b'{"method":"bench/arrivals","params":%s}' % str(arrivals).encode())
                arrivals.clear()
            elif b'"bench/burst"' in body:
                big = b'{"jsonrpc":"2.0","id":7,"result":"' + b"x" * 5_000_000 + b'"}'
                threading.Thread(target=load.write, args=(big,), daemon=True).start()
            elif b'"initialize"' in body:
                capabilities = b'{"textDocumentSync":2,"definitionProvider":true}'
                load.write(b'{"id":1,"result":{"capabilities":' + capabilities + b"}}")
            elif b'"textDocument/definition"' in body or b'"textDocument/typeDefinition"' in body:
                number = re.search(rb'"id":("[^"]*"|\d+)', body)
                if number:
                    load.write(b'{"jsonrpc":"2.0","id":' + number[1] + b',"result":null}')
            elif (stamp := _STAMP.search(body)) is not None:
                arrivals.append(now - int(stamp[1]))
    load.is_over = True


if __name__ == "__main__":
    main()
