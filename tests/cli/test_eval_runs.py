"""`zeta-context eval run|compare|report|review|ablate`, as people and CI call them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.evals.scripted_model import FORMAT, ScriptedRunner, wanted, write_outputs
from zeta_context.cli.main import cli
from zeta_context.evals.contestants import Contestant, open_model
from zeta_context.evals.run import answer_scenarios, describe_run, start_run
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.metrics.delta_chrf import sign

SCENARIOS = Path(__file__).parents[2] / "fixtures" / "scenarios"
BASELINE = SCENARIOS / "baseline.json"


@pytest.fixture(autouse=True)
def _no_settings_of_mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text("")
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(settings))


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["eval", *map(str, arguments)])


def test_the_embedded_default_is_no_worse_than_its_baseline(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = call("run", SCENARIOS, "--json", "--baseline", BASELINE, "--html", page)
    assert result.exit_code == 0, result.output
    rows = [json.loads(row) for row in result.stdout.splitlines()]
    total = rows[-1]
    assert total["examples"] == sum(row["type"] == "example" for row in rows) >= 40
    assert total["signatures"]["deltaChrF"] == sign(0.5)
    assert total["quiet_rate"] == 1
    assert total["reversals"] == 0
    assert total["faults"] == 0
    groups = {row["group"] for row in rows if row["type"] == "group"}
    assert {"all", "property: quiet", "language: rust"} <= groups
    assert page.read_text().count('<section class="case"') == total["examples"]


def test_a_worse_predictor_fails_against_a_better_ones_baseline(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    written = call("run", SCENARIOS, "--tag", "not-too-small", "--write-baseline", baseline)
    assert written.exit_code == 0, written.output
    assert "property: not-too-small" not in written.stdout  # one property is no slice
    kept = json.loads(baseline.read_text())
    (name,) = kept["settings"]
    kept["settings"][name]["delta_chrf"] += 1
    baseline.write_text(json.dumps(kept))
    result = call("run", SCENARIOS, "--tag", "not-too-small", "--baseline", baseline)
    assert result.exit_code == 1
    assert "delta_chrf is worse than the baseline" in result.stderr
    other = call("run", SCENARIOS, "--tag", "quiet", "--baseline", baseline)
    assert other.exit_code == 2
    assert "no figures of default@" in other.stderr


LARGE = [one for one in read_scenarios(SCENARIOS) if "not-too-large" in one.tags]
OUTPUTS = write_outputs({one.name: wanted(one) for one in LARGE}, LARGE)
SAME = write_outputs({one.name: one.text for one in LARGE}, LARGE)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A run of a model that says what is wanted and one of a model that changes nothing."""
    for name, outputs in (("good", OUTPUTS), ("silent", SAME)):
        asyncio.run(answer(tmp_path / name, open_model(name, ScriptedRunner(outputs), FORMAT)))
    return tmp_path / "good", tmp_path / "silent"


async def answer(folder: Path, asked: Contestant) -> None:
    async for _ in answer_scenarios(
        start_run(folder, describe_run(asked, LARGE, "0"), LARGE), asked
    ):
        pass


def test_compare_exits_with_1_on_a_regression_alone(runs: tuple[Path, Path]) -> None:
    good, silent = runs
    worse = call("compare", good, silent, "--json")
    assert worse.exit_code == 1, worse.output
    rows = {row["figure"]: row for row in map(json.loads, worse.stdout.splitlines())}
    assert rows["deltaChrF"]["regression"]
    assert rows["deltaChrF"]["change"] == -100
    better = call("compare", silent, good)
    assert better.exit_code == 0, better.output
    assert "better" in better.stdout
    assert "too narrow to be believed" in better.stdout


