"""Precision and recall of the repeat proposer on the history of a real repository.

    python -m tests.bench.repeat --repo PATH [--ext py] [--limit 300] [--minutes 10]

Cases: the newest 300 files that a non-merge commit changed in 3 to 40 hunks, hunks as in
`git diff -U0` (a maximal run of changed lines). The hunks are applied from the top down. After
each but the last comes one *step*: the proposer gets the current text, the hunks so far as edit
events (unified diffs with 3 context lines, one event a hunk, the newest 64) and the cursor, which
stands on the row below the hunk, and proposes its next edit.

A prediction is *correct* if the text it results in is the current text with exactly one of the
remaining hunks applied: a hunk of several lines has to be predicted whole, and nothing else.

`repeat_share` is the share of steps at which some remaining hunk is an exact token-level repeat
of an earlier one: after taking off the tokens that its old and new side have in common at either
end, the same tokens replaced by the same tokens (white space and indentation set aside; at least
one token). Recall may exceed it: patterns with holes and renames in other case styles are no
exact repeats.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.bench.cases import LANGUAGES, Case, Hunk, read_cases
from zeta_context.events.event import Event
from zeta_context.predict.prediction import Prediction
from zeta_context.predict.proposers.repeat import RepeatProposer, RepeatSettings
from zeta_context.predict.view import Document, View
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

CONTEXT_LINES = 3
MAX_EVENTS = 64
MIN_WIDTH = 132
THRESHOLDS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The state after a hunk: `shift` moves a remaining hunk's `old_row` to the current text."""

    case: Case
    number: int
    lines: tuple[str, ...]
    events: tuple[Event, ...]
    remaining: tuple[Hunk, ...]
    shift: int
    cursor_row: int
    is_repeat: bool

    def make_view(self) -> View:
        """What the proposer sees."""
        snapshot = TextSnapshot("".join(self.lines))
        document = Document(
            project="project",
            path=self.case.path,
            language=self.case.language,
            version=self.number,
            snapshot=snapshot,
        )
        cursor = sum(map(len, self.lines[: self.cursor_row]))
        return View(document=document, cursor=cursor, events=self.events[-MAX_EVENTS:])

    def is_correct(self, text: str) -> bool:
        """Whether `text` is the current text with exactly one remaining hunk applied."""
        length = sum(map(len, self.lines))
        for hunk in self.remaining:
            grown = sum(map(len, hunk.new)) - sum(map(len, hunk.old))
            row = hunk.old_row + self.shift
            if len(text) == length + grown and text == "".join(
                (*self.lines[:row], *hunk.new, *self.lines[row + len(hunk.old) :])
            ):
                return True
        return False


def replay_case(case: Case, parts: Random | None = None) -> Iterator[Step]:
    """The steps of a case.

    With `parts`, a hunk that rewrites several lines one for one gives one more step: after a
    random number of its lines, when the rest of it is the first remaining hunk. The benchmark has
    no such steps; people have, and the confidence is fitted on both.
    """
    lines = list(case.lines)
    repeats = [_reduce_hunk(hunk) for hunk in case.hunks]
    events: list[Event] = []
    shift = 0
    for number, hunk in enumerate(case.hunks[:-1]):
        row = hunk.old_row + shift
        if parts is not None and len(hunk.old) == len(hunk.new) > 1:
            yield _stop_within(
                case,
                number,
                lines=lines,
                events=events,
                shift=shift,
                count=parts.randrange(1, len(hunk.old)),
            )
        events.append(_make_event(case.path, lines, row, hunk, number))
        lines[row : row + len(hunk.old)] = hunk.new
        shift += len(hunk.new) - len(hunk.old)
        done = {key for key in repeats[: number + 1] if any(key)}
        yield Step(
            case=case,
            number=number,
            lines=tuple(lines),
            events=tuple(events),
            remaining=case.hunks[number + 1 :],
            shift=shift,
            cursor_row=min(row + len(hunk.new), len(lines)),
            is_repeat=any(key in done for key in repeats[number + 1 :]),
        )


