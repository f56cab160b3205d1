"""What we tell a language server about ourselves, and what we answer when it asks.

Knows nothing of processes or documents. A server is given nothing but what it needs to answer
questions: it may not edit files, open windows or be told of watched files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zeta_context.errors import ResponseError
from zeta_context.lsp import uri
from zeta_context.lsp.rpc import METHOD_NOT_FOUND
from zeta_context.text.point import Encoding

ENCODINGS: tuple[Encoding, ...] = ("utf-32", "utf-8", "utf-16")
"""Offered in this order: our own columns are code points, so utf-32 needs no conversion."""


def initialize_params(
    root: Path,
    *,
    process_id: int,
    encodings: Sequence[Encoding] = ENCODINGS,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The params of `initialize` for a project at `root`."""
    root_uri = uri.from_path(root)
    return {
        "processId": process_id,
        "clientInfo": {"name": "zeta-context"},
        "rootUri": root_uri,
        "rootPath": str(root),
        "workspaceFolders": [{"uri": root_uri, "name": root.name}],
        "initializationOptions": dict(options or {}),
        "capabilities": {
            "general": {"positionEncodings": list(encodings)},
            "offsetEncoding": list(encodings),  # what clangd used before LSP had it
            "window": {"workDoneProgress": True},
            "workspace": {
                "configuration": True,
                "workspaceFolders": True,
                "applyEdit": False,
                "didChangeConfiguration": {"dynamicRegistration": True},
            },
            "textDocument": {
                "synchronization": {"didSave": True, "dynamicRegistration": True},
                "definition": {"linkSupport": True, "dynamicRegistration": True},
                "typeDefinition": {"linkSupport": True, "dynamicRegistration": True},
                "references": {"dynamicRegistration": True},
                "publishDiagnostics": {"versionSupport": True},
                "diagnostic": {"dynamicRegistration": True, "relatedDocumentSupport": False},
            },
        },
    }


def negotiated_encoding(result: Mapping[str, Any], offered: Sequence[Encoding]) -> Encoding:
    """The position encoding that the server picked; UTF-16 where it says nothing of use."""
    capabilities = result.get("capabilities")
    picked = capabilities.get("positionEncoding") if isinstance(capabilities, dict) else None
    if picked is None:
        picked = result.get("offsetEncoding")
    return next((encoding for encoding in offered if encoding == picked), "utf-16")


class Answers:
    """Answers the requests of one server.

    `settings` is the tree that `workspace/configuration` reads; `registered` holds the methods
    that the server registered dynamically.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any] | None = None) -> None:
        self._folders = [{"uri": uri.from_path(root), "name": root.name}]
        self._settings: Mapping[str, Any] = settings or {}
        self._registrations: dict[str, tuple[str, Any]] = {}

    @property
    def registered(self) -> dict[str, Any]:
        """The dynamically registered methods with their options."""
        return dict(self._registrations.values())

    def answer(self, method: str, params: Any) -> Any:
        """The result for a request; raises ResponseError for what we do not serve."""
        match method:
            case "workspace/configuration":
                return [self._setting(item.get("section")) for item in params["items"]]
            case "client/registerCapability":
                for item in params["registrations"]:
                    options = item.get("registerOptions")
                    self._registrations[str(item["id"])] = (str(item["method"]), options)
            case "client/unregisterCapability":
                # The specification itself misspells the key.
                for item in params.get("unregisterations", params.get("unregistrations", ())):
                    self._registrations.pop(str(item["id"]), None)
            case _:
                return self._constant(method)
        return None

    def _constant(self, method: str) -> Any:
        constants: dict[str, Any] = {
            "workspace/workspaceFolders": self._folders,
            "workspace/applyEdit": {"applied": False, "failureReason": "not wanted here"},
            "window/showDocument": {"success": False},
            "window/showMessageRequest": None,
            "window/workDoneProgress/create": None,
        }
        if method in constants:
            return constants[method]
        if method.startswith("workspace/") and method.endswith("/refresh"):
            return None
        raise ResponseError(METHOD_NOT_FOUND, "not supported by this client")

    def _setting(self, section: Any) -> Any:
        value: Any = self._settings
        if isinstance(section, str) and section:
            for name in section.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
        return value
