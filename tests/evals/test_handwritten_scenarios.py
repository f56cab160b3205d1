"""The cases under fixtures/scenarios hold what they promise."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from zeta_context.context.syntax import error_count, parse
from zeta_context.evals.scenario import (
    ExpectedPatch,
    Property,
    Scenario,
    changed_paths,
    texts_after,
    texts_before,
)
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.evals.scenario_markdown import render_markdown
from zeta_context.metrics.change_size import measure_change
from zeta_context.metrics.reversal import leads_back, score_reversal
from zeta_context.text.patch import apply_hunks, parse_patch

FOLDER = Path(__file__).parents[2] / "fixtures" / "scenarios"
SCENARIOS = list(read_scenarios(FOLDER))
every = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)


def result(scenario: Scenario, expected: ExpectedPatch) -> str:
    return texts_after(scenario, expected.diff)[scenario.path]


def test_there_are_enough_in_enough_languages_for_every_property() -> None:
    assert len(SCENARIOS) >= 40
    languages = Counter(one.language for one in SCENARIOS)
    assert len([language for language, count in languages.items() if count >= 3]) >= 6
    properties = Counter(one.checks for one in SCENARIOS)
    assert set(properties) == set(get_args(Property))
    assert min(properties.values()) >= 9


@every
def test_the_history_leads_to_the_text_and_back(scenario: Scenario) -> None:
    texts = texts_before(scenario)
    assert texts != scenario.texts or scenario.name == "java-quiet-undone"
    for step in scenario.history:
        for file in parse_patch(step.diff, strict=True).files:
            assert file.new_path is not None
            texts[file.new_path] = apply_hunks(texts[file.new_path], file.hunks)
    assert texts == scenario.texts


@every
def test_the_cursor_stands_in_the_text_at_the_last_edit(scenario: Scenario) -> None:
    assert 0 <= scenario.cursor <= len(scenario.text)
    own = [step for step in scenario.history if scenario.path in changed_paths([step.diff])]
    if own and scenario.checks != "uses-context":
        row = scenario.text.count("\n", 0, scenario.cursor)
        hunks = [hunk for file in parse_patch(own[-1].diff).files for hunk in file.hunks]
        assert any(
            hunk.new_start - 3 <= row <= hunk.new_start + len(hunk.new_lines) + 3 for hunk in hunks
        )


@every
def test_every_expected_patch_applies_and_parses(scenario: Scenario) -> None:
    assert scenario.expected
    before = parse(scenario.language, scenario.text, path=scenario.path)
    for expected in scenario.expected:
        after = result(scenario, expected)
        assert (after == scenario.text) == expected.is_quiet
        tree = parse(scenario.language, after, path=scenario.path)
        if before is not None and tree is not None:
            assert error_count(tree) <= error_count(before)


@every
def test_no_expected_patch_is_a_reversal(scenario: Scenario) -> None:
    before = texts_before(scenario, steps=1).get(scenario.path, "")
    for expected in scenario.expected:
        found = score_reversal(
            before=before, current=scenario.text, predicted=result(scenario, expected)
        )
        assert not found.is_reversal


@every
def test_the_properties_mean_what_they_say(scenario: Scenario) -> None:
    sizes = [measure_change(scenario.text, result(scenario, one)) for one in scenario.expected]
    if scenario.checks == "quiet":
        assert scenario.is_quiet
    elif scenario.checks == "not-too-large":
        assert all(size.rows <= 6 for size in sizes)
        assert all(size.places == 1 for size in sizes)
    elif scenario.checks == "not-too-small":
        assert max(size.rows for size in sizes) >= 2
    elif scenario.checks == "uses-context":
        assert scenario.files
    if scenario.rejected is not None:
        bad = texts_after(scenario, scenario.rejected)[scenario.path]
        earlier = [
            texts_before(scenario, steps=count + 1)[scenario.path]
            for count in range(len(scenario.history))
        ]
        assert leads_back(earlier=earlier, current=scenario.text, predicted=bad)
    assert (scenario.rejected is not None) == (scenario.checks == "no-reversal")


@every
def test_the_files_are_written_as_they_would_be_written_again(scenario: Scenario) -> None:
    source = (FOLDER / f"{scenario.name}.md").read_text(encoding="utf-8")
    assert source == render_markdown(scenario)
