"""What a server's answer means for the records that were sent: a table, without any connection.

Nothing but a clear word per record counts as taken. Knows nothing of the spool.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zeta_context.capture.batch import decode_results
from zeta_context.runners.retry_after import parse_retry_after

LONGEST_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of the records by identifier, in the server's words; some may be missing."""

    results: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Try again: after `wait_s` as the server says, or when we think best (None)."""

    reason: str
    wait_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLarge:
    """Try again with fewer records at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """One of the records, at least, is one that the server will never take."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Send nothing more until somebody has looked at it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The server orders to stop for good and to forget what was for it."""


Verdict = Taken | Later | TooLarge | Unfit | Stop | Gone

_UNFIT = (400, 409, 422)
_LATER = (408, 425, 429)


def judge(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    asked: Sequence[str],
    *,
    clock: Callable[[], float] = time.time,
) -> Verdict:
    """What an answer means; names of `headers` are in lower case, `clock` is the calendar's."""
    if status in (200, 207):
        results = decode_results(body, asked)
        return Later(reason="no_results") if results is None else Taken(results=results)
    if status == 410:
        return Gone()
    if status == 413:
        return TooLarge()
    if status in _UNFIT:
        return Unfit(reason=f"http_{status}")
    if status in _LATER or status >= 500 or 200 <= status < 300:
        wait_s = parse_retry_after(
            headers.get("retry-after", ""), clock=clock, longest_s=LONGEST_WAIT_S
        )
        return Later(reason=f"http_{status}", wait_s=wait_s)
    return Stop(reason=f"http_{status}")
