"""What outcomes call for: go on, wait, take back."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from zeta_context.errors import RolloutError
from zeta_context.rollout.judgement import judge_stage
from zeta_context.rollout.manifest import Variant, VariantManifest
from zeta_context.rollout.outcomes import (
    OutcomeCounts,
    count_latency,
    estimate_percentile,
    read_outcomes,
    sum_by_install,
    write_outcomes,
)

MANIFEST = VariantManifest(
    experiment="e",
    number=4,
    control=Variant(name="control"),
    candidate=Variant(name="new"),
    salt="s",
    issued_at=0.0,
    expires_at=1.0,
    stage=50,
)


def rows(
    variant: str, *, installs: int = 400, acceptance: float = 0.25, seed: int = 0, **more: float
) -> list[OutcomeCounts]:
    """Installs with 60 to 140 requests, of which about half are shown."""
    dice = random.Random(f"{variant}{seed}")
    made = []
    for number in range(installs):
        requests = dice.randint(60, 140)
        shown = sum(dice.random() < more.get("shown", 0.5) for _ in range(requests))
        own = min(max(dice.gauss(acceptance, 0.05), 0.0), 1.0)
        accepted = sum(dice.random() < own for _ in range(shown))
        slow = sum(dice.random() < more.get("slow", 0.02) for _ in range(requests))
        fast, late = count_latency(80), count_latency(700)
        made.append(
            OutcomeCounts(
                install=f"{variant}-{number}",
                variant=variant,
                stage=50,
                requests=requests,
                shown=shown,
                accepted=accepted,
                kept_characters=accepted * 12,
                errors=sum(dice.random() < more.get("errors", 0.005) for _ in range(requests)),
                reversals=sum(dice.random() < more.get("reversals", 0.004) for _ in range(shown)),
                latencies=tuple(
                    one * (requests - slow) + other * slow
                    for one, other in zip(fast, late, strict=True)
                ),
            )
        )
    return made


def test_a_better_candidate_goes_on() -> None:
    judgement = judge_stage(MANIFEST, [*rows("control"), *rows("new", acceptance=0.32)])
    assert judgement.action == "promote"
    assert judgement.reasons[0].startswith("acceptance: 0.2")
    assert judgement.differences["acceptance"].low > 0
    assert judgement.installs == (400, 400)


def test_one_that_cannot_be_told_apart_waits() -> None:
    judgement = judge_stage(MANIFEST, [*rows("control"), *rows("new")])
    assert judgement.action == "hold"
    assert "cannot be told apart yet" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("fault", "value", "told"),
    [
        ("slow", 0.15, "slow answers"),
        ("errors", 0.05, "errors"),
        ("reversals", 0.05, "reversals"),
        ("shown", 0.2, "show rate"),
    ],
)
def test_a_guardrail_stops_even_a_better_candidate(fault: str, value: float, told: str) -> None:
    better = rows("new", acceptance=0.35, **{fault: value})
    judgement = judge_stage(MANIFEST, [*rows("control"), *better])
    assert judgement.action == "rollback"
    assert any(reason.startswith(told) for reason in judgement.reasons)


def test_a_worse_candidate_goes_back() -> None:
    judgement = judge_stage(MANIFEST, [*rows("control"), *rows("new", acceptance=0.15)])
    assert judgement.action == "rollback"
    assert any(reason.startswith("acceptance") for reason in judgement.reasons)


def test_installs_in_the_wrong_shares_stop_every_verdict() -> None:
    judgement = judge_stage(
        MANIFEST, [*rows("control", installs=600), *rows("new", installs=200, acceptance=0.4)]
    )
    assert judgement.action == "hold"
    assert "not what was meant" in judgement.reasons[0]


def test_few_installs_are_no_verdict_and_the_last_stage_only_watches_its_guardrails() -> None:
    few = judge_stage(MANIFEST, [*rows("control", installs=20), *rows("new", installs=20)])
    assert few.action == "hold"
    assert "fewer than 30 installs" in few.reasons[0]
    everybody = replace(MANIFEST, stage=100)
    last = [replace(row, stage=100) for row in rows("new")]
    assert judge_stage(everybody, last).action == "promote"


def test_only_public_installs_of_the_present_stage_count() -> None:
    dogfood = [replace(row, ring="dogfood") for row in rows("new", acceptance=0.9)]
    earlier = [replace(row, stage=15) for row in rows("new", acceptance=0.9)]
    judgement = judge_stage(MANIFEST, [*rows("control"), *rows("new"), *dogfood, *earlier])
    assert judgement.installs == (400, 400)
    assert judgement.action == "hold"


def test_rows_of_one_install_add_up(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    row = OutcomeCounts(
        install="a", variant="new", stage=5, requests=4, shown=2, latencies=count_latency(299)
    )
    write_outcomes(path, [row, row])
    (total,) = sum_by_install(read_outcomes(path), "new")
    assert (total.requests, total.shown, total.slow) == (8, 4, 0)
    assert total.latencies == (0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0)
    assert replace(row, latencies=count_latency(301)).slow == 1


def test_percentiles_are_interpolated_within_their_class() -> None:
    latencies = tuple(
        a * 90 + b * 10 for a, b in zip(count_latency(40), count_latency(350), strict=True)
    )
    assert estimate_percentile(latencies, 0.5) == pytest.approx(25 + 25 * 50 / 90)
    assert estimate_percentile(latencies, 0.95) == pytest.approx(350)
    assert estimate_percentile(count_latency(9_000), 0.95) == 2000
    assert estimate_percentile((0,) * 11, 0.5) is None


@pytest.mark.parametrize(
    "change",
    [{"shown": -1}, {"shown": 9}, {"latencies": [1]}, {"requests": "4"}, {"ring": "x"}],
)
def test_rows_that_cannot_be_are_named(tmp_path: Path, change: dict[str, object]) -> None:
    row = asdict(OutcomeCounts(install="a", variant="new", requests=4, shown=2))
    path = tmp_path / "outcomes.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | change) + "\n")
    with pytest.raises(RolloutError, match=r"outcomes\.jsonl:2"):
        list(read_outcomes(path))
