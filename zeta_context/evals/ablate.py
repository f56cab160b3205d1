"""What a predictor loses without parts of its context: history in less detail, other files.

Knows nothing of how the variants are scored or shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from zeta_context.evals.scenario import Scenario
from zeta_context.evals.staging import Definitions, with_coarse_history

History = Literal["fine", "coarse", "none"]
"""Every edit on its own; all edits of a file as one; no edits at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What of the context is shown."""

    history: History
    definitions: Definitions

    @property
    def name(self) -> str:
        """For tables and folders."""
        return f"{self.history}-history-{self.definitions}-definitions"


def make_variants(definitions: Definitions = "files") -> tuple[Variant, ...]:
    """The whole context first, then what is taken away; `definitions` says where they come from."""
    histories: tuple[History, ...] = ("fine", "coarse", "none")
    return tuple(
        Variant(history=history, definitions=shown)
        for shown in (definitions, "none")
        for history in histories
        if not (shown == "none" and history == "none")
    )


def reduce_scenarios(scenarios: Sequence[Scenario], history: History) -> list[Scenario]:
    """The scenarios with their history in less detail; names and references stay."""
    if history == "coarse":
        return [with_coarse_history(one) for one in scenarios]
    if history == "none":
        return [replace(one, history=(), prompt_input=None) for one in scenarios]
    return list(scenarios)