def _stop_within(
    case: Case, number: int, *, lines: list[str], events: list[Event], shift: int, count: int
) -> Step:
    """The step after `count` lines of hunk `number`."""
    hunk = case.hunks[number]
    row = hunk.old_row + shift
    done = Hunk(old_row=hunk.old_row, old=hunk.old[:count], new=hunk.new[:count])
    rest = Hunk(old_row=hunk.old_row + count, old=hunk.old[count:], new=hunk.new[count:])
    return Step(
        case=case,
        number=number,
        lines=(*lines[:row], *done.new, *lines[row + count :]),
        events=(*events, _make_event(case.path, lines, row, done, number)),
        remaining=(rest, *case.hunks[number + 1 :]),
        shift=shift,
        cursor_row=row + count,
        is_repeat=False,
    )


def _reduce_hunk(hunk: Hunk) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The replaced and the replacing tokens, without the ends that both sides have in common."""
    old, new = _TOKEN.findall("".join(hunk.old)), _TOKEN.findall("".join(hunk.new))
    limit = min(len(old), len(new))
    head = tail = 0
    while head < limit and old[head] == new[head]:
        head += 1
    while tail < limit - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return tuple(old[head : len(old) - tail]), tuple(new[head : len(new) - tail])


def _make_event(path: str, lines: Sequence[str], row: int, hunk: Hunk, number: int) -> Event:
    start = max(0, row - CONTEXT_LINES)
    end = row + len(hunk.old)
    above, below = lines[start:row], lines[end : end + CONTEXT_LINES]
    around = len(above) + len(below)
    counts = around + len(hunk.old), around + len(hunk.new)
    old_range, new_range = (f"{start + (count > 0)},{count}" for count in counts)
    header = f"@@ -{old_range} +{new_range} @@\n"
    marked = (
        *((" ", line) for line in above),
        *(("-", line) for line in hunk.old),
        *(("+", line) for line in hunk.new),
        *((" ", line) for line in below),
    )
    body = "".join(
        mark + (line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
        for mark, line in marked
    )
    offset = sum(map(len, lines[:row]))
    return Event(
        project="project",
        path=path,
        diff=header + body,
        old_span=Span(offset, offset + sum(map(len, hunk.old))),
        new_span=Span(offset, offset + sum(map(len, hunk.new))),
        at=float(number),
    )


def apply_prediction(text: str, prediction: Prediction) -> str:
    """The text with the prediction's edits made."""
    for edit in reversed(prediction.edits):
        text = text[: edit.span.start] + edit.new_text + text[edit.span.end :]
    return text


