"""`zeta-context eval`: what predictors come to, measured.

Tells people and machines the scores; measuring is `zeta_context.evals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from zeta_context import __version__
from zeta_context.cli.eval_reading import compare_command, report_command, review_command
from zeta_context.cli.eval_runs import ablate_command, open_predictor, run_command
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless
from zeta_context.errors import SettingsError
from zeta_context.evals.baseline import Figure, Regression, find_regressions, write_baseline
from zeta_context.evals.contestants import MODEL_KINDS
from zeta_context.evals.felt import FeltScore, score_groups, sign
from zeta_context.evals.predictors import PredictorSetting, read_setting
from zeta_context.evals.sessions import RecordedSession, SessionRun, read_sessions, run_session
from zeta_context.evals.sessions_page import Side, render_sessions_page
from zeta_context.evals.timed import split_timing, time_contestant

JSON_KEYS = (
    "sessions",
    "shown",
    "taken",
    "reversals",
    "reshown_rejections",
    "replacements",
    "keystrokes_saved_share",
    "first_shown_p50_ms",
)
"""The last line of `--json`."""

HELD = {
    "shown": Figure(more_is_better=True, slack=2),
    "taken": Figure(more_is_better=True),
    "interruptions": Figure(more_is_better=False),
    "reversals": Figure(more_is_better=False),
    "reshown_rejections": Figure(more_is_better=False),
    "replacements": Figure(more_is_better=False),
    "shown_in_quiet": Figure(more_is_better=False),
    "keystrokes_saved_share": Figure(more_is_better=True, slack=0.001),
}
"""What a baseline holds. Fewer interruptions may well mean a little less shown."""


@click.group("eval", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Measure predictors over recorded sessions and examples."""


for _one in (run_command, compare_command, report_command, review_command, ablate_command):
    command.add_command(_one)


@command.command("sessions")
@click.argument("folder", type=click.Path(exists=True, path_type=Path), metavar="DIR")
@click.option("--predictor", default="default", metavar="SETTING", show_default=True)
@click.option("--compare", metavar="SETTING", help="Another setting, beside the first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT")
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--write-baseline", "new_baseline", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def sessions_command(
    ctx: click.Context,
    folder: Path,
    *,
    predictor: str,
    compare: str | None,
    as_json: bool,
    html: Path | None,
    baseline: Path | None,
    new_baseline: Path | None,
) -> None:
    """Replay the recorded sessions of DIR and score what a person would feel.

    A simulated user takes a shown prediction exactly when the recording goes on to make it by
    hand. SETTING is a predictor and its options: default, repeat, previous-state (an adversary),
    or a model as `eval run` names it (model:FOLDER,format=zeta2, http:URL,model=NAME,
    cassette:FILE); pause=MS before it is asked, latency=MS that an answer is taken to need, and for
    repeat its own settings, as in repeat,pause=600,min_confidence=0.8. --html writes a page with
    the timeline of each session. The exit status is 1 when a figure is worse than in the
    --baseline.
    """
    recorded = read_sessions(folder)
    with contextlib.ExitStack() as stack:
        specs = [spec for spec in (predictor, compare) if spec is not None]
        settings = [stack.enter_context(_open_setting(spec)) for spec in specs]
        sides = [_run(setting, recorded) for setting in settings]
    for side in sides:
        if as_json:
            _print_json(side)
        else:
            _print_table(side)
    if html is not None:
        html.write_text(render_sessions_page(sides), encoding="utf-8")
    figures = {name: getattr(sides[0].scores["all"], name) for name in HELD}
    if new_baseline is not None:
        write_baseline(new_baseline, settings[0].spec, figures)
    if baseline is not None:
        worse = find_regressions(baseline, settings[0].spec, figures, HELD)
        _tell_regressions(worse)
        if worse:
            ctx.exit(EXIT_FINDING)


@contextlib.contextmanager
def _open_setting(spec: str) -> Iterator[PredictorSetting]:
    """The setting that `spec` names; its model, if it has one, is let go in the end."""
    if spec.partition(",")[0].partition(":")[0] not in (*MODEL_KINDS, "teacher"):
        yield read_setting(spec)
        return
    if "guarded=no" in spec.split(","):
        raise SettingsError("what a person would see is always guarded: leave guarded=no out")
    named, times = split_timing(spec)
    with open_predictor(named) as contestant:
        yield time_contestant(contestant, times)


def _run(setting: PredictorSetting, recorded: tuple[RecordedSession, ...]) -> Side:
    console = Console(stderr=True)
    runs: list[SessionRun] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(make_harmless(setting.spec), total=len(recorded))
        for one in recorded:
            runs.append(asyncio.run(run_session(one, setting)))
            progress.advance(task)
    return Side(
        spec=setting.spec,
        signature=sign(setting, recorded, __version__),
        runs=tuple(runs),
        scores=score_groups(runs),
    )


def _print_json(side: Side) -> None:
    for run in side.runs:
        session = run.session
        click.echo(
            json.dumps(
                {
                    "type": "session",
                    "name": session.name,
                    "language": session.language,
                    "tuning": session.is_tuning,
                    "quiet": session.is_quiet,
                    "keystrokes": run.keystrokes,
                    "asked": run.asked,
                    "shown": len(run.shown),
                    "taken": sum(one.is_taken for one in run.shown),
                    "silences": dict(run.silences.most_common()),
                }
            )
        )
    for name, score in side.scores.items():
        told = asdict(score) | {"taken_share": round(score.taken_share, 4)}
        click.echo(json.dumps({"type": "score", "group": name, **told}))
    every = side.scores["all"]
    last = {"type": "total", "signature": side.signature}
    click.echo(json.dumps(last | {key: getattr(every, key) for key in JSON_KEYS}))


def _print_table(side: Side) -> None:
    table = Table(title=make_harmless(side.signature), title_justify="left", box=None)
    table.add_column("")
    for name in ("shown", "taken", "", "reversed", "re-shown", "replaced", "saved", "first"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, score in side.scores.items():
        table.add_row(make_harmless(f"{name} ({score.sessions})"), *_tell(score))
    console = Console(soft_wrap=True)
    console.print(table)
    compute = sorted(ms for run in side.runs for ms in run.compute_ms)
    if compute:
        console.print(
            f"an answer took {compute[len(compute) // 2]:.1f} ms in the median, "
            f"{compute[int(len(compute) * 0.95)]:.1f} ms at the 95th percentile"
        )


def _tell(score: FeltScore) -> tuple[str, ...]:
    first = score.first_shown_p50_ms
    return (
        str(score.shown),
        str(score.taken),
        f"{score.taken_share:.0%}" if score.shown else "",
        str(score.reversals),
        str(score.reshown_rejections),
        str(score.replacements),
        f"{score.keystrokes_saved_share:.1%}",
        f"{first} ms" if first is not None else "",
    )


def _tell_regressions(worse: tuple[Regression, ...]) -> None:
    for one in worse:
        click.echo(f"{one.name} is worse than the baseline: {one.now:g}, was {one.was:g}", err=True)
    if not worse:
        click.echo("no figure is worse than the baseline", err=True)
