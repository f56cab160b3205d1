"""`make bench-metrics`: how many answers are scored in a minute on two cores.

Examples are made from the files of fixtures/repos: a text of 2 to 24 kilobytes (an excerpt as it
is sent is at most about 24), a history of two edits, three references that differ as teachers do,
and an answer that is one of them with changes, all within the 2,000 characters around the cursor
that a model may rewrite. Each is scored by every metric, as an evaluation does it. Prints a table
and, as the last line, one line of JSON. What counts is the processor time of two workers on two
cores, which other programs on the machine change less than the clock.
"""

from __future__ import annotations

import json
import random
import re
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from zeta_context.evals.answer import ScenarioAnswer
from zeta_context.evals.scenario import ExpectedPatch, HistoryStep, Scenario
from zeta_context.evals.score import score_answer
from zeta_context.text.patch import render_unified

REPOS = Path(__file__).parents[2] / "fixtures" / "repos"
EXAMPLES = 600
WORKERS = 2
TARGET_PER_MINUTE = 10_000
SIZES = (2_000, 8_000, 24_000)
"""Characters of the files, in turn."""
REGION = 2_000
"""Characters around the middle of a text in which everything changes."""

_WORD = re.compile(r"[A-Za-z_]{4,}")


def make_examples(count: int, seed: int = 1) -> list[tuple[Scenario, ScenarioAnswer]]:
    """Examples with answers, the same ones for the same seed."""
    dice = random.Random(seed)
    files: dict[str, list[Path]] = {suffix: [] for suffix in (".py", ".ts", ".go")}
    for path in sorted(REPOS.rglob("*")):
        if path.suffix in files:
            files[path.suffix].append(path)
    sources = list(files.values())
    examples = []
    for number in range(count):
        size = SIZES[number % len(SIZES)]
        paths = sources[number // len(SIZES) % len(sources)]
        text, at = "", number
        while len(text) < size:
            text += paths[at % len(paths)].read_text(encoding="utf-8")
            at += 1
        path = paths[number % len(paths)].name
        before = [_change(text, dice, 1)]
        before.insert(0, _change(before[0], dice, 1))
        states = [*before, text]
        history = tuple(
            HistoryStep(diff=render_unified(old, new, paths=(path, path)))
            for old, new in pairwise(states)
            if old != new
        )
        goal = _change(text, dice, dice.randint(1, 6))
        goals = [goal, _change(goal, dice, 1), _change(goal, dice, 2)]
        scenario = Scenario(
            name=str(number),
            path=path,
            text=text,
            cursor=len(text) // 2,
            history=history,
            expected=tuple(
                ExpectedPatch(diff=render_unified(text, one, paths=(path, path))) for one in goals
            ),
        )
        actual = _change(goal, dice, 2)
        patch = render_unified(text, actual, paths=(path, path))
        examples.append((scenario, ScenarioAnswer(name=scenario.name, patch=patch)))
    return examples


def _change(text: str, dice: random.Random, words: int) -> str:
    """The text with some of the words around its middle replaced."""
    middle, half = len(text) // 2, REGION // 2
    places = list(_WORD.finditer(text, max(middle - half, 0), middle + half))
    for match in sorted(dice.sample(places, words), key=lambda one: -one.start()):
        new = f"{match[0]}_{dice.randrange(100)}"
        text = text[: match.start()] + new + text[match.end() :]
    return text


def _score(examples: list[tuple[Scenario, ScenarioAnswer]]) -> tuple[list[float], float]:
    times = []
    points = 0.0
    for scenario, answer in examples:
        started = time.process_time()
        points += score_answer(scenario, answer).points
        times.append((time.process_time() - started) * 1000)
    return times, points


def main() -> None:
    """Measure and print."""
    examples = make_examples(EXAMPLES)
    _score(examples[:6])
    shares = [examples[number::WORKERS] for number in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as pool:
        list(pool.map(_score, [examples[:4]] * WORKERS))
        started = time.perf_counter()
        results = list(pool.map(_score, shares))
        elapsed_s = time.perf_counter() - started
    times = sorted(one for share, _ in results for one in share)
    per_minute = len(examples) / elapsed_s * 60
    alone = WORKERS * 60_000 * len(times) / sum(times)
    table = Table(title="scoring answers by every metric", title_justify="left", box=None)
    for name in ("", "measured", "target"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row("examples a minute, by processor time", f"{alone:,.0f}", f"{TARGET_PER_MINUTE:,}")
    table.add_row("the same on the clock, as busy as the machine is", f"{per_minute:,.0f}", "")
    table.add_row("one example, median processor time", f"{median(times):.2f} ms", "")
    table.add_row("95th percentile", f"{times[int(len(times) * 0.95)]:.2f} ms", "")
    Console(soft_wrap=True).print(table)
    print(
        json.dumps(
            {
                "examples": len(examples),
                "examples_per_minute": round(alone),
                "examples_per_minute_clock": round(per_minute),
                "p50_ms": round(median(times), 3),
                "mean_points": round(sum(points for _, points in results) / len(examples), 4),
            }
        )
    )


if __name__ == "__main__":
    main()
