"""A teacher endpoint for tests and benchmarks: answers by a program, and counts every call.

Speaks the OpenAI-compatible chat API, Anthropic's messages and its batches, over plain HTTP/1.1.
Each call is written to a log before it is answered, by its idempotency key: so repeats are seen
whoever was killed in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zeta_context.training.teacher.prompt import CLOSE, CURSOR, OPEN

Answerer = Callable[[list[dict[str, str]]], str]


def answer_by_program(messages: list[dict[str, str]]) -> str:
    """Appends a word to the row of the cursor, in the form that the prompt asks for."""
    content = messages[0]["content"]
    start = content.rindex(OPEN) + len(OPEN)
    region = content[start : content.index(CLOSE, start)]
    digest = hashlib.sha256(content.encode()).hexdigest()
    padding = " again" * (int(digest[:2], 16) % 20)
    return f"They go on{padding}.\n\n`````\n{region.replace(CURSOR, 'value', 1)}\n`````\n"


def count_tokens(text: str) -> int:
    """Tokens as this endpoint bills them: words and signs, which follow no fixed length."""
    return len(re.findall(r"\w{1,6}|[^\w\s]|\n+", text))


class TeacherServer:
    """Serves until it is closed. `calls` counts questions by key, `failures` are answered first."""

    def __init__(
        self,
        answer: Answerer = answer_by_program,
        *,
        failures: list[int] | None = None,
        log: Path | None = None,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.billed = [0, 0]
        self.batches: dict[str, list[dict[str, Any]]] = {}
        self.in_flight = self.most_in_flight = 0
        self._answer = answer
        self._failures = failures or []
        self._log = log.open("a", encoding="ascii") if log is not None else None
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> str:
        """Listen on this machine; returns the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._log is not None:
            self._log.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                method, path, _ = lines[0].split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                await asyncio.sleep(0)
                status, kind, content = self._respond(method, path, headers, body)
                self.in_flight -= 1
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n"
                    f"content-length: {len(content)}\r\nretry-after: 0\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _respond(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        data = json.loads(body) if body else {}
        if "/batches" in path:
            return self._respond_to_batch(method, path, data)
        if self._failures:
            return self._failures.pop(0), "application/json", b"{}"
        key = headers.get("idempotency-key", "")
        message = self._message(key, data, is_anthropic=path.endswith("/messages"))
        return 200, "application/json", json.dumps(message).encode()

    def _message(self, key: str, data: dict[str, Any], *, is_anthropic: bool) -> dict[str, Any]:
        self.calls[key] += 1
        if self._log is not None:
            self._log.write(key + "\n")
            self._log.flush()
        text = self._answer(data["messages"])
        n_in = sum(count_tokens(one["content"]) for one in data["messages"])
        n_out = count_tokens(text)
        self.billed[0] += n_in
        self.billed[1] += n_out
        if is_anthropic:
            return {
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": n_in, "output_tokens": n_out},
            }
        return {
            "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": n_in, "completion_tokens": n_out},
        }

    def _respond_to_batch(self, method: str, path: str, data: Any) -> tuple[int, str, bytes]:
        if method == "POST":
            name = f"batch-{len(self.batches)}"
            self.batches[name] = [
                {
                    "custom_id": one["custom_id"],
                    "result": {
                        "type": "succeeded",
                        "message": self._message(
                            one["custom_id"], one["params"], is_anthropic=True
                        ),
                    },
                }
                for one in data["requests"]
            ]
            return 200, "application/json", json.dumps({"id": name}).encode()
        if path.endswith("/results"):
            rows = self.batches[path.split("/")[-2]]
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            return 200, "application/x-jsonl", lines.encode()
        ended = [{"id": name, "processing_status": "ended"} for name in self.batches]
        if "?" in path:
            return 200, "application/json", json.dumps({"data": ended}).encode()
        return 200, "application/json", json.dumps({"processing_status": "ended"}).encode()
