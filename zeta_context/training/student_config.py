"""How a student is trained: read from a TOML file, one for each model that was thought through.

Knows nothing of torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from zeta_context.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentConfig:
    """`model` is a directory, or a name for people to fetch; `method` whether all weights train.

    Lengths are in tokens of the model: a longer prompt is left out, never cut, and so is a row
    that is longer with its completion. `batch_size` is for each process.
    """

    model: str
    format: str
    method: Literal["full", "lora"] = "lora"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    learning_rate: float = 1e-4
    epochs: float = 1.0
    max_steps: int = -1
    batch_size: int = 1
    accumulation: int = 1
    max_prompt_tokens: int = 4096
    max_tokens: int = 6144
    dtype: str = "bfloat16"
    warmup_share: float = 0.03
    save_steps: int = 200
    seed: int = 0
    gradient_checkpointing: bool = False
    preference_beta: float = 0.1


def shipped_configs() -> tuple[str, ...]:
    """The names of the configurations that come with the library."""
    folder = files("zeta_context.training").joinpath("configs")
    return tuple(
        sorted(
            one.name.removesuffix(".toml") for one in folder.iterdir() if one.name[-5:] == ".toml"
        )
    )


def read_config(name: str, changes: Mapping[str, Any] | None = None) -> StudentConfig:
    """The configuration of a shipped name or a path, with changes; raises SettingsError."""
    if name in shipped_configs():
        text = files("zeta_context.training").joinpath(f"configs/{name}.toml").read_text("utf-8")
    else:
        try:
            text = Path(name).read_text("utf-8")
        except OSError:
            names = ", ".join(shipped_configs())
            raise SettingsError(f"{name!r} is no file, and no configuration: {names}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: {error}") from None
    known = {field.name for field in fields(StudentConfig)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise SettingsError(f"{name}: there is no setting {', '.join(unknown)}")
    if "lora_targets" in data:
        data["lora_targets"] = tuple(data["lora_targets"])
    try:
        config = StudentConfig(**data)
    except TypeError as error:
        raise SettingsError(f"{name}: {error}") from None
    return replace(config, **dict(changes or {}))
