"""What of other files an evaluation shows a model; from a real language server where asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from zeta_context.cli.main import cli
from zeta_context.evals.scenario import HistoryStep, Scenario, ScenarioFile
from zeta_context.evals.scenario_rows import write_jsonl
from zeta_context.evals.staging import Definitions, Staging, predict_scenario
from zeta_context.predict.prediction import Discarded
from zeta_context.predict.view import View
from zeta_context.prompt.input import RelatedFile
from zeta_context.text.patch import render_unified

MODEL = "LIMIT = 3\n\n\nclass Point:\n    def __init__(self, x, y):\n        self.x = x\n"
BEFORE = "from model import Point\n\n\ndef make():\n    return Point(1, 2)\n"
AFTER = BEFORE + "\n\nspot = make()\n"
SCENARIO = Scenario(
    name="point",
    path="app.py",
    text=AFTER,
    cursor=BEFORE.index("Point(1") + 5,
    history=(HistoryStep(diff=render_unified(BEFORE, AFTER, paths=("app.py", "app.py"))),),
    files=(
        ScenarioFile(path="model.py", text=MODEL),
        ScenarioFile(path="notes.py", text="NOTES = []\n"),
    ),
)


@dataclass(slots=True)
class Watching:
    """Keeps the related files that it is shown."""

    name: str = "watching"
    seen: tuple[RelatedFile, ...] = field(default=())

    def propose(self, view: View) -> Discarded:
        assert view.prompt_input is not None
        self.seen = view.prompt_input.related_files
        return Discarded(reason="no_edit")


async def seen_with(definitions: Definitions) -> dict[str, str]:
    watching = Watching()
    staging = Staging(definitions=definitions, is_guarded=False)
    await predict_scenario(SCENARIO, [watching], staging)
    return {file.path: "".join(one.text for one in file.excerpts) for file in watching.seen}


async def test_other_files_are_shown_whole_or_not_at_all() -> None:
    assert await seen_with("files") == {"model.py": MODEL, "notes.py": "NOTES = []\n"}
    assert await seen_with("none") == {}


async def test_a_real_server_tells_the_definitions_and_no_more() -> None:
    if not (Path(sys.executable).parent / "ty").exists():
        pytest.skip("ty is not installed")
    seen = await seen_with("server")
    assert "notes.py" not in seen
    assert "class Point" in seen["model.py"]


def test_a_language_without_a_server_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.lsp.servers.search_directories", lambda root=None: ())
    cases = tmp_path / "cases.jsonl"
    write_jsonl(cases, [SCENARIO])
    arguments = ["eval", "run", str(cases), "--definitions", "server"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "no language server is there for python" in result.stderr
