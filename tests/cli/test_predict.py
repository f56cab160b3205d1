"""`zeta-context predict` in real repositories: what it predicts, shows, applies and refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.git_repo import GitRepo, plant_traps
from zeta_context.cli.main import cli
from zeta_context.cli.place import Place
from zeta_context.cli.predict import predict_at
from zeta_context.predict.prediction import Prediction

STEPS = ("open", "read", "parse", "check", "write", "close", "flush", "sync")
JOBS = "import logging\n\nlog = logging.getLogger(__name__)\n" + "".join(
    f"""

def {step}_job(job):
    log.warn("{step} of %s", job.name)
    return job.{step}()
"""
    for step in STEPS
)
PARTLY_RENAMED = JOBS.replace("log.warn(", "log.warning(", 3)
"""With the calls in rows 7, 12 and 17 renamed; the next one is in row 22."""


def predict(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["predict", *arguments])


@pytest.fixture
def renaming(repo: GitRepo) -> GitRepo:
    """A repository in which a call was renamed in three of its eight functions."""
    repo.commit({"jobs.py": JOBS})
    repo.write("jobs.py", PARTLY_RENAMED)
    return repo


def test_a_rename_is_carried_on_as_a_patch_that_git_applies(renaming: GitRepo) -> None:
    place = f"{renaming.root / 'jobs.py'}:18:1"
    result = predict(place)
    assert result.exit_code == 0, result.stderr
    assert "warning" in result.stderr, "the sentence that says why"
    renaming.git("apply", "-", input=result.stdout.encode())
    assert renaming.root.joinpath("jobs.py").read_text() != PARTLY_RENAMED
    assert renaming.root.joinpath("jobs.py").read_text().count("warning") > PARTLY_RENAMED.count(
        "warning"
    )


def test_json_tells_the_edits_at_their_places(renaming: GitRepo) -> None:
    result = predict(f"{renaming.root / 'jobs.py'}:18:1", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    told = json.loads(result.stdout)
    assert told["silence"] is None
    prediction = told["prediction"]
    assert prediction["path"] == "jobs.py"
    rows = PARTLY_RENAMED.splitlines()
    for edit in prediction["edits"]:
        assert edit["start"]["line"] >= 22
        row = rows[edit["start"]["line"] - 1]
        assert 1 <= edit["start"]["column"] <= len(row) + 1
    assert prediction["why"]
    assert prediction["diff"].startswith("--- a/jobs.py\n+++ b/jobs.py\n@@ ")


def test_apply_writes_what_the_patch_says_with_the_line_endings_of_the_file(
    renaming: GitRepo,
) -> None:
    file = renaming.root / "jobs.py"
    file.write_bytes(PARTLY_RENAMED.replace("\n", "\r\n").encode())
    renaming.git("config", "core.autocrlf", "true")
    place = f"{file}:18:1"
    shown = predict(place)
    assert file.read_bytes() == PARTLY_RENAMED.replace("\n", "\r\n").encode(), "no write unasked"
    applied = predict(place, "--apply")
    assert applied.exit_code == 0
    assert "applied to jobs.py" in applied.stderr
    assert applied.stdout == shown.stdout
    now = file.read_bytes()
    assert now.count(b"warning") > PARTLY_RENAMED.count("warning")
    assert now.count(b"\n") == now.count(b"\r\n")


def test_apply_refuses_a_read_only_file_in_one_line(renaming: GitRepo) -> None:
    file = renaming.root / "jobs.py"
    file.chmod(0o444)
    result = predict(f"{file}:18:1", "--apply")
    assert result.exit_code == 2
    assert "read-only" in result.stderr.splitlines()[-1]
    assert file.read_text() == PARTLY_RENAMED


def test_explain_tells_each_edit_and_excerpt_with_its_cost(renaming: GitRepo) -> None:
    renaming.write("notes.bin", b"\0\1")
    arguments = [f"{renaming.root / 'jobs.py'}:18:1", "--explain", "--no-definitions"]
    told = json.loads(predict(*arguments, "--json").stdout)["explanation"]
    assert [event["path"] for event in told["events"]] == ["jobs.py"]
    event = told["events"][0]
    assert (event["row"], event["added"], event["removed"]) == (7, 3, 3)
    assert event["tokens"] > 50
    assert told["left_out_of_events"] == {"not_text": 1}
    excerpt = told["cursor_excerpt"]
    assert excerpt["first_row"] <= 18 <= excerpt["last_row"]
    assert excerpt["tokens"] > 50
    assert {stage["name"] for stage in told["stages"]} >= {"excerpt", "propose"}
    shown = predict(*arguments)
    assert "jobs.py:7" in shown.stderr
    assert "1 left out" in shown.stderr
    assert "@@" not in shown.stderr
    assert "@@" in shown.stdout, "the patch alone is on standard output"


def test_explain_with_definitions_tells_what_a_real_language_server_found(
    repo: GitRepo,
) -> None:
    if not (Path(sys.executable).parent / "ty").exists():
        pytest.skip("ty is not installed")
    repo.commit(
        {
            "app.py": "from model import Point\n\n\ndef make():\n    return Point(1, 2)\n",
            "model.py": "class Point:\n    def __init__(self, x, y):\n        self.x = x\n",
        }
    )
    repo.write("app.py", (repo.root / "app.py").read_text() + "\n\nspot = make()\n")
    result = predict(f"{repo.root / 'app.py'}:5:18", "--explain", "--json")
    related = json.loads(result.stdout)["explanation"]["related"]
    found = [one for one in related if one["path"] == "model.py"]
    assert found, related
    assert found[0]["first_row"] == 1
    assert "Point" in found[0]["why"]
    assert found[0]["tokens"] > 0


def test_a_format_shows_the_prompt_by_section(renaming: GitRepo) -> None:
    arguments = [f"{renaming.root / 'jobs.py'}:18:1", "--format", "zeta2", "--no-definitions"]
    prompt = json.loads(predict(*arguments, "--json").stdout)["explanation"]["prompt"]
    names = [section["name"] for section in prompt["sections"]]
    assert "edit_history" in names
    assert sum(section["tokens"] for section in prompt["sections"]) <= prompt["tokens"] + len(names)
    assert "warning" in prompt["text"]
    assert "edit_history" in predict(*arguments).stderr
    unknown = predict(arguments[0], "--format", "nonsense")
    assert unknown.exit_code == 2
    assert "is no prompt format" in unknown.stderr


def test_a_text_that_holds_a_marker_of_the_format_is_told_as_refused(renaming: GitRepo) -> None:
    file = renaming.root / "jobs.py"
    file.write_text(PARTLY_RENAMED.replace('"write of', '"<[fim-suffix]> of'))
    arguments = [f"{file}:18:1", "--format", "zeta2", "--no-definitions"]
    result = predict(*arguments, "--json")
    assert "refused" in json.loads(result.stdout)["explanation"]["prompt"]
    assert "cannot show this" in predict(*arguments).stderr


def silence(result: Result) -> dict[str, str]:
    assert result.exit_code == 1, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["prediction"] is None
    assert told["silence"]["detail"]
    return {name: str(value) for name, value in told["silence"].items()}


def test_a_clean_working_tree_is_a_reason(repo: GitRepo) -> None:
    repo.commit({"a.py": JOBS})
    result = predict(f"{repo.root / 'a.py'}:3:1", "--json")
    assert silence(result)["reason"] == "no_recent_edits"
    shown = predict(f"{repo.root / 'a.py'}:3:1")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "no prediction at a.py:3:1 (no_recent_edits)" in shown.stderr


def test_without_git_the_reason_names_the_mend(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x\n")
    told = silence(predict(f"{tmp_path / 'a.py'}:1:1", "--json", "--explain"))
    assert told["reason"] == "no_repository"
    assert "git init" in told["detail"]


def test_a_repository_without_a_commit_has_no_recent_edits(repo: GitRepo) -> None:
    repo.write("a.py", JOBS)
    told = silence(predict(f"{repo.root / 'a.py'}:1:1", "--json"))
    assert told["reason"] == "no_recent_edits"


def test_a_detached_head_makes_no_difference(renaming: GitRepo) -> None:
    renaming.git("checkout", "-q", "--detach")
    assert predict(f"{renaming.root / 'jobs.py'}:18:1").exit_code == 0


@pytest.mark.parametrize("kind", ["submodule", "link out"])
def test_a_place_that_belongs_to_another_repository_is_a_reason(
    renaming: GitRepo, tmp_path: Path, kind: str
) -> None:
    library = GitRepo(tmp_path / "library")
    library.commit({"lib.py": "x\n"})
    if kind == "submodule":
        renaming.git(
            *("-c", "protocol.file.allow=always", "submodule", "add", "-q"),
            *(str(library.root), "vendored"),
        )
        place = renaming.root / "vendored" / "lib.py"
    else:
        (renaming.root / "link.py").symlink_to(library.root / "lib.py")
        place = renaming.root / "link.py"
    expected = "submodule" if kind == "submodule" else "outside_root"
    assert silence(predict(f"{place}:1:1", "--json"))["reason"] == expected


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("jobs.py", "FILE:LINE:COL"),
        ("jobs.py:0:1", "FILE:LINE:COL"),
        ("jobs.py:1:x", "FILE:LINE:COL"),
        ("missing.py:1:1", "no such file"),
        ("jobs.py:999:1", "jobs.py has 44 lines"),
        ("jobs.py:1:99", "line 1 of jobs.py ends at column 15"),
        ("data.bin:1:1", "binary"),
        (".:1:1", "not a regular file"),
    ],
)
def test_a_place_that_is_none_is_told_in_one_line(
    renaming: GitRepo, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    renaming.write("data.bin", b"\0\1\2")
    monkeypatch.chdir(renaming.root)
    result = predict(place)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert message in result.stderr.splitlines()[-1]
    assert str(renaming.root) not in result.stderr


def test_the_column_may_be_left_out_and_the_path_may_hold_colons(renaming: GitRepo) -> None:
    odd = renaming.write("od:d.py", "x = 1\n")
    assert predict(f"{renaming.root / 'jobs.py'}:18").exit_code == 0
    assert predict(f"{odd}:1:1").exit_code in (0, 1)


def test_the_answer_is_for_the_file_even_through_a_link_in_the_project(renaming: GitRepo) -> None:
    (renaming.root / "alias.py").symlink_to("jobs.py")
    told = json.loads(predict(f"{renaming.root / 'alias.py'}:18:1", "--json").stdout)
    assert told["prediction"]["path"] == "jobs.py"


def test_nothing_that_a_hostile_repository_names_is_run(
    renaming: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    plant_traps(renaming, marker)
    renaming.write("git", f'#!/bin/sh\necho fake > "{marker}"\n').chmod(0o755)
    monkeypatch.chdir(renaming.root)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    predict("jobs.py:18:1", "--explain", "--apply")
    assert not marker.exists()


def test_a_file_in_a_folder_of_the_current_one_is_found_by_its_relative_path(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"src/jobs.py": JOBS})
    repo.write("src/jobs.py", PARTLY_RENAMED)
    monkeypatch.chdir(repo.root / "src")
    told = json.loads(predict("jobs.py:18:1", "--json").stdout)
    assert told["prediction"]["path"] == "src/jobs.py"


async def test_the_embedding_call_gives_the_same_answer(renaming: GitRepo) -> None:
    answer = await predict_at(Place(file=renaming.root / "jobs.py", line=18, column=1))
    assert isinstance(answer.result, Prediction)
    assert answer.text == PARTLY_RENAMED
    assert answer.explanation is not None


def test_an_installed_command_predicts_in_a_process_of_its_own(renaming: GitRepo) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zeta_context.cli.main", "predict", "jobs.py:18:1"],
        cwd=renaming.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("--- a/jobs.py\n")
