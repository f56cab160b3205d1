"""The command line with real weights: a GGUF file is imported, checked, and shared."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
pytest.importorskip("transformers", reason="transformers is not installed: run `make test-local`")

from tests.bench.runner_weights import WeightsMissing, fetch_gguf
from tests.cli.test_model import read_line, run, served
from zeta_context.cli.main import cli
from zeta_context.runners.base import Completion, CompletionRequest
from zeta_context.runners.opening import open_runner
from zeta_context.runners.settings import ModelSettings


@pytest.fixture(autouse=True)
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime_folder: Path) -> None:
    try:
        gguf = fetch_gguf()
    except WeightsMissing as problem:
        pytest.skip(f"no weights: {problem}")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(gguf.parent / "unpacked"))
    config = tmp_path / "config.toml"
    config.write_text(
        '[model]\nid = "smol"\ntimeout_ms = 60000\n[model.options]\nmax_context = 2048\n',
        encoding="utf-8",
    )
    config.chmod(0o600)
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(config))
    made = run("import", gguf, "--name", "smol", "--format", "zeta1", "--link")
    assert made.exit_code == 0, made.output


def test_a_check_loads_times_and_predicts() -> None:
    result = run("check", "--json")
    told = json.loads(result.stdout)
    assert not told["problem"]
    assert told["engine"].partition(" ")[0] in ("flat", "transformers", "llama.cpp")
    assert told["output_tokens_per_s"] > 0
    assert told["prompt_tokens_per_s"] > 0
    assert told["memory_mb"] > 100
    assert told["prediction"] in ("edits", "no_edit", "truncated", "bad_output")
    assert all(len(digest) == 64 for digest in told["sha256"].values())


def test_a_format_that_it_was_not_trained_on_is_refused_with_the_reason() -> None:
    result = run("check", "smol", "--format", "zeta2.1")
    assert result.exit_code == 1
    shown = " ".join(result.output.split())
    assert "smol cannot be used with V0318SeedMultiRegions" in shown
    assert "formats that fit: zeta1" in shown


def test_two_clients_share_the_loaded_model() -> None:
    with served() as process:
        socket_path = read_line(process).removeprefix("unix:")
        body = {"prompt": "def add(a, b):\n    return", "max_tokens": 4}
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket_path), timeout=120) as foreign:
            answer = foreign.post("http://localhost/v1/completions", json=body).json()
        own = open_runner(ModelSettings(runner="shared", timeout_ms=60_000))
        completion = own.complete(
            CompletionRequest(prompt="def add(a, b):\n    return", max_output_tokens=4)
        )
        own.close()
        assert isinstance(completion, Completion)
        assert completion.text == answer["choices"][0]["text"] != ""
        assert completion.usage.cached_tokens > 0


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[model]\nid = "smol"\n[model.options]\ntreads = 2\n', encoding="utf-8"
    )
    result = CliRunner().invoke(cli, ["model", "check"])
    assert "model.options.treads means nothing" in " ".join(result.output.split())
    assert result.exit_code in (1, 2)


def test_the_setup_checks_a_model_and_does_not_use_one_that_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SmolLM2 answers, but was not trained for edits: a check that would say so of any other."""
    config = tmp_path / "config" / "zeta-context" / "config.toml"
    monkeypatch.delenv("ZETA_CONTEXT_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    result = CliRunner().invoke(cli, ["setup", "--model", "smol"])
    shown = " ".join(result.output.split())
    assert "loaded in" in shown
    assert "answered in" in shown
    is_used = "it is not made use of" not in shown
    assert config.exists() == is_used
    assert result.exit_code == (0 if is_used else 1)
