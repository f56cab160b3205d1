"""How long one repeat prediction takes in a file of 5,000 lines.

    python -m tests.bench.repeat_speed

The file is made of this Python's own standard library; in it names are renamed, arguments added,
lines deleted and inserted, at places drawn from a fixed seed, with the ten events that an editor's
history holds. Every prediction is made on a text that the proposer has not seen before.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import optparse
import random
import re
import time
import typing
from collections.abc import Iterator

from zeta_context.events.event import Event
from zeta_context.predict.proposers.repeat import RepeatProposer
from zeta_context.predict.view import Document, View
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

ROWS = 5000
EVENTS = 10
NEAR = 40


def make_lines() -> list[str]:
    """5,000 lines of real Python."""
    sources = [inspect.getsource(module) for module in (argparse, optparse, typing, difflib)]
    return "".join(sources).splitlines(keepends=True)[:ROWS]


def make_views(count: int) -> Iterator[View]:
    """Views of the file in the midst of sessions of repeated edits."""
    choice = random.Random(0)
    lines = make_lines()
    for number in range(count):
        state = list(lines)
        events: list[Event] = []
        row = choice.randrange(200, ROWS // 2)
        word = choice.choice(
            re.findall(r"[A-Za-z_]{4,}", "".join(state[row : row + 60])) or ["self"]
        )
        while len(events) < EVENTS and row < ROWS - NEAR:
            row = next(
                (at for at in range(row + 1, ROWS - NEAR) if re.search(rf"\b{word}\b", state[at])),
                ROWS,
            )
            if row == ROWS:
                break
            before = list(state[row - 3 : row + 4])
            _edit_row(state, row, word, number % 4, choice)
            events.append(_make_event(before, state, row, len(events)))
        if not events:
            continue
        text = "".join(state)
        document = Document(
            project="p", path="f.py", language="python", version=number, snapshot=TextSnapshot(text)
        )
        cursor = sum(map(len, state[: row if row < ROWS else ROWS // 2]))
        yield View(document=document, cursor=min(cursor, len(text)), events=tuple(events))


def _edit_row(state: list[str], row: int, word: str, kind: int, choice: random.Random) -> None:
    if kind == 0 or choice.random() < 0.5:
        state[row] = re.sub(rf"\b{word}\b", f"{word}_new", state[row])
    elif kind == 1:
        state[row] = state[row].replace(")", ", timeout=None)", 1)
    elif kind == 2:
        state[row] = state[row].rstrip("\n") + "  # checked\n"
    else:
        indent = state[row][: len(state[row]) - len(state[row].lstrip())]
        state[row] = f"{indent}log.debug({word!r})\n{state[row]}"


def _make_event(before: list[str], state: list[str], row: int, number: int) -> Event:
    after = "".join(state[row - 3 : row + 4]).splitlines(keepends=True)
    above = sum(line.count("\n") for line in state[: row - 3])
    diff = "".join(list(difflib.unified_diff(before, after, n=3))[2:])
    body = diff.split("\n", 1)[1] if diff else ""
    header = f"@@ -{above + 1},{len(before)} +{above + 1},{len(after)} @@\n"
    return Event(
        project="p",
        path="f.py",
        diff=header + body,
        old_span=Span(0, 0),
        new_span=Span(0, 0),
        at=float(number),
    )


def measure_repeat(count: int = 200) -> dict[str, float]:
    """Milliseconds of one prediction: `repeat_p50_ms` and `repeat_p99_ms`."""
    proposer = RepeatProposer()
    times: list[float] = []
    for view in make_views(count):
        started = time.perf_counter()
        proposer.propose(view)
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return {
        "repeat_p50_ms": round(times[len(times) // 2], 3),
        "repeat_p99_ms": round(times[min(len(times) - 1, len(times) * 99 // 100)], 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure_repeat()))
