"""The teacher without a model: asked, cached and read as every other, for those without a key."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.training.test_student import taught
from zeta_context.cli.main import cli
from zeta_context.text.edit import apply_edits
from zeta_context.training.example import read_examples, write_examples
from zeta_context.training.teacher.programmatic import answer_state, render_state, teach
from zeta_context.training.teacher.prompt import read_answer

SCENARIOS = Path(__file__).parents[2] / "fixtures" / "scenarios"


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def test_its_answers_are_read_as_what_it_teaches() -> None:
    read = 0
    for example in taught():
        prompt_input = example.prompt_input
        text = prompt_input.cursor_excerpt
        edits = read_answer(answer_state(render_state(prompt_input)), prompt_input)
        if edits:  # what it would change out of sight of a prompt is left out
            assert apply_edits(text, edits) == apply_edits(text, teach(prompt_input))
            read += 1
    assert read > len(taught()) // 2
    with pytest.raises(ValueError, match="no starting state"):
        answer_state("You predict the next edit of a programmer.")


def test_every_handwritten_case_is_scored_without_a_key(tmp_path: Path) -> None:
    arguments = ("teacher", "eval", "teacher-v1", "teacher-v1", "--cases", SCENARIOS, "--json")
    cache = tmp_path / "answers.sqlite"
    result = call(*arguments, "--cache", cache, "--api", "programmatic")
    assert result.exit_code == 0, result.output
    scored = json.loads(result.stdout)
    assert scored["losses"] == []
    one = scored["prompts"][1]
    assert sum(one["cases"].values()) >= 40
    assert one["held"]["quiet"] == one["cases"]["quiet"]
    assert one["held"]["no-reversal"] == one["cases"]["no-reversal"]
    spec = f"teacher:teacher-v1,api=programmatic,cache={cache}"
    run = call("eval", "run", SCENARIOS, "--tag", "quiet", "--predictor", spec, "--json")
    assert json.loads(run.stdout.splitlines()[-1])["quiet_rate"] == 1


def test_states_are_taught_and_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    states, output = tmp_path / "states.jsonl", tmp_path / "taught.jsonl"
    write_examples(states, [replace(one, targets=()) for one in taught(20)])
    arguments = ["dataset", "teach", states, "-o", output, "--api", "programmatic", "--json"]
    arguments += ["--cache", tmp_path / "answers.sqlite"]
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["cost"] == 0
    written = list(read_examples(output))
    assert written
    assert all(one.source == "teacher" for example in written for one in example.targets)
    refused = call(*arguments, "--review")
    assert refused.exit_code == 2
    assert "leave out --review" in refused.stderr
