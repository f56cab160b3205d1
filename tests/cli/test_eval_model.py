"""`zeta-context eval run` over a real local model: asked in its format, resumed, and told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
pytest.importorskip("transformers", reason="transformers is not installed: run `make test-local`")

from tests.bench.runner_weights import WeightsMissing, fetch_gguf
from zeta_context.cli.main import cli
from zeta_context.evals.run import ANSWERS

SCENARIOS = Path(__file__).parents[2] / "fixtures" / "scenarios"
LIMITS = "max_prompt_tokens=400,max_output_tokens=12,guarded=no"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    try:
        gguf = fetch_gguf()
    except WeightsMissing as problem:
        pytest.skip(f"no weights: {problem}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(gguf.parent / "unpacked"))
    settings = tmp_path / "config.toml"
    settings.write_text("")
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(settings))
    return gguf


@pytest.mark.timeout(600)
def test_a_model_in_a_file_answers_cases_in_its_own_format(weights: Path, tmp_path: Path) -> None:
    arguments = ["eval", "run", str(SCENARIOS), "--name", "py-", "--limit", "2", "--json"]
    arguments += ["--keep-prompts", "-o", str(tmp_path / "run")]
    unnamed = CliRunner().invoke(cli, [*arguments, "--predictor", f"model:{weights},{LIMITS}"])
    assert unnamed.exit_code == 2
    assert "format" in unnamed.output
    refused = CliRunner().invoke(
        cli, [*arguments[:-1], str(tmp_path / "no"), "--predictor", f"model:{weights},format=sweep"]
    )
    assert refused.exit_code == 2
    assert "not one of 2 examples was answered (model_refused" in refused.stderr
    spec = f"model:{weights},format=zeta1,{LIMITS}"
    result = CliRunner().invoke(cli, [*arguments, "--predictor", spec])
    assert result.exit_code == 0, result.output
    total = json.loads(result.stdout.splitlines()[-1])
    assert (total["examples"], total["faults"]) == (2, 0)
    answers = [json.loads(row) for row in (tmp_path / "run" / ANSWERS).read_text().splitlines()]
    assert all("### User Edits:" in one["prompt"] for one in answers)
    assert all(one["patch"] or one["reason"] for one in answers)
    again = CliRunner().invoke(cli, [*arguments, "--predictor", spec])
    assert again.exit_code == 0, again.output
    assert len((tmp_path / "run" / ANSWERS).read_text().splitlines()) == 2
