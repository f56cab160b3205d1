"""Plays rollouts whose truth is known, to show what looking every day does to the verdicts.

Installs differ in how much they are shown and in how readily they accept (a beta distribution
around the arm's rate), keep coming for weeks, and are looked at daily. Beside our interval stands
the test that is often used instead: a fixed 95 % interval over predictions taken as independent.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import sqrt

from zeta_context.metrics.rates import Rate, measure_rate
from zeta_context.rollout.intervals import Clustered, compare_arms


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true. `concentration` is how alike installs are: the within-install correlation of
    acceptance is 1 / (1 + concentration)."""

    installs: int = 200
    days: int = 28
    shown_per_day: float = 8.0
    baseline: float = 0.25
    effect: float = 0.0
    concentration: float = 30.0
    planned_effect: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How often a difference was called on any day: by the always-valid interval, by a fixed one
    that knows of installs, and by a fixed one that does not; and the day of ours, in the median."""

    always_valid: Rate
    fixed: Rate
    naive: Rate
    median_day: float | None


def simulate(world: World, *, runs: int, seed: int = 0) -> Verdicts:
    """Play `runs` rollouts; the same for the same seed."""
    dice = random.Random(seed)
    called = fixed = naive = 0
    days: list[int] = []
    for _ in range(runs):
        ours, clustered, plain = _play(world, dice)
        called += ours is not None
        fixed += clustered
        naive += plain
        if ours is not None:
            days.append(ours)
    days.sort()
    return Verdicts(
        always_valid=measure_rate(called, runs),
        fixed=measure_rate(fixed, runs),
        naive=measure_rate(naive, runs),
        median_day=float(days[len(days) // 2]) if days else None,
    )


def _play(world: World, dice: random.Random) -> tuple[int | None, bool, bool]:
    """The day on which ours called a difference, and whether the two fixed intervals ever did."""
    arms = [
        [_Install(world, rate, dice) for _ in range(world.installs)]
        for rate in (world.baseline, world.baseline + world.effect)
    ]
    called: int | None = None
    fixed = naive = False
    for day in range(1, world.days + 1):
        for arm in arms:
            for install in arm:
                install.live(dice)
        control, candidate = (
            Clustered(
                hits=[one.accepted for one in arm if one.shown],
                trials=[one.shown for one in arm if one.shown],
            )
            for arm in arms
        )
        change = candidate.rate - control.rate
        if called is None:
            found = compare_arms(control, candidate, effect=world.planned_effect)
            called = day if found.low > 0 or found.high < 0 else None
        fixed |= abs(change) > 1.96 * sqrt(control.variance + candidate.variance)
        spread = sum(
            one.rate * (1 - one.rate) / max(sum(one.trials), 1) for one in (control, candidate)
        )
        naive |= abs(change) > 1.96 * sqrt(spread)
    return called, fixed, naive


class _Install:
    """One install: how much it is shown a day, how readily it accepts, what it has done so far."""

    __slots__ = ("accepted", "per_day", "rate", "shown")

    def __init__(self, world: World, rate: float, dice: random.Random) -> None:
        self.rate = dice.betavariate(rate * world.concentration, (1 - rate) * world.concentration)
        # Log-normal: a few people type much more than the others.
        self.per_day = world.shown_per_day * dice.lognormvariate(-0.32, 0.8)
        self.shown = self.accepted = 0

    def live(self, dice: random.Random) -> None:
        """A day; nobody works every day."""
        if dice.random() < 0.7:
            shown = _poisson(self.per_day / 0.7, dice)
            self.shown += shown
            self.accepted += _binomial(shown, self.rate, dice)


def _poisson(mean: float, dice: random.Random) -> int:
    return max(0, round(dice.gauss(mean, sqrt(mean)))) if mean > 0 else 0


def _binomial(trials: int, rate: float, dice: random.Random) -> int:
    if trials > 30:
        value = round(dice.gauss(trials * rate, sqrt(trials * rate * (1 - rate))))
        return min(max(value, 0), trials)
    return sum(dice.random() < rate for _ in range(trials))
