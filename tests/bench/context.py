"""How much of what the next edit needs is in the prompt: `make bench-context REPO=PATH`.

Over the newest commits of a real repository: of the names that the next hunk introduces and that
are defined elsewhere in the project, the share whose definition stands in the prompt, at equal
budgets, for our context, for none, for the files of the same directory and for BM25 over the
whole repository. All share the prompt format (Zeta 2), the excerpt around the cursor and the edit
history. Also what gathering takes: at each new place the first time with the default deadline,
then, once the server has answered for this place ("warm"), twice more after a keystroke beside the
cursor. On a busy machine `--isolate` lets this process and the language servers run ahead of all
others.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.cases import Case, find_git_dir, read_cases
from tests.bench.context_baselines import Repository
from tests.bench.context_steps import Definition, Step, extract_tree, find_definitions, read_steps
from tests.bench.isolation import run_ahead
from tests.e2e.servers import Unfetchable, fetch
from zeta_context.context.definitions import DEADLINE_MS, DefinitionContext
from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.syntax import SyntaxCache
from zeta_context.errors import PromptError
from zeta_context.lsp.pool import LanguageServers
from zeta_context.predict.view import Document
from zeta_context.prompt.formats.zeta2 import FORMAT
from zeta_context.prompt.input import PromptInput, RelatedFile
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

BUDGETS = (2048, 4096)
ARMS = ("ours", "none", "same_dir", "bm25")
PROJECT = "project"
STEPS_PER_CASE = 3
SETTLE_S = 5.0
FETCHED = {
    **dict.fromkeys(("c", "h", "cc", "cpp", "hpp"), "clangd"),
    **dict.fromkeys(("js", "jsx", "ts", "tsx"), "typescript-language-server"),
}
"""The server for a suffix; Python's comes with the tests."""

_LABEL = re.compile(r"(?P<path>.*):(?P<first>\d+)-(?P<last>\d+)$")


@dataclass
class Tally:
    """What was counted so far."""

    steps: int = 0
    names: int = 0
    found: Counter[tuple[str, int]] = field(default_factory=Counter)
    outside_excerpt: int = 0
    found_outside: Counter[tuple[str, int]] = field(default_factory=Counter)
    first_ms: list[float] = field(default_factory=list)
    warm_ms: list[float] = field(default_factory=list)
    first_cpu_ms: list[float] = field(default_factory=list)
    warm_cpu_ms: list[float] = field(default_factory=list)
    late: int = 0
    missed: list[tuple[Step, Definition]] = field(default_factory=list)


def shown_rows(
    prompt_input: PromptInput, max_tokens: int
) -> tuple[dict[str, list[tuple[int, int]]], tuple[int, int]]:
    """The rows of each file that the prompt shows, and those of them around the cursor."""
    rendered = FORMAT.render(prompt_input, max_tokens=max_tokens)
    text = prompt_input.cursor_excerpt
    first = prompt_input.excerpt_start_row + text.count("\n", 0, rendered.context.start)
    end = first + text.count("\n", rendered.context.start, rendered.context.end) + 1
    shown: dict[str, list[tuple[int, int]]] = {prompt_input.path: [(first, end)]}
    for section in rendered.sections:
        for item in section.items:
            match = _LABEL.match(item.label)
            if match:
                path = match["path"].removeprefix("/").removeprefix(f"{PROJECT}/")
                rows = (int(match["first"]) - 1, int(match["last"]))
                shown.setdefault(path, []).append(rows)
    return shown, (first, end)


def holds(shown: dict[str, list[tuple[int, int]]], definition: Definition) -> bool:
    """Whether the row of a definition is among those shown."""
    return any(start <= definition.row < end for start, end in shown.get(definition.path, ()))


