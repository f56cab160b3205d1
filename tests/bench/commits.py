"""How fast commits become examples, and whether memory stays flat.

Mines the history of a repository in as many processes as asked for. The licence gate is not asked:
nothing is kept. The figure for two cores comes from the CPU time that all processes took, since
other work on the machine takes the wall clock's; both are printed. Memory is the largest of the
workers and of the parent, after half of the examples and at the end.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.training.commits.repository import mine_repository
from zeta_context.training.example import encode_example

CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    counts = Counts()
    started = time.perf_counter()
    rss: list[float] = []
    written = 0
    examples = mine_repository(
        arguments.repo,
        refuse=lambda _: None,
        limit=arguments.limit,
        processes=CORES,
        counts=counts,
    )
    for number, example in enumerate(examples, 1):
        written += len(encode_example(example).encode())
        if number % 250 == 0:
            rss.append(_rss_mb())
    wall_s = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    kept = counts.total("example_kept")
    rss.append(_rss_mb())
    for name, value in counts.totals().items():
        print(f"{name:28}{value:>10,}")
    figures = {
        "examples": kept,
        "examples_per_s": round(kept / wall_s, 1),
        "examples_per_s_of_two_cores": round(CORES * kept / cpu_s, 1),
        "parent_rss_mb_half": round(rss[len(rss) // 2], 1),
        "parent_rss_mb_end": round(rss[-1], 1),
        "worker_rss_mb": round(used[1].ru_maxrss / 1000, 1),
        "written_mb": round(written / 1e6, 1),
    }
    for name, value in figures.items():
        print(f"{name:28}{value:>10,}")
    print(json.dumps(figures))


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
