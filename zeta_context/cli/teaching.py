"""Options that name a teacher, and what a bulk run tells; shared by `dataset` and `teacher`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import click

from zeta_context.errors import SettingsError
from zeta_context.training.teacher.endpoint import Api, TeacherSettings
from zeta_context.training.teacher.run import Estimate

_F = TypeVar("_F", bound=Callable[..., Any])
_NAMES = (
    "api",
    "endpoint",
    "model",
    "key_env",
    "temperature",
    "max_output_tokens",
    "price_in",
    "price_out",
)


def teacher_options(function: _F) -> _F:
    """The options from which `read_teacher` makes the settings."""
    options = (
        click.option(
            "--api",
            type=click.Choice(["anthropic", "openai", "command", "programmatic"]),
            default="openai",
            show_default=True,
            help="Whose words the teacher speaks; `command` runs one for each question, "
            "`programmatic` needs no model, no network and no key.",
        ),
        click.option("--endpoint", default="", metavar="URL|COMMAND"),
        click.option("--model", default="", metavar="NAME"),
        click.option("--key-env", default="", metavar="VARIABLE", help="Holds the key."),
        click.option("--temperature", type=float, default=0.7, show_default=True),
        click.option(
            "--max-output-tokens", type=click.IntRange(min=1), default=4_096, show_default=True
        ),
        click.option("--price-in", type=float, default=0.0, help="For a million tokens."),
        click.option("--price-out", type=float, default=0.0, help="For a million tokens."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_teacher(options: dict[str, Any]) -> TeacherSettings:
    """The settings, taken out of the options of a command."""
    return TeacherSettings(**{name: options.pop(name) for name in _NAMES})


def parse_teacher(options: Mapping[str, str]) -> TeacherSettings:
    """The settings in options as a predictor's spec has them; raises SettingsError."""
    known: dict[str, Callable[[str], Any]] = dict.fromkeys(_NAMES, str)
    known |= {"temperature": float, "price_in": float, "price_out": float, "max_output_tokens": int}
    try:
        values: dict[str, Any] = {name: known[name](value) for name, value in options.items()}
    except KeyError as unknown:
        raise SettingsError(
            f"a teacher has no option {unknown}: there are cache, {', '.join(_NAMES)}"
        ) from None
    except ValueError:
        raise SettingsError("a teacher's temperature, prices and tokens are numbers") from None
    settings = TeacherSettings(**{"api": "openai", **values})
    if settings.api not in get_args(Api):
        raise SettingsError(f"a teacher's api is one of {', '.join(get_args(Api))}")
    return settings


def describe_estimate(estimate: Estimate) -> str:
    """An estimate in one line for people."""
    by = "by answers so far" if estimate.is_measured else "by lengths, before any answer"
    return (
        f"{estimate.questions - estimate.answered:,} of {estimate.questions:,} questions are to be "
        f"asked: about {estimate.input_tokens:,} tokens in, {estimate.output_tokens:,} out, "
        f"{estimate.cost:,.2f} to pay ({by})"
    )
