"""Whether one run is better than another: paired by example, uncertain by repository.

Two runs over the same examples are compared example by example, and the interval of the mean
difference comes from a bootstrap over clusters (repositories), since examples of one repository
are alike. Knows nothing of how the runs came about.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zeta_context.errors import EvalError
from zeta_context.evals.run import Manifest
from zeta_context.evals.score import ScenarioScore

RESAMPLES = 2_000
CONFIDENCE = 0.95
MIN_CLUSTERS = 10
"""With fewer clusters than this an interval is too narrow to be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a figure changed from one run to the other, over the examples that both have.

    `low` to `high` holds the change with the confidence asked for. It `is_regression` when all of
    that is for the worse, or when the change itself is worse than what was allowed.
    """

    name: str
    examples: int
    clusters: int
    before: float
    after: float
    low: float
    high: float
    more_is_better: bool
    is_regression: bool

    @property
    def change(self) -> float:
        """The mean difference, after minus before."""
        return self.after - self.before

    @property
    def is_gain(self) -> bool:
        """Whether all of the interval is for the better."""
        return self.low > 0 if self.more_is_better else self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of one example; None where the example has no say in it."""

    value: Callable[[ScenarioScore], float | None]
    more_is_better: bool = True


def _if(condition: bool, value: float) -> float | None:
    return value if condition else None


FIGURES: Mapping[str, Figure] = {
    "deltaChrF": Figure(value=lambda one: _if(one.wants_edit, one.points)),
    "quiet rate": Figure(
        value=lambda one: _if(one.scenario.is_quiet, float(not one.answer.is_shown))
    ),
    "reversals": Figure(
        value=lambda one: float(one.reversal.is_reversal or one.leads_back), more_is_better=False
    ),
    "unparsed": Figure(value=lambda one: float(one.answer.is_unparsed), more_is_better=False),
    "properties": Figure(
        value=lambda one: None if one.verdict is None else float(one.verdict.holds)
    ),
}
"""What is compared."""


def check_comparable(one: Manifest, other: Manifest) -> tuple[str, ...]:
    """Why two runs should not be compared; nothing if they may be."""
    reasons = []
    if one.scenarios != other.scenarios:
        reasons.append(
            f"they were run on different examples: {one.count} of {one.scenarios[:12]} and "
            f"{other.count} of {other.scenarios[:12]}"
        )
    if one.dataset != other.dataset:
        reasons.append(
            "their models were trained on different data: "
            f"{one.dataset or 'not told'} and {other.dataset or 'not told'}"
        )
    for name in ("history", "definitions"):
        was, now = getattr(one, name), getattr(other, name)
        if was != now:
            reasons.append(f"they were shown different {name}: {was} and {now}")
    return tuple(reasons)


def compare_scores(
    before: Sequence[ScenarioScore],
    after: Sequence[ScenarioScore],
    *,
    max_drop: float | None = None,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """How every figure changed over the examples that both answered, faults left out.

    `max_drop` makes any worse mean deltaChrF a regression when it is worse by more than that.
    Raises EvalError when no example is in both.
    """
    olds = {one.scenario.name: one for one in before if not one.answer.is_fault}
    pairs = [
        (olds[one.scenario.name], one)
        for one in after
        if one.scenario.name in olds and not one.answer.is_fault
    ]
    if not pairs:
        raise EvalError("the runs have no answered example in common")
    differences = []
    for name, figure in FIGURES.items():
        found = [
            (old.scenario.group, was, now)
            for old, new in pairs
            if (was := figure.value(old)) is not None and (now := figure.value(new)) is not None
        ]
        if found:
            allowed = max_drop if name == "deltaChrF" else None
            differences.append(_compare(name, figure, found, allowed, seed))
    return tuple(differences)


def _compare(
    name: str,
    figure: Figure,
    found: Sequence[tuple[str, float, float]],
    allowed: float | None,
    seed: int,
) -> Difference:
    clusters: dict[str, list[float]] = {}
    for group, was, now in found:
        clusters.setdefault(group, []).append(now - was)
    low, high = bootstrap_interval(list(clusters.values()), seed=seed)
    before = sum(was for _, was, _ in found) / len(found)
    after = sum(now for _, _, now in found) / len(found)
    worse = high < 0 if figure.more_is_better else low > 0
    loss = before - after if figure.more_is_better else after - before
    return Difference(
        name=name,
        examples=len(found),
        clusters=len(clusters),
        before=before,
        after=after,
        low=low,
        high=high,
        more_is_better=figure.more_is_better,
        is_regression=worse or (allowed is not None and loss > allowed),
    )


def bootstrap_interval(
    clusters: Sequence[Sequence[float]],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile interval of the mean over all values, whole clusters being drawn again.

    B. Efron's bootstrap; the mean is that of the values, so large clusters weigh more.
    """
    totals = [(sum(values), len(values)) for values in clusters]
    dice = random.Random(seed)
    means = []
    for _ in range(resamples):
        drawn = dice.choices(totals, k=len(totals))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    tail = (1 - confidence) / 2
    return means[int(tail * resamples)], means[min(int((1 - tail) * resamples), resamples - 1)]
