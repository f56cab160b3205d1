"""Which pieces of work a language server has announced and not yet ended (`$/progress`).

Knows nothing of what the work is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

STALE_S = 60.0
"""Work that is neither reported on nor ended for so long is taken as forgotten by the server."""


class Progress:
    """The open progress tokens of one server; an end without a begin is ignored."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, float] = {}

    @property
    def is_open(self) -> bool:
        """Whether some announced work has not ended."""
        now = self._clock()
        self._open = {token: at for token, at in self._open.items() if now - at < STALE_S}
        return bool(self._open)

    def take(self, params: Any) -> None:
        """Take in the params of one `$/progress`; raises what malformed ones make Python raise."""
        token, kind = str(params["token"]), params["value"].get("kind")
        if kind == "begin" or (kind == "report" and token in self._open):
            self._open[token] = self._clock()
        elif kind == "end":
            self._open.pop(token, None)
