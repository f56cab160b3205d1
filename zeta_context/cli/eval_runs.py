"""`zeta-context eval run|ablate`: predictors over example files.

Tells people and machines what came of it; measuring is `zeta_context.evals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from zeta_context import __version__
from zeta_context.cli.eval_reading import write_report
from zeta_context.cli.eval_tables import tell_ablation, tell_scores
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless
from zeta_context.errors import EvalError
from zeta_context.evals.ablate import make_variants, reduce_scenarios
from zeta_context.evals.baseline import Figure, find_regressions, write_baseline
from zeta_context.evals.contestants import Contestant, open_contestant, read_options
from zeta_context.evals.groups import GroupScore, score_slices
from zeta_context.evals.run import Run, answer_scenarios, describe_run, start_run
from zeta_context.evals.scenario import Scenario, pick
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.evals.score import ScenarioScore, score_answers
from zeta_context.evals.staging import Definitions
from zeta_context.settings import load_settings

HELD = {
    "delta_chrf": Figure(more_is_better=True, slack=0.01),
    "properties": Figure(more_is_better=True, slack=0.0001),
    "show_rate": Figure(more_is_better=True, slack=0.0001),
    "quiet_rate": Figure(more_is_better=True, slack=0.0001),
    "reversals": Figure(more_is_better=False, slack=0.0001),
}
"""What a baseline holds, each over all examples; the slack is for rounding."""


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
    (a model's answer as it is), record=FILE, max_prompt_tokens=N, max_output_tokens=N and
    timeout_ms=N where wanted. A run in DIR is resumed where it
    stopped. The exit status is 1 when a figure is worse than in the --baseline.
    """
    scenarios = pick(list(read_scenarios(examples)), name=name, tag=tag)[:limit]
    if not scenarios:
        raise EvalError("no example is left after --name and --tag")
    if definitions == "server":
        _tell_missing_servers(scenarios)
    with open_predictor(predictor) as contestant, _folder(output) as folder:
        manifest = describe_run(
            contestant, scenarios, __version__, dataset=dataset, definitions=definitions
        )
        run = start_run(folder, manifest, scenarios)
        asyncio.run(_ask(run, contestant, parallel=parallel, keeps_prompts=keep_prompts))
        scores = score_answers(run.scenarios, run.answers)
    _refuse_faults(run)
    if html is not None:
        write_report(html, run.manifest, scores, None)
    tell_scores(manifest, scores, as_json=as_json)
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
    if definitions == "server":
        _tell_missing_servers(scenarios)
    scored: dict[str, list[ScenarioScore]] = {}
    with open_predictor(predictor) as contestant, _folder(output) as folder:
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
            scored[variant.name] = score_answers(run.scenarios, run.answers)
    tell_ablation(scored, as_json=as_json)


@contextlib.contextmanager
def open_predictor(spec: str) -> Iterator[Contestant]:
    """The predictor that `spec` names, by the user's settings; it is let go in the end."""
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
    from zeta_context.cli.teaching import parse_teacher
    from zeta_context.training.teacher.prompt import read_prompt
    from zeta_context.training.teacher.trial import TeacherProposer

    name, *parts = spec.split(",")
    options = read_options(parts)
    prompt = read_prompt(name.partition(":")[2])
    cache = Path(options.pop("cache", "answers.sqlite"))
    teacher = parse_teacher(options)
    return Contestant(
        spec=f"{name}@{prompt.version},{','.join(parts)}",
        make_proposers=lambda: (TeacherProposer(teacher, prompt, "normal", cache),),
        is_guarded=False,
    )


def _refuse_faults(run: Run) -> None:
    """Raise EvalError where nothing was answered: then there is nothing to score, but a reason."""
    answers = list(run.answers.values())
    if answers and all(one.is_fault for one in answers):
        why = f"{answers[0].reason}: {answers[0].detail}"
        raise EvalError(f"not one of {len(answers)} examples was answered ({why})")


def _tell_missing_servers(scenarios: Sequence[Scenario]) -> None:
    from zeta_context.lsp.servers import find_installed, servers_for

    def is_served(language: str) -> bool:
        known = (one for one in servers_for(language) if not one.runs_project_code)
        return any(find_installed(one) is not None for one in known)

    missing = [one for one in sorted({each.language for each in scenarios}) if not is_served(one)]
    if missing:
        click.echo(
            f"no language server is there for {', '.join(missing)}: asked without definitions "
            "(`zeta-context servers` tells what to install)",
            err=True,
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


def _figures(group: GroupScore) -> dict[str, float]:
    return {
        "delta_chrf": group.delta_chrf or 0.0,
        "properties": group.properties.value or 0.0,
        "show_rate": group.show_rate.value or 0.0,
        "quiet_rate": group.quiet_rate.value if group.quiet_rate.value is not None else 1.0,
        "reversals": group.reversals.value or 0.0,
    }