@dataclass(slots=True)
class Tally:
    """What was counted for one language: the steps, and each prediction's confidence and truth.

    `shown` has what the default says, as it ships; `predictions` whatever could be said besides.
    """

    steps: int = 0
    repeats: int = 0
    cases: int = 0
    shown: list[bool] = field(default_factory=list)
    predictions: list[tuple[float, bool]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what `other` counted as well."""
        self.steps += other.steps
        self.repeats += other.repeats
        self.cases += other.cases
        self.shown += other.shown
        self.predictions += other.predictions
        self.reasons += other.reasons
        self.times_ms += other.times_ms

    def at_threshold(self, least: float) -> list[bool]:
        """The truth of each prediction that is at least that confident."""
        return [is_right for confidence, is_right in self.predictions if confidence >= least]

    def figures(self, truths: Sequence[bool]) -> dict[str, float | int]:
        """The figures of what was shown, by the truth of each, under the names of the JSON line."""
        shown, correct = len(truths), sum(truths)
        steps = max(1, self.steps)
        times = sorted(self.times_ms) or [0.0]
        return {
            "steps": self.steps,
            "shown": shown,
            "correct": correct,
            "show_rate": round(shown / steps, 4),
            "precision": round(correct / shown, 4) if shown else 0.0,
            "recall": round(correct / steps, 4),
            "repeat_share": round(self.repeats / steps, 4),
            "p50_ms": round(times[len(times) // 2], 3),
            "p99_ms": round(times[min(len(times) - 1, len(times) * 99 // 100)], 3),
        }


def measure_case(case: Case) -> Tally:
    """What the default says in the steps of a case, and what it holds back as not sure enough."""
    tally = Tally(cases=1)
    default = RepeatProposer()
    willing = RepeatProposer(RepeatSettings(min_confidence=0.0))
    for step in replay_case(case):
        view = step.make_view()
        started = time.perf_counter()
        answer = default.propose(view)
        tally.times_ms.append((time.perf_counter() - started) * 1000)
        tally.steps += 1
        tally.repeats += step.is_repeat
        is_shown = isinstance(answer, Prediction)
        if not is_shown:
            answer = willing.propose(view)
        if isinstance(answer, Prediction):
            is_right = step.is_correct(apply_prediction(view.document.snapshot.text, answer))
            tally.predictions.append((answer.confidence or 0.0, is_right))
            if is_shown:
                tally.shown.append(is_right)
        else:
            tally.reasons[answer.reason] += 1
    return tally


def _print_report(console: Console, tallies: dict[str, Tally], least: float) -> None:
    table = Table(title="what the default says")
    names = ("cases", *Tally().figures([]), "recall / share")
    for name in ("language", *names):
        table.add_column(name.replace("_", " "), justify="left" if name == "language" else "right")
    for language, tally in tallies.items():
        figures = tally.figures(tally.shown)
        ratio = figures["recall"] / figures["repeat_share"] if figures["repeat_share"] else 0.0
        cells = [str(tally.cases), *map(str, figures.values()), f"{ratio:.2f}"]
        table.add_row(language, *cells)
    console.print(table)
    total = tallies["all"]
    curve = Table(title="precision and recall as one threshold for everything moves")
    for name in ("confidence >=", "shown", "precision", "recall", "recall / share", ""):
        curve.add_column(name, justify="right" if name else "left")
    for threshold in sorted({*THRESHOLDS, least}):
        figures = total.figures(total.at_threshold(threshold))
        share = figures["repeat_share"] or 1.0
        curve.add_row(
            f"{threshold:.2f}" + (" *" if threshold == least else ""),
            str(figures["shown"]),
            f"{figures['precision']:.3f}",
            f"{figures['recall']:.3f}",
            f"{figures['recall'] / share:.2f}",
            "█" * round(figures["precision"] * 30),
        )
    console.print(curve)
    silences = ", ".join(f"{reason} {count}" for reason, count in total.reasons.most_common())
    console.print(f"no candidate at all: {silences or 'never'}")


@click.command()
@click.option("--repo", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--ext", "extension", help="Only files with this extension, without the dot.")
@click.option("--limit", default=300, show_default=True, help="How many cases.")
@click.option("--minutes", default=10.0, show_default=True, help="Stop after so long.")
def main(repo: Path, extension: str | None, limit: int, minutes: float) -> None:
    """Measure the repeat proposer on the history of REPO (a work tree or a git directory)."""
    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    extensions = (extension.lstrip("."),) if extension else tuple(LANGUAGES)
    least = RepeatSettings().min_confidence
    tallies: dict[str, Tally] = {}
    deadline = time.monotonic() + minutes * 60
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("cases", total=limit)
        for case in read_cases(repo, extensions=extensions, limit=limit):
            tallies.setdefault(case.language, Tally()).add(measure_case(case))
            progress.advance(task)
            if time.monotonic() > deadline:
                progress.console.print("time is up: fewer cases than asked for")
                break
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    ordered = sorted(tallies.items(), key=lambda item: -item[1].steps)
    _print_report(console, {**dict(ordered), "all": total}, least)
    console.file.write(json.dumps(total.figures(total.shown)) + "\n")


if __name__ == "__main__":
    main()