class Run:
    """One tree of one commit: its servers, its files, its steps."""

    def __init__(self, root: Path, language: str, suffix: str, tally: Tally) -> None:
        self.root = root.resolve()
        self.language = language
        self.tally = tally
        self.repository = Repository(self.root, suffix)
        self.pool = LanguageServers(self.root, allow_project_code=True)
        self.truth = LanguageServers(self.root, allow_project_code=True)

    async def run(self, cases: list[Case], limit: int) -> None:
        """Take the steps of some cases of the commit, until there were `limit` in all."""
        async with self.pool, self.truth:
            server = await self.pool.start(self.language)
            truth = await self.truth.start(self.language)
            if server is None or truth is None:
                sys.exit(f"no language server for {self.language} is installed")
            context = DefinitionContext(server, root=self.root, project=PROJECT)
            syntax_cache = SyntaxCache()
            for case in cases:
                version = itertools.count(1)
                taken = 0
                for step in read_steps(case, PROJECT):
                    if self.tally.steps >= limit or taken >= STEPS_PER_CASE:
                        break
                    wanted = await find_definitions(truth, self.root, step)
                    if not wanted:
                        continue
                    related = await self._gather(context, step, version)
                    taken += self._score(step, wanted, related, syntax_cache)
                server.close_document(self.root / case.path)
                truth.close_document(self.root / case.path)
                context.forget(case.path)
            await context.close()

    async def _gather(
        self, context: DefinitionContext, step: Step, version: itertools.count[int]
    ) -> tuple[RelatedFile, ...]:
        """Arrive at the place of the hunk, type a character, and delete it again."""
        gc.collect()
        gc.freeze()  # the baselines' heap is not ours to be slowed down by
        snapshot = TextSnapshot(step.before)
        cursor = step.cursor
        typed = snapshot.edit(Span(cursor, cursor), " ")
        related: tuple[RelatedFile, ...] = ()
        for number, text in enumerate((snapshot, typed, snapshot)):
            document = Document(
                project=PROJECT,
                path=step.case.path,
                language=step.case.language,
                version=next(version),
                snapshot=TextSnapshot(text.text) if number == 0 else text,
            )
            started, cpu_started = time.perf_counter(), time.thread_time()
            gathered = await context.gather(document, cursor, events=step.events)
            elapsed = (time.perf_counter() - started) * 1000
            cpu = (time.thread_time() - cpu_started) * 1000
            (self.tally.warm_ms if number else self.tally.first_ms).append(elapsed)
            (self.tally.warm_cpu_ms if number else self.tally.first_cpu_ms).append(cpu)
            if number == 0:
                self.tally.late += gathered.late
            related = gathered.related_files
            if number == 0:
                await self._settle(context, document, step)
            await asyncio.sleep(0.1)  # a fast typist's pause between two keys
        return related

    async def _settle(self, context: DefinitionContext, document: Document, step: Step) -> None:
        """Wait, as someone who reads before typing, until the server is not late any more."""
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            gathered = await context.gather(document, step.cursor, events=step.events)
            if not gathered.late:
                return
            await asyncio.sleep(0.1)

    def _score(
        self,
        step: Step,
        wanted: list[Definition],
        related: tuple[RelatedFile, ...],
        syntax_cache: SyntaxCache,
    ) -> bool:
        snapshot = TextSnapshot(step.before)
        tree = syntax_cache.tree(step.case.path, step.case.language, snapshot, path=step.case.path)
        excerpt = gather_excerpt(snapshot, step.cursor, tree)
        path, rows = step.case.path, (0, 0)

        def prompt_input(files: tuple[RelatedFile, ...]) -> PromptInput:
            return PromptInput(
                project=PROJECT,
                path=path,
                cursor_excerpt=excerpt.text,
                cursor_offset=excerpt.cursor_offset,
                excerpt_start_row=excerpt.start_row,
                syntax_spans=excerpt.syntax_spans,
                events=step.events,
                related_files=files,
            )

        try:
            _, rows = shown_rows(prompt_input(()), BUDGETS[-1])
            around = "".join(snapshot.rows(rows[0], min(rows[1], snapshot.row_count)))
            query = around + "".join(event.diff for event in step.events)
            arms = {
                "ours": related,
                "none": (),
                "same_dir": self.repository.same_directory(PROJECT, path),
                "bm25": self.repository.bm25(PROJECT, path, step.before, query),
            }
            shown = {
                (arm, budget): shown_rows(prompt_input(arms[arm]), budget)[0]
                for arm in ARMS
                for budget in BUDGETS
            }
        except PromptError:
            return False
        tally = self.tally
        tally.steps += 1
        tally.names += len(wanted)
        for one in wanted:
            is_around = one.path == path and rows[0] <= one.row < rows[1]
            tally.outside_excerpt += not is_around
            for key, where in shown.items():
                is_shown = holds(where, one)
                tally.found[key] += is_shown
                tally.found_outside[key] += is_shown and not is_around
            if not holds(shown["ours", BUDGETS[-1]], one):
                tally.missed.append((step, one))
        return True


