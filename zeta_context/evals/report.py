"""Writes an evaluation run as one self-contained HTML page for people who read cases.

Figures and slices first, then the cases, the worst first: what the user had done, where the cursor
was, what was predicted and how it differs from each reference. No script, nothing loaded; whatever
comes from files is escaped. Knows nothing of how scores are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from zeta_context.evals.diff_page import render_excerpt, render_patch_diff, render_text_diff
from zeta_context.evals.groups import GroupScore, score_slices
from zeta_context.evals.review import Review
from zeta_context.evals.run import Manifest
from zeta_context.evals.scenario import texts_after
from zeta_context.evals.score import SIGNATURES, ReferenceScore, ScenarioScore
from zeta_context.metrics.rates import Rate

MAX_CASES = 200
MAX_STEPS = 6
_BINS = 20
_WIDTH, _HEIGHT = 1000, 150
_TICKS = ((0, "start"), (25, "middle"), (50, "middle"), (75, "middle"), (100, "end"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCase:
    """A score and what a person said of the answer, if anybody did."""

    score: ScenarioScore
    review: Review | None = None


def rank_worst_first(cases: Sequence[ReportCase]) -> list[ReportCase]:
    """What harms first: reversals, then what is shown by its points, then silence, then faults."""
    return sorted(cases, key=lambda case: _badness(case.score))


def render_report(
    manifest: Manifest, cases: Sequence[ReportCase], *, max_cases: int = MAX_CASES
) -> str:
    """The page as a text of its own, with the `max_cases` worst cases."""
    styles = files("zeta_context.evals")
    style = "".join(
        styles.joinpath(name).read_text(encoding="utf-8")
        for name in ("sessions_page.css", "report.css")
    )
    slices = score_slices([case.score for case in cases])
    shown = rank_worst_first(cases)[:max_cases]
    sections = "\n".join(_case(number, case) for number, case in enumerate(shown, 1))
    left = len(cases) - len(shown)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zeta-context: {escape(manifest.contestant)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{escape(manifest.contestant)}</h1>
<p class="lead">{manifest.count} examples ({escape(manifest.scenarios[:12])}), history
{escape(manifest.history)}, definitions {escape(manifest.definitions)}, zeta-context
{escape(manifest.version)}{_dataset(manifest)}</p>
{_figures(slices["all"])}
{_histogram([case.score for case in cases])}
{_table(slices)}
<p class="signatures mono">{"<br>".join(escape(one) for one in SIGNATURES.values())}</p>
<h2>Cases, the worst first</h2>
{sections}
{f'<p class="dim">{left} better ones are not shown.</p>' if left else ""}
</main>
</body>
</html>
"""


def _badness(score: ScenarioScore) -> tuple[int, float, str]:
    answer = score.answer
    if answer.is_fault:
        return 4, 0.0, score.scenario.name
    is_harm = score.is_rejected_one or score.leads_back or score.reversal.is_reversal
    if answer.is_shown and (is_harm or score.scenario.is_quiet):
        return 0, score.points, score.scenario.name
    if answer.is_shown and score.best is not None:
        return 1, score.points, score.scenario.name
    if answer.is_unparsed:
        return 2, score.points, score.scenario.name
    return 3, score.points, score.scenario.name


def _dataset(manifest: Manifest) -> str:
    return f", trained on {escape(manifest.dataset[:12])}" if manifest.dataset else ""


def _figures(group: GroupScore) -> str:
    figures = (
        (_number(group.delta_chrf), "deltaChrF, beta 0.5, of those that want an edit"),
        (_number(group.delta_chrf_published), "deltaChrF, beta 2, as published"),
        (_number(group.ceiling), "references among themselves"),
        (_percent(group.show_rate), "show rate"),
        (_percent(group.quiet_rate), "quiet rate, where nothing is wanted"),
        (_percent(group.reversals), "reversals, of what is shown"),
        (_percent(group.properties), "properties that hold"),
        (_percent(group.unparsed), "answers that cannot be read"),
        (f"{_number(group.latency_p50_ms)} ms", "to answer, in the median"),
    )
    return (
        '<div class="figures">'
        + "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in figures)
        + "</div>"
    )


