"""Documents that only the worker has shown to the server, and that the editor must never see.

They are open for as long as one comparison takes, and only while the server owes the editor
nothing: opening and closing a document would make it give up what it works on. Whatever the editor
asks closes them before the server gets the question. Light: belongs to the pump; knows neither
streams nor processes.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from zeta_context.lsp.wire import encode_frame
from zeta_context.server.proxy.rewrite import encode_json

MARK = re.compile(rb"__zeta_(?:is|was|would)[0-9]*(?![A-Za-z_])")
"""What the names of such documents hold, however a server spells their URIs."""

MAX_OPEN = 8
FORGIVEN_S = 5.0
"""A question that the server has not answered for so long is taken for one that it never will."""

WORKSPACE_DIAGNOSTIC = "workspace/diagnostic"


class _Step(NamedTuple):
    """What is to be sent about a document; without a `frame`, that it is closed."""

    uri: bytes
    frame: bytes
    is_opening: bool


class Shadows:
    """The shadow documents of one server.

    `forward` puts a message on the server's stream, between two others. `was_any` tells whether
    there ever was one: from then on the server's messages are looked through for them.
    """

    def __init__(
        self,
        forward: Callable[[bytes], None],
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forward = forward
        self._count = count
        self._clock = clock
        self._open: set[bytes] = set()
        self._steps: deque[_Step] = deque()
        self._owed = 0
        self._asked_at = 0.0
        self._is_refused = False
        self.was_any = False

    # What the worker wants.

    def want(self, uri: bytes, frame: bytes) -> bool:
        """A document is to be shown by its `didOpen`; False when none may be."""
        if self._is_refused or len(self._steps) + len(self._open) >= MAX_OPEN:
            self._count("shadow_refused")
            return False
        self._steps.append(_Step(uri, frame, is_opening=True))
        self.was_any = True
        return True

    def ask(self, uri: bytes, frame: bytes) -> None:
        """A question about a document; it goes nowhere once that is closed."""
        self._steps.append(_Step(uri, frame, is_opening=False))

    def close(self, uri: bytes) -> None:
        """A document is to be taken away."""
        self._steps.append(_Step(uri, b"", is_opening=False))

    def close_all(self) -> bool:
        """Take all away at once, and forget what was to be sent; whether there was anything."""
        had_any = bool(self._open or self._steps)
        self._steps.clear()
        for uri in list(self._open):
            self._close(uri)
        return had_any

    def forget(self) -> None:
        """The worker is gone: take away what it had shown, as soon as that can be."""
        self._steps.clear()
        for uri in self._open:
            self.close(uri)

    def proceed(self) -> None:
        """Send what is to be sent, if the server owes the editor nothing; between two messages."""
        while self._steps and self._is_quiet:
            uri, frame, is_opening = self._steps.popleft()
            if is_opening:
                self._open.add(uri)
            if not frame:
                self._close(uri)
            elif uri in self._open:
                self._forward(frame)

    def _close(self, uri: bytes) -> None:
        if uri in self._open:
            self._open.discard(uri)
            document = {"textDocument": {"uri": uri.decode()}}
            message = {"jsonrpc": "2.0", "method": "textDocument/didClose", "params": document}
            self._forward(encode_frame(encode_json(message)))

    # What passes between the editor and the server.

    def make_way(self, method: str) -> bool:
        """A message of the editor for the server comes next; whether something had to go for it."""
        if _is_told(method):
            return False
        if method == WORKSPACE_DIAGNOSTIC:
            # It may be answered whenever something is opened, for as long as the editor runs.
            self._is_refused = True
        self._owed += 1
        self._asked_at = self._clock()
        if not self.close_all():
            return False
        self._count("shadow_closed_early")
        return True

    def note_answer(self) -> None:
        """A question of the editor was answered."""
        self._owed = max(0, self._owed - 1)

    @property
    def _is_quiet(self) -> bool:
        if self._owed and self._clock() - self._asked_at > FORGIVEN_S:
            self._owed = 0
        return not self._owed


def _is_told(method: str) -> bool:
    """Whether a method is a notification, which nobody answers."""
    name = method.rpartition("/")[2]
    is_note = name.startswith("did") or name in ("willSave", "exit", "initialized", "cancel")
    return method.startswith("$/") or is_note
