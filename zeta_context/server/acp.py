"""`zeta-context acp`: next-edit suggestions over the Agent Client Protocol (unstable part).

Lines of JSON-RPC over standard streams, as the protocol's `nes/*` and `document/*` methods define
them (schema 1.12, "NES", marked unstable there). Each `nes/start` gets a session of its own, with
the same `Features` as the other front ends; knows nothing of how predictions are made.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zeta_context import __version__
from zeta_context.lsp.rpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, decode_body
from zeta_context.predict.prediction import Discarded
from zeta_context.prompt.input import Trigger
from zeta_context.server.agent import read_input
from zeta_context.server.description import describe
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.features import Commands, Features
from zeta_context.server.handshake import choose_encoding, find_roots
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Encoding

ACP_VERSION = 1
MAX_LINE_BYTES = 32 * 1024 * 1024
UNKNOWN_SESSION = -32002
REQUEST_CANCELLED = -32800

_TRIGGERS: Mapping[str, Trigger] = {
    "automatic": "buffer_edit",
    "diagnostic": "diagnostics",
    "manual": "explicit",
}
_REASONS = {
    "rejected": "rejected",
    "ignored": "discarded",
    "replaced": "replaced",
    "cancelled": "canceled",
}
_DOCUMENTS = {
    "document/didOpen": "textDocument/didOpen",
    "document/didChange": "textDocument/didChange",
    "document/didClose": "textDocument/didClose",
    "document/didSave": "textDocument/didSave",
}
_JUMP = ":jump"


class Refused(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class NesSession:
    """What one `nes/start` began."""

    session: Session
    features: Features


class AcpAgent:
    """One client, from `initialize` to the end of its input; answers through `write`."""

    def __init__(self, settings: Settings, *, output: int = 1) -> None:
        self._settings = settings
        self._output = output
        self._sessions: dict[str, NesSession] = {}
        self._running: dict[object, asyncio.Task[None]] = {}
        self._encoding: Encoding = "utf-16"
        self._has_jump = False
        self.is_done = False

    def take(self, line: bytes) -> None:
        """One message of the client."""
        message = decode_body(line)
        if message is None or not isinstance(message.get("method"), str):
            return
        params = message.get("params")
        params = params if isinstance(params, Mapping) else {}
        if "id" not in message:
            self._take_notification(message["method"], params)
            return
        request_id = message["id"]
        task = asyncio.create_task(self._answer(request_id, message["method"], params))
        self._running[request_id] = task
        task.add_done_callback(lambda _: self._running.pop(request_id, None))

    async def aclose(self) -> None:
        """End what is under way."""
        for task in list(self._running.values()):
            task.cancel()
        for one in self._sessions.values():
            await one.session.aclose()

    # What the client asks.

    async def _answer(self, request_id: object, method: str, params: Mapping[str, Any]) -> None:
        try:
            outcome: dict[str, Any] = {"result": await self._result(method, params)}
        except Refused as refusal:
            outcome = {"error": {"code": refusal.code, "message": str(refusal)}}
        except (KeyError, TypeError, ValueError, AttributeError):
            outcome = {"error": {"code": INVALID_PARAMS, "message": "params are not understood"}}
        except asyncio.CancelledError:
            outcome = {"error": {"code": REQUEST_CANCELLED, "message": "cancelled"}}
        except Exception:
            outcome = {"error": {"code": INTERNAL_ERROR, "message": "the request failed"}}
        self._write({"jsonrpc": "2.0", "id": request_id, **outcome})

    async def _result(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        match method:
            case "initialize":
                return self._initialize(params)
            case "nes/start":
                return await self._start(params)
            case "nes/suggest":
                return {"suggestions": await self._suggest(self._session(params), params)}
            case "nes/close":
                one = self._session(params)
                del self._sessions[params["sessionId"]]
                await one.session.aclose()
                return {}
        raise Refused(METHOD_NOT_FOUND, f"no method {method[:100]}")

    def _initialize(self, params: Mapping[str, Any]) -> dict[str, Any]:
        capabilities = params.get("clientCapabilities")
        capabilities = capabilities if isinstance(capabilities, Mapping) else {}
        offered = {"positionEncodings": capabilities.get("positionEncodings") or ["utf-16"]}
        self._encoding = choose_encoding({"capabilities": {"general": offered}})
        nes = capabilities.get("nes")
        self._has_jump = isinstance(nes, Mapping) and nes.get("jump") is not None
        told: dict[str, Any] = {name: {} for name in ("didOpen", "didClose", "didSave", "didFocus")}
        told["didChange"] = {"syncKind": "incremental"}
        return {
            "protocolVersion": ACP_VERSION,
            "agentCapabilities": {
                "nes": {"events": {"document": told}, "context": {}},
                "positionEncoding": self._encoding,
            },
            "agentInfo": {"name": "zeta-context", "version": __version__},
            "authMethods": [],
        }

    async def _start(self, params: Mapping[str, Any]) -> dict[str, Any]:
        roots = find_roots(
            {
                "workspaceFolders": params.get("workspaceFolders"),
                "rootUri": params.get("workspaceUri"),
            }
        )
        session = Session(roots[0], more_roots=roots[1:], settings=self._settings)
        await session.__aenter__()
        documents = EditorDocuments(session, encoding=self._encoding)
        features = Features(session, documents, Commands.named(("", "", "")))
        session_id = os.urandom(8).hex()
        self._sessions[session_id] = NesSession(session, features)
        return {"sessionId": session_id}

    async def _suggest(self, one: NesSession, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        features = one.features
        document = features.documents.find(params["uri"])
        state = features.documents.state(document) if document is not None else None
        if state is None or state.version != params["version"]:
            one.session.counts.add("suggest_for_other_version")
            return []
        position = params["position"]
        asked = {"textDocument": {"uri": params["uri"]}, "position": position}
        trigger = _TRIGGERS.get(params.get("triggerKind", ""), "other")
        made = await features.predict(asked, trigger=trigger)
        if isinstance(made, Discarded):
            return []
        told = describe(made, features.documents)
        uri = told["textDocument"]["uri"]
        is_elsewhere = made.document is not document or told["jump"]["line"] != position["line"]
        if is_elsewhere and self._has_jump:
            jump = {"id": made.id + _JUMP, "uri": uri, "position": told["jump"]}
            return [{"kind": "jump", **jump}]
        features.made.show(made)
        edit = {"id": made.id, "uri": uri, "edits": told["edits"], "cursorPosition": told["cursor"]}
        return [{"kind": "edit", **edit}]

    def _session(self, params: Mapping[str, Any]) -> NesSession:
        one = self._sessions.get(params["sessionId"])
        if one is None:
            raise Refused(UNKNOWN_SESSION, "no such session: nes/start begins one")
        return one

    # What the client tells.

    def _take_notification(self, method: str, params: Mapping[str, Any]) -> None:
        if method == "$/cancel_request":
            task = self._running.get(params.get("requestId"))
            if task is not None:
                task.cancel()
            return
        one = self._sessions.get(str(params.get("sessionId")))
        if one is None:
            return
        try:
            self._tell(one.features, method, params)
        except (KeyError, TypeError, ValueError, AttributeError):
            one.session.counts.add("message_not_understood")

    def _tell(self, features: Features, method: str, params: Mapping[str, Any]) -> None:
        if method in _DOCUMENTS:
            keys = ("uri", "version", "languageId", "text")
            document = {key: params[key] for key in keys if key in params}
            told: dict[str, Any] = {"textDocument": document}
            if "contentChanges" in params:
                told["contentChanges"] = params["contentChanges"]
            features.take_notification(_DOCUMENTS[method], told)
        elif method == "document/didFocus":
            place = {"textDocument": {"uri": params["uri"]}, "position": params["position"]}
            features.take_hint(place)
        elif method == "nes/accept" and not params["id"].endswith(_JUMP):
            features.take_notification("zeta/didAccept", {"id": params["id"]})
        elif method == "nes/reject":
            reason = _REASONS.get(params.get("reason") or "rejected", "rejected")
            told = {"id": params["id"].removesuffix(_JUMP), "reason": reason}
            features.take_notification("zeta/didReject", told)

    def _write(self, message: Mapping[str, Any]) -> None:
        rest = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._output, rest) :]
        except OSError:
            self.is_done = True


async def serve(settings: Settings) -> int:
    """Serve standard input and output until the client is done; the exit status."""
    agent = AcpAgent(settings)
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    threading.Thread(
        target=read_input, args=(0, asyncio.get_running_loop(), queue), daemon=True
    ).start()
    pending = b""
    try:
        while not agent.is_done and (data := await queue.get()):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                if line.strip():
                    agent.take(line)
            if len(pending) > MAX_LINE_BYTES:
                return 1
    finally:
        await agent.aclose()
    return 0
