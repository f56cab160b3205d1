"""`zeta-context servers` over the servers that this machine has."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from zeta_context.cli.servers import command
from zeta_context.context.grammars import language_of
from zeta_context.lsp.samples import SAMPLES
from zeta_context.lsp.servers import KNOWN_SERVERS


def test_the_table_shows_an_installed_server_with_its_start() -> None:
    done = CliRunner().invoke(command, ["python", "--no-start"])
    assert done.exit_code == 0
    assert "pylsp" in done.stdout
    assert "python" in done.stdout


def test_every_known_server_is_listed_as_json() -> None:
    done = CliRunner().invoke(command, ["--json", "--no-start"])
    assert done.exit_code == 0
    listed = json.loads(done.stdout)
    assert [one["name"] for one in listed] == [one.name for one in KNOWN_SERVERS]
    for one in listed:
        assert one["installed"] == (one["program"] is not None)
        assert one["start_ms"] is None


def test_an_installed_server_is_started_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (Path(sys.executable).parent / "ty").exists():
        pytest.skip("ty is not installed beside the interpreter")
    monkeypatch.setenv("PATH", "")
    done = CliRunner().invoke(command, ["python", "--json"])
    ty = next(one for one in json.loads(done.stdout) if one["name"] == "ty")
    assert ty["installed"]
    assert ty["start_ms"] > 0
    assert ty["answer_ms"] > 0
    assert ty["features"] == ["definitions", "types"]
    assert ty["problem"] == ""


def test_a_server_that_does_not_answer_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "marksman"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    done = CliRunner().invoke(command, ["markdown", "--json"])
    assert done.exit_code == 1
    (marksman,) = json.loads(done.stdout)
    assert marksman["program"] == str(program)
    assert "closed its stream" in marksman["problem"]


def test_an_unknown_language_is_wrong_use() -> None:
    assert CliRunner().invoke(command, ["klingon"]).exit_code == 2


@pytest.mark.parametrize("language", SAMPLES)
def test_a_sample_defines_and_uses_its_name(language: str) -> None:
    sample = SAMPLES[language]
    assert 0 <= sample.text.index(sample.name) < sample.use_offset
    assert any(language in one.languages for one in KNOWN_SERVERS)
    assert language_of(sample.path) in (language, "bash") or language in ("lua", "zig")