def provide_server(extension: str) -> None:
    """Put the language server that the tests would fetch on the PATH; none is no error here."""
    name = FETCHED.get(extension)
    if name is not None:
        with contextlib.suppress(Unfetchable):
            folder = str(Path(fetch(name).command[0]).parent)
            os.environ["PATH"] = os.pathsep.join((folder, os.environ.get("PATH", "")))


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def measured(tally: Tally) -> dict[str, float]:
    """The figures that are compared between versions, the recalls at the largest budget."""
    budget, names = BUDGETS[-1], max(1, tally.names)
    recalls = {arm: tally.found[arm, budget] / names for arm in ARMS}
    best = max(recalls[arm] for arm in ARMS if arm != "ours")
    both = tally.first_ms + tally.warm_ms
    return {
        **{f"recall_{arm}": round(share, 4) for arm, share in recalls.items()},
        "ratio_vs_best_baseline": round(recalls["ours"] / best, 3) if best else 0.0,
        "gather_p50_ms": round(percentile(tally.warm_ms, 0.5), 2),
        "gather_p99_ms": round(percentile(both, 0.99), 2),
        "deadline_missed": sum(ms > DEADLINE_MS for ms in both),
    }


def recall_table(tally: Tally) -> Table:
    """Recall by budget, and of what does not stand around the cursor anyway."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("context")
    for budget in BUDGETS:
        table.add_column(f"recall at {budget:,}", justify="right")
    table.add_column(f"beyond the excerpt at {BUDGETS[-1]:,}", justify="right")
    for arm in ARMS:
        shares = [tally.found[arm, budget] / max(1, tally.names) for budget in BUDGETS]
        beyond = tally.found_outside[arm, BUDGETS[-1]] / max(1, tally.outside_excerpt)
        table.add_row(arm, *(f"{share:.3f}" for share in (*shares, beyond)))
    return table


def timing_table(tally: Tally) -> Table:
    """What gathering took, at a new place and after a keystroke there.

    Beside it the processor time of this process's loop: what a busy machine does not add to.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("gathering", "times", "p50 ms", "p99 ms", "max ms"):
        table.add_column(name, justify="left" if name == "gathering" else "right")
    rows = {
        "at a new place": tally.first_ms,
        "warm": tally.warm_ms,
        "at a new place, processor time": tally.first_cpu_ms,
        "warm, processor time": tally.warm_cpu_ms,
    }
    for name, values in rows.items():
        spread = (percentile(values, 0.5), percentile(values, 0.99), max(values, default=0.0))
        table.add_row(name, str(len(values)), *(f"{ms:.2f}" for ms in spread))
    return table


def print_report(console: Console, tally: Tally) -> None:
    """For people; the JSON comes after it."""
    console.print(
        f"{tally.steps} steps, {tally.names} names that the next hunk introduces,"
        f" {tally.outside_excerpt} of them defined beyond the excerpt"
    )
    console.print(recall_table(tally))
    console.print(timing_table(tally))
    late = tally.late / max(1, len(tally.first_ms))
    console.print(
        f"names left out at a new place because the server was late: {late:.2f} a step;"
        f" load average {os.getloadavg()[0]:.1f}"
    )


async def measure(repo: Path, extension: str, limit: int, skip: int, minutes: float) -> Tally:
    """Run over the newest commits until there are `limit` steps or time is up."""
    tally = Tally()
    until = time.monotonic() + minutes * 60
    cases = read_cases(repo, extensions=(extension,), limit=100_000)
    by_commit = itertools.groupby(cases, key=lambda case: case.commit)
    for number, (commit, group) in enumerate(by_commit):
        if tally.steps >= limit or time.monotonic() > until:
            break
        listed = list(group)
        if number < skip:
            continue
        with tempfile.TemporaryDirectory(prefix="bench-context-") as directory:
            root = Path(directory) / PROJECT
            root.mkdir()
            extract_tree(find_git_dir(repo), commit, root)
            run = Run(root, listed[0].language, f".{extension}", tally)
            await run.run(listed, limit)
        if sys.stderr.isatty():
            print(f"\r{tally.steps} steps, {tally.names} names", end="", file=sys.stderr)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--repo", type=Path, required=True, help="a git repository")
    parser.add_argument("--ext", default="py", help="the files' suffix (default: py)")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument(
        "--skip", type=int, default=0, help="leave out so many of the newest commits"
    )
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--missed", action="store_true", help="list what ours did not hold")
    parser.add_argument("--isolate", action="store_true", help="run ahead of all else (root)")
    options = parser.parse_args()
    if options.isolate:
        run_ahead()
    provide_server(options.ext)
    tally = asyncio.run(
        measure(options.repo, options.ext, options.steps, options.skip, options.minutes)
    )
    if options.missed:
        for step, one in tally.missed:
            where = f"{step.case.commit[:8]} {step.case.path}:{step.row + 1}"
            print(f"{where}  {one.name}  {one.path}:{one.row + 1}", file=sys.stderr)
    print_report(Console(width=100), tally)
    print(json.dumps(measured(tally)))


if __name__ == "__main__":
    main()
