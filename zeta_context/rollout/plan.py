"""How many shown predictions it takes to see a difference in acceptance.

The textbook size for two proportions, times what it costs that predictions of one install are
alike (the design effect), times what it costs to look as often as one likes. Knows nothing of
stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

from zeta_context.rollout.intervals import find_radius, tune


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes for each arm, in shown predictions: `independent` if all were independent and looked
    at once, `clustered` by install, `sequential` by install and looked at all the time."""

    baseline: float
    effect: float
    power: float
    independent: int
    clustered: int
    sequential: int
    installs: int


def plan_rollout(
    baseline: float,
    effect: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    shown_per_install: float = 100.0,
    correlation: float = 0.02,
) -> Plan:
    """The sizes to see acceptance go from `baseline` to `baseline + effect`, two-sided.

    `correlation` is that of two predictions of one install (within-cluster). Raises ValueError for
    rates outside 0 to 1 or no effect.
    """
    after = baseline + effect
    if not (0 < baseline < 1 and 0 < after < 1 and effect and shown_per_install >= 1):
        raise ValueError("rates lie between 0 and 1, and the effect is not 0")
    normal = NormalDist()
    z_alpha, z_power = normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(power)
    spread = baseline * (1 - baseline) + after * (1 - after)
    independent = (z_alpha + z_power) ** 2 * spread / effect**2
    clustered = independent * (1 + (shown_per_install - 1) * correlation)
    looking = _inflation(abs(effect), power, alpha) * clustered
    return Plan(
        baseline=baseline,
        effect=effect,
        power=power,
        independent=ceil(independent),
        clustered=ceil(clustered),
        sequential=ceil(looking),
        installs=ceil(looking / shown_per_install),
    )


def _inflation(effect: float, power: float, alpha: float) -> float:
    """How much more information the interval needs than a fixed test, to exclude 0 at its end."""
    normal = NormalDist()
    fixed = ((normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)) / effect) ** 2
    rho, z_power = tune(effect, alpha=alpha), normal.inv_cdf(power)
    low, high = fixed, 100 * fixed
    while high / low > 1.0001:
        middle = sqrt(low * high)
        needed = find_radius(middle, rho, alpha=alpha) + z_power / sqrt(middle)
        low, high = (middle, high) if needed > effect else (low, middle)
    return high / fixed
