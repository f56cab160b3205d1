"""What to do at a stage: go on, wait, or take the candidate back, and why.

Compares public installs of the present stage only. Guardrails stop a stage; acceptance and the
characters that were accepted and kept decide whether there is a next one. Decides nothing by
itself: a person or a job promotes. Knows nothing of manifests' signatures or of where rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from zeta_context.rollout.intervals import MIN_INSTALLS, Clustered, Difference, compare_arms
from zeta_context.rollout.manifest import VariantManifest
from zeta_context.rollout.outcomes import OutcomeCounts, estimate_percentile, sum_by_install
from zeta_context.rollout.sample_ratio import ALPHA, find_mismatch

Action = Literal["promote", "hold", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A rate that is compared: what is hit, of what, and which difference was planned for.

    `margin` makes it a guardrail: it is breached when the candidate is surely worse, and by more
    than that.
    """

    hits: Callable[[OutcomeCounts], float]
    trials: Callable[[OutcomeCounts], float]
    more_is_better: bool
    effect: float
    margin: float | None = None


MEASURES: Mapping[str, Measure] = {
    "acceptance": Measure(
        hits=lambda one: one.accepted,
        trials=lambda one: one.shown,
        more_is_better=True,
        effect=0.02,
    ),
    "kept characters a request": Measure(
        hits=lambda one: one.kept_characters,
        trials=lambda one: one.requests,
        more_is_better=True,
        effect=0.2,
    ),
    "slow answers": Measure(
        hits=lambda one: one.slow,
        trials=lambda one: one.requests,
        more_is_better=False,
        effect=0.02,
        margin=0.01,
    ),
    "reversals": Measure(
        hits=lambda one: one.reversals,
        trials=lambda one: one.requests,
        more_is_better=False,
        effect=0.01,
        margin=0.002,
    ),
    "errors": Measure(
        hits=lambda one: one.errors,
        trials=lambda one: one.requests,
        more_is_better=False,
        effect=0.01,
        margin=0.002,
    ),
    "show rate": Measure(
        hits=lambda one: one.shown,
        trials=lambda one: one.requests,
        more_is_better=True,
        effect=0.03,
        margin=0.03,
    ),
}
"""Those without a margin are what a candidate is for; acceptance alone is won by showing less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The action that the figures call for, its reasons, and the figures.

    `installs` are those of control and candidate, `latency_p95_ms` theirs as well, `mismatch` the
    p-value of the sample ratio.
    """

    action: Action
    reasons: tuple[str, ...]
    differences: Mapping[str, Difference]
    installs: tuple[int, int]
    shown: tuple[int, int]
    mismatch: float
    latency_p95_ms: tuple[float | None, float | None]


def judge_stage(
    manifest: VariantManifest,
    rows: Iterable[OutcomeCounts],
    *,
    measures: Mapping[str, Measure] = MEASURES,
) -> Judgement:
    """What the outcomes of the present stage call for."""
    rows = list(rows)
    control, candidate = (
        sum_by_install(rows, one.name, stage=manifest.stage, experiment=manifest.experiment)
        for one in (manifest.control, manifest.candidate)
    )
    differences = {
        name: compare_arms(
            _cluster(control, measure), _cluster(candidate, measure), effect=measure.effect
        )
        for name, measure in measures.items()
    }
    share = manifest.stage / 100
    counts = (len(control), len(candidate))
    mismatch = find_mismatch(counts, (1 - share, share)) if share < 1 else 1.0
    action, reasons = _decide(differences, measures, counts, mismatch, is_last=share >= 1)
    return Judgement(
        action=action,
        reasons=tuple(reasons),
        differences=differences,
        installs=counts,
        shown=(sum(one.shown for one in control), sum(one.shown for one in candidate)),
        mismatch=mismatch,
        latency_p95_ms=(_p95(control), _p95(candidate)),
    )


def _decide(
    differences: Mapping[str, Difference],
    measures: Mapping[str, Measure],
    installs: tuple[int, int],
    mismatch: float,
    *,
    is_last: bool,
) -> tuple[Action, list[str]]:
    if mismatch < ALPHA:
        told = f"{installs[1]} of {sum(installs)} installs have the candidate: not what was meant"
        return "hold", [told]
    breached, gained, open_ = [], [], []
    for name, measure in measures.items():
        found = differences[name]
        is_worse = found.high < 0 if measure.more_is_better else found.low > 0
        is_better = found.low > 0 if measure.more_is_better else found.high < 0
        told = f"{name}: {found.control:.4f} to {found.candidate:.4f}"
        if is_worse and abs(found.change) > (measure.margin or 0.0):
            breached.append(f"{told} is worse")
        elif measure.margin is None and is_better:
            gained.append(f"{told} is better")
        elif measure.margin is None:
            open_.append(f"{told} cannot be told apart yet")
    if breached:
        return "rollback", breached
    if is_last:
        return "promote", ["no guardrail was breached with everybody on the candidate"]
    if gained:
        return "promote", gained
    if min(installs) < MIN_INSTALLS:
        return "hold", [f"fewer than {MIN_INSTALLS} installs in an arm: {min(installs)}"]
    return "hold", open_


def _cluster(rows: Sequence[OutcomeCounts], measure: Measure) -> Clustered:
    tried = [one for one in rows if measure.trials(one)]
    return Clustered(
        hits=[measure.hits(one) for one in tried], trials=[measure.trials(one) for one in tried]
    )


def _p95(rows: Sequence[OutcomeCounts]) -> float | None:
    if not rows:
        return None
    total = rows[0]
    for row in rows[1:]:
        total += row
    return estimate_percentile(total.latencies, 0.95)
