"""Intervals under peeking, sample ratio, plans: worked numbers and simulated truths."""

from __future__ import annotations

import random
from math import inf, sqrt

import pytest

from zeta_context.rollout.intervals import Clustered, compare_arms, find_radius, tune
from zeta_context.rollout.plan import plan_rollout
from zeta_context.rollout.sample_ratio import ALPHA, find_mismatch
from zeta_context.rollout.simulation import World, simulate


@pytest.mark.parametrize(
    ("effect", "shown"), [(0.0025, 472_000), (0.01, 29_800), (0.025, 4_900), (0.075, 570)]
)
def test_the_plan_gives_the_references_sizes(effect: float, shown: int) -> None:
    plan = plan_rollout(0.25, effect)
    assert plan.independent == pytest.approx(shown, rel=0.01)
    assert plan.clustered == pytest.approx(plan.independent * (1 + 99 * 0.02), rel=0.001)
    assert 1.5 < plan.sequential / plan.clustered < 2.5
    assert plan.installs == pytest.approx(plan.sequential / 100, abs=1)


def test_a_plan_needs_rates_and_an_effect() -> None:
    for baseline, effect in ((0.25, 0.0), (0.99, 0.02), (0.0, 0.1)):
        with pytest.raises(ValueError, match="rates lie between"):
            plan_rollout(baseline, effect)


def test_a_rates_variance_is_that_of_installs_and_not_of_predictions() -> None:
    alike = Clustered(hits=[5.0] * 40, trials=[20.0] * 40)
    assert alike.rate == 0.25
    assert alike.variance == 0
    apart = Clustered(hits=[0.0, 20.0] * 20, trials=[20.0] * 40)
    assert apart.variance == pytest.approx(0.25 / 39)
    one = Clustered(hits=[1.0] + [0.0] * 799, trials=[1.0] * 800)
    assert one.variance == pytest.approx(one.rate * (1 - one.rate) / 799)
    assert Clustered(hits=[1.0], trials=[2.0]).variance == inf


def test_an_interval_has_no_ends_while_there_are_few_installs() -> None:
    few = Clustered(hits=[0.0, 1.0] * 10, trials=[4.0] * 20)
    many = Clustered(hits=[0.0, 1.0] * 50, trials=[4.0] * 100)
    assert compare_arms(few, many, effect=0.03).high == inf
    found = compare_arms(many, many, effect=0.03)
    assert found.change == 0
    assert found.low == -found.high > -1


def test_the_interval_is_wider_than_a_fixed_one_and_tightest_near_the_planned_effect() -> None:
    effect = 0.03
    needed = ((1.959964 + 0.841621) / effect) ** 2
    ratio = find_radius(needed, tune(effect)) * sqrt(needed) / 1.959964
    assert 1.3 < ratio < 1.7
    other = find_radius(needed, tune(effect * 10)) * sqrt(needed) / 1.959964
    assert ratio < other


def test_a_brownian_path_leaves_the_interval_no_more_often_than_promised() -> None:
    """The boundary itself, without any approximation: sums of normal steps, looked at each time."""
    dice = random.Random(3)
    rho, paths, left = tune(0.05), 1_000, 0
    for _ in range(paths):
        total, information = 0.0, 0.0
        for _ in range(150):
            total += dice.gauss(0, sqrt(100))
            information += 100
            if abs(total) / information > find_radius(information, rho):
                left += 1
                break
    assert left / paths <= 0.05


def test_looking_every_day_calls_nothing_that_is_not_there_and_finds_what_is() -> None:
    nothing = simulate(World(), runs=60, seed=1)
    assert nothing.always_valid.value is not None
    assert nothing.naive.value is not None
    assert nothing.always_valid.value <= 0.05
    assert nothing.naive.value > 0.3
    something = simulate(World(effect=0.05, planned_effect=0.05), runs=15, seed=1)
    assert something.always_valid.value is not None
    assert something.always_valid.value >= 0.8


def test_installs_in_the_wrong_shares_are_noticed_and_right_ones_left_alone() -> None:
    dice = random.Random(5)
    right = wrong = 0
    for _ in range(200):
        counts = [0, 0]
        is_called = False
        for _ in range(1_500):
            counts[dice.random() < 0.05] += 1
            is_called |= sum(counts) % 100 == 0 and find_mismatch(counts, (0.95, 0.05)) < ALPHA
        right += is_called
    for _ in range(50):
        counts = [0, 0]
        for _ in range(1_500):
            counts[dice.random() < 0.10] += 1
        wrong += find_mismatch(counts, (0.95, 0.05)) < ALPHA
    assert right <= 1
    assert wrong >= 45
    assert find_mismatch((0, 0), (0.5, 0.5)) == 1
    with pytest.raises(ValueError, match="sum to 1"):
        find_mismatch((1, 1), (0.5, 0.4))
