"""`zeta-context dataset` and `teacher` from the outside."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.git_repo import GitRepo
from tests.training.conftest import STORE
from zeta_context.cli.main import cli
from zeta_context.training.example import read_examples

ROOT = Path(__file__).parents[2]

PERFECT = """
import json, pathlib, sys
question = json.load(sys.stdin)["messages"][0]["content"]
habit = sys.argv[1]
region = question[question.rindex("<<<EDITABLE\\n") + 12 :].split("\\nEDITABLE>>>")[0]
text = region.replace("<<<CURSOR>>>", "")
if habit == "nothing":
    print("`````\\nNO_EDITS\\n`````")
else:
    print("`````\\n" + text + "\\nmore = 1\\n`````")
"""


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


@pytest.fixture
def licensed(repo: GitRepo) -> GitRepo:
    licence = (ROOT / "LICENSE").read_text()
    repo.commit({"LICENSE": licence, "readings/store.py": STORE}, "Begin")
    repo.commit({"readings/store.py": STORE.replace("items", "readings")}, "Call them readings")
    return repo


def test_commits_become_examples_labelled_for_evaluation(licensed: GitRepo, tmp_path: Path) -> None:
    output = tmp_path / "commits.jsonl"
    arguments = ("dataset", "commits", str(licensed.root), "-o", str(output), "--json")
    told = json.loads(run(*arguments, "--processes", "1"))
    examples = list(read_examples(output))
    assert told["examples"] == len(examples) > 0
    assert {one.origin for one in examples} == {"commit"}
    assert {one.purpose for one in examples} == {"evaluation"}


def test_a_repository_without_a_licence_gives_nothing_and_says_why(
    licensed: GitRepo, tmp_path: Path
) -> None:
    (licensed.root / "LICENSE").unlink()
    licensed.commit(message="Drop the licence")
    output = tmp_path / "commits.jsonl"
    result = CliRunner().invoke(
        cli, ["dataset", "commits", str(licensed.root), "-o", str(output), "--processes", "1"]
    )
    assert result.exit_code == 2
    assert "no licence file" in result.stderr
    assert not output.exists()


def test_the_typing_of_commits_is_compared_with_recorded_sessions(tmp_path: Path) -> None:
    output = tmp_path / "habits.json"
    run("dataset", "fit-typing", str(ROOT / "fixtures" / "sessions"), "-o", str(output))
    assert 100 < json.loads(output.read_text())["interval_ms"] < 200


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_teaching_estimates_asks_and_writes(licensed: GitRepo, tmp_path: Path) -> None:
    states, output = tmp_path / "commits.jsonl", tmp_path / "taught.jsonl"
    run("dataset", "commits", str(licensed.root), "-o", str(states), "--processes", "1")
    program = tmp_path / "teacher.py"
    program.write_text(PERFECT)
    teacher = ("--api", "command", "--endpoint", f"{sys.executable} {program} more")
    cache = ("--cache", str(tmp_path / "answers.sqlite"))
    dry = run(
        *("dataset", "teach", str(states), "-o", str(output), "--dry-run", "--price-in", "3"),
        *(*cache, *teacher),
    )
    assert json.loads(dry.splitlines()[-1])["cost"] > 0
    assert not output.exists()
    told = json.loads(
        run("dataset", "teach", str(states), "-o", str(output), "--json", *cache, *teacher)
    )
    assert told["examples"] == len(list(read_examples(output))) > 0
    assert all(
        target.source == "teacher" for one in read_examples(output) for target in one.targets
    )


def test_a_prompt_that_loses_properties_is_found_out_and_kept_from_bulk_runs(
    tmp_path: Path, licensed: GitRepo
) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    for path in sorted((ROOT / "fixtures" / "scenarios").glob("*quiet*.md"))[:2]:
        shutil.copy(path, cases)
    program = tmp_path / "teacher.py"
    program.write_text(PERFECT.replace("habit = sys.argv[1]", HABIT_BY_PROMPT))
    worse = tmp_path / "worse.md"
    worse.write_text("ADD MORE\n{{history}}{{related}}{{path}}{{size_rule}}\n{{file}}\n")
    cache = tmp_path / "answers.sqlite"
    teacher = ("--api", "command", "--endpoint", f"{sys.executable} {program}")
    options = ("--cases", str(cases), "--cache", str(cache), "--json", *teacher)
    told = json.loads(run("teacher", "eval", "teacher-v1", str(worse), *options, code=1))
    assert told["losses"] == ["quiet"]
    run("teacher", "eval", "teacher-v1", "teacher-v1", *options)
    states = tmp_path / "commits.jsonl"
    run("dataset", "commits", str(licensed.root), "-o", str(states), "--processes", "1")
    result = CliRunner().invoke(
        cli,
        [
            *("dataset", "teach", str(states), "-o", str(tmp_path / "t.jsonl")),
            *("--prompt", str(worse), "--cache", str(cache), *teacher),
        ],
    )
    assert result.exit_code == 2
    assert "lost cases of quiet" in result.stderr


HABIT_BY_PROMPT = 'habit = "more" if "ADD MORE" in question else "nothing"'
