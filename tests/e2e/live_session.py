"""A session that an editor could have with any language server, and what both sides saw of it."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server.proxy_peer import Peer, encode
from zeta_context.lsp.wire import Frame, FrameReader

CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-8", "utf-16"]},
    "window": {"workDoneProgress": True, "showMessage": {}},
    "workspace": {
        "configuration": True,
        "workspaceFolders": True,
        "applyEdit": True,
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "didChangeConfiguration": {"dynamicRegistration": True},
    },
    "textDocument": {
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "definition": {"linkSupport": True},
        "completion": {"completionItem": {"snippetSupport": True}, "contextSupport": True},
        "publishDiagnostics": {"relatedInformation": True, "versionSupport": True},
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
        "codeAction": {
            "dataSupport": True,
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}},
        },
        "inlineCompletion": {},
    },
    "x-vendor": {"a-b": [1, {"class": None}]},
}


@dataclass(frozen=True)
class Project:
    """The files of a small project, the one that is edited, and where a name of another is used."""

    language: str
    files: dict[str, str]
    edited: str
    name: str

    def write(self, root: Path) -> None:
        for path, text in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)


class LiveSession:
    """Plays an editor; keeps all bytes that it sent and got."""

    def __init__(self, argv: list[str], root: Path, *, seed: int | None = None) -> None:
        self.root = root
        self.sent = bytearray()
        self.peer = Peer(argv, cwd=root)
        self._chance = random.Random(seed) if seed is not None else None
        self._number = 0

    def send(self, **message: Any) -> None:
        data = encode(**message)
        self.sent += data
        if self._chance is None:
            self.peer.write(data)
            return
        while data:
            size = self._chance.choice((1, 1, 2, 3, 7, 20, 100, 1000))
            self.peer.write(data[:size])
            data = data[size:]

    def ask(self, method: str, params: Any, timeout_s: float = 40) -> Any:
        """A request; what the server asks meanwhile is answered."""
        self._number += 1
        number = self._number
        self.send(id=number, method=method, params=params)
        while True:
            message = self.peer.receive(timeout_s)
            if message.get("id") == number and "method" not in message:
                return message.get("result")
            self.answer(message)

    def answer(self, message: dict[str, Any]) -> None:
        """What an editor answers to a server's request."""
        if "method" not in message or "id" not in message:
            return
        result: Any = None
        if message["method"] == "workspace/configuration":
            result = [None for _ in message["params"]["items"]]
        elif message["method"] == "workspace/applyEdit":
            result = {"applied": False}
        elif message["method"] == "workspace/workspaceFolders":
            result = [{"uri": self.root.as_uri(), "name": self.root.name}]
        self.send(id=message["id"], result=result)

    def start(self, options: Any = None) -> dict[str, Any]:
        params = {
            "processId": None,
            "rootUri": self.root.as_uri(),
            "rootPath": str(self.root),
            "workspaceFolders": [{"uri": self.root.as_uri(), "name": self.root.name}],
            "capabilities": CAPABILITIES,
            "initializationOptions": options or {},
        }
        result: dict[str, Any] = self.ask("initialize", params)
        self.send(method="initialized", params={})
        return result

    def work(self, project: Project) -> None:
        """Open, look around, edit with any text, ask for predictions in between, save, close."""
        uri = (self.root / project.edited).as_uri()
        text = project.files[project.edited]
        offset = text.rindex(project.name)
        row = text.count("\n", 0, offset)
        here = {"line": row, "character": offset - text.rfind("\n", 0, offset) - 1}
        document = {"uri": uri}
        opened = {"uri": uri, "languageId": project.language, "version": 1, "text": text}
        self.send(method="textDocument/didOpen", params={"textDocument": opened})
        for method in ("hover", "definition", "completion"):
            self.ask(f"textDocument/{method}", {"textDocument": document, "position": here})
        self.ask("textDocument/documentSymbol", {"textDocument": document})
        insertions = ("# é", "𝒳", "漢字 ", "e\u0301", "x", "\n")
        for version, typed in enumerate(insertions, 2):
            start = {"line": 0, "character": 0}
            change = {"range": {"start": start, "end": start}, "text": typed}
            if version == 5:
                change = {"text": text}
            self.send(
                method="textDocument/didChange",
                params={
                    "textDocument": {"uri": uri, "version": version},
                    "contentChanges": [change],
                },
            )
            at = {"textDocument": document, "position": start}
            self.ask("zeta/predict", at)
            if version % 2:
                self.ask("textDocument/inlineCompletion", {**at, "context": {"triggerKind": 2}})
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": row, "character": 0}}
        context = {"diagnostics": []}
        asked = {"textDocument": document, "range": whole, "context": context}
        self.ask("textDocument/codeAction", asked)
        self.ask("x-vendor/unknown", {"a-b": [1.0, 1e300, 2**70, None]})
        self.send(method="x-vendor/told", params={"é": "ü"})
        self.send(method="textDocument/didSave", params={"textDocument": document})
        self.ask("zeta/status", None)
        self.send(method="textDocument/didClose", params={"textDocument": document})

    def stop(self) -> int:
        """Shut down in the ordinary way; the exit status."""
        self.ask("shutdown", None)
        self.send(method="exit")
        out, _, status = self.peer.finish(30)
        self.received = out
        return status


def frames_of(data: bytes) -> list[Frame]:
    return FrameReader().feed(data)


def messages_of(frames: list[Frame]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for frame in frames:
        yield frame.raw, json.loads(frame.body)
