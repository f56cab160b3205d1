"""Documents that only the worker has shown to the server, and that the editor must never see.

They are open for as long as one comparison takes. Whatever an editor asks that looks beyond one
document closes them before the server gets the question. Light: belongs to the pump; knows neither
streams nor processes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from zeta_context.lsp.wire import encode_frame
from zeta_context.server.proxy.rewrite import encode_json

MARK = re.compile(rb"__zeta_(?:is|was|would)[0-9]*(?![A-Za-z_])")
"""What the names of such documents hold, however a server spells their URIs."""

MAX_OPEN = 8

WORKSPACE_DIAGNOSTIC = "workspace/diagnostic"
_ONE_DOCUMENT = frozenset(
    f"textDocument/{name}"
    for name in (
        "colorPresentation", "declaration", "definition", "diagnostic",
        "documentColor", "documentHighlight", "documentLink", "documentSymbol", "foldingRange",
        "formatting", "hover", "inlayHint", "inlineValue", "linkedEditingRange", "onTypeFormatting",
        "prepareRename", "rangeFormatting", "selectionRange", "semanticTokens/full",
        "semanticTokens/full/delta", "semanticTokens/range", "signatureHelp", "typeDefinition",
        "willSaveWaitUntil",
    )
)  # fmt: skip
"""Questions whose answers name no document that has just been opened."""


class Shadows:
    """The shadow documents of one server.

    `forward` puts a message on the server's stream, between two others. `was_any` tells whether
    there ever was one: from then on the server's messages are looked through for them.
    """

    def __init__(self, forward: Callable[[bytes], None], count: Callable[[str], None]) -> None:
        self._forward = forward
        self._count = count
        self._is_sent: dict[bytes, bool] = {}
        self._is_refused = False
        self.was_any = False

    @property
    def uris(self) -> tuple[bytes, ...]:
        """Those that are shown, or will be soon."""
        return tuple(self._is_sent)

    def want(self, uri: bytes) -> bool:
        """A document is to be shown; False when none may be now."""
        if self._is_refused or len(self._is_sent) >= MAX_OPEN:
            self._count("shadow_refused")
            return False
        self._is_sent[uri] = False
        self.was_any = True
        return True

    def show(self, uri: bytes, frame: bytes) -> None:
        """Send its `didOpen`, if it is still wanted."""
        if uri in self._is_sent:
            self._is_sent[uri] = True
            self._forward(frame)

    def close(self, uri: bytes) -> None:
        """Take one away."""
        if self._is_sent.pop(uri, False):
            document = {"textDocument": {"uri": uri.decode()}}
            message = {"jsonrpc": "2.0", "method": "textDocument/didClose", "params": document}
            self._forward(encode_frame(encode_json(message)))

    def close_all(self) -> bool:
        """Take all away; whether there were any."""
        had_any = bool(self._is_sent)
        for uri in list(self._is_sent):
            self.close(uri)
        return had_any

    def make_way(self, method: str) -> bool:
        """Take all away before a message of the editor that could find them; whether it had to."""
        if method == WORKSPACE_DIAGNOSTIC:
            # It may be answered whenever something is opened, for as long as the editor runs.
            self._is_refused = True
        if not self._is_sent or method in _ONE_DOCUMENT or _is_told(method):
            return False
        self._count("shadow_closed_early")
        return self.close_all()


def _is_told(method: str) -> bool:
    """Whether a method is a notification, which nobody answers."""
    name = method.rpartition("/")[2]
    return method.startswith("$/") or name.startswith("did") or name == "willSave"
