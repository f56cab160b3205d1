"""Scores held against a committed file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zeta_context.errors import SettingsError
from zeta_context.evals.baseline import Figure, find_regressions, write_baseline

HELD = {
    "taken": Figure(more_is_better=True),
    "share": Figure(more_is_better=True, slack=0.01),
    "reversals": Figure(more_is_better=False),
}
KEPT = {"taken": 10, "share": 0.5, "reversals": 1}


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    write_baseline(path, "repeat", KEPT)
    return path


def worse_than(baseline: Path, **now: float) -> list[str]:
    return [one.name for one in find_regressions(baseline, "repeat", KEPT | now, HELD)]


def test_the_same_figures_are_no_regression(baseline: Path) -> None:
    assert worse_than(baseline) == []


def test_each_figure_is_held_in_its_own_direction(baseline: Path) -> None:
    assert worse_than(baseline, taken=11, reversals=0, share=0.6) == []
    assert worse_than(baseline, taken=9) == ["taken"]
    assert worse_than(baseline, reversals=2) == ["reversals"]


def test_a_figure_may_be_worse_by_its_slack(baseline: Path) -> None:
    assert worse_than(baseline, share=0.491) == []
    assert worse_than(baseline, share=0.48) == ["share"]


def test_writing_one_setting_keeps_the_others(baseline: Path) -> None:
    write_baseline(baseline, "other", {"taken": 1})
    write_baseline(baseline, "repeat", KEPT | {"taken": 12})
    settings = json.loads(baseline.read_text(encoding="utf-8"))["settings"]
    assert settings == {"other": {"taken": 1}, "repeat": KEPT | {"taken": 12}}


def test_a_baseline_that_holds_nothing_of_this_is_an_error_not_a_pass(
    baseline: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no figures of unknown"):
        find_regressions(baseline, "unknown", KEPT, HELD)
    with pytest.raises(SettingsError, match="no shown of repeat"):
        find_regressions(baseline, "repeat", KEPT, {"shown": Figure(more_is_better=True)})
    (tmp_path / "broken.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(SettingsError, match="no baseline of schema"):
        find_regressions(tmp_path / "broken.json", "repeat", KEPT, HELD)
    with pytest.raises(SettingsError, match="cannot be read"):
        find_regressions(tmp_path / "absent.json", "repeat", KEPT, HELD)
