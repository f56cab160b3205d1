"""`zeta-context rollout judge|plan|simulate|rate|ratings|shadow`: what a rollout's figures say.

Tells people and machines; what is counted and judged is `zeta_context.rollout`.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless
from zeta_context.consent.state_folder import state_folder
from zeta_context.errors import RolloutError
from zeta_context.metrics.rates import Rate
from zeta_context.rollout.judgement import Judgement, judge_stage
from zeta_context.rollout.kept_files import shadow_path
from zeta_context.rollout.manifest import STAGES, VariantManifest
from zeta_context.rollout.outcomes import read_outcomes
from zeta_context.rollout.plan import plan_rollout
from zeta_context.rollout.ratings import Rating, Value, add_rating, rate_variants, read_ratings
from zeta_context.rollout.shadow import (
    ShadowRecord,
    ShadowSummary,
    read_shadow,
    summarize_shadow,
)
from zeta_context.rollout.signing import open_manifest
from zeta_context.rollout.simulation import World, simulate

DAY_S = 86_400
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)
TRUSTED = click.option("--public-key", required=True, metavar="HEX", help="Who has to have signed.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("judge")
@click.argument("path", type=_FILE, metavar="MANIFEST")
@click.argument("outcomes", type=_FILE)
@TRUSTED
@JSON
@click.pass_context
def judge_command(
    ctx: click.Context, path: Path, outcomes: Path, *, public_key: str, as_json: bool
) -> None:
    """Tell what the OUTCOMES of the present stage call for: promote, hold or rollback.

    Intervals hold however often one looks, and take installs, not predictions, for independent.
    The exit status is 1 when the candidate should be taken back.
    """
    manifest = open_manifest(path.read_bytes(), public_key)
    judgement = judge_stage(manifest, read_outcomes(outcomes))
    if as_json:
        click.echo(json.dumps(_to_data(judgement)))
    else:
        _print_judgement(manifest, judgement)
    if judgement.action == "rollback":
        ctx.exit(EXIT_FINDING)


@click.command("plan")
@click.option("--baseline", type=float, default=0.25, show_default=True, help="Acceptance now.")
@click.option("--effect", type=float, required=True, help="The change to be seen, absolute: 0.01.")
@click.option("--power", type=float, default=0.8, show_default=True)
@click.option("--shown-per-install", type=float, default=100.0, show_default=True)
@click.option(
    "--correlation",
    type=float,
    default=0.02,
    show_default=True,
    help="Of two predictions of one install.",
)
@JSON
def plan_command(
    *,
    baseline: float,
    effect: float,
    power: float,
    shown_per_install: float,
    correlation: float,
    as_json: bool,
) -> None:
    """Tell how many shown predictions each arm needs for an effect on acceptance."""
    try:
        plan = plan_rollout(
            baseline,
            effect,
            power=power,
            shown_per_install=shown_per_install,
            correlation=correlation,
        )
    except ValueError as error:
        raise RolloutError(str(error)) from None
    if as_json:
        click.echo(json.dumps(asdict(plan)))
        return
    table = Table(
        title=f"acceptance from {baseline:.2%} to {baseline + effect:.2%}, power {power:.0%}",
        title_justify="left",
        box=None,
    )
    table.add_column("")
    table.add_column("shown predictions an arm", justify="right")
    table.add_row("if all were independent, looked at once", f"{plan.independent:,}")
    table.add_row(f"clustered, {shown_per_install:g} an install", f"{plan.clustered:,}")
    table.add_row("clustered, looked at all the time", f"{plan.sequential:,}")
    Console(soft_wrap=True, width=100).print(table)
    click.echo(f"that is {plan.installs:,} installs an arm")


@click.command("simulate")
@click.option("--runs", type=click.IntRange(min=10), default=200, show_default=True)
@click.option("--effect", type=float, default=0.04, show_default=True)
@click.option("--seed", type=int, default=0)
@JSON
def simulate_command(*, runs: int, effect: float, seed: int, as_json: bool) -> None:
    """Play rollouts with and without an effect, looked at every day: how often is one called?"""
    nothing = simulate(World(), runs=runs, seed=seed)
    something = simulate(World(effect=effect, planned_effect=effect), runs=runs, seed=seed)
    if not as_json:
        table = Table(title="called on any of 28 days", title_justify="left", box=None)
        for name in ("", "no effect", f"effect {effect:+.2f}"):
            table.add_column(name, justify="left" if not name else "right")
        rows = (
            ("always valid, by install", nothing.always_valid, something.always_valid),
            ("fixed 95 %, by install", nothing.fixed, something.fixed),
            ("fixed 95 %, by prediction", nothing.naive, something.naive),
        )
        for name, one, other in rows:
            table.add_row(name, _tell(one), _tell(other))
        Console(soft_wrap=True, width=100).print(table)
    figures = {
        "runs": runs,
        "false_positive_rate": nothing.always_valid.value,
        "false_positive_high": nothing.always_valid.high,
        "false_positive_fixed": nothing.fixed.value,
        "false_positive_naive": nothing.naive.value,
        "power": something.always_valid.value,
        "median_day": something.median_day,
    }
    click.echo(json.dumps(figures))


@click.command("rate")
@click.argument("prediction")
@click.argument("value", type=click.Choice(["good", "bad"]))
@click.option("--variant", default="", help="Which variant made it.")
@click.option("--note", default="")
@click.option("--file", "path", type=_NEW, help="Where ratings are kept.")
def rate_command(
    prediction: str, value: Value, *, variant: str, note: str, path: Path | None
) -> None:
    """Say of PREDICTION, by its id, whether it was good. Ratings stay on this machine."""
    rating = Rating(prediction=prediction, variant=variant, value=value, at=time.time(), note=note)
    add_rating(path if path is not None else _ratings_path(), rating)


@click.command("ratings")
@click.option("--file", "path", type=_FILE, help="Ratings that somebody sent.")
@JSON
def ratings_command(*, path: Path | None, as_json: bool) -> None:
    """Print the share of good ones of each variant."""
    rated = rate_variants(read_ratings(path if path is not None else _ratings_path()))
    for name, rate in rated.items():
        if as_json:
            click.echo(json.dumps({"variant": name, **asdict(rate)}))
        else:
            click.echo(f"{make_harmless(name) or '(no variant)'}: {_tell(rate)} of {rate.trials}")


@click.command("shadow")
@click.argument("path", type=_FILE, required=False, metavar="[RECORDS]")
@JSON
def shadow_command(path: Path | None, *, as_json: bool) -> None:
    """Compare what a candidate predicted, unseen, with what was shown.

    RECORDS are by default those of this user's own sessions.
    """
    by_candidate: dict[str, list[ShadowRecord]] = {}
    for record in read_shadow(path or shadow_path(state_folder())):
        by_candidate.setdefault(record.candidate, []).append(record)
    summaries = {name: summarize_shadow(records) for name, records in by_candidate.items()}
    if not summaries:
        raise RolloutError("there is no shadow record to compare")
    for name, summary in summaries.items():
        if as_json:
            click.echo(json.dumps({"candidate": name, **asdict(summary)}))
        else:
            _print_shadow(name, summary)


def _print_shadow(name: str, summary: ShadowSummary) -> None:
    table = Table(title=f"{summary.requests} requests, answered twice", box=None)
    for column in ("", "live", make_harmless(name)):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("shown", _tell(summary.live_shown), _tell(summary.candidate_shown))
    table.add_row("kept", _share(summary.live_kept), _share(summary.candidate_kept))
    table.add_row("p95", f"{summary.live_p95_ms:.0f} ms", f"{summary.candidate_p95_ms:.0f} ms")
    Console(soft_wrap=True, width=100).print(table)
    click.echo(f"the same answer: {_tell(summary.same)}")


def _ratings_path() -> Path:
    return state_folder() / "ratings.jsonl"


def _to_data(judgement: Judgement) -> dict[str, object]:
    return {
        "action": judgement.action,
        "reasons": judgement.reasons,
        "installs": judgement.installs,
        "shown": judgement.shown,
        "sample_ratio_p": judgement.mismatch,
        "latency_p95_ms": judgement.latency_p95_ms,
        "differences": {
            name: {
                "control": one.control,
                "candidate": one.candidate,
                "low": one.low if isfinite(one.low) else None,
                "high": one.high if isfinite(one.high) else None,
            }
            for name, one in judgement.differences.items()
        },
    }


def _print_judgement(manifest: VariantManifest, judgement: Judgement) -> None:
    table = Table(title=make_harmless(describe_manifest(manifest)), title_justify="left", box=None)
    for name in ("", "control", "candidate", "change", "always-valid 95 %"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for name, one in judgement.differences.items():
        interval = f"{one.low:+.4f} to {one.high:+.4f}" if isfinite(one.low) else "not enough yet"
        table.add_row(
            name, f"{one.control:.4f}", f"{one.candidate:.4f}", f"{one.change:+.4f}", interval
        )
    console = Console(soft_wrap=True, width=110)
    console.print(table)
    control, candidate = judgement.installs
    console.print(f"installs {control:,} and {candidate:,}, ratio p = {judgement.mismatch:.3g}")
    console.print(
        f"{judgement.action}: {make_harmless('; '.join(judgement.reasons))}", markup=False
    )


def _tell(rate: Rate) -> str:
    if rate.value is None:
        return "–"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def describe_manifest(manifest: VariantManifest) -> str:
    """A manifest in a line or two for people."""
    left = max(manifest.expires_at - time.time(), 0) / DAY_S
    state = manifest.state.replace("_", " ")
    reason = f"\nbecause {make_harmless(manifest.reason)}" if manifest.reason else ""
    return (
        f"{make_harmless(manifest.experiment)} {manifest.number}: {state} at {manifest.stage} % "
        f"of {'/'.join(map(str, STAGES))}, {make_harmless(manifest.control.name)} against "
        f"{make_harmless(manifest.candidate.name)}, {left:.0f} days left{reason}"
    )


COMMANDS = (
    judge_command,
    plan_command,
    simulate_command,
    rate_command,
    ratings_command,
    shadow_command,
)
"""What `rollout` has of these."""
