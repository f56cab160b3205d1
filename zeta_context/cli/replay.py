"""`zeta-context replay TRACE`: what a recorded session's history and predictions come to.

Drives a session with the trace, asks it for a prediction at each pause, and reports in the order
of time. Knows nothing of the trace's form or of how predictions are made.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click
from rich.console import Console
from rich.text import Text

from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless, render_diff, render_patch
from zeta_context.context.gather import ContextSettings
from zeta_context.counts import Counts
from zeta_context.evals.replay import ReplayedEditor
from zeta_context.events.event import Event
from zeta_context.events.trace import Edited, Ended, TraceHeader, digest_text
from zeta_context.events.trace_file import TraceReader
from zeta_context.events.trace_replay import ReplayClock, Step, replay
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.session import Session
from zeta_context.settings import Settings

PAUSE_MS = 600
"""A prediction is asked for when the recorded user did nothing for this long after an edit."""

_EVENTS_KEPT = 20

DEADLINE_MS = 400.0
"""How long definitions are waited for; a replay leaves a server no time between keystrokes."""


@click.command("replay")
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), metavar="X")
@click.option("--instant", is_flag=True, help="Without any waiting (the default).")
@click.option("--pause", "pause_ms", type=click.IntRange(min=1), default=PAUSE_MS, metavar="MS")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def command(
    ctx: click.Context,
    trace: Path,
    *,
    root: Path | None,
    speed: float | None,
    instant: bool,
    pause_ms: int,
    as_json: bool,
) -> None:
    """Replay a recorded editing session and predict at each pause.

    Prints the edit events as they form and, at each pause of --pause milliseconds after an edit
    (600 by default), the prediction or the reason for silence. With --speed 1 it takes as long as
    the recording, with --speed 10 a tenth of that. With --root, the project's own folder, language
    servers are asked for definitions in its files. The trace's own files are never written.

    The exit status is 1 when the texts end up other than recorded.
    """
    if speed is not None and instant:
        raise click.UsageError("--speed and --instant exclude each other")
    report: Report = JsonReport() if as_json else TextReport(Console(soft_wrap=True))
    counts = Counts()
    with TraceReader.open(trace, counts=counts) as reader:
        player = Player(reader, report, counts, pause_ms=pause_ms, speed=speed)
        is_as_recorded = asyncio.run(player.play(root))
    if not is_as_recorded:
        ctx.exit(EXIT_FINDING)


class Report(Protocol):
    """Where a replay is told to, as it goes."""

    def start(self, header: TraceHeader) -> None: ...

    def event(self, at_ms: int, event: Event) -> None: ...

    def answer(self, moment: dict[str, Any], answer: Prediction | Discarded, text: str) -> None: ...

    def end(self, summary: dict[str, Any]) -> None: ...


class Player:
    """Plays one trace through a session of its own and tells a report what comes of it."""

    def __init__(
        self,
        reader: TraceReader,
        report: Report,
        counts: Counts,
        *,
        pause_ms: int,
        speed: float | None,
    ) -> None:
        self._reader = reader
        self._report = report
        self._counts = counts
        self._pause_ms = pause_ms
        self._speed = speed
        self._clock = ReplayClock()
        self._known: tuple[Event, ...] = ()
        self._is_due = False
        self._totals: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    async def play(self, root: Path | None) -> bool:
        """Play to the end; gives whether the texts are then as recorded."""
        settings = Settings(
            context=ContextSettings(definitions=root is not None, deadline_ms=DEADLINE_MS),
            offer_status=False,
        )
        final_texts = "not recorded"
        self._report.start(self._reader.header)
        with _folder(root, self._reader.header.root) as folder:
            async with Session(
                folder, settings=settings, counts=self._counts, clock=self._clock
            ) as session:
                for step in replay(self._reader, ReplayedEditor(session), self._clock):
                    await self._follow(session, step)
                    if isinstance(step.entry, Ended) and step.entry.texts:
                        is_same = _is_as_recorded(session, step.entry)
                        final_texts = "as recorded" if is_same else "different"
        self._report.end(
            {
                "entries": self._totals["entries"],
                "edits": self._totals["edits"],
                "predictions": self._totals["predictions"],
                "silences": self._totals["silences"],
                "reasons": dict(self._reasons.most_common()),
                "final_texts": final_texts,
                "is_complete": self._reader.is_complete,
                "unknown_entries": self._counts.total("trace_unknown_entry"),
            }
        )
        return final_texts != "different"

    async def _follow(self, session: Session, step: Step) -> None:
        self._totals["entries"] += 1
        if isinstance(step.entry, Edited):
            self._totals["edits"] += 1
            self._is_due = True
        is_pause = step.idle_ms is None or step.idle_ms >= self._pause_ms
        if self._is_due and is_pause and step.path:
            self._is_due = False
            if step.idle_ms is not None:
                self._clock.advance_to(step.entry.at_ms + self._pause_ms)
            await self._ask(session, step)
        if self._speed is not None and step.idle_ms:
            await asyncio.sleep(step.idle_ms / 1000 / self._speed)

    async def _ask(self, session: Session, step: Step) -> None:
        for event in (events := session.events()):
            if event not in self._known:
                self._report.event(self._clock.now_ms, event)
        self._known = events
        started = time.perf_counter()
        answer = await session.predict(step.path, step.cursor, trigger="buffer_edit")
        elapsed_ms = (time.perf_counter() - started) * 1000
        row, column = session.document(step.path).snapshot.point(step.cursor)
        moment = {
            "at_ms": self._clock.now_ms,
            "path": step.path,
            "line": row + 1,
            "column": column + 1,
            "elapsed_ms": round(elapsed_ms, 2),
        }
        text = ""
        if isinstance(answer, Prediction):
            self._totals["predictions"] += 1
            text = session.document(answer.path).snapshot.text
        else:
            self._totals["silences"] += 1
            self._reasons[answer.reason] += 1
        self._report.answer(moment, answer, text)


class JsonReport:
    """One JSON object a line, each with its `type`."""

    def start(self, header: TraceHeader) -> None:
        self._print(
            "trace",
            {
                "schema": 1,
                "root": header.root,
                "editor": header.editor,
                "metadata": dict(header.metadata),
            },
        )

    def event(self, at_ms: int, event: Event) -> None:
        self._print(
            "event",
            {
                "at_ms": at_ms,
                "path": event.path,
                "diff": event.diff,
                "predicted": event.predicted,
                "cause": event.cause,
            },
        )

    def answer(self, moment: dict[str, Any], answer: Prediction | Discarded, text: str) -> None:
        if isinstance(answer, Discarded):
            told = {"reason": answer.reason, "detail": answer.detail}
            self._print("silence", moment | told)
            return
        told_prediction = {
            "path": answer.path,
            "proposer": answer.proposer,
            "why": answer.why,
            "confidence": answer.confidence,
            "diff": render_patch(answer, text),
        }
        self._print("prediction", moment | {"prediction": told_prediction})

    def end(self, summary: dict[str, Any]) -> None:
        self._print("end", summary)

    def _print(self, kind: str, fields: dict[str, Any]) -> None:
        click.echo(json.dumps({"type": kind, **fields}))


class TextReport:
    """For people, with colours on a terminal.

    An event that only takes in others, which were told already, is not told again.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: deque[tuple[Event, Counter[str]]] = deque(maxlen=_EVENTS_KEPT)

    def start(self, header: TraceHeader) -> None:
        title = Text(make_harmless(header.root), style="bold")
        if header.editor:
            title.append(make_harmless(f", recorded in {header.editor}"), style="default")
        purpose = str(header.metadata.get("purpose", ""))
        if purpose:
            title.append(make_harmless(f": {purpose}"), style="default")
        self._console.print(title)

    def event(self, at_ms: int, event: Event) -> None:
        changed = Counter(line for line in event.diff.splitlines() if line[:1] in ("+", "-"))
        is_told = any(_takes_in(event, changed, *told) for told in self._told)
        self._told.append((event, changed))
        if is_told:
            return
        author = "accepted prediction" if event.predicted else event.cause
        shown = Text(f"\n{at_ms / 1000:8.1f} s  {author}  ", style="dim")
        shown.append(make_harmless(event.path), style="bold")
        for line in event.diff.splitlines():
            style = {"+": "green", "-": "red"}.get(line[:1], "dim")
            shown.append(f"\n            {make_harmless(line)}", style=style)
        self._console.print(shown)

    def answer(self, moment: dict[str, Any], answer: Prediction | Discarded, text: str) -> None:
        place = make_harmless(f"{moment['path']}:{moment['line']}:{moment['column']}")
        shown = Text(f"{moment['at_ms'] / 1000:8.1f} s  ", style="dim")
        if isinstance(answer, Discarded):
            detail = f": {answer.detail}" if answer.detail else ""
            shown.append(make_harmless(f"silent at {place} ({answer.reason}){detail}"))
            self._console.print(shown)
            return
        shown.append("predicted", style="bold")
        shown.append(make_harmless(f" from {place} in {moment['elapsed_ms']:.1f} ms: {answer.why}"))
        self._console.print(shown)
        self._console.print(render_diff(answer, text), end="")

    def end(self, summary: dict[str, Any]) -> None:
        reasons = ", ".join(f"{reason} {n}" for reason, n in summary["reasons"].items())
        shown = (
            f"{summary['edits']} edits, {summary['predictions']} predictions, "
            f"{summary['silences']} silences{f' ({reasons})' if reasons else ''}; "
            f"final texts {summary['final_texts']}"
        )
        if not summary["is_complete"]:
            shown += "; the recording breaks off"
        self._console.print()
        self._console.print(Text(make_harmless(shown)))


def _takes_in(event: Event, changed: Counter[str], told: Event, lines: Counter[str]) -> bool:
    """Whether `event` is at the place of one told before and holds all that changed in it."""
    is_there = told.new_span.start <= event.new_span.end and (
        event.new_span.start <= told.new_span.end
    )
    return told.path == event.path and is_there and lines <= changed


@contextmanager
def _folder(root: Path | None, name: str) -> Iterator[Path]:
    """The project's own folder, or an empty one of its name for the time of the replay."""
    if root is not None:
        yield root
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        yield folder


def _is_as_recorded(session: Session, end: Ended) -> bool:
    return all(
        digest_text(session.document(path).snapshot.text) == digest
        for path, digest in end.texts.items()
    )
