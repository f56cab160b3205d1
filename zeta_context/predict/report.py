"""What a running session tells its own user: names, counts and places, never text of a file."""

from __future__ import annotations

import os
import sys
from collections import deque
from pathlib import Path
from typing import Any

from zeta_context.counts import Counts
from zeta_context.events.projects import Projects
from zeta_context.events.tracker import Tracker

REMEMBERED = 512
"""Answers whose times are told."""


class Latencies:
    """How many answers were made, and how long the newest took, in milliseconds."""

    def __init__(self) -> None:
        self.asked = 0
        self._made: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, elapsed_ms: float) -> None:
        """An answer was made in this time."""
        self.asked += 1
        self._made.append(elapsed_ms)

    @property
    def last_ms(self) -> float:
        """How long the newest took; 0 before the first answer."""
        return self._made[-1] if self._made else 0.0

    def percentiles(self) -> dict[str, float]:
        """`p50`, `p95` and `p99`; nothing before the first answer."""
        ordered = sorted(self._made)
        if not ordered:
            return {}
        last = len(ordered) - 1
        return {
            f"p{share}": round(ordered[min(last, len(ordered) * share // 100)], 1)
            for share in (50, 95, 99)
        }


def report_session(
    projects: Projects,
    tracker: Tracker,
    counts: Counts,
    *,
    latencies: Latencies | None = None,
    kept_share: float | None = None,
) -> dict[str, object]:
    """The fields that `zeta-context doctor` shows of a session, ready for JSON."""
    return {
        "projects": [project.name for project in projects],
        "documents": len(tracker.documents()),
        "latency_ms": latencies.percentiles() if latencies is not None else {},
        "rates": find_rates(
            latencies.asked if latencies is not None else 0, counts.totals(), kept_share
        ),
        "memory_mb": read_memory_mb(),
        "totals": counts.totals(),
        "recent": [
            {"at": reason.at, "name": reason.name, "place": reason.place}
            for reason in counts.recent()
        ],
    }


def find_rates(asked: int, totals: dict[str, int], kept_share: float | None) -> dict[str, Any]:
    """How much of what was asked was answered, accepted and kept; shares are 0..1 or None.

    `accepted_share` is of the predictions that an editor said it showed, else of all made.
    """
    predicted = totals.get("predicted", 0)
    shown = totals.get("shown", 0) or predicted
    accepted = totals.get("accepted", 0)
    return {
        "asked": asked,
        "predicted": predicted,
        "shown": shown,
        "accepted": accepted,
        "predicted_share": round(min(1.0, predicted / asked), 4) if asked else None,
        "accepted_share": round(min(1.0, accepted / shown), 4) if shown else None,
        "kept_share": None if kept_share is None else round(kept_share, 4),
    }


def read_memory_mb() -> float | None:
    """The memory that this process holds, in megabytes; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1e6 if sys.platform == "darwin" else 1e3), 1)
