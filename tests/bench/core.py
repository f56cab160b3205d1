"""`make bench-core`: what a keystroke, a repeat prediction, an import and `--help` cost.

Everything is taken in one run; process starts are interleaved with those of bare Python, so that a
busy machine slows both. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
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
KEYSTROKES = 10_000
STARTS = 21
TARGETS = {
    "edit_p50_ms": 0.1,
    "edit_p99_ms": 1.0,
    "repeat_p50_ms": 10.0,
    "repeat_p99_ms": 50.0,
    "import_ms": 60.0,
    "help_ms": 200.0,
}


def measure_session_edits() -> dict[str, float]:
    """Milliseconds of `Session.edit` while typing in a file of 20,000 rows."""
    with tempfile.TemporaryDirectory() as root:
        session = Session(root, settings=Settings(offer_status=False, watch_files=False))
        session.open("big.py", make_text(ROWS))
        choice = random.Random(7)
        at, times = 0, []
        for number in range(KEYSTROKES):
            if number % 60 == 0:
                at = choice.randrange(len(session.document("big.py").snapshot))
            text = "\n" if choice.random() < 0.03 else choice.choice("etaoin_ ")
            start = time.perf_counter()
            session.edit("big.py", Span(at, at), text)
            times.append((time.perf_counter() - start) * 1000)
            at += 1
        asyncio.run(session.aclose())
    cuts = quantiles(times, n=100)
    return {"edit_p50_ms": cuts[49], "edit_p99_ms": cuts[98]}


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
    measured = {**measure_session_edits(), **measure_repeat(), **measure_starts()}
    memory = measure_memory()
    table = Table("figure", "measured", "target", title="cost of the core")
    for name, target in TARGETS.items():
        colour = "green" if measured[name] <= target else "red"
        table.add_row(name, f"[{colour}]{measured[name]:.3f}", f"<= {target:g}")
    for name, value in memory.items():
        table.add_row(name, f"{value:.2f}", "bounded")
    Console(width=80).print(table)
    print(json.dumps({name: round(measured[name], 4) for name in TARGETS}))


if __name__ == "__main__":
    main()
