"""Tells an answer that says the same over and over: greedy decoding does not find out of that.

Pure text: knows nothing of models.
"""

from __future__ import annotations

_TAIL = 600
"""Characters at the end of an answer that have to be nothing but repetition."""

_LONGEST = 100
"""Characters of the longest text that counts as repeated: it was said six times then."""


def goes_in_circles(answer: str, known: str) -> bool:
    """Whether the end of an answer only repeats itself, which the known text nowhere does."""
    if len(answer) < _TAIL:
        return False
    tail = answer[-_TAIL:]
    before = tail.rfind(tail[-_LONGEST:], 0, _TAIL - 1)
    period = _TAIL - _LONGEST - before
    return 0 < period <= _LONGEST and tail[period:] == tail[:-period] and tail not in known
