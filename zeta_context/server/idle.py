"""What `zeta-context serve` is while predictions are turned off: it answers, and does nothing.

It asks the editor for no document, starts no thread and loads no session, so that it costs nothing
until the editor ends it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from zeta_context import __version__
from zeta_context.errors import FramingError
from zeta_context.lsp.rpc import METHOD_NOT_FOUND, decode_body, encode_body
from zeta_context.lsp.wire import FrameReader, encode_frame
from zeta_context.server.version import describe_protocol

_OFF = {"prediction": None, "reason": "off", "detail": "predictions are turned off"}
_CAPABILITIES = {
    "textDocumentSync": 0,
    "experimental": {"zetaContext": {**describe_protocol(()), "off": True}},
}


def idle(*, source: int = 0, output: int = 1) -> int:
    """Serve an editor until it is done; the exit status."""
    reader = FrameReader()
    is_shut_down = False
    try:
        while data := os.read(source, 65536):
            for frame in reader.feed(data):
                message = decode_body(frame.body) or {}
                if message.get("method") == "exit":
                    return 0 if is_shut_down else 1
                is_shut_down = is_shut_down or message.get("method") == "shutdown"
                if "id" in message and "method" in message:
                    reply = {"jsonrpc": "2.0", "id": message["id"], **_answer(message)}
                    os.write(output, encode_frame(encode_body(reply)))
    except (FramingError, OSError):
        return 1
    return 1


def _answer(message: Mapping[str, Any]) -> dict[str, Any]:
    match message["method"]:
        case "initialize":
            info = {"name": "zeta-context", "version": __version__}
            return {"result": {"capabilities": _CAPABILITIES, "serverInfo": info}}
        case "zeta/predict":
            return {"result": _OFF}
        case "shutdown" | "zeta/state":
            return {"result": None}
    return {"error": {"code": METHOD_NOT_FOUND, "message": "predictions are turned off"}}
