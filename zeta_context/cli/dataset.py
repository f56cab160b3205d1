"""`zeta-context dataset`: examples for training and evaluation, and where they come from.

Joins the sources of examples with files; making them is `zeta_context.training`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from zeta_context.cli.dataset_pull import pull_command, recut_command, show_command
from zeta_context.cli.dataset_tables import (
    JSON,
    OUTPUT,
    show_count,
    show_examples,
    tell_counts,
)
from zeta_context.cli.teaching import describe_estimate, read_teacher, teacher_options
from zeta_context.counts import Counts
from zeta_context.errors import SettingsError
from zeta_context.training.example import read_examples, write_examples

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("dataset", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make, pull and look into sets of examples."""


command.add_command(pull_command)
command.add_command(recut_command)
command.add_command(show_command)


@command.command("commits")
@click.argument("repository", type=click.Path(exists=True, file_okay=False, path_type=Path))
@OUTPUT
@click.option("--limit", type=click.IntRange(min=1), help="Look at so many commits, the newest.")
@click.option("--revision", default="HEAD", show_default=True, metavar="REVISION")
@click.option("--per-commit", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--processes", type=click.IntRange(min=1), help="By default one for each core.")
@click.option("--reorder", is_flag=True, help="Let a teacher put the changes in order.")
@click.option("--cache", type=_FILE, default="answers.sqlite", show_default=True)
@JSON
@teacher_options
def commits_command(
    repository: Path,
    *,
    output: Path,
    limit: int | None,
    revision: str,
    per_commit: int,
    seed: int,
    processes: int | None,
    reorder: bool,
    cache: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Type the commits of REPOSITORY out again, and cut examples from that.

    The examples are labelled `commit` and are for evaluation: commits are cleaner than people.
    Only a repository that the licence gate accepts gives any. With --reorder every commit is a
    question to the teacher.
    """
    from zeta_context.training.commits.mine import MiningSettings
    from zeta_context.training.commits.repository import mine_repository
    from zeta_context.training.commits.told_order import ToldOrder
    from zeta_context.training.dataset import Source, write_dataset
    from zeta_context.training.licence import LicenceGate

    counts = Counts()
    gate = LicenceGate()
    teacher = read_teacher(options)
    told_order = ToldOrder(teacher=teacher, cache=cache) if reorder else None
    settings = MiningSettings(seed=seed, per_commit=per_commit, told_order=told_order)
    filters = {"seed": seed, "per_commit": per_commit, "limit": limit, "reordered": reorder}
    examples = mine_repository(
        repository,
        refuse=gate.refuse_repository,
        refuse_file=gate.refuse_file,
        settings=settings,
        limit=limit,
        revision=revision,
        processes=processes,
        counts=counts,
    )
    manifest = write_dataset(
        output,
        show_examples(examples, "typing commits out"),
        sources=[Source(name=repository.resolve().name, sha256="", revision=revision)],
        filters=filters,
        counts=counts,
    )
    told = {"examples": manifest.examples, **counts.totals(), "sha256": manifest.sha256}
    tell_counts(told, as_json=as_json)


@command.command("realism")
@click.argument("repository", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sessions", type=click.Path(exists=True, path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@JSON
def realism_command(
    repository: Path, sessions: Path, *, limit: int, seed: int, as_json: bool
) -> None:
    """Compare commits of REPOSITORY, typed out, with the recorded SESSIONS.

    Prints how people and the model of typing differ, and the AUC of a classifier that tries to
    tell stretches of either apart: 0.5 where it cannot, 1 where it always can.
    """
    from zeta_context.evals.sessions import read_sessions
    from zeta_context.training.commits.mine import MiningSettings, type_history
    from zeta_context.training.commits.realism import compare_realism

    recorded = [one.entries for one in read_sessions(sessions)]
    made = [one.entries for one in type_history(repository, MiningSettings(seed=seed), limit=limit)]
    report = compare_realism(recorded, made)
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    table = Table(box=None)
    for name in ("", "recorded", "typed out", "AUC alone"):
        table.add_column(name, justify="left" if not name else "right")
    mine = asdict(report.made)
    for name, value in asdict(report.recorded).items():
        auc = report.auc_of.get(name)
        shown = "" if auc is None else f"{auc:.2f}"
        table.add_row(name.replace("_", " "), f"{value:.4g}", f"{mine[name]:.4g}", shown)
    table.add_row("stretches", str(report.recorded_stretches), str(report.made_stretches), "")
    Console().print(table)
    click.echo(f"AUC of all together, cross-validated: {report.auc:.3f}")


@command.command("fit-typing")
@click.argument("sessions", type=click.Path(exists=True, path_type=Path))
@OUTPUT
def fit_typing_command(sessions: Path, *, output: Path) -> None:
    """Measure how people type in recorded SESSIONS, for the model of typing."""
    from zeta_context.evals.sessions import read_sessions
    from zeta_context.training.commits.profile import measure_habits, write_habits

    habits = measure_habits([one.entries for one in read_sessions(sessions)])
    write_habits(habits, output)


@command.command("teach")
@click.argument("states", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@OUTPUT
@click.option("--cache", type=_FILE, default="answers.sqlite", show_default=True)
@click.option("--prompt", "prompt_name", default="teacher-v1", show_default=True)
@click.option("--size", type=click.Choice(["small", "normal", "large"]), default="normal")
@click.option("--completions", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--review", is_flag=True, help="Ask for a second opinion on each answer.")
@click.option("--repair", is_flag=True, help="Ask again, with the reason, for what is unusable.")
@click.option("--concurrency", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--requests-per-minute", type=float, default=0.0)
@click.option("--tokens-per-minute", type=float, default=0.0)
@click.option("--budget", type=float, default=0.0, help="Stop when so much has been paid.")
@click.option("--budget-tokens", type=int, default=0, help="Stop after so many tokens.")
@click.option("--batch", is_flag=True, help="Send batches, and collect them with a later run.")
@click.option("--wait", is_flag=True, help="With --batch: stay until they have ended.")
@click.option("--ask-doubtful", is_flag=True, help="Ask again what a crash left in doubt.")
@click.option("--despite-losses", is_flag=True, help="Use a prompt that `teacher eval` marked.")
@click.option("--dry-run", is_flag=True, help="Estimate the cost, and ask nobody.")
@JSON
@teacher_options
def teach_command(
    states: Path,
    *,
    output: Path,
    cache: Path,
    prompt_name: str,
    size: str,
    completions: int,
    review: bool,
    repair: bool,
    concurrency: int,
    requests_per_minute: float,
    tokens_per_minute: float,
    budget: float,
    budget_tokens: int,
    batch: bool,
    wait: bool,
    ask_doubtful: bool,
    despite_losses: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Let a teacher say what follows from each of the STATES.

    Every target is the teacher's: what users wrote is left out. Answers are kept in the cache, so
    a run that is stopped at any moment, or started again, asks and pays for nothing twice.
    """
    from zeta_context.training.teacher import bulk
    from zeta_context.training.teacher.cache import AnswerCache
    from zeta_context.training.teacher.prompt import Size, read_prompt
    from zeta_context.training.teacher.run import RunLimits
    from zeta_context.training.teacher.teach import TeachSettings
    from zeta_context.training.teacher.trial import find_verdict

    teacher = read_teacher(options)
    prompt = read_prompt(prompt_name)
    losses = find_verdict(cache, prompt.version)
    if losses and not despite_losses:
        raise SettingsError(
            f"{prompt.version} lost cases of {', '.join(losses)} in `teacher eval`: mend the "
            "prompt, or say --despite-losses"
        )
    settings = TeachSettings(
        prompt=prompt,
        size=cast("Size", size),
        completions=completions,
        has_review=review,
        has_repair=repair,
    )
    limits = RunLimits(
        concurrency=concurrency,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        budget_cost=budget,
        budget_tokens=budget_tokens,
        ask_doubtful=ask_doubtful,
    )
    counts = Counts()
    answers = AnswerCache(cache)
    try:
        estimate = bulk.estimate_teaching(states, answers, teacher, settings)
        click.echo(describe_estimate(estimate), err=True)
        if dry_run:
            click.echo(json.dumps(asdict(estimate)))
            return
        if batch:
            left = bulk.ask_in_batches(
                states, answers, teacher, settings, counts=counts, waits=wait
            )
            if left:
                click.echo(f"{left} batches are under way: run this again later", err=True)
        else:
            with show_count("asking the teacher", estimate.questions) as on_answer:
                bulk.ask_teacher(
                    states, answers, teacher, settings, limits, counts=counts, on_answer=on_answer
                )
        taught = bulk.taught_examples(states, answers, teacher, settings, counts=counts)
        written = write_examples(output, taught)
        bill = asdict(answers.bill())
    finally:
        answers.close()
    tell_counts({"examples": written, **counts.totals(), **bill}, as_json=as_json)


@command.command("scenarios")
@click.argument("examples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def scenarios_command(examples: Path, *, output: Path) -> None:
    """EXAMPLES as scenarios, which `zeta-context eval run` reads.

    OUTPUT is a .jsonl or .parquet file, or a folder of Markdown cases.
    """
    from zeta_context.evals.scenario_files import write_scenarios
    from zeta_context.training.scenarios import to_scenario

    written = write_scenarios(output, map(to_scenario, read_examples(examples)))
    click.echo(f"{written} scenarios", err=True)
