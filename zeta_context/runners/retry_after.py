"""How long a server wants to be left alone, from its `Retry-After` header.

Source: RFC 9110, section 10.2.3. Knows nothing of requests.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable

LONGEST_S = 600.0
"""A server that names more is asked again after this long, whatever it says."""

SHORTEST_S = 1.0


def parse_retry_after(
    value: str, *, clock: Callable[[], float] = time.time, longest_s: float = LONGEST_S
) -> float | None:
    """Seconds from now, between a second and `longest_s`; None when the value says nothing.

    The value is a number of seconds or an HTTP date; `clock` gives seconds since the epoch.
    """
    value = value.strip()
    if not value or len(value) > 64 or not value.isascii():
        return None
    if value.isdecimal():
        return _clamp(float(value), longest_s)
    try:
        date = email.utils.parsedate_to_datetime(value)
        return _clamp(date.timestamp() - clock(), longest_s)
    except (ValueError, OverflowError, OSError):
        return None


def _clamp(seconds: float, longest_s: float) -> float:
    return min(max(seconds, SHORTEST_S), longest_s)
