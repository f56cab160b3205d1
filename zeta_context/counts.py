"""Counted reasons: what was dropped, suppressed or late, and where.

Knows nothing of what is being counted: a reason is a short machine-readable word such as
`no_rule` or `lsp_timeout`; a place is `path:line` relative to the project, never text of a file.
Every layer takes a `Counts` and adds to it; `zeta-context doctor` shows it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

RECENT_REASONS = 20
"""How many of the newest reasons are kept with their place, as `doctor` shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One counted event: `at` is seconds since the epoch, `place` is `path:line` or empty."""

    at: float
    name: str
    place: str = ""


class Counts:
    """Thread-safe counters by reason, with the newest few kept one by one; memory is bounded."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()
        self._recent: deque[Reason] = deque(maxlen=RECENT_REASONS)

    def add(self, name: str, n: int = 1) -> None:
        """Count `name` without remembering when or where."""
        with self._lock:
            self._totals[name] += n

    def note(self, name: str, *, place: str = "") -> None:
        """Count `name` and keep it among the newest reasons."""
        with self._lock:
            self._totals[name] += 1
            self._recent.append(Reason(at=self._clock(), name=name, place=place))

    def total(self, name: str) -> int:
        """How often `name` was counted."""
        with self._lock:
            return self._totals[name]

    def totals(self) -> dict[str, int]:
        """All totals, by name."""
        with self._lock:
            return dict(sorted(self._totals.items()))

    def recent(self) -> tuple[Reason, ...]:
        """The newest reasons, oldest first."""
        with self._lock:
            return tuple(self._recent)
