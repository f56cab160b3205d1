"""Options that name a teacher, and what a bulk run tells; shared by `dataset` and `teacher`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from zeta_context.training.teacher.endpoint import TeacherSettings
from zeta_context.training.teacher.run import Estimate

_F = TypeVar("_F", bound=Callable[..., Any])


def teacher_options(function: _F) -> _F:
    """The options from which `read_teacher` makes the settings."""
    options = (
        click.option(
            "--api",
            type=click.Choice(["anthropic", "openai", "command"]),
            default="openai",
            show_default=True,
            help="Whose words the teacher speaks; `command` runs one for each question.",
        ),
        click.option("--endpoint", default="", metavar="URL|COMMAND"),
        click.option("--model", default="", metavar="NAME"),
        click.option("--key-env", default="", metavar="VARIABLE", help="Holds the key."),
        click.option("--temperature", type=float, default=0.7, show_default=True),
        click.option("--price-in", type=float, default=0.0, help="For a million tokens."),
        click.option("--price-out", type=float, default=0.0, help="For a million tokens."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_teacher(options: dict[str, Any]) -> TeacherSettings:
    """The settings, taken out of the options of a command."""
    names = ("api", "endpoint", "model", "key_env", "temperature", "price_in", "price_out")
    return TeacherSettings(**{name: options.pop(name) for name in names})


def describe_estimate(estimate: Estimate) -> str:
    """An estimate in one line for people."""
    by = "by answers so far" if estimate.is_measured else "by lengths, before any answer"
    return (
        f"{estimate.questions - estimate.answered:,} of {estimate.questions:,} questions are to be "
        f"asked: about {estimate.input_tokens:,} tokens in, {estimate.output_tokens:,} out, "
        f"{estimate.cost:,.2f} to pay ({by})"
    )
