"""What the text algebra costs on a 20,000-line file: edits, positions, diffs.

Knows nothing of documents or sessions; `measure` gives figures for whoever prints them. Run alone
with `python -m tests.bench.text`.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Callable

from zeta_context.text.diff import diff_text
from zeta_context.text.patch import render_region_diff
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

ROWS = 20_000
TYPED = "    result = compute(argument, other)  # typed\n"


def make_text(rows: int = ROWS, *, seed: int = 1) -> str:
    """A text as source code is: rows of mixed lengths, one in fifty not ASCII."""
    rng = random.Random(seed)
    lines = []
    for number in range(rows):
        words = " ".join(rng.choices(("value", "self.items", "return", "compute(a)"), k=4))
        lines.append(f"{' ' * (4 * (number % 4))}{words}{' # é👍' if number % 50 == 0 else ''}\n")
    return "".join(lines)


def percentiles_ms(call: Callable[[int], object], times: int, name: str) -> dict[str, float]:
    """The cost of `call(i)` in milliseconds, each timed by itself: `name_p50_ms`, `name_p99_ms`."""
    taken = []
    gc.collect()
    for number in range(times):
        start = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - start)
    taken.sort()
    return {
        f"{name}_p50_ms": round(taken[times // 2] * 1000, 4),
        f"{name}_p99_ms": round(taken[times * 99 // 100] * 1000, 4),
    }


def measure(*, times: int = 5000) -> dict[str, float]:
    """Typing bursts of 46 keystrokes at random rows, then positions and diffs of the result."""
    rng = random.Random(2)
    text = make_text()
    start = time.perf_counter()
    snapshot = TextSnapshot(text)
    figures = {"snapshot_build_ms": round((time.perf_counter() - start) * 1000, 4)}
    offset = 0

    def type_one(number: int) -> None:
        nonlocal snapshot, offset
        if number % len(TYPED) == 0:
            offset = snapshot.row_start(rng.randrange(snapshot.row_count))
        snapshot = snapshot.edit(Span(offset, offset), TYPED[number % len(TYPED)])
        offset += 1

    figures |= percentiles_ms(type_one, times, "snapshot_edit")
    offsets = [rng.randrange(len(snapshot)) for _ in range(times)]
    positions = [snapshot.position(offset, "utf-16") for offset in offsets]
    figures |= percentiles_ms(lambda n: snapshot.point(offsets[n]), times, "snapshot_point")
    figures |= percentiles_ms(
        lambda n: snapshot.position(offsets[n], "utf-16"), times, "snapshot_position"
    )
    figures |= percentiles_ms(
        lambda n: snapshot.offset_of_position(*positions[n], "utf-16"), times, "snapshot_offset"
    )
    at = snapshot.row_start(ROWS // 2)
    edited = snapshot.edit(Span(at, at), TYPED)
    spans = Span(at, at), Span(at, at + len(TYPED))
    figures |= percentiles_ms(
        lambda _: render_region_diff(snapshot, edited, *spans), times // 5, "region_diff"
    )
    return figures | percentiles_ms(few_changes(), 50, "diff_5000_lines")


def few_changes() -> Callable[[int], object]:
    """A diff of a 5,000-line file with changes at its start, middle and end."""
    rows = make_text(5000).splitlines(keepends=True)
    old = "".join(rows)
    for at in (10, 2500, 4990):
        rows[at] = TYPED
    new = "".join(rows)
    return lambda _: diff_text(old, new)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
