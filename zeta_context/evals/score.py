"""Scores one answer to a scenario by every metric.

Knows nothing of how the answer came about or of how scores are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from zeta_context.context.syntax import SyntaxCache, error_count
from zeta_context.errors import EvalError
from zeta_context.evals.answer import ScenarioAnswer
from zeta_context.evals.properties import Verdict, judge
from zeta_context.evals.scenario import (
    ExpectedPatch,
    Scenario,
    changed_paths,
    texts_after,
    texts_before,
)
from zeta_context.metrics import changed_lines, delta_chrf, kept_rate, place, reversal
from zeta_context.metrics.change_size import ChangeSize, measure_change
from zeta_context.metrics.changed_lines import score_exact_lines
from zeta_context.metrics.counts import Hits
from zeta_context.metrics.delta_chrf import (
    BETA,
    PUBLISHED_BETA,
    Ceiling,
    DeltaChrf,
    mean_score,
    score_ceiling,
    score_delta_chrf,
)
from zeta_context.metrics.kept_rate import KeptRate, score_kept_rate
from zeta_context.metrics.place import measure_cursor_distance, score_files, score_rows
from zeta_context.metrics.reversal import (
    NO_REVERSAL,
    Reversal,
    leads_back,
    score_reversal_window,
)
from zeta_context.text.snapshot import TextSnapshot

MAX_EARLIER = 4
"""How many edits back a reversal is looked for."""

INDENTED = frozenset({"coffeescript", "haskell", "makefile", "nim", "python", "sass", "yaml"})
"""Languages in which indentation is code: they have a deltaChrF of its own that sees it."""

Kind = Literal["insert", "delete", "replace", "quiet", "unknown"]
"""What the first reference does."""

SIGNATURES: Mapping[str, str] = {
    "deltaChrF": delta_chrf.sign(BETA),
    "deltaChrF@2": delta_chrf.sign(PUBLISHED_BETA),
    "deltaChrF indented": delta_chrf.sign(BETA, whitespace="keep_indentation"),
    "kept rate": kept_rate.sign(),
    "reversal": reversal.SIGNATURE.replace("events:1", f"events:{MAX_EARLIER}"),
    "exact lines": changed_lines.SIGNATURE,
    "place": place.SIGNATURE,
}
"""The signature of each figure in a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScore:
    """The answer against one of the references, by the metrics that need one."""

    delta_chrf: DeltaChrf
    lines: Hits
    rows: Hits
    files: Hits
    cursor_distance: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioScore:
    """What an answer came to. `best` is the reference that it meets best; None without any.

    `kept` and `indented` (the deltaChrF that sees indentation) are against the best one, too.
    `mean` is the mean deltaChrF over the references, `ceiling` what these come to among
    themselves. `new_errors` are syntax errors that the answer adds, None where the language has no
    grammar here.
    """

    scenario: Scenario
    answer: ScenarioAnswer
    kind: Kind
    size: ChangeSize
    expected_size: ChangeSize | None
    references: tuple[ReferenceScore, ...] = ()
    best: ReferenceScore | None = None
    kept: KeptRate | None = None
    indented: float | None = None
    mean: float | None = None
    ceiling: Ceiling | None = None
    reversal: Reversal = NO_REVERSAL
    leads_back: bool = False
    is_rejected_one: bool = False
    new_errors: int | None = None
    verdict: Verdict | None = None

    @property
    def wants_edit(self) -> bool:
        """Whether every reference changes something: the examples that deltaChrF is a mean of.

        Where silence is one good answer of several, nothing can be said of being silent.
        """
        expected = self.scenario.expected
        return bool(expected) and not any(one.is_quiet for one in expected)

    @property
    def points(self) -> float:
        """The deltaChrF against the best reference; 0 without any."""
        return 0.0 if self.best is None else self.best.delta_chrf.score


def score_answer(scenario: Scenario, answer: ScenarioAnswer) -> ScenarioScore:
    """Score an answer; one that does not apply counts as none, with the reason `bad_output`."""
    original = scenario.texts
    try:
        actual = texts_after(scenario, answer.patch)
    except EvalError as error:
        answer = ScenarioAnswer(
            name=answer.name, reason="bad_output", detail=str(error), elapsed_ms=answer.elapsed_ms
        )
        actual = original
    targets = [texts_after(scenario, one.diff) for one in scenario.expected]
    references = [
        _score_reference(scenario, answer, expected, target, actual)
        for expected, target in zip(scenario.expected, targets, strict=True)
    ]
    best = max(references, key=_rank, default=None)
    kept, indented = None, None
    if best is not None:
        number = references.index(best)
        patches = (scenario.expected[number].diff, answer.patch)
        before, wanted, got = _joined(scenario, patches, original, targets[number], actual)
        kept = score_kept_rate(base=before, predicted=got, reference=wanted)
        indented = best.delta_chrf.score
        if scenario.language in INDENTED:
            indented = score_delta_chrf(
                original=before, expected=wanted, actual=got, whitespace="keep_indentation"
            ).score
    now, predicted = original[scenario.path], actual[scenario.path]
    earlier = _earlier(scenario) if predicted != now else []
    sizes = [_measure(original, target) for target in targets]
    rejected = None if scenario.rejected is None else texts_after(scenario, scenario.rejected)
    size = _measure(original, actual)
    back = score_reversal_window(earlier=earlier, current=now, predicted=predicted)
    leads = leads_back(earlier=earlier, current=now, predicted=predicted)
    is_rejected_one = rejected is not None and actual == rejected
    return ScenarioScore(
        scenario=scenario,
        answer=answer,
        kind=_kind(scenario, sizes),
        size=size,
        expected_size=sizes[references.index(best)] if best is not None else None,
        references=tuple(references),
        best=best,
        kept=kept,
        indented=indented,
        mean=mean_score([one.delta_chrf for one in references]) if references else None,
        ceiling=_ceiling(scenario, original, targets),
        reversal=back,
        leads_back=leads,
        is_rejected_one=is_rejected_one,
        new_errors=_count_new_errors(scenario, now, predicted),
        verdict=judge(
            scenario,
            actual,
            targets,
            size=size,
            sizes=sizes,
            points=0.0 if best is None else best.delta_chrf.score,
            is_bad=is_rejected_one or leads or back.is_reversal,
        ),
    )


