"""`zeta-context teacher`: whether a teacher's prompt is any good."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.teaching import read_teacher, teacher_options


@click.group("teacher", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Try out what a teacher is told."""


@command.command("eval")
@click.argument("prompt_a")
@click.argument("prompt_b")
@click.option(
    "--cases", type=click.Path(exists=True, path_type=Path), required=True, metavar="FOLDER"
)
@click.option("--cache", type=click.Path(dir_okay=False, path_type=Path), default="answers.sqlite")
@click.option("--size", type=click.Choice(["small", "normal", "large"]), default="normal")
@click.option("--json", "as_json", is_flag=True)
@teacher_options
@click.pass_context
def eval_command(
    ctx: click.Context,
    /,
    prompt_a: str,
    prompt_b: str,
    *,
    cases: Path,
    cache: Path,
    size: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Score two prompts on handwritten cases, by property.

    A prompt is the name of a shipped one or a .md file. Exit status 1 when PROMPT_B loses a
    property that PROMPT_A has; bulk runs with this cache then refuse PROMPT_B.
    """
    from zeta_context.evals.scenario_files import read_scenarios
    from zeta_context.training.teacher.prompt import Size, read_prompt
    from zeta_context.training.teacher.trial import find_losses, note_verdict, try_prompt

    teacher = read_teacher(options)
    scenarios = list(read_scenarios(cases))
    scores = [
        try_prompt(scenarios, read_prompt(name), teacher, cache, size=cast("Size", size))
        for name in (prompt_a, prompt_b)
    ]
    losses = find_losses(*scores)
    note_verdict(cache, scores[1].version, losses)
    if as_json:
        click.echo(json.dumps({"prompts": [asdict(one) for one in scores], "losses": losses}))
    else:
        table = Table(box=None)
        table.add_column("")
        for one in scores:
            table.add_column(one.version, justify="right")
        for name, count in sorted(scores[0].cases.items()):
            table.add_row(name, *(f"{one.held.get(name, 0)} of {count}" for one in scores))
        table.add_row("deltaChrF", *(f"{one.delta_chrf:.1f}" for one in scores))
        Console().print(table)
        for name in losses:
            click.echo(f"{scores[1].version} loses cases of {name}", err=True)
    if losses:
        ctx.exit(EXIT_FINDING)
