"""`zeta-context wrong`: the state of an editor becomes a scenario."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from zeta_context.cli.wrong import command
from zeta_context.evals.scenario import texts_before
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.server.state import describe_state
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Point, Span

TEXT = "log.warn(1)\n\nlog.warn('é')\n\nlog.warn(3)\n"


async def test_the_state_of_a_session_becomes_a_scenario(tmp_path: Path) -> None:
    path = str(tmp_path / "a.py")
    async with Session(tmp_path, settings=Settings(offer_status=False)) as session:
        session.open(path, TEXT)
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
    assert texts_before(scenario)["a.py"] == TEXT
    assert os.stat(written).st_mode & 0o077 == 0


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"path": 1}'])
def test_what_is_no_state_is_refused(state: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["-o", str(tmp_path)], input=state)
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []
