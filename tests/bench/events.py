"""What tracking costs: time of one edit, and memory after an hour of typing.

Run with `python -m tests.bench.events`; prints one JSON object. Knows nothing of sessions or
predictors. Times are wall-clock milliseconds of `Tracker.edit` alone; memory is what the tracker
and its history hold, by `tracemalloc`, in megabytes beyond the document's own text.
"""

from __future__ import annotations

import gc
import json
import random
import time
import tracemalloc
from collections.abc import Iterator

from zeta_context.events.tracker import Tracker
from zeta_context.text.point import Span

PROJECT, PATH = "bench", "a.py"
ROWS = 20_000
KEYSTROKES_A_SECOND = 10
SECONDS_AN_HOUR = 3_600


def make_text(rows: int = ROWS) -> str:
    """A text of rows as long as code has them."""
    return "".join(
        f"    value_{row} = compute(previous_{row}, factor={row % 7})\n" for row in range(rows)
    )


def type_away(tracker: Tracker, keystrokes: int, *, seed: int = 1) -> Iterator[float]:
    """Type as a person does: runs of characters, some taken back, now and then elsewhere.

    Yields the seconds that each edit took.
    """
    choice = random.Random(seed)
    at = len(tracker.document(PROJECT, PATH).snapshot) // 2
    typed = 0
    now = 0.0
    for number in range(keystrokes):
        if number % 60 == 59:
            at = choice.randrange(len(tracker.document(PROJECT, PATH).snapshot))
            typed = 0
        if typed and choice.random() < 0.1:
            at, span, text, typed = at - 1, Span(at - 1, at), "", typed - 1
        else:
            span, text = Span(at, at), "\n" if choice.random() < 0.03 else choice.choice("etaoin_ ")
            at, typed = at + 1, typed + 1
        now += 2.0 if choice.random() < 0.02 else 1 / KEYSTROKES_A_SECOND
        start = time.perf_counter()
        tracker.edit(PROJECT, PATH, span, text, at=now)
        yield time.perf_counter() - start


def measure_edits(*, rows: int = ROWS, keystrokes: int = 10_000) -> dict[str, float]:
    """`track_p50_ms` and `track_p99_ms` of an edit in a document of so many rows."""
    tracker = Tracker()
    tracker.open(PROJECT, PATH, make_text(rows))
    times = sorted(type_away(tracker, keystrokes))
    return {
        "track_p50_ms": round(times[len(times) // 2] * 1e3, 4),
        "track_p99_ms": round(times[len(times) * 99 // 100] * 1e3, 4),
    }


def measure_memory(
    *,
    rows: int = ROWS,
    keystrokes: int = KEYSTROKES_A_SECOND * SECONDS_AN_HOUR,
    read_every: int = 50,
) -> dict[str, float]:
    """`track_hour_mb`: what is held after an hour of typing, the history being read all along."""
    tracemalloc.start()
    try:
        tracker = Tracker()
        tracker.open(PROJECT, PATH, make_text(rows))
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        history = tracker.history(PROJECT)
        for number, _ in enumerate(type_away(tracker, keystrokes)):
            if number % read_every == 0:
                history.events()
                history.recent()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    return {"track_hour_mb": round(held / 1e6, 3)}


def main() -> None:
    """Measure and print."""
    print(json.dumps({**measure_edits(), **measure_memory()}))


if __name__ == "__main__":
    main()
