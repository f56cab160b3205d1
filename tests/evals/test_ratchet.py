"""The recorded sessions hold what was reached, and the bars that nothing may fall below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zeta_context.cli.eval import JSON_KEYS, command
from zeta_context.evals.sessions import read_sessions

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"


def replayed(*options: str) -> tuple[int, str, list[dict[str, Any]]]:
    arguments = ["sessions", str(SESSIONS), "--json", *options]
    result = CliRunner().invoke(command, arguments)
    rows = [json.loads(row) for row in result.stdout.splitlines()]
    return result.exit_code, result.stderr, rows


def test_the_fixtures_are_what_is_promised() -> None:
    sessions = read_sessions(SESSIONS)
    languages = {one.language for one in sessions}
    assert len(sessions) >= 30
    assert languages >= {"python", "typescript", "rust", "go", "javascript"}
    assert sum(one.is_quiet for one in sessions) >= 4
    held_out = [one for one in sessions if not one.is_tuning]
    assert len(held_out) * 2 == len(sessions)
    assert any(one.is_quiet for one in held_out)
    assert {one.language for one in held_out} == languages


@pytest.mark.parametrize("predictor", ["default", "previous-state"])
def test_no_figure_is_worse_than_the_baseline(predictor: str) -> None:
    baseline = ["--baseline", str(SESSIONS / "baseline.json")]
    status, told, rows = replayed("--predictor", predictor, *baseline)
    assert status == 0, told
    total = rows[-1]
    assert tuple(total)[-len(JSON_KEYS) :] == JSON_KEYS
    assert total["reversals"] == 0
    assert total["reshown_rejections"] == 0
    groups = {row["group"]: row for row in rows if row["type"] == "score"}
    assert "quiet" in groups
    if predictor == "default":
        assert total["shown"] >= 60
        assert total["taken"] >= 0.6 * total["shown"]
        assert groups["held out"]["keystrokes_saved_share"] >= 0.05
        assert groups["held out"]["taken"] >= 0.6 * groups["held out"]["shown"]
        assert groups["quiet"]["shown"] == 0


@pytest.mark.parametrize("back", [2, 5])
def test_no_earlier_state_is_shown(back: int) -> None:
    status, _, rows = replayed("--predictor", f"previous-state,back={back}")
    assert status == 0
    assert rows[-1]["reversals"] == 0


def test_a_page_shows_two_settings_side_by_side(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ["sessions", str(SESSIONS / "lending-accounts.jsonl"), "--html", str(page)]
    arguments += ["--predictor", "default", "--compare", "repeat,min_confidence=0.99"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    html = page.read_text(encoding="utf-8")
    assert html.count("<section ") == 1
    assert html.count("<svg ") == 2
    assert "min_confidence=0.99" in html
    assert "renamed `user` to `account`" in html
    assert "<script" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_a_worse_figure_is_a_finding_that_is_named(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    one = str(SESSIONS / "lending-accounts.jsonl")
    runner = CliRunner()
    written = runner.invoke(command, ["sessions", one, "--write-baseline", str(baseline)])
    assert written.exit_code == 0
    kept = json.loads(baseline.read_text())
    (figures,) = kept["settings"].values()
    figures["taken"] += 1
    baseline.write_text(json.dumps(kept))
    result = runner.invoke(command, ["sessions", one, "--baseline", str(baseline)])
    assert result.exit_code == 1
    assert "taken is worse than the baseline" in result.stderr
