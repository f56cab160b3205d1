"""`zeta-context eval compare|report|review`: reading what runs came to.

Tells people and machines; measuring is `zeta_context.evals`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from zeta_context.cli.eval_tables import describe_difference, print_differences
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless
from zeta_context.errors import EvalError
from zeta_context.evals.compare import check_comparable, compare_scores
from zeta_context.evals.report import MAX_CASES, ReportCase, rank_worst_first, render_report
from zeta_context.evals.review import Reviews, Word
from zeta_context.evals.run import Manifest, read_run
from zeta_context.evals.score import ScenarioScore, score_answers

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


_KEYS: dict[str, Word] = {
    "g": "good",
    "w": "wrong",
    "d": "different direction",
    "b": "reference bad",
}


@click.command("compare")
@click.argument("before", type=_FOLDER)
@click.argument("after", type=_FOLDER)
@click.option("--max-drop", type=float, metavar="POINTS", help="How much deltaChrF may fall.")
@click.option("--different", is_flag=True, help="Compare although examples or data differ.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def compare_command(
    ctx: click.Context,
    before: Path,
    after: Path,
    *,
    max_drop: float | None,
    different: bool,
    as_json: bool,
) -> None:
    """Tell whether the run AFTER is better than BEFORE.

    Paired by example, with 95 % intervals from a bootstrap over repositories. The exit status is 1
    when a figure is worse with its whole interval, or deltaChrF by more than POINTS. Runs over
    different examples, or of models trained on different data, are only compared when told to.
    """
    runs = [read_run(folder) for folder in (before, after)]
    reasons = check_comparable(*(run.manifest for run in runs))
    if reasons and not different:
        raise EvalError(f"these runs cannot be compared: {'; '.join(reasons)} (--different does)")
    for reason in reasons:
        click.echo(f"note: {reason}", err=True)
    differences = compare_scores(
        *(score_answers(run.scenarios, run.answers) for run in runs), max_drop=max_drop
    )
    if as_json:
        for one in differences:
            click.echo(json.dumps(describe_difference(one)))
    else:
        print_differences(runs, differences)
    if any(one.is_regression for one in differences):
        ctx.exit(EXIT_FINDING)


@click.command("report")
@click.argument("folder", type=_FOLDER)
@click.argument("html", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--reviews", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--cases", type=click.IntRange(min=1), default=MAX_CASES, show_default=True)
def report_command(folder: Path, html: Path, *, reviews: Path | None, cases: int) -> None:
    """Write the run in FOLDER as a page for people, the worst cases first."""
    run = read_run(folder)
    write_report(
        html,
        run.manifest,
        score_answers(run.scenarios, run.answers),
        _reviews_of(folder, reviews),
        cases=cases,
    )
    click.echo(f"wrote {html.name}", err=True)


@click.command("review")
@click.argument("folder", type=_FOLDER)
@click.option("--reviews", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--set", "verdict", nargs=2, metavar="NAME VERDICT", help="Say it of one case.")
@click.option("--note", default="", help="Why, with --set.")
@click.option("--json", "as_json", is_flag=True, help="List what was said, a JSON object a line.")
def review_command(
    folder: Path,
    *,
    reviews: Path | None,
    verdict: tuple[str, Word] | None,
    note: str,
    as_json: bool,
) -> None:
    """Read the worst cases of the run in FOLDER and say what they are.

    A verdict is good, wrong, "different direction" or "reference bad". What was said of an answer
    holds for later runs that give it again. Verdicts are kept in FILE, by default reviews.jsonl
    beside FOLDER.
    """
    run = read_run(folder)
    said = _reviews_of(folder, reviews)
    by_name = {one.scenario.name: one for one in score_answers(run.scenarios, run.answers)}
    if verdict is not None:
        name, word = verdict
        if name not in by_name:
            raise EvalError(f"the run has no answered example {name!r}")
        said.add(by_name[name].scenario, by_name[name].answer, word, note)
    elif as_json:
        for score in by_name.values():
            review = said.find(score.scenario, score.answer)
            if review is not None:
                click.echo(
                    json.dumps({"name": review.name, "word": review.word, "note": review.note})
                )
    else:
        _review(list(by_name.values()), said)


def write_report(
    html: Path,
    manifest: Manifest,
    scores: Sequence[ScenarioScore],
    reviews: Reviews | None,
    *,
    cases: int = MAX_CASES,
) -> None:
    found = [
        ReportCase(score=one, review=reviews.find(one.scenario, one.answer) if reviews else None)
        for one in scores
    ]
    page = render_report(manifest, found, max_cases=cases)
    html.write_text(page, encoding="utf-8", errors="backslashreplace")


def _reviews_of(folder: Path, path: Path | None) -> Reviews:
    return Reviews(path if path is not None else folder.resolve().parent / "reviews.jsonl")


def _review(scores: Sequence[ScenarioScore], said: Reviews) -> None:
    open_cases = [
        one.score
        for one in rank_worst_first([ReportCase(score=score) for score in scores])
        if said.find(one.score.scenario, one.score.answer) is None
    ]
    console = Console(soft_wrap=True, highlight=False)
    for number, score in enumerate(open_cases, 1):
        console.rule(make_harmless(f"{number}/{len(open_cases)} {score.scenario.name}"))
        _print_case(console, score)
        while True:
            key = click.prompt("[g]ood [w]rong [d]ifferent direction reference [b]ad [s]kip [q]uit")
            if key in _KEYS or key in ("s", "q"):
                break
        if key == "q":
            break
        if key in _KEYS:
            note = click.prompt("note", default="", show_default=False)
            said.add(score.scenario, score.answer, _KEYS[key], note)


def _print_case(console: Console, score: ScenarioScore) -> None:
    def show(title: str, diff: str) -> None:
        console.print(title, style="bold", markup=False)
        for line in diff.splitlines() or ["(nothing)"]:
            style = "green" if line[:1] == "+" else "red" if line[:1] == "-" else "dim"
            console.print(make_harmless(line), style=style, markup=False)

    for step in score.scenario.history[-3:]:
        show("the user did", step.diff)
    show(f"predicted {score.answer.reason}", score.answer.patch)
    for expected in score.scenario.expected:
        show("a reference", expected.diff)
    console.print(f"deltaChrF {score.points:.1f}")
