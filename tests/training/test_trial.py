"""Trying models on examples, and what a comparison of two says."""

from dataclasses import replace

import pytest

from tests.training.test_leakage import example
from zeta_context.errors import DatasetError, RunnerGone
from zeta_context.prompt.limited import LimitedFormat
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import Cancelled, CancelToken, Completion, CompletionRequest, OnText
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.training.example import Example, Target
from zeta_context.training.trial import (
    Attempt,
    compare_attempts,
    score_edits,
    try_model,
)

FORMAT = LimitedFormat(
    inner=find_format("sweep-next-edit"), max_prompt_tokens=2_000, max_output_tokens=64
)


class Scripted:
    """A runner whose answers are written down."""

    model = "scripted"
    is_remote = False

    def __init__(self, *answers: Completion | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[CompletionRequest] = []

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Nothing is read ahead."""

    def close(self) -> None:
        """Nothing stays open."""


def short(text: str = "a = 1\nb = 2\nc = 3\n") -> Example:
    one = example(text)
    edit = TextEdit(Span(text.index("b"), text.index("b") + 1), "total")
    return replace(one, targets=(Target(edits=(edit,), source="teacher"),))


def test_a_right_answer_scores_a_hundred_silence_nothing_and_a_cut_one_is_unreadable() -> None:
    one = short()
    perfect = FORMAT.encode(one.prompt_input, "a = 1\ntotal = 2\nc = 3\n")
    same = FORMAT.encode(one.prompt_input, one.prompt_input.cursor_excerpt)
    runner = Scripted(
        Completion(text=perfect, finish_reason="stop"),
        Completion(text=same, finish_reason="stop"),
        Completion(text="a = 1\nto", finish_reason="length"),
    )
    right, silent, cut = try_model([one, one, one], runner, FORMAT)
    assert (right.score, right.is_parsed) == (100.0, True)
    assert (silent.score, silent.is_parsed, silent.reason) == (0.0, True, "no_edit")
    assert (cut.score, cut.is_parsed) == (0.0, False)
    assert all(one.max_output_tokens == 64 for one in runner.requests)


def test_a_model_that_cannot_be_asked_is_no_bad_model() -> None:
    with pytest.raises(DatasetError, match="runner_gone"):
        try_model([short()], Scripted(RunnerGone("it died")), FORMAT)


def test_the_best_target_counts() -> None:
    one = short()
    other = TextEdit(Span(0, 1), "first")
    both = replace(one, targets=(*one.targets, Target(edits=(other,), source="settled")))
    assert score_edits(both, (other,)) == 100.0
    assert score_edits(one, (other,)) < 50.0


def attempts(scores: list[float], clusters: int) -> list[Attempt]:
    return [
        Attempt(name=str(i), cluster=str(i % clusters), edits=(), score=score)
        for i, score in enumerate(scores)
    ]


def test_a_gain_is_told_with_an_interval_over_clusters() -> None:
    before = attempts([10.0] * 40, 8)
    after = attempts([10.0 + i % 7 for i in range(40)], 8)
    gain = compare_attempts(before, after)
    assert gain.mean == pytest.approx(sum(i % 7 for i in range(40)) / 40)
    assert 0 < gain.low < gain.mean < gain.high
    one_lucky_cluster = attempts([90.0 if i % 8 == 0 else 10.0 for i in range(40)], 8)
    assert compare_attempts(before, one_lucky_cluster).low <= 0.0
    assert compare_attempts([], []).count == 0
