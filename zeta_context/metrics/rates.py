"""Rates with their uncertainty: acceptance, show rate, quiet rate.

The intervals are E. B. Wilson's (1927), which hold for small numbers and for none at all. They
take the trials for independent: where they come from few users, use a clustered interval instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`hits` of `trials`, in 0 to 1, with the interval at the confidence asked for."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share; None where nothing was tried."""
        return self.hits / self.trials if self.trials else None


def measure_rate(hits: int, trials: int, *, confidence: float = 0.95) -> Rate:
    """The share of `trials` that were hits, with Wilson's interval; 0 to 1 without any trial.

    Raises ValueError for more hits than trials.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits of {trials} trials")
    if not trials:
        return Rate(hits=0, trials=0, low=0.0, high=1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = hits / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return Rate(
        hits=hits,
        trials=trials,
        low=0.0 if hits == 0 else max(middle - half, 0.0),
        high=1.0 if hits == trials else min(middle + half, 1.0),
    )
