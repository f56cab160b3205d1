"""A language server that misbehaves on request: each `chaos/...` method is one way.

Run as a process, by itself or behind the proxy; reads and writes raw base protocol.
"""

import json
import os
import signal
import sys
import time
from typing import Any


def read_message() -> dict[str, Any] | None:
    length = 0
    while True:
        line = sys.stdin.buffer.readline()
        if not line:
            return None
        if line == b"\r\n":
            break
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = sys.stdin.buffer.read(length)
    message: dict[str, Any] = json.loads(body) if len(body) == length else {"method": "cut"}
    return message


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def frame(message: dict[str, Any]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def misbehave(way: str, number: object, params: dict[str, Any], late: list[bytes]) -> None:
    answer = frame({"id": number, "result": way})
    if way == "late":
        late.append(answer)
    elif way == "duplicate":
        write(answer + answer + frame({"id": "never asked", "result": None}))
    elif way == "huge":
        write(frame({"id": number, "result": "x" * int(params["bytes"])}))
    elif way == "huge_backwards":
        write(frame({"result": ["x" * 10] * (int(params["bytes"]) // 14), "id": number}))
    elif way == "invalid_utf8":
        write(b'Content-Length: 27\r\n\r\n{"id":1,"result":"\xff\xfe\xc3\x28 \xed\xa0"}')
    elif way == "charset":
        body = '{"id":1,"result":"é"}'.encode("utf-16")
        write(b"Content-Type: x/y; charset=utf-16\r\ncontent-length:%d\r\n\r\n" % len(body) + body)
    elif way == "half_header":
        write(b"Content-Le")
        os._exit(3)
    elif way == "crash_in_message":
        write(frame({"id": number, "result": "y" * int(params["bytes"])})[:-10])
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "slow":
        first = len(answer) - int(params.get("last", len(answer)))
        write(answer[:first])
        for at in range(first, len(answer)):
            time.sleep(float(params["pause"]))
            write(answer[at : at + 1])
    elif way == "garbage":
        write(b"Traceback (most recent call last):\n  oops\n" + answer)
    elif way == "bad_length":
        write(b"Content-Length: -1\r\n\r\n" + answer)
    elif way == "batch":
        write(b"Content-Length: 10\r\n\r\n[{},{},{}]"[:31])
    elif way == "depth":
        write(frame({"id": number})[:-1] + b"")
        nested = b'{"id":1,"result":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
        write(b"}" + b"Content-Length: %d\r\n\r\n" % len(nested) + nested)
    elif way == "stderr":
        os.write(2, b"a line for the log\n")
        write(answer)
    elif way == "exit":
        sys.stdout.flush()
        os._exit(int(params["code"]))
    elif way == "signal":
        os.kill(os.getpid(), int(params["number"]))
    elif way == "close_output":
        os.close(1)
        time.sleep(0.3)
        os._exit(4)
    elif way == "leave_heir":
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        os._exit(0)
    elif way == "pid":
        write(frame({"id": number, "result": os.getpid()}))
    elif way == "sleep":
        time.sleep(float(params["seconds"]))
        write(answer)
    else:
        write(frame({"id": number, "error": {"code": -32601, "message": f"no {way}"}}))


def main() -> None:
    late: list[bytes] = []
    if "--term-is-7" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    while (message := read_message()) is not None:
        method, number = message.get("method", ""), message.get("id")
        if method.startswith("chaos/"):
            misbehave(method[6:], number, message.get("params") or {}, late)
        elif method == "initialize":
            write(frame({"id": number, "result": {"capabilities": {"hoverProvider": True}}}))
        elif method == "shutdown":
            write(frame({"id": number, "result": None}))
        elif method == "exit":
            os._exit(0)
        elif number is not None and method:
            write(frame({"id": number, "result": {"echo": message.get("params")}}))
            write(b"".join(reversed(late)))
            late.clear()
    os._exit(9)


if __name__ == "__main__":
    main()