def _histogram(scores: Sequence[ScenarioScore]) -> str:
    wanting = [one for one in scores if one.wants_edit and not one.answer.is_fault]
    if not wanting:
        return ""
    shown, silent = [0] * _BINS, [0] * _BINS
    for one in wanting:
        bins = shown if one.answer.is_shown else silent
        bins[min(int(one.points / 100 * _BINS), _BINS - 1)] += 1
    most = max(a + b for a, b in zip(shown, silent, strict=True))
    step, floor = _WIDTH / _BINS, _HEIGHT - 18
    bars = []
    for at, (told, quiet) in enumerate(zip(shown, silent, strict=True)):
        top = float(floor)
        for kind, count in (("shown", told), ("silent", quiet)):
            height = count / most * (floor - 14)
            top -= height
            if count:
                bars.append(
                    f'<rect class="{kind}" x="{at * step + 2:.0f}" y="{top:.1f}" '
                    f'width="{step - 4:.0f}" height="{height:.1f}"/>'
                )
        if told + quiet:
            bars.append(
                f'<text x="{(at + 0.5) * step:.0f}" y="{top - 3:.1f}" text-anchor="middle">'
                f"{told + quiet}</text>"
            )
    ticks = "".join(
        f'<text x="{at / 100 * _WIDTH:.0f}" y="{_HEIGHT - 4}" text-anchor="{anchor}">{at}</text>'
        for at, anchor in _TICKS
    )
    return (
        '<div class="chart"><p class="key">'
        '<span><i style="background:var(--accent)"></i>shown</span>'
        '<span><i style="background:var(--keys)"></i>silent</span>'
        f"<span>deltaChrF of the {len(wanting)} examples that want an edit</span></p>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="distribution of deltaChrF">{"".join(bars)}{ticks}</svg></div>'
    )


