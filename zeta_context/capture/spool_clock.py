"""The spool's own time, which no change of the system's clock can make leap.

While the machine runs it follows the clock that only ever goes forward; over a restart it follows
the calendar, but never backwards and never by more than a week, so that no jump makes everything
expire at once. Knows nothing of records.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_ABSENCE_S = 7 * 86_400.0
"""By how much at most the time goes on over a restart of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The spool's time `now`, and what the two clocks of the machine showed then; seconds."""

    now: float = 0.0
    steady: float = 0.0
    calendar: float = 0.0


def steady_time() -> float:
    """Seconds since some moment before the machine's start; goes on while it sleeps, if it can."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class SpoolClock:
    """Reads both clocks and goes on from a reading that was kept."""

    def __init__(
        self,
        *,
        steady: Callable[[], float] = steady_time,
        calendar: Callable[[], float] = time.time,
    ) -> None:
        self._steady = steady
        self._calendar = calendar

    def go_on(self, last: Reading | None) -> Reading:
        """The reading now, given the last one that anybody took, also in another process."""
        steady, calendar = self._steady(), self._calendar()
        if last is None:
            return Reading(now=0.0, steady=steady, calendar=calendar)
        elapsed = steady - last.steady
        if elapsed < 0:  # the machine was started anew
            elapsed = min(max(calendar - last.calendar, 0.0), LONGEST_ABSENCE_S)
        return Reading(now=last.now + elapsed, steady=steady, calendar=calendar)
