"""`zeta-context model`: lists, imports, checks and shares models; every mistake says its mend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from zeta_context.cli.main import cli
from zeta_context.cli.model_check import make_request, make_sample
from zeta_context.counts import Counts
from zeta_context.errors import BadAnswer, RunnerGone
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import Completion, CompletionRequest
from zeta_context.runners.endpoint import parse_endpoint
from zeta_context.runners.http.runner import HttpRunner
from zeta_context.runners.http.servers import find_server
from zeta_context.runners.models import KNOWN_MODELS
from zeta_context.runners.opening import missing_libraries, open_runner
from zeta_context.runners.replay import RecordingRunner, ReplayRunner, digest_request
from zeta_context.runners.settings import ModelSettings

ZETA1 = find_format("zeta1")


@pytest.fixture(autouse=True)
def own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime_folder: Path
) -> Iterator[Path]:
    """Models, settings and sockets of the test alone."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch(mode=0o600)
    return runtime_folder


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A cassette that answers the sample of `model check` with the right edit."""
    sample = make_sample()
    right = sample.cursor_excerpt.replace("self.items)", "self.lines)", 1)
    _, request = make_request(ZETA1)
    whole = ZETA1.encode(sample, right)
    cut = min(whole.index(stop) for stop in request.stop if stop in whole)
    answer = Completion(text=whole[:cut], finish_reason="stop")
    path = tmp_path / "taped.jsonl"
    RecordingRunner(ReplayRunner({digest_request(request): answer}), path).complete(request)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["model", *map(str, arguments)])


def fake_gguf(path: Path) -> Path:
    path.write_bytes(b"GGUF" + bytes(60))
    return path


def test_known_models_are_listed_with_what_they_need() -> None:
    listed = json.loads(run("list", "--json").stdout)
    assert [one["name"] for one in listed["known"]] == [one.name for one in KNOWN_MODELS]
    for one in listed["known"]:
        assert one["licence"]
        assert one["memory_bytes"] > one["parameters"]
    shown = run("list").stdout
    assert all(one.name in shown for one in KNOWN_MODELS)


def test_an_imported_model_is_listed_with_its_digest(tmp_path: Path) -> None:
    made = run("import", fake_gguf(tmp_path / "own.gguf"), "--format", "zeta2")
    assert made.exit_code == 0, made.output
    assert len(made.stdout.split()[0]) == 64
    (one,) = json.loads(run("list", "--json").stdout)["imported"]
    assert one["name"] == "own"
    assert one["format"] == "V0211SeedCoder"
    assert set(one["sha256"].values()) == {made.stdout.split()[0]}
    again = run("import", tmp_path / "own.gguf")
    assert again.exit_code == 2
    assert "installed already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "no model is chosen"),
        (("check", "zeta-3"), "did you mean"),
        (("check", "zeta-2"), "model pull zeta-2"),
        (("check", "./none.gguf", "--format", "zeta1"), "no such model"),
        (("check", "http://127.0.0.1:1", "--format", "zeta1"), "nothing answers"),
        (("check", "http://127.0.0.1:1"), "prompt format is not known"),
        (("check", "https://models.example/v1", "--format", "zeta1"), "not allowed"),
        (("check", "x", "--format", "zeta9"), "zeta9"),
        (("serve",), "no model is chosen"),
        (("serve", "shared"), "name the model itself"),
        (("serve", "https://models.example/v1"), "not shared"),
        (("serve", "zeta-2"), "model pull zeta-2"),
        (("pull", "zeta-3"), "no known model"),
        (("pull", "own/model", "--format", "zeta9"), "zeta9"),
    ],
)
def test_what_cannot_work_is_said_with_its_mend(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2), result.output
    assert said in " ".join(result.output.split())


def test_a_check_shows_one_prediction_and_its_difference(cassette: Path) -> None:
    result = run("check", cassette, "--format", "zeta1")
    assert result.exit_code == 0, result.output
    assert "+        return sum(item.price for item in self.lines)" in result.stdout
    told = json.loads(run("check", cassette, "--format", "zeta1", "--json").stdout)
    assert (told["prediction"], told["problem"], told["runner"]) == ("edits", "", "cassette")


def test_the_configured_model_is_the_one_that_is_meant(cassette: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[model]\npath = "{cassette}"\nformat = "zeta1"\n', encoding="utf-8")
    assert run("check").exit_code == 0
    config.write_text('[model]\npath = "gone.jsonl"\nformat = "zeta1"\n', encoding="utf-8")
    assert "gone.jsonl" in run("check").output
    found = CliRunner().invoke(cli, ["doctor", "--json"])
    told = json.loads(found.stdout)
    assert told["model"]["format"] == "zeta1"
    assert any("gone.jsonl" in fault["what"] for fault in told["faults"])


@contextmanager
def served(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`zeta-context model serve` in a process of its own, once it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "zeta_context.cli.main", "model", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line or process.poll() is None, process.stderr and process.stderr.read()
    return line


def test_two_programs_share_one_model_and_it_leaves_nothing_behind(
    cassette: Path, own_folders: Path, tmp_path: Path
) -> None:
    _, request = make_request(ZETA1)
    with served(cassette, "--tcp", "--token-file", tmp_path / "token") as process:
        socket_path = read_line(process).removeprefix("unix:")
        base = read_line(process).partition(" ")[0]
        body = {
            "prompt": request.prompt,
            "stop": list(request.stop),
            "max_tokens": request.max_output_tokens,
        }
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket_path)) as foreign:
            answer = foreign.post("http://localhost/v1/completions", json=body)
        assert "self.lines)" in answer.json()["choices"][0]["text"]
        own = open_runner(ModelSettings(runner="shared"))
        assert isinstance(own, HttpRunner)
        completion = own.complete(request)
        assert isinstance(completion, Completion)
        assert completion.text == answer.json()["choices"][0]["text"]
        own.close()
        token = (tmp_path / "token").read_text(encoding="ascii").strip()
        for key, status in ((token, 200), ("0" * 64, 403)):
            asked = httpx.get(
                f"{base}/models", headers={"Authorization": f"Bearer {key}"}, trust_env=False
            )
            assert asked.status_code == status
        # A second one would take the socket away from the first.
        second = run("serve", cassette)
        assert second.exit_code == 2
        doctor = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)
        assert any(one["projects"] == ["shared model taped"] for one in doctor["sessions"])
    assert process.returncode == 0
    assert not Path(socket_path).exists()


def test_a_session_asks_the_shared_model_instead_of_loading_its_own(
    cassette: Path, own_folders: Path, tmp_path: Path
) -> None:
    gguf = fake_gguf(tmp_path / "taped.gguf")
    settings = ModelSettings(path=str(gguf), format="zeta1")
    with served(cassette) as process:
        read_line(process)
        runner = open_runner(settings, prefers_shared=True)
        assert isinstance(runner, HttpRunner)
        _, request = make_request(ZETA1)
        assert isinstance(runner.complete(request), Completion)
        runner.close()
        other = ModelSettings(path=str(fake_gguf(tmp_path / "other.gguf")), format="zeta1")
        assert not is_shared(other)
    assert not is_shared(settings)


def is_shared(settings: ModelSettings) -> bool:
    """Whether a session would ask the shared model; a local one needs its libraries."""
    if missing_libraries():
        from zeta_context.runners import opening

        return opening._is_shared(settings)
    runner = open_runner(settings, prefers_shared=True)
    runner.close()
    return isinstance(runner, HttpRunner)


def test_a_model_that_is_killed_in_mid_request_is_a_reason(
    own_folders: Path, tmp_path: Path
) -> None:
    script = tmp_path / "held.py"
    script.write_text(HELD, encoding="utf-8")
    path = own_folders / "own" / "s"
    process = subprocess.Popen(
        [sys.executable, str(script), str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        counts = Counts()
        runner = HttpRunner(
            parse_endpoint(f"unix:{path}", default_path="/v1/completions"),
            find_server("shared"),
            counts=counts,
        )

        def kill_soon(_: str) -> None:
            process.kill()

        with pytest.raises((BadAnswer, RunnerGone), match="broke"):
            runner.complete(CompletionRequest(prompt="hold it"), on_text=kill_soon)
        runner.close()
        assert counts.total("http_cut_off") == 1
    finally:
        process.kill()
        process.communicate()


HELD = """\
import asyncio, sys, time
from pathlib import Path
from zeta_context.runners.base import Cancelled, Completion
from zeta_context.server.completions.access import AccessRules
from zeta_context.server.completions.listen import bind_private_socket
from zeta_context.server.completions.queue import ModelQueue
from zeta_context.server.completions.service import CompletionService, Listener

class Held:
    model, is_remote = "held", False
    def complete(self, request, *, cancel=None, on_text=None):
        for n in range(1000):
            on_text("word " * (n + 1))
            time.sleep(0.01)
        return Completion(text="", finish_reason="stop")
    def prefill(self, prompt, *, cancel=None): ...
    def close(self): ...

async def main():
    service = CompletionService(ModelQueue(Held), model="held")
    listener = Listener(socket=bind_private_socket(Path(sys.argv[1])), rules=AccessRules())
    await service.serve([listener], ready=lambda: print("ready", flush=True))

asyncio.run(main())
"""


def test_predicting_asks_the_model_that_is_named(cassette: Path, tmp_path: Path) -> None:
    from tests.git_repo import GitRepo

    repo = GitRepo(tmp_path / "project")
    repo.write("cart.py", "a = 1\n")
    repo.commit()
    repo.write("cart.py", "a = 2\n")
    started = time.monotonic()
    result = CliRunner().invoke(
        cli, ["predict", f"{repo.root}/cart.py:1:1", "--model", str(cassette), "--json"]
    )
    assert time.monotonic() - started < 60
    silence = json.loads(result.stdout)["silence"]
    assert silence["reason"] == "model_not_set_up"
    assert "format" in silence["detail"]
