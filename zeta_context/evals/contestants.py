"""The predictors that an evaluation over scenarios can name, models in their own formats included.

A contestant is named by a kind and options: `default`, `repeat,min_confidence=0.8`, `unchanged`,
`model:ID`, `model:FOLDER,format=zeta2`, `http:URL,model=NAME,format=zeta2`,
`cassette:FILE,format=zeta2`. `guarded=no` takes a model's answer as it is, without the product's
checks; `record=FILE` writes what it says to a cassette; `max_prompt_tokens` and `max_output_tokens`
keep both short, for a small model or a slow machine. Knows nothing of scenarios or scores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zeta_context.errors import SettingsError
from zeta_context.evals.predictors import read_setting
from zeta_context.predict.prediction import Discarded
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.predict.view import Proposer, View
from zeta_context.prompt.format import Format
from zeta_context.prompt.limited import LimitedFormat
from zeta_context.runners.base import Runner
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.opening import choose_format, open_runner
from zeta_context.runners.replay import RecordingRunner
from zeta_context.runners.settings import ModelSettings

MODEL_KINDS = ("model", "http", "cassette")
_MODEL_OPTIONS = ("model", "format", "api", "api_key_env", "timeout_ms")
_OWN_OPTIONS = ("guarded", "record", "max_prompt_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Who is asked. `make_proposers` gives fresh ones for each scenario, None for the default.

    `prompt_format` is that of a model; `close` lets go of it.
    """

    spec: str
    make_proposers: Callable[[], Sequence[Proposer] | None]
    prompt_format: Format | None = None
    is_guarded: bool = True
    close: Callable[[], None] = lambda: None


def open_contestant(
    spec: str, *, model: ModelSettings | None = None, permission: RemotePermission | None = None
) -> Contestant:
    """The contestant that `spec` names; `model` is the user's own, for `model` without a name.

    Raises SettingsError for a spec that names none, RunnerError for a model that is not there.
    """
    name, *parts = spec.split(",")
    kind, _, target = name.partition(":")
    if kind == "unchanged":
        return Contestant(spec=spec, make_proposers=lambda: (_Unchanged(),))
    if kind not in MODEL_KINDS:
        return Contestant(spec=spec, make_proposers=read_setting(spec).make_proposers)
    options = read_options(parts)
    is_guarded = _read_yes_or_no("guarded", options.pop("guarded", "yes"))
    record = options.pop("record", "")
    limits = [options.pop(name, "") for name in ("max_prompt_tokens", "max_output_tokens")]
    settings = _model_settings(kind, target, options, model)
    prompt_format = _limit(choose_format(settings), *limits)
    runner = open_runner(settings, permission=permission)
    return open_model(
        spec,
        RecordingRunner(runner, Path(record)) if record else runner,
        prompt_format,
        is_guarded=is_guarded,
    )


def open_model(
    spec: str, runner: Runner, prompt_format: Format, *, is_guarded: bool = True
) -> Contestant:
    """A runner as a contestant. It is shown whole scenarios: they are data, not somebody's files;
    whether its machine may be asked at all is the runner's matter."""
    return Contestant(
        spec=spec,
        make_proposers=lambda: (
            ModelProposer(runner, prompt_format, redact=lambda prompt_input: prompt_input),
        ),
        prompt_format=prompt_format,
        is_guarded=is_guarded,
        close=runner.close,
    )


@dataclass(frozen=True, slots=True)
class _Unchanged:
    """Predicts nothing: what a score has to be better than."""

    name: str = "unchanged"

    def propose(self, _: View) -> Discarded:
        return Discarded(reason="no_edit", detail="it never predicts anything")


def _model_settings(
    kind: str, target: str, options: dict[str, str], model: ModelSettings | None
) -> ModelSettings:
    for key in options:
        if key not in _MODEL_OPTIONS:
            known = sorted((*_MODEL_OPTIONS, *_OWN_OPTIONS))
            raise SettingsError(f"{kind} has no option {key!r}: there are {', '.join(known)}")
    if kind == "model" and not target:
        if model is None or model.kind == "none":
            raise SettingsError("no model is set under [model]; name one: model:ID or model:FOLDER")
        return model
    if not target:
        raise SettingsError(f"{kind} needs a name: {kind}:NAME")
    is_path = kind == "cassette" or (kind == "model" and Path(target).expanduser().exists())
    timeout_ms = _read_count("timeout_ms", options.get("timeout_ms", "120000"))
    return ModelSettings(
        runner="cassette" if kind == "cassette" else "http" if kind == "http" else "local",
        id=options.get("model", "") if is_path or kind == "http" else target,
        path=target if is_path else "",
        endpoint=target if kind == "http" else "",
        format=options.get("format", ""),
        api=options.get("api", "openai"),
        api_key_env=options.get("api_key_env", ""),
        timeout_ms=float(timeout_ms),
    )


def _limit(prompt_format: Format, prompt_tokens: str, output_tokens: str) -> Format:
    """The format as it is, or kept to a number of tokens."""
    if not prompt_tokens and not output_tokens:
        return prompt_format
    return LimitedFormat(
        inner=prompt_format,
        max_prompt_tokens=_read_count("max_prompt_tokens", prompt_tokens)
        if prompt_tokens
        else prompt_format.max_prompt_tokens,
        max_output_tokens=_read_count("max_output_tokens", output_tokens)
        if output_tokens
        else sys.maxsize,
    )


def read_options(parts: Sequence[str]) -> dict[str, str]:
    """Options as a spec has them, each NAME=VALUE; raises SettingsError."""
    return dict(_read_option(part) for part in parts)


def _read_option(part: str) -> tuple[str, str]:
    key, is_given, value = part.partition("=")
    if not is_given or not key or not value:
        raise SettingsError(f"an option is written NAME=VALUE, not {part!r}")
    return key.strip(), value.strip()


def _read_count(key: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise SettingsError(f"{key} is a whole number above 0, not {value!r}")
    return int(value)


def _read_yes_or_no(key: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise SettingsError(f"{key} is yes or no, not {value!r}")
    return value == "yes"
