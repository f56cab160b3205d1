"""Predictions people keep switched on, measured: `make bench-quality`.

Prints a table; its last line is one line of JSON. Language servers that cannot be had are left out,
with the reason.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.quality_costs import share_of_typing, share_of_waiting, time_hits
from tests.bench.quality_ripple import RippleTally, measure_ripple
from tests.bench.quality_verify import VerifyTally, measure_verify
from tests.e2e.servers import Unfetchable, fetch
from tests.predict.edit_sequences import count_mismatches, make_sequence
from zeta_context.evals.felt import score_groups
from zeta_context.evals.predictors import read_setting
from zeta_context.evals.sessions import read_sessions, run_session

FIXTURES = Path(__file__).parents[2] / "fixtures"
SERVERS = (
    ("ty", ("server",), "python", ".py", ("lending", "accesslog", "boxoffice")),
    ("basedpyright-langserver", ("--stdio",), "python", ".py", ("lending", "accesslog")),
    ("typescript-language-server", ("--stdio",), "typescript", ".ts", ("tidewatch",)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--names", type=int, default=25, help="definitions renamed in a project")
    parser.add_argument("--cases", type=int, default=60, help="edits verified in a project")
    parser.add_argument("--seconds", type=float, default=15.0, help="of typing")
    options = parser.parse_args()
    console = Console(width=110)
    figures = {**_costs(console, options.seconds), **_interpolation(console, options.sequences)}
    figures |= _servers(console, options.names, options.cases)
    _sessions(console)
    print(json.dumps({key: figures[key] for key in KEYS}))


KEYS = (
    "cache_hit_p99_ms",
    "interpolation_mismatches",
    "ripple_site_recall",
    "verify_catch_rate",
    "verify_false_worse",
    "cpu_share_typing",
)


def _costs(console: Console, seconds: float) -> dict[str, float]:
    hits = sorted(asyncio.run(time_hits()))
    p99 = hits[int(len(hits) * 0.99)]
    busy = asyncio.run(share_of_typing(seconds, enabled=True))
    off = asyncio.run(share_of_typing(seconds, enabled=False))
    clock = asyncio.run(share_of_waiting(seconds))
    table = Table("cost", "measured", "bar", box=None)
    table.add_row(f"a hit of what stands, p99 of {len(hits)}", f"{p99:.3f} ms", "1 ms")
    table.add_row("processor while typing, no model", f"{busy:.2%} of a core", "5 %")
    table.add_row("the same turned off", f"{off:.2%} of a core", "0")
    table.add_row("the clock of this measurement alone", f"{clock:.2%} of a core", "")
    console.print(table)
    return {"cache_hit_p99_ms": round(p99, 4), "cpu_share_typing": round(busy, 4)}


def _interpolation(console: Console, sequences: int) -> dict[str, float]:
    wrong = steps = 0
    for seed in range(sequences):
        found, count = count_mismatches(make_sequence(seed))
        wrong, steps = wrong + found, steps + count
    console.print(
        f"\ninterpolation: {wrong} of {steps} steps in {sequences} sequences judged wrong"
    )
    return {"interpolation_mismatches": wrong}


def _servers(console: Console, names: int, cases: int) -> dict[str, float]:
    ripples, verified = RippleTally(), VerifyTally()
    told = Table(
        "server", "names", "sites", "found", "wrong", "first jump asked ahead", "asked at once",
        "planted", "caught", "sound", "false worse", "in 80 ms", title="\nlanguage servers",
        title_justify="left", box=None,
    )  # fmt: skip
    for name, arguments, language, suffix, repos in SERVERS:
        try:
            command = [*fetch(name).command, *arguments]
        except Unfetchable as reason:
            console.print(f"{name} is left out: {reason}")
            continue
        ripple, verify = RippleTally(), VerifyTally()
        for repo in repos:
            folder = FIXTURES / "repos" / repo
            asyncio.run(measure_ripple(folder, language, suffix, command, ripple, names))
            asyncio.run(measure_verify(folder, language, suffix, command, verify, cases))
        told.add_row(
            name, str(ripple.names), str(ripple.sites), str(ripple.found), str(ripple.wrong),
            _median(ripple.ahead_ms), _median(ripple.at_once_ms),
            str(verify.planted), str(verify.caught), str(verify.sound), str(verify.false_worse),
            f"{verify.quick / max(1, verify.asked):.0%}",
        )  # fmt: skip
        for row in [*ripple.missed[:5], *verify.wrong[:8]]:
            console.print(f"  {name}: {row}", highlight=False)
        ripples.sites, ripples.found = ripples.sites + ripple.sites, ripples.found + ripple.found
        for key in ("planted", "caught", "sound", "false_worse"):
            setattr(verified, key, getattr(verified, key) + getattr(verify, key))
    console.print(told)
    return {
        "ripple_site_recall": round(ripples.recall, 4),
        "verify_catch_rate": round(verified.caught / max(1, verified.planted), 4),
        "verify_false_worse": round(verified.false_worse / max(1, verified.sound), 4),
    }


def _median(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.0f} ms ({len(ordered)})" if ordered else "-"


def _sessions(console: Console) -> None:
    sessions = read_sessions(FIXTURES / "sessions")
    table = Table(
        "recorded sessions", "shown", "taken", "saved", "reversals", "re-shown", "in quiet ones",
        box=None,
    )  # fmt: skip
    for spec in ("default", "previous-state", "previous-state,back=4"):
        setting = read_setting(spec)
        runs = [asyncio.run(run_session(one, setting)) for one in sessions]
        for group, score in score_groups(runs).items():
            if group in ("all", "held out"):
                table.add_row(
                    f"{spec}, {group}", str(score.shown), f"{score.taken_share:.0%}",
                    f"{score.keystrokes_saved_share:.1%}", str(score.reversals),
                    str(score.reshown_rejections), str(score.shown_in_quiet),
                )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
