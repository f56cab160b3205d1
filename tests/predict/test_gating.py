"""When predictions are wanted: switches, modes, busy moments, and what was rejected of late."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.predict.desk import Answer, Desk, Scripted, put
from zeta_context.context.gather import ContextSettings
from zeta_context.predict.gating import (
    LEAST_REMEMBERED,
    BusyState,
    Eagerness,
    GatingSettings,
)
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.view import View
from zeta_context.prompt.input import Trigger
from zeta_context.session import Session
from zeta_context.settings import Settings

TEXT = "one = 1\ntwo = \nthree = 3\n"


def reason(answer: Answer) -> str:
    return answer.reason if isinstance(answer, Discarded) else ""


async def told(
    root: Path,
    gating: GatingSettings,
    *,
    trigger: Trigger = "buffer_edit",
    busy: tuple[BusyState, ...] = (),
) -> tuple[str, int]:
    proposer = Scripted(put(14, "2"))
    desk = Desk(root, proposer, settings=PredictSettings(gating=gating))
    desk.open(TEXT)
    answer = await desk.predictor.predict((desk.project, "a.py"), 14, trigger, busy=busy)
    return reason(answer), proposer.asked


@pytest.mark.parametrize(
    ("gating", "trigger", "expected"),
    [
        (GatingSettings(), "buffer_edit", ""),
        (GatingSettings(enabled=False), "explicit", "off"),
        (GatingSettings(off_languages=("python",)), "explicit", "off_language"),
        (GatingSettings(off_languages=("rust",)), "explicit", ""),
        (GatingSettings(off_paths=("*.py", "!b.py")), "explicit", "off_path"),
        (GatingSettings(off_paths=("docs/",)), "explicit", ""),
        (GatingSettings(mode="manual"), "buffer_edit", "manual_mode"),
        (GatingSettings(mode="manual"), "explicit", ""),
        (GatingSettings(mode="subtle"), "buffer_edit", ""),
    ],
)
async def test_switches_and_modes(
    tmp_path: Path, gating: GatingSettings, trigger: Trigger, expected: str
) -> None:
    assert await told(tmp_path, gating, trigger=trigger) == (expected, int(not expected))


@pytest.mark.parametrize("busy", ["menu", "selection", "snippet", "ime"])
async def test_a_busy_editor_is_left_alone_even_with_a_standing_prediction(
    tmp_path: Path, busy: BusyState
) -> None:
    desk = Desk(tmp_path, Scripted(put(14, "2")))
    desk.open(TEXT)
    await desk.shown(14)
    key = (desk.project, "a.py")
    answer = await desk.predictor.predict(key, 14, "buffer_edit", busy=(busy,))
    assert reason(answer) == "editor_busy"
    assert (await desk.shown(14)).edits == (put(14, "2"),)


async def test_off_is_off_nothing_is_gathered_watched_or_started(tmp_path: Path) -> None:
    settings = Settings(
        offer_status=False,
        context=ContextSettings(definitions=True),
        predict=PredictSettings(gating=GatingSettings(enabled=False)),
    )
    async with Session(tmp_path, settings=settings) as session:
        session.open("a.py", TEXT)
        answer = await session.predict("a.py", 14, trigger="explicit")
        assert reason(answer) == "off"
        assert session._gatherer.server(session.document("a.py")) is None
        assert not session._gatherer._pools
        assert session.status()["totals"] == {"off": 1}


def test_eagerness_follows_what_became_of_the_shown_ones() -> None:
    eagerness = Eagerness()
    for _ in range(LEAST_REMEMBERED - 1):
        eagerness.add(is_accepted=False)
    assert eagerness.reluctance == 0
    eagerness.add(is_accepted=False)
    assert eagerness.reluctance == 1
    assert (eagerness.pause_s, eagerness.least_confidence) == (0.7, 0.9)
    for _ in range(4):
        eagerness.add(is_accepted=True)
    assert eagerness.reluctance == 0
    for _ in range(20):
        eagerness.add(is_accepted=False)
    assert eagerness.reluctance == 1


class Sure(Scripted):
    """As sure as the test says."""

    confidence: float | None = 0.7

    def propose(self, view: View) -> Answer:
        from dataclasses import replace

        answer = super().propose(view)
        return replace(answer, confidence=self.confidence) if answer else answer


async def rejecting(desk: Desk, count: int) -> None:
    for number in range(count):
        answer = await desk.predict(14, trigger="explicit")
        assert isinstance(answer, Prediction), (number, answer)
        desk.reject(answer)


async def test_after_rejections_it_waits_longer_and_must_be_surer(tmp_path: Path) -> None:
    proposer = Sure(*(put(14, str(number)) for number in range(2, 12)))
    desk = Desk(tmp_path, proposer, settings=PredictSettings(throttle_ms=0))
    desk.open(TEXT)
    await rejecting(desk, 5)
    question = desk.ask(14)
    await desk.wait(0.6)
    assert proposer.asked == 5
    await desk.wait(0.11)
    assert reason(await question) == "not_eager"
    assert (await desk.shown(14)).confidence == 0.7  # asked for by the user, it is shown


async def test_without_adapting_nothing_is_held_back(tmp_path: Path) -> None:
    proposer = Sure(*(put(14, str(number)) for number in range(2, 12)))
    settings = PredictSettings(throttle_ms=0, gating=GatingSettings(adapts=False))
    desk = Desk(tmp_path, proposer, settings=settings)
    desk.open(TEXT)
    await rejecting(desk, 5)
    question = desk.ask(14)
    await desk.wait(0)
    assert reason(await question) == ""


async def test_who_cannot_say_how_sure_it_is_is_heard(tmp_path: Path) -> None:
    proposer = Scripted(*(put(14, str(number)) for number in range(2, 12)))
    desk = Desk(tmp_path, proposer, settings=PredictSettings(throttle_ms=0))
    desk.open(TEXT)
    await rejecting(desk, 5)
    question = desk.ask(14)
    await desk.wait(0.71)
    assert reason(await question) == ""
