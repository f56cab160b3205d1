"""What the editors in a terminal have in common: keys go in as bytes, rows are read back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tools.terminal import Terminal

PAUSE_S = 0.13
"""After keys, so that the editor has taken them before it is asked."""


class InTerminal(ABC):
    """One editor in a terminal of its own."""

    terminal: Terminal

    def press(self, keys: str) -> None:
        """Keys as the terminal sends them, all at once."""
        self.terminal.press(keys)
        time.sleep(PAUSE_S)

    @property
    @abstractmethod
    def rows(self) -> Sequence[str]:
        """The buffer, row by row."""

    def reads(self, row: int, text: str) -> bool:
        """Whether a row of the buffer reads so."""
        return self.rows[row] == text

    def close(self) -> None:
        """End it whatever state it is in."""
        self.terminal.close()
