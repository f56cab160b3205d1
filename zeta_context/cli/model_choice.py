"""Which model a command means: the one it names, or the one of the user's configuration file.

Knows nothing of how models run. Everything heavy is imported when it is needed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.errors import RunnerError, SettingsError

if TYPE_CHECKING:
    from zeta_context.runners.settings import ModelSettings
    from zeta_context.settings import Settings


def load_user_settings() -> Settings:
    """The user's settings; what in them means nothing is told once."""
    from zeta_context.settings import load_settings

    loaded = load_settings()
    for warning in loaded.warnings:
        click.echo(f"zeta-context: {warning}", err=True)
    return loaded.settings


def choose_model(
    settings: Settings, model: str | None, format_name: str | None, api: str | None
) -> ModelSettings:
    """The settings of the model that the command line names, or of the configured one.

    Raises SettingsError for an unknown format.
    """
    from zeta_context.prompt.registry import find_format
    from zeta_context.runners.settings import ModelSettings

    chosen = settings.model
    if model is not None:
        chosen = ModelSettings(
            idle_unload_minutes=chosen.idle_unload_minutes, timeout_ms=chosen.timeout_ms
        )
        if model.startswith(("http:", "https:", "unix:")):
            same = settings.model if settings.model.endpoint == model else chosen
            chosen = replace(same, endpoint=model)
        elif model == "shared":
            chosen = replace(chosen, runner="shared")
        elif Path(model).exists() or model.startswith((".", "/", "~")):
            chosen = replace(chosen, path=model)
        else:
            chosen = replace(chosen, id=model)
    if format_name:
        chosen = replace(chosen, format=find_format(format_name).name)
    return replace(chosen, api=api) if api else chosen


def describe_model() -> tuple[dict[str, Any], tuple[str, str] | None]:
    """The configured model for `doctor`, and what is wrong with it, with its mend.

    Looks at files and settings only: no model is loaded and no server is asked.
    """
    from zeta_context.config_file import config_path
    from zeta_context.consent.remote_notice import NoticeStore
    from zeta_context.runners.opening import (
        check_permission,
        choose_format,
        find_endpoint,
        open_runner,
    )
    from zeta_context.settings import load_settings

    told: dict[str, Any] = {"runner": "none", "name": "", "format": "", "is_remote": False}
    try:
        settings = load_settings().settings
    except SettingsError as problem:
        return told, (f"the configuration is not used: {problem}", f"edit {config_path().name}")
    model = settings.model
    told |= {"runner": model.kind, "name": model.model_name}
    if model.kind == "none":
        return told, None
    try:
        told["format"] = choose_format(model).name
        runner = open_runner(model, permission=settings.remote)
        told["is_remote"] = runner.is_remote
        runner.close()
        check_permission(model, settings.remote)
        if told["is_remote"] and not NoticeStore().was_shown(str(find_endpoint(model))):
            fault = "the model on another machine is not asked before you have seen what it gets"
            return told, (fault, "zeta-context consent remote")
    except (SettingsError, RunnerError) as problem:
        return told, (f"the model is not used: {problem}", f"see [model] in {config_path().name}")
    return told, None