def score_answers(
    scenarios: Iterable[Scenario], answers: Mapping[str, ScenarioAnswer]
) -> list[ScenarioScore]:
    """The scores of the scenarios that were answered, in their order; answers go by name."""
    return [score_answer(one, answers[one.name]) for one in scenarios if one.name in answers]


def _score_reference(
    scenario: Scenario,
    answer: ScenarioAnswer,
    expected: ExpectedPatch,
    target: Mapping[str, str],
    actual: Mapping[str, str],
) -> ReferenceScore:
    patches = (expected.diff, answer.patch)
    before, wanted, got = _joined(scenario, patches, scenario.texts, target, actual)
    chrf = score_delta_chrf(original=before, expected=wanted, actual=got)
    return ReferenceScore(
        delta_chrf=chrf,
        lines=score_exact_lines(expected=expected.diff, actual=answer.patch),
        rows=score_rows(expected=expected.diff, actual=answer.patch),
        files=score_files(expected=expected.diff, actual=answer.patch),
        cursor_distance=measure_cursor_distance(expected.cursor, answer.cursor),
    )


def _rank(one: ReferenceScore) -> tuple[float, float, float]:
    return one.delta_chrf.score, one.lines.f1, one.rows.f1


def _touched(scenario: Scenario, diffs: Sequence[str]) -> list[str]:
    """The files that any of the patches changes, the scenario's own first."""
    return list(dict.fromkeys((scenario.path, *changed_paths(diffs))))


def _joined(
    scenario: Scenario, patches: Sequence[str], *states: Mapping[str, str]
) -> tuple[str, ...]:
    """The files that patches change, joined as the reference does it, in each state."""
    paths = _touched(scenario, patches)
    return tuple(_join(texts, paths) for texts in states)


def _join(texts: Mapping[str, str], paths: Sequence[str]) -> str:
    return "\n".join(texts.get(path, "") for path in paths)


def _measure(old: Mapping[str, str], new: Mapping[str, str]) -> ChangeSize:
    paths = [path for path in {**old, **new} if old.get(path, "") != new.get(path, "")]
    if len(paths) == 1:
        return measure_change(old.get(paths[0], ""), new.get(paths[0], ""))
    return measure_change(_join(old, paths), _join(new, paths))


def _earlier(scenario: Scenario) -> list[str]:
    """The file's texts before its last edits, the newest first; less where one cannot be undone."""
    texts: list[str] = []
    for steps in range(1, len(scenario.history) + 1):
        try:
            text = texts_before(scenario, steps=steps).get(scenario.path, "")
        except EvalError:
            break
        if text != scenario.text and text not in texts:
            texts.append(text)
        if len(texts) == MAX_EARLIER:
            break
    return texts


def _kind(scenario: Scenario, sizes: Sequence[ChangeSize]) -> Kind:
    if not scenario.expected:
        return "unknown"
    size = next((one for one in sizes if one.characters), None)
    if size is None:
        return "quiet"
    if not size.deleted_characters:
        return "insert"
    return "replace" if size.inserted_characters else "delete"


def _ceiling(
    scenario: Scenario, original: Mapping[str, str], targets: Sequence[Mapping[str, str]]
) -> Ceiling | None:
    if len(targets) < 2:
        return None
    paths = _touched(scenario, [one.diff for one in scenario.expected])
    return score_ceiling(_join(original, paths), [_join(target, paths) for target in targets])


def _count_new_errors(scenario: Scenario, now: str, predicted: str) -> int | None:
    if now == predicted:
        return None
    trees = SyntaxCache(max_documents=1)  # so that the second parse costs only what changed
    counted = []
    for text in (predicted, now):
        tree = trees.tree("", scenario.language, TextSnapshot(text), path=scenario.path)
        if tree is None:
            return None
        counted.append(error_count(tree))
        if not counted[0]:
            return 0
    return max(counted[0] - counted[1], 0)