def test_compare_refuses_other_examples_until_told(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert (
        call("run", SCENARIOS, "-o", other, "--tag", "not-too-large", "--limit", "3").exit_code == 0
    )
    refused = call("compare", runs[0], other)
    assert refused.exit_code == 2
    assert "different examples" in refused.stderr
    told = call("compare", runs[0], other, "--different")
    assert told.exit_code == 1
    assert "note: they were run on different examples" in told.stderr


def test_verdicts_are_kept_and_shown_in_later_reports(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    silent = runs[1]
    said = call("review", silent, "--set", LARGE[0].name, "wrong", "--note", "nothing there")
    assert said.exit_code == 0, said.output
    listed = call("review", silent, "--json")
    (row,) = map(json.loads, listed.stdout.splitlines())
    assert (row["name"], row["word"], row["note"]) == (LARGE[0].name, "wrong", "nothing there")
    page = tmp_path / "page.html"
    assert call("report", silent, page).exit_code == 0
    assert page.read_text().count("said: wrong") == 1
    unknown = call("review", silent, "--set", "nobody", "wrong")
    assert unknown.exit_code == 2


def test_a_person_is_asked_about_the_worst_cases(runs: tuple[Path, Path]) -> None:
    answers = "x\nw\nit says nothing\nd\n\ns\nq\n"
    result = CliRunner().invoke(cli, ["eval", "review", str(runs[1])], input=answers)
    assert result.exit_code == 0, result.output
    assert "1/9" in result.stdout
    listed = call("review", runs[1], "--json").stdout.splitlines()
    assert [json.loads(row)["word"] for row in listed] == ["wrong", "different direction"]
    again = CliRunner().invoke(cli, ["eval", "review", str(runs[1])], input="q\n")
    assert "1/7" in again.stdout


def test_ablation_tells_what_each_part_of_the_context_brings(tmp_path: Path) -> None:
    result = call(
        "ablate", SCENARIOS / "java-log-levels.md", SCENARIOS / "yaml-add-healthchecks.md", "--json"
    )
    assert result.exit_code == 0, result.output
    rows = {row["variant"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert len(rows) == 5
    assert rows["fine-history-files-definitions"]["delta_chrf"] > 80
    assert rows["none-history-files-definitions"]["delta_chrf"] == 0
    table = call("ablate", SCENARIOS / "java-log-levels.md", "-o", tmp_path / "runs")
    assert "coarse-history-none-definitions" in table.stdout
    assert len(list((tmp_path / "runs").iterdir())) == 5


def test_nothing_to_run_on_is_wrong_use(tmp_path: Path) -> None:
    result = call("run", SCENARIOS, "--name", "no such example")
    assert result.exit_code == 2
    assert "no example is left" in result.stderr
    (tmp_path / "empty").mkdir()
    assert call("run", tmp_path / "empty").exit_code == 2


def test_a_teacher_is_evaluated_as_any_predictor_and_asked_once(tmp_path: Path) -> None:
    program = tmp_path / "teacher.py"
    asked = tmp_path / "asked"
    program.write_text(
        f"import sys\nsys.stdin.read()\nopen({str(asked)!r}, 'a').write('x')\nprint('NO_EDITS')\n"
    )
    spec = (
        f"teacher:teacher-v1,api=command,endpoint={sys.executable} {program},"
        f"cache={tmp_path / 'answers.sqlite'}"
    )
    quiet = SCENARIOS / "ts-quiet-new-constant.md"
    for _ in range(2):
        result = call("run", quiet, "--predictor", spec, "--json")
        assert result.exit_code == 0, result.output
        total = json.loads(result.stdout.splitlines()[-1])
        assert (total["quiet_rate"], total["faults"]) == (1, 0)
        assert total["contestant"].startswith("teacher:teacher-v1@")
    assert asked.read_text() == "x"
    for option in ("colour=red", "max_output_tokens=many", "api=telepathy"):
        wrong = call("run", quiet, "--predictor", f"teacher:teacher-v1,{option}")
        assert wrong.exit_code == 2, option
        assert "a teacher" in wrong.stderr
