"""Models as predictor settings: what predicts, asked at the pace of an editor, session by session.

A session lets go of its proposers when it ends; the model behind these stays for the next one.
Knows nothing of sessions or scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.evals.contestants import Contestant
from zeta_context.evals.predictors import LATENCY_MS, PAUSE_MS, PredictorSetting, read_whole
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Proposer, View

_TIMES = {"pause": PAUSE_MS, "latency": LATENCY_MS}


def split_timing(spec: str) -> tuple[str, dict[str, int]]:
    """A spec without `pause` and `latency`, and these in ms; raises SettingsError."""
    times, kept = dict(_TIMES), []
    for part in spec.split(","):
        key, _, value = part.partition("=")
        if key.strip() in times:
            times[key.strip()] = read_whole(key.strip(), value.strip())
        else:
            kept.append(part)
    return ",".join(kept), times


def time_contestant(contestant: Contestant, times: dict[str, int]) -> PredictorSetting:
    """A contestant as something that is asked `pause` ms after typing and answers in `latency`."""

    def make_proposers() -> Sequence[Proposer] | None:
        made = contestant.make_proposers()
        return None if made is None else tuple(_Lent(one) for one in made)

    told = [contestant.spec, *(f"{key}={value}" for key, value in times.items())]
    return PredictorSetting(
        spec=",".join(told),
        make_proposers=make_proposers,
        pause_ms=times["pause"],
        latency_ms=times["latency"],
    )


@dataclass(frozen=True, slots=True)
class _Lent:
    """A proposer that whoever asks it cannot close."""

    proposer: Proposer

    @property
    def name(self) -> str:
        return self.proposer.name

    def propose(self, view: View) -> Prediction | Discarded:
        return self.proposer.propose(view)
