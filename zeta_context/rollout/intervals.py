"""Intervals that hold however often one looks, for differences of rates clustered by install.

A rate of an arm is a ratio of sums over its installs; its variance comes from how much installs
differ (the delta method), never from single predictions. The interval around the difference of two
arms is the normal mixture of H. Robbins (1970) in information time, as used for sequential tests by
R. Johari et al. (2017) and S. Howard et al. (2021): over all looks together it misses the truth
with a probability of at most `alpha`, as far as sums over installs are near normal. Under
`MIN_INSTALLS` they are not taken to be. Knows nothing of what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, sqrt

ALPHA = 0.05
MIN_INSTALLS = 30
"""Installs that an arm must have before anything is said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """One arm: for each install what was hit and how often it was tried."""

    hits: Sequence[float]
    trials: Sequence[float]

    @property
    def rate(self) -> float:
        """All hits over all trials; 0 without any."""
        total = sum(self.trials)
        return sum(self.hits) / total if total else 0.0

    @property
    def variance(self) -> float:
        """The variance of the rate, by the delta method over installs; infinite for one install."""
        count, total = len(self.trials), sum(self.trials)
        if count < 2 or not total:
            return inf
        rate = sum(self.hits) / total
        squares = sum(
            (hit - rate * trial) ** 2 for hit, trial in zip(self.hits, self.trials, strict=True)
        )
        return count / (count - 1) * squares / total**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate minus control, and the always-valid interval around it."""

    control: float
    candidate: float
    low: float
    high: float

    @property
    def change(self) -> float:
        """The difference of the rates."""
        return self.candidate - self.control


def tune(effect: float, *, alpha: float = ALPHA) -> float:
    """The mixture's free parameter, which has to be chosen before looking: the interval is
    tightest about when a fixed test would see a difference of `effect` with a power of 80 %."""
    wanted = ((1.959964 + 0.841621) / effect) ** 2
    spread = 2 * log(1 / alpha)
    return wanted / (spread + log(1 + spread))


def find_radius(information: float, rho: float, *, alpha: float = ALPHA) -> float:
    """Half the width of the interval at an information (one over the variance)."""
    total = information + rho
    return sqrt(total * log(total / (rho * alpha**2))) / information


def compare_arms(
    control: Clustered, candidate: Clustered, *, effect: float, alpha: float = ALPHA
) -> Difference:
    """The difference of two arms; `effect` is the one that was planned for, see `tune`.

    Without enough installs, or where none of them differ, the interval has no ends.
    """
    low, high = -inf, inf
    variance = control.variance + candidate.variance
    if min(len(control.trials), len(candidate.trials)) >= MIN_INSTALLS and 0 < variance < inf:
        radius = find_radius(1 / variance, tune(effect, alpha=alpha), alpha=alpha)
        change = candidate.rate - control.rate
        low, high = change - radius, change + radius
    return Difference(control=control.rate, candidate=candidate.rate, low=low, high=high)
