"""A cassette gives back exactly what was recorded, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeta_context.errors import BadAnswer, RunnerGone
from zeta_context.runners.base import Cancelled, CancelToken, Completion, CompletionRequest, Usage
from zeta_context.runners.replay import RecordingRunner, ReplayRunner, digest_request

REQUEST = CompletionRequest(prompt="abc", stop=("\n",), max_output_tokens=8)
ANSWER = Completion(
    text="def ü", finish_reason="length", model="m", usage=Usage(passes=3), mean_logprob=-0.25
)


def _source() -> ReplayRunner:
    return ReplayRunner({digest_request(REQUEST): ANSWER})


def test_what_was_recorded_is_played_back_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    recorder = RecordingRunner(_source(), path)
    assert recorder.complete(REQUEST) == ANSWER
    player = ReplayRunner.from_file(path)
    assert player.complete(REQUEST) == ANSWER
    assert player.model == "tape"


def test_a_prompt_that_was_not_recorded_has_no_answer(tmp_path: Path) -> None:
    other = CompletionRequest(prompt="abd", stop=("\n",), max_output_tokens=8)
    with pytest.raises(RunnerGone, match="holds no answer"):
        _source().complete(other)


def test_guesses_do_not_decide_the_answer() -> None:
    guessed = CompletionRequest(
        prompt="abc", stop=("\n",), max_output_tokens=8, guesses=("x",), reference="y"
    )
    assert _source().complete(guessed) == ANSWER
    assert digest_request(guessed) != digest_request(
        CompletionRequest(prompt="abc", stop=(), max_output_tokens=8)
    )


def test_a_cancelled_request_gets_no_text_and_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    cancel = CancelToken()
    cancel.cancel()
    texts: list[str] = []
    answer = RecordingRunner(_source(), path).complete(REQUEST, cancel=cancel, on_text=texts.append)
    assert answer == Cancelled(reason="canceled")
    assert not answer
    assert texts == []
    assert not path.exists()


@pytest.mark.parametrize(
    "row",
    ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "digest": "a", "completion": {"text": 1}}'],
)
def test_a_damaged_cassette_is_refused_with_its_row(tmp_path: Path, row: str) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(row + "\n", encoding="utf-8")
    with pytest.raises(BadAnswer, match=r"tape\.jsonl:1 is no recorded completion"):
        ReplayRunner.from_file(path)


def test_a_cassette_never_sends_a_prompt_anywhere(tmp_path: Path) -> None:
    assert not _source().is_remote
    assert not RecordingRunner(_source(), tmp_path / "tape.jsonl").is_remote
