"""What a predictor answered to a scenario. Knows neither predictors nor scores."""

from __future__ import annotations

from dataclasses import dataclass

UNPARSED = frozenset({"bad_output", "truncated"})
"""Reasons that say that a model's output could not be read."""

FAULTS = frozenset(
    {
        "bad_answer",
        "model_refused",
        "out_of_memory",
        "model_not_set_up",
        "no_answer",
        "proposer_fault",
        "remote_not_allowed",
        "runner_busy",
        "runner_error",
        "runner_gone",
        "runner_timeout",
        "unstageable",
    }
)
"""Reasons that say that nothing was asked, or nobody answered: no verdict on the predictor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioAnswer:
    """The answer to the scenario `name`: a patch, or the `reason` for silence.

    `patch` is a unified diff with file headers. `elapsed_ms` is the time on the machine that ran
    it. `prompt` is what a model was shown, where it was kept.
    """

    name: str
    patch: str = ""
    reason: str = ""
    detail: str = ""
    cursor: int | None = None
    proposer: str = ""
    confidence: float | None = None
    elapsed_ms: float = 0.0
    prompt: str = ""

    @property
    def is_shown(self) -> bool:
        """Whether there is something to show."""
        return bool(self.patch)

    @property
    def is_unparsed(self) -> bool:
        """Whether a model's output could not be read."""
        return self.reason in UNPARSED

    @property
    def is_fault(self) -> bool:
        """Whether it says nothing about the predictor: it should be asked again."""
        return self.reason in FAULTS
