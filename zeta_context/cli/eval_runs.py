"""`zeta-context eval run|compare|report|review|ablate`: predictors over example files.

Tells people and machines what came of it; measuring is `zeta_context.evals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from zeta_context import __version__
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless
from zeta_context.errors import EvalError, SettingsError
from zeta_context.evals.ablate import make_variants, reduce_scenarios
from zeta_context.evals.baseline import Figure, find_regressions, write_baseline
from zeta_context.evals.compare import (
    MIN_CLUSTERS,
    Difference,
    check_comparable,
    compare_scores,
)
from zeta_context.evals.contestants import Contestant, open_contestant, read_options
from zeta_context.evals.groups import GroupScore, score_slices
from zeta_context.evals.report import MAX_CASES, ReportCase, rank_worst_first, render_report
from zeta_context.evals.review import Reviews, Word
from zeta_context.evals.run import (
    Manifest,
    Run,
    answer_scenarios,
    describe_run,
    read_run,
    start_run,
)
from zeta_context.evals.scenario import pick
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.evals.score import SIGNATURES, ScenarioScore, score_answer
from zeta_context.evals.staging import Definitions
from zeta_context.metrics.rates import Rate
from zeta_context.settings import load_settings

HELD = {
    "delta_chrf": Figure(more_is_better=True, slack=0.01),
    "properties": Figure(more_is_better=True, slack=0.0001),
    "show_rate": Figure(more_is_better=True, slack=0.0001),
    "quiet_rate": Figure(more_is_better=True, slack=0.0001),
    "reversals": Figure(more_is_better=False, slack=0.0001),
}
"""What a baseline holds, each over all examples; the slack is for rounding."""

_WIDTH = 120
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_KEYS: dict[str, Word] = {
    "g": "good",
    "w": "wrong",
    "d": "different direction",
    "b": "reference bad",
}


@click.command("run")
@click.argument("examples", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--predictor", default="default", metavar="SPEC", show_default=True)
@click.option("--name", default="", metavar="PART", help="Only examples with this in their name.")
@click.option("--tag", default="", help="Only examples with this tag.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many.")
@click.option("--parallel", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--definitions",
    type=click.Choice(["none", "files", "server"]),
    default="files",
    show_default=True,
    help="What of other files a model is shown.",
)
@click.option("--dataset", default="", metavar="HASH", help="What the model was trained on.")
@click.option("--keep-prompts", is_flag=True, help="Keep what a model was shown.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--write-baseline", "new_baseline", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def run_command(
    ctx: click.Context,
    examples: tuple[Path, ...],
    *,
    output: Path | None,
    predictor: str,
    name: str,
    tag: str,
    limit: int | None,
    parallel: int,
    definitions: Definitions,
    dataset: str,
    keep_prompts: bool,
    html: Path | None,
    as_json: bool,
    baseline: Path | None,
    new_baseline: Path | None,
) -> None:
    """Ask a predictor about the EXAMPLES (*.md, *.jsonl, *.parquet, folders) and score it.

    SPEC is default, repeat, unchanged, teacher:PROMPT,endpoint=URL,model=NAME, model:ID,
    model:FOLDER, http:URL,model=NAME or cassette:FILE, the last four with format=NAME, guarded=no
    (a model's answer as it is) and record=FILE where wanted. A run in DIR is resumed where it
    stopped. The exit status is 1 when a figure is worse than in the --baseline.
    """
    scenarios = pick(list(read_scenarios(examples)), name=name, tag=tag)[:limit]
    if not scenarios:
        raise EvalError("no example is left after --name and --tag")
    with _open(predictor) as contestant, _folder(output) as folder:
        manifest = describe_run(
            contestant, scenarios, __version__, dataset=dataset, definitions=definitions
        )
        run = start_run(folder, manifest, scenarios)
        asyncio.run(_ask(run, contestant, parallel=parallel, keeps_prompts=keep_prompts))
        scores = _score(run)
    if html is not None:
        _write_report(html, run.manifest, scores, None)
    _tell(manifest, scores, as_json=as_json)
    spec = f"{manifest.contestant}@{manifest.scenarios[:12]}"
    figures = _figures(score_slices(scores)["all"])
    if new_baseline is not None:
        write_baseline(new_baseline, spec, figures)
    if baseline is not None:
        worse = find_regressions(baseline, spec, figures, HELD)
        for one in worse:
            click.echo(
                f"{one.name} is worse than the baseline: {one.now:g}, was {one.was:g}", err=True
            )
        if worse:
            ctx.exit(EXIT_FINDING)
        click.echo("no figure is worse than the baseline", err=True)


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
    differences = compare_scores(*(_score(run) for run in runs), max_drop=max_drop)
    if as_json:
        for one in differences:
            click.echo(json.dumps(_to_data(one)))
    else:
        _print_differences(runs, differences)
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
    _write_report(html, run.manifest, _score(run), _reviews_of(folder, reviews), cases=cases)
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
    by_name = {one.scenario.name: one for one in _score(run)}
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


@click.command("ablate")
@click.argument("examples", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--predictor", default="default", metavar="SPEC", show_default=True)
@click.option("--definitions", type=click.Choice(["files", "server"]), default="files")
@click.option("--parallel", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def ablate_command(
    examples: tuple[Path, ...],
    *,
    output: Path | None,
    predictor: str,
    definitions: Definitions,
    parallel: int,
    as_json: bool,
) -> None:
    """Score a predictor with its whole context, and with less: what does each part bring?

    The history in fine steps, as one step a file, or not at all; other files shown or not.
    """
    scenarios = list(read_scenarios(examples))
    scored: dict[str, list[ScenarioScore]] = {}
    with _open(predictor) as contestant, _folder(output) as folder:
        for variant in make_variants(definitions):
            reduced = reduce_scenarios(scenarios, variant.history)
            manifest = describe_run(
                contestant,
                reduced,
                __version__,
                history=variant.history,
                definitions=variant.definitions,
            )
            run = start_run(folder / variant.name, manifest, reduced)
            asyncio.run(_ask(run, contestant, parallel=parallel, keeps_prompts=False))
            scored[variant.name] = _score(run)
    _tell_ablation(scored, as_json=as_json)


COMMANDS = (run_command, compare_command, report_command, review_command, ablate_command)


@contextlib.contextmanager
def _open(spec: str) -> Iterator[Contestant]:
    if spec.startswith("teacher:"):
        contestant = _open_teacher(spec)
    else:
        settings = load_settings().settings
        contestant = open_contestant(spec, model=settings.model, permission=settings.remote)
    try:
        yield contestant
    finally:
        contestant.close()


def _open_teacher(spec: str) -> Contestant:
    """A teacher as a contestant; its answers come from the cache where they are known."""
    from zeta_context.training.teacher.endpoint import TeacherSettings
    from zeta_context.training.teacher.prompt import read_prompt
    from zeta_context.training.teacher.trial import TeacherProposer

    name, *parts = spec.split(",")
    options = read_options(parts)
    prompt = read_prompt(name.partition(":")[2])
    cache = Path(options.pop("cache", "answers.sqlite"))
    try:
        teacher = TeacherSettings(**{"api": "openai", **options})  # type: ignore[arg-type]
    except TypeError:
        raise SettingsError(
            "a teacher's options are api, endpoint, model, key_env and cache"
        ) from None
    return Contestant(
        spec=f"{name}@{prompt.version},{','.join(parts)}",
        make_proposers=lambda: (TeacherProposer(teacher, prompt, "normal", cache),),
        is_guarded=False,
    )


@contextlib.contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch) / "run"


async def _ask(run: Run, contestant: Contestant, *, parallel: int, keeps_prompts: bool) -> None:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(
            make_harmless(contestant.spec), total=len(run.scenarios), completed=len(run.answers)
        )
        async for _ in answer_scenarios(
            run, contestant, parallel=parallel, keeps_prompts=keeps_prompts
        ):
            progress.advance(task)


def _score(run: Run) -> list[ScenarioScore]:
    return [
        score_answer(one, run.answers[one.name]) for one in run.scenarios if one.name in run.answers
    ]


def _reviews_of(folder: Path, path: Path | None) -> Reviews:
    return Reviews(path if path is not None else folder.resolve().parent / "reviews.jsonl")


def _write_report(
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


def _figures(group: GroupScore) -> dict[str, float]:
    return {
        "delta_chrf": group.delta_chrf or 0.0,
        "properties": group.properties.value or 0.0,
        "show_rate": group.show_rate.value or 0.0,
        "quiet_rate": group.quiet_rate.value if group.quiet_rate.value is not None else 1.0,
        "reversals": group.reversals.value or 0.0,
    }


def _tell(manifest: Manifest, scores: Sequence[ScenarioScore], *, as_json: bool) -> None:
    slices = score_slices(scores)
    if not as_json:
        _print_slices(manifest, slices)
        return
    for one in scores:
        click.echo(json.dumps(_case_data(one)))
    for name, group in slices.items():
        click.echo(json.dumps({"type": "group", "group": name, **_group_data(group)}))
    last = {
        "type": "total",
        "contestant": manifest.contestant,
        "scenarios": manifest.scenarios,
        "signatures": dict(SIGNATURES),
    }
    click.echo(json.dumps(last | _group_data(slices["all"])))


def _case_data(score: ScenarioScore) -> dict[str, object]:
    return {
        "type": "example",
        "name": score.scenario.name,
        "shown": score.answer.is_shown,
        "reason": score.answer.reason,
        "delta_chrf": None if score.best is None else round(score.points, 4),
        "reversal": round(score.reversal.ratio, 4),
        "property": None if score.verdict is None else score.verdict.checked,
        "holds": None if score.verdict is None else score.verdict.holds,
    }


def _group_data(group: GroupScore) -> dict[str, object]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "examples": group.examples,
        "faults": group.faults,
        "delta_chrf": rounded(group.delta_chrf),
        "delta_chrf_published": rounded(group.delta_chrf_published),
        "delta_chrf_mean": rounded(group.delta_chrf_mean),
        "ceiling": rounded(group.ceiling),
        "kept_rate": rounded(group.kept_rate),
        "lines_precision": rounded(group.lines.precision),
        "lines_recall": rounded(group.lines.recall),
        "show_rate": rounded(group.show_rate.value),
        "quiet_rate": rounded(group.quiet_rate.value),
        "reversals": rounded(group.reversals.value),
        "unparsed": rounded(group.unparsed.value),
        "properties": rounded(group.properties.value),
    }


def _print_slices(manifest: Manifest, slices: Mapping[str, GroupScore]) -> None:
    title = f"{manifest.contestant} on {manifest.count} examples ({manifest.scenarios[:12]})"
    table = Table(title=make_harmless(title), title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for name in ("deltaChrF", "at β 2", "exact", "shown", "kept", "quiet", "reversed", "holds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, group in slices.items():
        table.add_row(
            make_harmless(f"{name} ({group.examples})"),
            _number(group.delta_chrf),
            _number(group.delta_chrf_published),
            _percent(group.exact),
            _percent(group.show_rate),
            "" if group.kept_rate is None else f"{group.kept_rate:.0%}",
            _percent(group.quiet_rate),
            _percent(group.reversals),
            _percent(group.properties),
        )
    console = _wide_console()
    console.print(table)
    every = slices["all"]
    if every.faults:
        console.print(f"{every.faults} were not answered for a fault; run again to ask them again")
    for name in ("deltaChrF", "deltaChrF@2"):
        console.print(SIGNATURES[name], style="dim")


def _print_differences(runs: Sequence[Run], differences: Sequence[Difference]) -> None:
    before, after = (make_harmless(run.manifest.contestant) for run in runs)
    table = Table(title=f"from {before} to {after}", title_justify="left", box=None)
    for name in ("", "examples", "before", "after", "change", "95 % interval", ""):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for one in differences:
        verdict = "worse" if one.is_regression else "better" if one.is_gain else "no difference"
        table.add_row(
            one.name,
            str(one.examples),
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            f"{one.change:+.3f}",
            f"{one.low:+.3f} to {one.high:+.3f}",
            verdict,
        )
    console = _wide_console()
    console.print(table)
    clusters = min(one.clusters for one in differences)
    if clusters < MIN_CLUSTERS:
        console.print(f"only {clusters} repositories: the intervals are too narrow to be believed")


def _to_data(one: Difference) -> dict[str, object]:
    return {
        "figure": one.name,
        "examples": one.examples,
        "clusters": one.clusters,
        "before": round(one.before, 6),
        "after": round(one.after, 6),
        "change": round(one.change, 6),
        "low": round(one.low, 6),
        "high": round(one.high, 6),
        "regression": one.is_regression,
    }


def _tell_ablation(scored: dict[str, list[ScenarioScore]], *, as_json: bool) -> None:
    whole = next(iter(scored.values()))
    table = Table(title="what each part of the context brings", title_justify="left", box=None)
    for name in ("", "deltaChrF", "shown", "quiet", "change", "95 % interval"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for name, scores in scored.items():
        group = score_slices(scores)["all"]
        found = [one for one in compare_scores(whole, scores) if one.name == "deltaChrF"]
        change = f"{found[0].change:+.1f}" if found else ""
        interval = f"{found[0].low:+.1f} to {found[0].high:+.1f}" if found else ""
        if as_json:
            data = {"variant": name, **_group_data(group)}
            click.echo(json.dumps(data | (_to_data(found[0]) if found else {})))
        table.add_row(
            name,
            _number(group.delta_chrf),
            _percent(group.show_rate),
            _percent(group.quiet_rate),
            change,
            interval,
        )
    if not as_json:
        _wide_console().print(table)


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


def _wide_console() -> Console:
    """Tables keep their columns where no terminal sets a width."""
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_WIDTH)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _percent(rate: Rate) -> str:
    return "" if rate.value is None else f"{rate.value:.0%}"
