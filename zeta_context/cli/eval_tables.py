"""What `zeta-context eval` prints of runs: tables for people, JSON lines for machines.

Knows nothing of how predictors are asked or scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table

from zeta_context.cli.rendering import make_harmless
from zeta_context.evals.compare import MIN_CLUSTERS, Difference, compare_scores
from zeta_context.evals.groups import GroupScore, score_slices
from zeta_context.evals.run import Manifest, Run
from zeta_context.evals.score import SIGNATURES, ScenarioScore
from zeta_context.metrics.rates import Rate

_WIDTH = 120


def tell_scores(manifest: Manifest, scores: Sequence[ScenarioScore], *, as_json: bool) -> None:
    slices = score_slices(scores)
    if not as_json:
        _print_slices(manifest, slices)
        return
    for one in scores:
        click.echo(json.dumps(_case_data(one)))
    for name, group in slices.items():
        click.echo(json.dumps({"type": "group", "group": name, **_group_data(group)}))
    last = {
        "type": "total",
        "contestant": manifest.contestant,
        "scenarios": manifest.scenarios,
        "signatures": dict(SIGNATURES),
    }
    click.echo(json.dumps(last | _group_data(slices["all"])))


def _case_data(score: ScenarioScore) -> dict[str, object]:
    return {
        "type": "example",
        "name": score.scenario.name,
        "shown": score.answer.is_shown,
        "reason": score.answer.reason,
        "delta_chrf": None if score.best is None else round(score.points, 4),
        "reversal": round(score.reversal.ratio, 4),
        "property": None if score.verdict is None else score.verdict.checked,
        "holds": None if score.verdict is None else score.verdict.holds,
    }


def _group_data(group: GroupScore) -> dict[str, object]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "examples": group.examples,
        "faults": group.faults,
        "delta_chrf": rounded(group.delta_chrf),
        "delta_chrf_published": rounded(group.delta_chrf_published),
        "delta_chrf_mean": rounded(group.delta_chrf_mean),
        "ceiling": rounded(group.ceiling),
        "kept_rate": rounded(group.kept_rate),
        "lines_precision": rounded(group.lines.precision),
        "lines_recall": rounded(group.lines.recall),
        "show_rate": rounded(group.show_rate.value),
        "quiet_rate": rounded(group.quiet_rate.value),
        "reversals": rounded(group.reversals.value),
        "unparsed": rounded(group.unparsed.value),
        "properties": rounded(group.properties.value),
    }


def _print_slices(manifest: Manifest, slices: Mapping[str, GroupScore]) -> None:
    title = f"{manifest.contestant} on {manifest.count} examples ({manifest.scenarios[:12]})"
    table = Table(title=make_harmless(title), title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for name in ("deltaChrF", "at β 2", "exact", "shown", "kept", "quiet", "reversed", "holds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, group in slices.items():
        table.add_row(
            make_harmless(f"{name} ({group.examples})"),
            _number(group.delta_chrf),
            _number(group.delta_chrf_published),
            _percent(group.exact),
            _percent(group.show_rate),
            "" if group.kept_rate is None else f"{group.kept_rate:.0%}",
            _percent(group.quiet_rate),
            _percent(group.reversals),
            _percent(group.properties),
        )
    console = _wide_console()
    console.print(table)
    every = slices["all"]
    if every.faults:
        console.print(f"{every.faults} were not answered for a fault; run again to ask them again")
    for name in ("deltaChrF", "deltaChrF@2"):
        console.print(SIGNATURES[name], style="dim")


def print_differences(runs: Sequence[Run], differences: Sequence[Difference]) -> None:
    before, after = (make_harmless(run.manifest.contestant) for run in runs)
    table = Table(title=f"from {before} to {after}", title_justify="left", box=None)
    for name in ("", "examples", "before", "after", "change", "95 % interval", ""):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for one in differences:
        verdict = "worse" if one.is_regression else "better" if one.is_gain else "no difference"
        table.add_row(
            one.name,
            str(one.examples),
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            f"{one.change:+.3f}",
            f"{one.low:+.3f} to {one.high:+.3f}",
            verdict,
        )
    console = _wide_console()
    console.print(table)
    clusters = min(one.clusters for one in differences)
    if clusters < MIN_CLUSTERS:
        console.print(f"only {clusters} repositories: the intervals are too narrow to be believed")


def describe_difference(one: Difference) -> dict[str, object]:
    return {
        "figure": one.name,
        "examples": one.examples,
        "clusters": one.clusters,
        "before": round(one.before, 6),
        "after": round(one.after, 6),
        "change": round(one.change, 6),
        "low": round(one.low, 6),
        "high": round(one.high, 6),
        "regression": one.is_regression,
    }


def tell_ablation(scored: dict[str, list[ScenarioScore]], *, as_json: bool) -> None:
    whole = next(iter(scored.values()))
    table = Table(title="what each part of the context brings", title_justify="left", box=None)
    for name in ("", "deltaChrF", "shown", "quiet", "change", "95 % interval"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for name, scores in scored.items():
        group = score_slices(scores)["all"]
        found = [one for one in compare_scores(whole, scores) if one.name == "deltaChrF"]
        change = f"{found[0].change:+.1f}" if found else ""
        interval = f"{found[0].low:+.1f} to {found[0].high:+.1f}" if found else ""
        if as_json:
            data = {"variant": name, **_group_data(group)}
            click.echo(json.dumps(data | (describe_difference(found[0]) if found else {})))
        table.add_row(
            name,
            _number(group.delta_chrf),
            _percent(group.show_rate),
            _percent(group.quiet_rate),
            change,
            interval,
        )
    if not as_json:
        _wide_console().print(table)


def _wide_console() -> Console:
    """Tables keep their columns where no terminal sets a width."""
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_WIDTH)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _percent(rate: Rate) -> str:
    return "" if rate.value is None else f"{rate.value:.0%}"
