"""Puts scores together: figures of a whole run and of its slices.

Examples that want an edit and those that want none are never in one mean. Knows nothing of runs or
pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles
from typing import TypeVar

from zeta_context.evals.score import ScenarioScore
from zeta_context.metrics.counts import Hits
from zeta_context.metrics.delta_chrf import PUBLISHED_BETA
from zeta_context.metrics.rates import Rate, measure_rate

SIZES = ((20, "up to 20 characters"), (80, "21 to 80 characters"), (320, "81 to 320 characters"))
_T = TypeVar("_T")

LARGER = "more than 320 characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """What a group of examples came to.

    `wanting` of them want an edit: `delta_chrf`, kept rate, lines and rows are of those, silence
    counting as no change. `quiet_wanted` want none. Where either will do, only properties and
    reversals count. Faults are counted and otherwise left out. Means of nothing are None.
    """

    examples: int
    faults: int
    wanting: int
    quiet_wanted: int
    delta_chrf: float | None
    delta_chrf_published: float | None
    delta_chrf_mean: float | None
    delta_chrf_indented: float | None
    delta_chrf_shown: float | None
    ceiling: float | None
    kept_rate: float | None
    recall_rate: float | None
    lines: Hits
    rows: Hits
    exact: Rate
    show_rate: Rate
    quiet_rate: Rate
    reversals: Rate
    unparsed: Rate
    syntax_breaks: Rate
    properties: Rate
    cursor_distance: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


def score_group(scores: Iterable[ScenarioScore]) -> GroupScore:
    """The figures of some scores."""
    every = list(scores)
    kept = [one for one in every if not one.answer.is_fault]
    wanting = [one for one in kept if one.wants_edit]
    quiet = [one for one in kept if one.scenario.is_quiet]
    shown = [one for one in kept if one.answer.is_shown]
    bests = [one.best for one in wanting if one.best is not None]
    judged = [one.verdict for one in kept if one.verdict is not None]
    distances = [one.cursor_distance for one in bests if one.cursor_distance is not None]
    times = sorted(one.answer.elapsed_ms for one in kept)
    return GroupScore(
        examples=len(every),
        faults=len(every) - len(kept),
        wanting=len(wanting),
        quiet_wanted=len(quiet),
        delta_chrf=_mean(one.delta_chrf.score for one in bests),
        delta_chrf_published=_mean(_published(one) for one in wanting),
        delta_chrf_mean=_mean(one.mean for one in wanting if one.mean is not None),
        delta_chrf_indented=_mean(one.indented for one in wanting if one.indented is not None),
        delta_chrf_shown=_mean(one.points for one in wanting if one.answer.is_shown),
        ceiling=_mean(one.ceiling.best for one in wanting if one.ceiling is not None),
        kept_rate=_mean(one.kept.kept_rate for one in wanting if one.kept and one.size.places),
        recall_rate=_mean(one.kept.recall_rate for one in wanting if one.kept),
        lines=sum((one.lines for one in bests), Hits()),
        rows=sum((one.rows for one in bests), Hits()),
        exact=_rate(bests, lambda one: one.lines.false_positives + one.lines.false_negatives == 0),
        show_rate=_rate(wanting, lambda one: one.answer.is_shown),
        quiet_rate=_rate(quiet, lambda one: not one.answer.is_shown),
        reversals=_rate(shown, lambda one: one.reversal.is_reversal or one.leads_back),
        unparsed=_rate(kept, lambda one: one.answer.is_unparsed),
        syntax_breaks=_rate(shown, lambda one: bool(one.new_errors)),
        properties=_rate(judged, lambda one: one.holds),
        cursor_distance=_mean(distances),
        latency_p50_ms=median(times) if times else None,
        latency_p95_ms=quantiles(times, n=20)[-1] if len(times) > 1 else None,
    )


def score_slices(scores: Sequence[ScenarioScore]) -> Mapping[str, GroupScore]:
    """The figures of all scores, and of each property, language, kind and size of edit, origin."""
    slices: dict[str, list[ScenarioScore]] = {"all": list(scores)}
    for title, key in _SLICES:
        found: dict[str, list[ScenarioScore]] = {}
        for one in scores:
            value = key(one)
            if value:
                found.setdefault(f"{title}: {value}", []).append(one)
        if len(found) > 1:
            slices |= dict(sorted(found.items()))
    return {name: score_group(group) for name, group in slices.items()}


def size_class(score: ScenarioScore) -> str:
    """How large the wanted change is; empty where none is wanted."""
    size = score.expected_size
    if size is None or not size.characters:
        return ""
    return next((name for most, name in SIZES if size.characters <= most), LARGER)


_SLICES: Sequence[tuple[str, Callable[[ScenarioScore], str]]] = (
    ("property", lambda one: one.scenario.checks or ""),
    ("language", lambda one: one.scenario.language or "unknown"),
    ("edit", lambda one: one.kind),
    ("size", size_class),
    ("origin", lambda one: one.scenario.origin),
)


def _published(score: ScenarioScore) -> float:
    """The best reference at the published weight, which may be another than at the default one."""
    return max(one.delta_chrf.at(PUBLISHED_BETA).score for one in score.references)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None


def _rate(values: Sequence[_T], holds: Callable[[_T], bool]) -> Rate:
    return measure_rate(sum(map(holds, values)), len(values))
