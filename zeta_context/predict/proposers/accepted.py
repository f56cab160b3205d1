"""The rows that the user accepted lately: where drafts look for text that is in no prompt.

Bounded, in memory only, and gone with the process. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from zeta_context.events.event import Event

MAX_CHARACTERS = 64_000


class AcceptedTexts:
    """Accepted texts, oldest first; the oldest go when there are more than fit. Thread-safe."""

    def __init__(self, *, max_characters: int = MAX_CHARACTERS) -> None:
        self._max_characters = max_characters
        self._lock = threading.Lock()
        self._texts: deque[str] = deque()
        self._characters = 0

    def add(self, text: str) -> None:
        """Remember a text; one that is too long to be of use, or blank, is left out."""
        if not text.strip() or len(text) > self._max_characters // 4:
            return
        with self._lock:
            if text in self._texts:
                self._texts.remove(text)
                self._characters -= len(text)
            self._texts.append(text)
            self._characters += len(text)
            while self._characters > self._max_characters:
                self._characters -= len(self._texts.popleft())

    def add_events(self, events: Sequence[Event]) -> None:
        """Remember the rows that accepted predictions put in."""
        for event in events:
            if event.predicted:
                rows = (row[1:] for row in event.diff.splitlines() if row.startswith("+"))
                self.add("\n".join(rows))

    def texts(self) -> tuple[str, ...]:
        """What is remembered as one text, or nothing: the newest last."""
        with self._lock:
            return ("\n".join(self._texts),) if self._texts else ()
