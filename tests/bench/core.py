"""`make bench-core`: what a keystroke, a repeat prediction, an import and `--help` cost.

Everything is taken in one run; process starts are interleaved with those of bare Python, so that a
busy machine slows both. Keystrokes are timed in rounds: a figure is the median of its rounds, and
beside it stand the lowest and the highest round and the processor time, which tells what other
programs on the machine added. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from tests.bench.events import make_text, measure_memory
from tests.bench.repeat_speed import measure_repeat
from zeta_context import Span
from zeta_context.session import Session
from zeta_context.settings import Settings

ROWS = 20_000
ROUNDS = 9
KEYSTROKES = 2_000
"""A round."""
STARTS = 21
TARGETS = {
    "edit_p50_ms": 0.1,
    "edit_p99_ms": 1.0,
    "repeat_p50_ms": 10.0,
    "repeat_p99_ms": 50.0,
    "import_ms": 60.0,
    "help_ms": 200.0,
}


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure: wall-clock milliseconds by round, and those that the processor worked."""

    rounds: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median round."""
        return median(self.rounds)

    def __str__(self) -> str:
        return f"{min(self.rounds):.3f} - {max(self.rounds):.3f}, CPU {median(self.cpu):.3f}"


def measure_session_edits() -> dict[str, Spread]:
    """Milliseconds of `Session.edit` while typing in a file of 20,000 rows."""
    choice = random.Random(7)
    wall, cpu = [], []
    with tempfile.TemporaryDirectory() as root:
        session = Session(root, settings=Settings(offer_status=False, watch_files=False))
        session.open("big.py", make_text(ROWS))
        for _ in range(ROUNDS):
            times = list(_type_away(session, choice))
            wall.append(quantiles((one for one, _ in times), n=100))
            cpu.append(quantiles((one for _, one in times), n=100))
        asyncio.run(session.aclose())
    return {
        name: Spread(tuple(cuts[at] for cuts in wall), tuple(cuts[at] for cuts in cpu))
        for name, at in (("edit_p50_ms", 49), ("edit_p99_ms", 98))
    }


def _type_away(session: Session, choice: random.Random) -> Iterator[tuple[float, float]]:
    at = 0
    for number in range(KEYSTROKES):
        if number % 60 == 0:
            at = choice.randrange(len(session.document("big.py").snapshot))
        text = "\n" if choice.random() < 0.03 else choice.choice("etaoin_ ")
        worked, start = time.thread_time(), time.perf_counter()
        session.edit("big.py", Span(at, at), text)
        wall = time.perf_counter() - start
        yield wall * 1000, (time.thread_time() - worked) * 1000
        at += 1


def measure_starts() -> dict[str, float]:
    """Milliseconds of `import zeta_context` over bare Python, and of `zeta-context --help`."""
    bare, imported, helped = [], [], []
    script = str(Path(sys.executable).with_name("zeta-context"))
    for _ in range(STARTS):
        bare.append(_time([sys.executable, "-c", "pass"]))
        imported.append(_time([sys.executable, "-c", "import zeta_context"]))
        helped.append(_time([script, "--help"]))
    over = [new - old for new, old in zip(imported, bare, strict=True)]
    return {"import_ms": median(over), "help_ms": median(helped)}


def _time(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure, and print the table and the JSON."""
    edits = measure_session_edits()
    measured = {name: spread.value for name, spread in edits.items()}
    measured.update(measure_repeat(), **measure_starts())
    memory = measure_memory()
    table = Table("figure", "measured", "target", "rounds", title="cost of the core")
    for name, target in TARGETS.items():
        colour = "green" if measured[name] <= target else "red"
        table.add_row(
            name, f"[{colour}]{measured[name]:.3f}", f"<= {target:g}", str(edits.get(name, ""))
        )
    for name, value in memory.items():
        table.add_row(name, f"{value:.2f}", "bounded")
    Console(width=80).print(table)
    print(json.dumps({name: round(measured[name], 4) for name in TARGETS}))


if __name__ == "__main__":
    main()
