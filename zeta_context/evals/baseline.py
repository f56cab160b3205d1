"""Keeps a score from getting worse unnoticed: a committed file that newer scores are held against.

Knows nothing of how the figures are measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.errors import SettingsError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How a figure is held: which way is better, and by how much it may be worse."""

    more_is_better: bool
    slack: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A figure that is worse than in the baseline."""

    name: str
    was: float
    now: float


def write_baseline(path: Path, spec: str, figures: Mapping[str, float]) -> None:
    """Write the figures of a setting as the new baseline, in place of that setting's own."""
    kept = _read(path)["settings"] if path.exists() else {}
    kept[spec] = dict(figures)
    table = {"schema": SCHEMA, "settings": dict(sorted(kept.items()))}
    path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def find_regressions(
    path: Path, spec: str, figures: Mapping[str, float], held: Mapping[str, Figure]
) -> tuple[Regression, ...]:
    """Which of the `held` figures are worse than the baseline's by more than their slack.

    Raises SettingsError when the file cannot be read or has nothing of this setting: a comparison
    that compares nothing must not look like a good one.
    """
    settings = _read(path)["settings"]
    if spec not in settings:
        raise SettingsError(
            f"{path.name} has no figures of {spec}: there are {', '.join(settings)}"
        )
    kept = settings[spec]
    worse = []
    for name, figure in held.items():
        if name not in kept:
            raise SettingsError(f"{path.name} has no {name} of {spec}")
        was, now = float(kept[name]), float(figures[name])
        loss = was - now if figure.more_is_better else now - was
        if loss > figure.slack:
            worse.append(Regression(name=name, was=was, now=now))
    return tuple(worse)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name} cannot be read as a baseline") from error
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        raise SettingsError(f"{path.name} is no baseline of schema {SCHEMA}")
    if not isinstance(table.get("settings"), dict):
        raise SettingsError(f"{path.name} holds no settings")
    return table
