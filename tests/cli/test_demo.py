"""The demo does the main job on a recorded session, with a real language server."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from zeta_context.cli.demo import REPOSITORY, SESSION, command, find_fixtures
from zeta_context.cli.demo.page import render_page
from zeta_context.cli.demo.story import ConnectionCount, Story, tell_story
from zeta_context.cli.demo.terminal import tell_departures
from zeta_context.predict.prediction import Discarded, Prediction


@pytest.fixture(scope="module")
def story() -> Story:
    fixtures = find_fixtures()
    return asyncio.run(tell_story(fixtures / SESSION, fixtures / REPOSITORY))


def test_it_predicts_what_the_user_went_on_to_do(story: Story) -> None:
    spoken = story.predictions
    assert len(spoken) >= 8
    assert sum(moment.came_true for moment in spoken) >= 0.8 * len(spoken)


def test_every_silence_has_its_reason(story: Story) -> None:
    silent = [one.answer for one in story.moments if isinstance(one.answer, Discarded)]
    assert silent
    assert all(answer.reason for answer in silent)
    assert not any(answer.reason in ("proposer_fault", "malformed") for answer in silent)


def test_definitions_come_from_the_real_server_and_lie_in_the_project(story: Story) -> None:
    assert story.server == "ty"
    places = {f"{one.symbol} {one.path}" for moment in story.moments for one in moment.found}
    assert "LimitReached lending/errors.py" in places


def test_each_prediction_shows_its_prompt_by_section_its_reason_and_its_cost(story: Story) -> None:
    waited = 0
    for moment in story.predictions:
        assert isinstance(moment.answer, Prediction)
        assert moment.answer.why
        assert {"edit_history"} <= {section.name for section in moment.sections}
        names = [stage.name for stage in moment.stages]
        assert names in (["excerpt", "definitions", "propose"], ["excerpt", "propose"])
        waited += "definitions" in names
    # While a rename is carried on, its next place waits for no definitions.
    assert waited >= len(story.predictions) - 3


def test_the_command_prints_a_story_that_ends_with_what_left_the_machine() -> None:
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip().splitlines()[-1].startswith("What left this machine: nothing.")
    assert "because" in result.stdout


def test_the_page_is_self_contained(story: Story, tmp_path: Path) -> None:
    page = render_page(story)
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)
    assert page.count("<article") == len(story.predictions)
    out = tmp_path / "demo.html"
    result = CliRunner().invoke(command, ["--html", str(out)])
    assert result.exit_code == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_connection_count_sees_a_connection(story: Story) -> None:
    assert story.connections == 0
    count = ConnectionCount()
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert count.total == 1
    story.connections = count.total
    assert tell_departures(story).endswith("1 network connections.")
    story.connections = 0
