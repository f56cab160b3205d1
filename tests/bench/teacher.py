"""Asks a programmatic teacher very many questions, and kills the asking process at random.

The endpoint is served on this machine and writes every call down by its key; the process that asks
is killed (SIGKILL) at random moments and started again until nothing is left to ask. Then what was
in doubt (sent, never answered) is asked once more, as a user would tell it to. A repeated call is
one whose key the endpoint had answered to a process that lived to take the answer in; those in
doubt at a kill, never more than are under way at once, are counted apart. The estimate is made
after a pilot, for everything that is still to be asked, and held against what the endpoint billed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.training.teacher_server import TeacherServer
from zeta_context.prompt.input import PromptInput
from zeta_context.training.example import Example, write_examples
from zeta_context.training.teacher.bulk import estimate_teaching
from zeta_context.training.teacher.cache import AnswerCache
from zeta_context.training.teacher.endpoint import TeacherSettings
from zeta_context.training.teacher.prompt import read_prompt
from zeta_context.training.teacher.teach import TeachSettings

PILOT = 500
PRICES = (3.0, 15.0)

DRIVER = """
import resource, sys
from pathlib import Path
from zeta_context.counts import Counts
from zeta_context.training.teacher.bulk import ask_teacher
from zeta_context.training.teacher.cache import AnswerCache
from zeta_context.training.teacher.endpoint import TeacherSettings
from zeta_context.training.teacher.prompt import read_prompt
from zeta_context.training.teacher.run import RunLimits
from zeta_context.training.teacher.teach import TeachSettings
states, cache, url, doubtful = sys.argv[1:]
ask_teacher(
    Path(states), AnswerCache(Path(cache)),
    TeacherSettings(api="openai", endpoint=url, price_in=3.0, price_out=15.0),
    TeachSettings(prompt=read_prompt("teacher-v1")),
    RunLimits(concurrency=16, ask_doubtful=doubtful == "1"), counts=Counts(),
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def make_states(count: int) -> Iterator[Example]:
    """Starting states of different lengths, each its own."""
    chance = random.Random(1)
    rows = [f"    total_{i} = reading_{i} + offset_{i % 7}\n" for i in range(60)]
    for number in range(count):
        body = "".join(rows[: chance.randrange(5, 60)])
        text = f"def compute_{number}(readings):\n{body}    result = "
        yield Example(
            name=f"state-{number}",
            repository=f"project-{number % 40}",
            prompt_input=PromptInput(
                project="project",
                path=f"src/module_{number}.py",
                language="python",
                cursor_excerpt=text,
                cursor_offset=len(text),
                excerpt_start_row=0,
            ),
            origin="capture",
            purpose="training",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=12)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zc-teacher"))
    try:
        figures = _run(folder, arguments.examples, arguments.kills)
    finally:
        shutil.rmtree(folder)
    for name, value in figures.items():
        print(f"{name:24}{value:>14,}")
    keys = ("examples", "repeat_calls", "estimate_error", "rss_mb")
    print(json.dumps({key: figures[key] for key in keys}))


def _run(folder: Path, count: int, max_kills: int) -> dict[str, float]:
    states, pilot, path = folder / "states.jsonl", folder / "pilot.jsonl", folder / "cache.sqlite"
    write_examples(states, make_states(count))
    write_examples(pilot, make_states(min(PILOT, count)))
    server = TeacherServer()
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    url = asyncio.run_coroutine_threadsafe(server.start(), loop).result(10) + "/v1"
    started = time.monotonic()
    _ask(pilot, path, url)
    teacher = TeacherSettings(api="openai", endpoint=url, price_in=PRICES[0], price_out=PRICES[1])
    cache = AnswerCache(path)
    settings = TeachSettings(prompt=read_prompt("teacher-v1"))
    estimate = estimate_teaching(states, cache, teacher, settings)
    billed_before = _billed(server)
    cache.close()

    chance = random.Random(3)
    kills, first_rss, in_doubt = 0, 0.0, 0
    for _ in range(max_kills):
        process = _start(states, path, url)
        asked, due = len(server.calls), chance.randrange(1, max(2, count // (max_kills + 2)))
        while len(server.calls) < asked + due and process.poll() is None:
            time.sleep(0.005)
            first_rss = first_rss or _rss_mb(process.pid, len(server.calls) - asked, due // 2)
        if process.poll() is None:
            time.sleep(chance.random() * 0.05)
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    rss = _ask(states, path, url)
    repeats = sum(server.calls.values()) - len(server.calls)
    cache = AnswerCache(path)
    in_doubt = cache.bill().in_doubt
    error = estimate.cost / (_billed(server) - billed_before) - 1 if count > PILOT else 0.0
    cache.close()
    _ask(states, path, url, doubtful=True)
    cache = AnswerCache(path)
    bill = cache.bill()
    cache.close()
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    return {
        "examples": bill.answers,
        "kills": kills,
        "in_doubt_after_kills": in_doubt,
        "repeat_calls": repeats,
        "estimate_error": round(error, 4),
        "estimated": round(estimate.cost, 2),
        "billed": round(_billed(server), 2),
        "rss_mb_early": round(first_rss, 1),
        "rss_mb": round(rss, 1),
        "seconds": round(time.monotonic() - started),
    }


def _billed(server: TeacherServer) -> float:
    return (server.billed[0] * PRICES[0] + server.billed[1] * PRICES[1]) / 1e6


def _start(
    states: Path, cache: Path, url: str, *, doubtful: bool = False
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", DRIVER, str(states), str(cache), url, str(int(doubtful))]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _ask(states: Path, cache: Path, url: str, *, doubtful: bool = False) -> float:
    """Ask to the end; returns the most memory that it took."""
    process = _start(states, cache, url, doubtful=doubtful)
    out, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit("the asking process failed")
    return float(out.split()[-1])


def _rss_mb(pid: int, done: int, due: int) -> float:
    """The resident memory of a process once so much is done, 0 before."""
    if done < due:
        return 0.0
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000
    return 0.0


if __name__ == "__main__":
    main()