def _table(slices: Mapping[str, GroupScore]) -> str:
    heads = (
        *("", "examples", "deltaChrF", "at beta 2", "mean", "shown only", "ceiling", "exact"),
        *("shown", "kept", "lines P", "lines R", "rows P", "rows R", "reversals", "quiet"),
        *("unparsed", "properties"),
    )
    rows = []
    before = ""
    for name, group in slices.items():
        title = name.partition(":")[0]
        cells = (
            str(group.examples),
            _number(group.delta_chrf),
            _number(group.delta_chrf_published),
            _number(group.delta_chrf_mean),
            _number(group.delta_chrf_shown),
            _number(group.ceiling),
            _percent(group.exact),
            _percent(group.show_rate),
            _share(group.kept_rate),
            *(_share(value) for value in (group.lines.precision, group.lines.recall)),
            *(_share(value) for value in (group.rows.precision, group.rows.recall)),
            _percent(group.reversals),
            _percent(group.quiet_rate),
            _percent(group.unparsed),
            _percent(group.properties),
        )
        first = ' class="first"' if title != before else ""
        before = title
        rows.append(
            f"<tr{first}><td>{escape(name)}</td>"
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f'<div class="scroll"><table class="slices"><tr>{head}</tr>{"".join(rows)}</table></div>'


def _case(number: int, case: ReportCase) -> str:
    score = case.score
    scenario, answer = score.scenario, score.answer
    points = f"{score.points:.1f}" if score.best is not None else "–"
    return (
        f'<section class="case" id="{escape(scenario.name)}"><header>'
        f'<span class="points">{points}</span><h2>{number}. {escape(scenario.name)}</h2>'
        f"{_tags(case)}</header>"
        f'<p class="why">{_told(score)}</p>'
        f"<details{' open' if answer.is_shown else ''}><summary>read the case</summary>"
        f'<div class="columns"><div>{_state(score)}</div><div>{_answers(score)}</div></div>'
        f"{_prompt(answer.prompt)}</details></section>"
    )


def _tags(case: ReportCase) -> str:
    score = case.score
    tags = [(score.scenario.language, "")]
    if score.kind != score.scenario.checks:
        tags.append((score.kind, ""))
    if score.verdict is not None:
        tags.append((score.verdict.checked, "holds" if score.verdict.holds else "fails"))
    if score.reversal.is_reversal or score.leads_back:
        tags.append(("reversal", "fails"))
    if score.new_errors:
        tags.append((f"{score.new_errors} new syntax errors", "fails"))
    if case.review is not None:
        tags.append((f"said: {case.review.word}", "said"))
    return "".join(f'<span class="tag {kind}">{escape(text)}</span>' for text, kind in tags if text)


def _told(score: ScenarioScore) -> str:
    answer = score.answer
    pieces = []
    if answer.is_shown:
        by = f" by {escape(answer.proposer)}" if answer.proposer else ""
        sure = f", confidence {answer.confidence:.2f}" if answer.confidence is not None else ""
        pieces.append(f"{score.size.characters} characters change{by}{sure}")
    else:
        detail = f": {escape(answer.detail)}" if answer.detail else ""
        pieces.append(f"silent, {escape(answer.reason)}{detail}")
    if score.verdict is not None and score.verdict.why_not:
        pieces.append(escape(score.verdict.why_not))
    if score.scenario.reasoning:
        pieces.append(f'<span class="dim">{escape(score.scenario.reasoning)}</span>')
    return " · ".join(pieces)


def _state(score: ScenarioScore) -> str:
    scenario = score.scenario
    pieces = []
    if scenario.history:
        pieces.append("<h3>What the user did, the last edit last</h3>")
        for step in scenario.history[-MAX_STEPS:]:
            mark = '<p class="dim">an accepted prediction:</p>' if step.predicted else ""
            pieces.append(mark + render_patch_diff(step.diff))
    path = escape(scenario.path)
    pieces.append(f'<h3>The cursor, in <em class="mono">{path}</em></h3>')
    pieces.append(render_excerpt(scenario.text, scenario.cursor))
    for file in scenario.files:
        pieces.append(
            f'<details><summary class="mono">{escape(file.path)}</summary>'
            f"{render_excerpt(file.text, 0, rows=60)}</details>"
        )
    return "".join(pieces)


def _answers(score: ScenarioScore) -> str:
    scenario, answer = score.scenario, score.answer
    pieces = ["<h3>Predicted</h3>", render_patch_diff(answer.patch)]
    actual = texts_after(scenario, answer.patch)
    for number, (expected, found) in enumerate(
        zip(scenario.expected, score.references, strict=True), 1
    ):
        name = f"Reference {number}" if len(scenario.expected) > 1 else "Reference"
        pieces.append(f"<h3>{name}: <em>{_reference(found)}</em></h3>")
        pieces.append(render_patch_diff(expected.diff))
        target = texts_after(scenario, expected.diff)
        if answer.is_shown and actual != target:
            pieces.append("<details open><summary>from the reference to the prediction</summary>")
            for path in target:
                if target[path] != actual.get(path, ""):
                    pieces.append(render_text_diff(target[path], actual.get(path, ""), context=1))
            pieces.append("</details>")
    if scenario.rejected is not None:
        pieces.append("<h3>What must not be predicted</h3>")
        pieces.append(render_patch_diff(scenario.rejected))
    return "".join(pieces)


def _reference(found: ReferenceScore) -> str:
    chrf = found.delta_chrf
    return (
        f"{chrf.score:.1f} (P {chrf.precision:.2f}, R {chrf.recall:.2f}), "
        f"lines F1 {found.lines.f1:.2f}"
    )


def _prompt(prompt: str) -> str:
    if not prompt:
        return ""
    return f"<details><summary>the prompt</summary><pre>{escape(prompt)}</pre></details>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _percent(rate: Rate) -> str:
    if rate.value is None:
        return "–"
    return f'<span title="{rate.low:.1%} to {rate.high:.1%}">{rate.value:.0%}</span>'
