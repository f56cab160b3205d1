"""`zeta-context train`: students, and the whole loop from sessions to a better model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from zeta_context.cli.main import EXIT_FINDING
from zeta_context.counts import Counts
from zeta_context.errors import SettingsError
from zeta_context.installation import install_command
from zeta_context.runners.base import Runner

_FOLDER = click.Path(file_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, path_type=Path)


@click.group("train", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Train a student on examples, or run the whole loop."""


@command.command("student")
@click.argument("examples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--base", type=_EXISTING, required=True, help="A model directory or a GGUF file.")
@click.option("-o", "--output", type=_FOLDER, required=True)
@click.option("--config", default="smollm2-135m", show_default=True, metavar="NAME|FILE")
@click.option("--max-prompt-estimate", type=click.IntRange(min=64), metavar="TOKENS")
@click.option("--preferences", is_flag=True, help="Tune by preference, on rejected answers.")
@click.option("--engine", type=click.Choice(["embedded", "ray"]), default="embedded")
@click.option("--no-resume", is_flag=True, help="Begin anew, whatever checkpoints there are.")
@click.option("--rows-only", is_flag=True, help="Write the rows for another trainer, and stop.")
def student_command(
    examples: Path,
    *,
    base: Path,
    output: Path,
    config: str,
    max_prompt_estimate: int | None,
    preferences: bool,
    engine: str,
    no_resume: bool,
    rows_only: bool,
) -> None:
    """Fine-tune a model on the examples of a JSONL file.

    Takes a stopped run up again. The result is OUTPUT/model: safetensors that `model import`
    takes, and that converters to GGUF read.
    """
    from zeta_context.training.example import read_examples
    from zeta_context.training.rows import encode_row, make_rows
    from zeta_context.training.student_config import read_config

    chosen = read_config(config)
    counts = Counts()
    rows = make_rows(
        read_examples(examples),
        chosen.format,
        max_tokens=max_prompt_estimate,
        engine="ray" if engine == "ray" else "embedded",
        counts=counts,
    )
    output.mkdir(parents=True, exist_ok=True)
    if rows_only:
        with (output / "rows.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(encode_row(row) + "\n")
        click.echo(json.dumps(counts.totals()))
        return
    _require_libraries()
    from zeta_context.training.student import model_directory, train_preferences, train_student

    run = train_preferences if preferences else train_student
    trained = run(list(rows), model_directory(base), output, chosen, resume=not no_resume)
    told = asdict(trained) | {"model": trained.model.name, **counts.totals()}
    click.echo(json.dumps(told))


@command.command("loop")
@click.argument("sessions", type=_EXISTING)
@click.option("--base", type=_EXISTING, required=True, help="A model directory or a GGUF file.")
@click.option("-o", "--output", type=_FOLDER, required=True)
@click.option("--config", default="smollm2-135m", show_default=True, metavar="NAME|FILE")
@click.option("--hold-out", required=True, metavar="NAMES", help="Repositories, with commas.")
@click.option("--rows", type=click.IntRange(min=1), default=80, show_default=True)
@click.option("--held-out-examples", type=click.IntRange(min=1), default=60, show_default=True)
@click.pass_context
def loop_command(
    ctx: click.Context,
    sessions: Path,
    *,
    base: Path,
    output: Path,
    config: str,
    hold_out: str,
    rows: int,
    held_out_examples: int,
) -> None:
    """Recorded SESSIONS to a student, measured before and after on held-out repositories.

    The last line is JSON. The exit status is 1 when the student is not surely better on the
    examples that both models answer.
    """
    _require_libraries()
    from zeta_context.training.loop import LoopSettings, run_loop
    from zeta_context.training.student import model_directory
    from zeta_context.training.student_config import read_config

    settings = LoopSettings(
        held_out=tuple(name.strip() for name in hold_out.split(",")),
        max_rows=rows,
        max_held_out=held_out_examples,
    )
    report = run_loop(
        sessions,
        model_directory(base),
        output,
        read_config(config),
        settings,
        open_model=_open_model,
        tell=lambda text: click.echo(text, err=True),
    )
    click.echo(
        json.dumps(
            {
                "delta_chrf_before": round(report.all.before, 2),
                "delta_chrf_after": round(report.all.after, 2),
                "gain_ci_low": round(report.both_parse.low, 2),
                "gain_both_parse": round(report.both_parse.mean, 2),
                "parse_failures_before": report.parse_failures_before,
                "parse_failures_after": report.parse_failures_after,
                "minutes": report.minutes,
            }
        )
    )
    if report.both_parse.low <= 0:
        ctx.exit(EXIT_FINDING)


def _open_model(path: Path) -> Runner:
    from zeta_context.runners.opening import open_runner
    from zeta_context.runners.settings import ModelSettings

    # An answer that takes long here is still an answer.
    return open_runner(ModelSettings(path=str(path), timeout_ms=600_000.0))


def _require_libraries() -> None:
    import importlib.util

    missing = [
        name
        for name in ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise SettingsError(f"training needs {', '.join(missing)}: {install_command('train')}")
