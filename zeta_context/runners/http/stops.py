"""Cuts a growing output at the first stop string, whatever the server did about them.

Knows nothing of servers.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopCutter:
    """Collects text until a stop string comes; keeps back what may become one."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(one for one in stop if one)
        self._longest = max(map(len, self._stop), default=1)
        self._text = ""
        self.is_stopped = False

    def add(self, piece: str) -> bool:
        """Take in more text; whether there is more to see."""
        if self.is_stopped or not piece:
            return False
        before = self.visible
        start = max(0, len(self._text) - self._longest + 1)
        self._text += piece
        found = [at for one in self._stop if (at := self._text.find(one, start)) >= 0]
        if found:
            self._text = self._text[: min(found)]
            self.is_stopped = True
        return self.visible != before

    @property
    def text(self) -> str:
        """All of it, without the stop string."""
        return self._text

    @property
    def visible(self) -> str:
        """What no further text can take back."""
        if self.is_stopped:
            return self._text
        for length in range(min(self._longest - 1, len(self._text)), 0, -1):
            tail = self._text[-length:]
            if any(one.startswith(tail) for one in self._stop):
                return self._text[:-length]
        return self._text
