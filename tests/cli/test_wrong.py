"""An annoyance becomes a case: written here, free of secrets, replayable, never sent."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.predict.desk import Scripted, swap
from zeta_context.cli.wrong import command
from zeta_context.evals.scenario import texts_before
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.evals.staging import Staging, predict_scenario
from zeta_context.predict.prediction import Prediction
from zeta_context.server.state import describe_state
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Point, Span

TEXT = "user = load(1)\nprint(user)\nshow(user)\n"
TOKEN = "ghp_" + "k3J9x2LmPq8RtVw5YzAbCdEfGh1234567890"[:36]
SETTINGS = Settings(offer_status=False, watch_files=False, offer_cases=True)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "shop"
    root.mkdir()
    monkeypatch.chdir(root)


async def asked(text: str, proposer: Scripted | None, path: str = "a.py") -> Session:
    session = Session(".", settings=SETTINGS, proposers=None if proposer is None else (proposer,))
    await session.__aenter__()
    session.open(path, text)
    session.edit(path, Span(0, 4), "account")
    await session.predict(path, cursor=7)
    return session


def written_by(told: str) -> str:
    return Path(told.strip()).read_text(encoding="utf-8")


async def test_a_wrong_prediction_is_a_case_that_replays(tmp_path: Path) -> None:
    session = await asked(TEXT, Scripted(swap(24, 28, "wrong_name")))
    try:
        result = CliRunner().invoke(command, ["--last", "--note", "it should say account"])
    finally:
        await session.aclose()
    assert result.exit_code == 0, result.output
    path = Path(result.stdout.strip())
    assert path.is_relative_to(tmp_path / "state")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # noqa: ASYNC240 - a test may wait
    (scenario,) = read_scenarios(path)
    assert scenario.text == TEXT.replace("user", "account", 1)
    assert scenario.rejected is not None
    assert "wrong_name" in scenario.rejected
    assert "it should say account" in scenario.reasoning
    assert len(scenario.history) == 1
    proposer = Scripted(swap(24, 28, "account"))
    answer = await predict_scenario(scenario, (proposer,), Staging())
    assert proposer.views[0].cursor == 7
    assert proposer.views[0].document.snapshot.text == scenario.text
    assert answer is not None


async def test_a_silence_is_a_case_too() -> None:
    session = await asked(TEXT, Scripted(None))
    try:
        result = CliRunner().invoke(command, ["--last"])
    finally:
        await session.aclose()
    assert result.exit_code == 0, result.output
    written = written_by(result.stdout)
    assert "silent: no_rule" in written
    assert "## Rejected Patch" not in written
    assert "account = load(1)" in written


async def test_secrets_do_not_reach_the_file() -> None:
    text = TEXT + f'token = "{TOKEN}"\n'
    session = await asked(text, Scripted(swap(24, 28, "wrong")))
    try:
        result = CliRunner().invoke(command, ["--last"])
    finally:
        await session.aclose()
    assert result.exit_code == 0, result.output
    written = written_by(result.stdout)
    assert TOKEN not in written
    assert TOKEN[10:30] not in written
    assert "x" * 30 in written


async def test_what_is_kept_out_of_everything_is_no_case() -> None:
    session = await asked("USER=1\n", Scripted(None), path=".env")
    try:
        result = CliRunner().invoke(command, ["--last"])
    finally:
        await session.aclose()
    assert result.exit_code == 1
    assert "kept out of everything" in result.stderr
    assert result.stdout == ""


def test_without_a_session_it_says_so() -> None:
    result = CliRunner().invoke(command, ["--last"])
    assert result.exit_code == 1
    assert "no session of yours" in result.stderr


async def test_a_session_that_was_asked_nothing_says_so() -> None:
    async with Session(".", settings=SETTINGS):
        result = CliRunner().invoke(command, ["--last"])
    assert result.exit_code == 1
    assert "nothing was asked yet" in result.stderr


async def test_an_embedder_offers_no_cases_unless_told_to() -> None:
    quiet = Settings(offer_status=False, watch_files=False)
    async with Session(".", settings=quiet, proposers=(Scripted(swap(0, 1, "U")),)) as session:
        session.open("a.py", TEXT)
        assert isinstance(await session.predict("a.py", cursor=0), Prediction)
        result = CliRunner().invoke(command, ["--last"])
    assert result.exit_code == 1


STATE_TEXT = "log.warn(1)\n\nlog.warn('é')\n\nlog.warn(3)\n"


async def test_the_state_of_a_session_becomes_a_scenario(tmp_path: Path) -> None:
    path = str(tmp_path / "a.py")
    async with Session(tmp_path, settings=Settings(offer_status=False)) as session:
        session.open(path, STATE_TEXT)
        session.edit(path, Span(4, 8), "warning")
        session.edit(path, Span(20, 24), "warning")
        prediction = await session.predict(path, Point(2, 11))
        assert prediction
        state = describe_state(session, path, 27, prediction)
    done = CliRunner().invoke(
        command, ["--note", "not there", "-o", str(tmp_path / "out")], input=json.dumps(state)
    )
    assert done.exit_code == 0, done.output
    written = Path(done.output.strip())
    (scenario,) = read_scenarios(written)
    assert scenario.cursor == 27
    assert scenario.reasoning == "not there"
    assert scenario.origin == "rejected"
    assert scenario.rejected is not None
    assert "+log.warning(3)" in scenario.rejected
    assert texts_before(scenario)["a.py"] == STATE_TEXT
    assert os.stat(written).st_mode & 0o077 == 0


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"path": 1}'])
def test_what_is_no_state_is_refused(state: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(command, ["-o", str(out)], input=state)
    assert done.exit_code == 2
    assert not out.exists()
