"""Tries a model on examples as an editor would, and compares two models on the same ones.

The predictions are those of the editor's own proposer; scores are deltaChrF against the best of an
example's targets. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from zeta_context.errors import DatasetError
from zeta_context.events.document import OpenDocument
from zeta_context.metrics.delta_chrf import best_score, score_delta_chrf
from zeta_context.predict.prediction import Prediction
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.predict.view import View
from zeta_context.prompt.format import Format
from zeta_context.runners.base import Runner
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot
from zeta_context.training.example import Example

RESAMPLES = 4_000
SILENCES = frozenset({"no_edit"})
"""Reasons for no prediction that are an answer, too."""

UNREADABLE = frozenset({"truncated", "bad_output"})
"""Reasons for which an answer counts as a failure to parse. Every other one is a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a model made of an example: `edits` of the cursor excerpt, the score, or why none."""

    name: str
    cluster: str
    edits: tuple[TextEdit, ...]
    score: float
    reason: str = ""

    @property
    def is_parsed(self) -> bool:
        """Whether the model gave an answer that could be read, silence included."""
        return self.reason not in UNREADABLE


def try_model(
    examples: Iterable[Example],
    runner: Runner,
    prompt_format: Format,
    *,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> list[Attempt]:
    """What the model predicts for each example, and how well; one question at a time.

    Raises DatasetError when the model could not be asked: that says nothing about it.
    """
    proposer = ModelProposer(runner, prompt_format)
    attempts = []
    for example in examples:
        attempt = _attempt(example, proposer)
        attempts.append(attempt)
        if on_attempt is not None:
            on_attempt(attempt)
    return attempts


def _attempt(example: Example, proposer: ModelProposer) -> Attempt:
    prompt_input = example.prompt_input
    blank = "\n" * prompt_input.excerpt_start_row
    document = OpenDocument(
        project=prompt_input.project,
        path=prompt_input.path,
        language=prompt_input.language,
        version=0,
        snapshot=TextSnapshot(blank + prompt_input.cursor_excerpt),
    )
    cursor = len(blank) + prompt_input.cursor_offset
    answer = proposer.propose(
        View(
            document=document,
            cursor=cursor,
            events=prompt_input.events,
            prompt_input=prompt_input,
        )
    )
    edits: tuple[TextEdit, ...] = ()
    if not isinstance(answer, Prediction) and answer.reason not in SILENCES | UNREADABLE:
        raise DatasetError(f"{example.name} cannot be tried: {answer.reason}: {answer.detail}")
    if isinstance(answer, Prediction):
        by = len(blank)
        edits = tuple(
            TextEdit(Span(edit.span.start - by, edit.span.end - by), edit.new_text)
            for edit in answer.edits
        )
    return Attempt(
        name=example.name,
        cluster=example.tags[0] if example.tags else example.repository,
        edits=edits,
        score=score_edits(example, edits),
        reason="" if isinstance(answer, Prediction) else answer.reason,
    )


def score_edits(example: Example, edits: tuple[TextEdit, ...]) -> float:
    """deltaChrF of edits of the excerpt against the best target; 0 without targets."""
    text = example.prompt_input.cursor_excerpt
    actual = apply_edits(text, edits)
    scores = [
        score_delta_chrf(original=text, expected=example.text_after(target), actual=actual)
        for target in example.targets
    ]
    return best_score(scores).score if scores else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much better one model is than another on the same examples, in points of deltaChrF.

    `low` and `high` bound the mean with 95 % by bootstrap over clusters; `count` examples.
    """

    count: int
    before: float
    after: float
    mean: float
    low: float
    high: float


def compare_attempts(before: Sequence[Attempt], after: Sequence[Attempt], *, seed: int = 0) -> Gain:
    """The gain of `after` over `before`, which tried the same examples in the same order."""
    clusters: dict[str, list[float]] = {}
    for one, other in zip(before, after, strict=True):
        clusters.setdefault(one.cluster, []).append(other.score - one.score)
    values = [value for cluster in clusters.values() for value in cluster]
    if not values:
        return Gain(count=0, before=0.0, after=0.0, mean=0.0, low=0.0, high=0.0)
    random = Random(seed)
    groups = list(clusters.values())
    means = []
    for _ in range(RESAMPLES):
        drawn = [value for _ in groups for value in random.choice(groups)]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return Gain(
        count=len(values),
        before=sum(one.score for one in before) / len(before),
        after=sum(one.score for one in after) / len(after),
        mean=sum(values) / len(values),
        low=means[int(0.025 * RESAMPLES)],
        high=means[int(0.975 * RESAMPLES)],
    )
