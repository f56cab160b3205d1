"""The proposers that the settings ask for: the embedded default, and a model after it.

What is wrong with the model becomes its silence, with a reason. Loads what a model needs only when
there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zeta_context.counts import Counts
from zeta_context.errors import RunnerError, SettingsError
from zeta_context.events.projects import Project
from zeta_context.predict.prediction import Discarded
from zeta_context.predict.proposers.repeat import RepeatProposer, RepeatSettings
from zeta_context.predict.view import Proposer, View
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.settings import ModelSettings

_GUESSES = RepeatSettings(min_confidence=0.2, min_confidence_elsewhere=1.0)
"""A guess that the model does not share costs little, so that it may be far from sure."""


def make_proposers(
    projects: Iterable[Project], model: ModelSettings, remote: RemotePermission, counts: Counts
) -> tuple[Proposer, ...]:
    """The embedded default, and the model of the settings if they name one.

    A model that cannot be asked gives its reason each time: `model_refused`, `model_not_set_up`.
    """
    repeat = RepeatProposer()
    if model.kind == "none":
        return (repeat,)
    from zeta_context.predict.proposers.model import ModelProposer
    from zeta_context.predict.remote import RemoteRedaction
    from zeta_context.predict.remote_use import meter
    from zeta_context.runners.opening import choose_format, find_endpoint, open_runner

    try:
        prompt_format = choose_format(model)
        runner = open_runner(model, permission=remote, counts=counts, prefers_shared=True)
        redact = None
        if runner.is_remote:
            redact = RemoteRedaction(projects, user_globs=remote.exclude, counts=counts)
            runner = meter(runner, find_endpoint(model), remote, counts)
    except (SettingsError, RunnerError) as problem:
        reason = "model_refused" if isinstance(problem, RunnerError) else "model_not_set_up"
        counts.note(reason)
        return repeat, _NoModel(Discarded(reason=reason, detail=str(problem)))
    return repeat, ModelProposer(
        runner, prompt_format, redact=redact, guesser=RepeatProposer(_GUESSES)
    )


@dataclass(frozen=True, slots=True)
class _NoModel:
    """Stands for a model that cannot be asked."""

    why: Discarded
    name: str = "model"

    def propose(self, _: View) -> Discarded:
        return self.why
