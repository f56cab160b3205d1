"""`zeta-context play`, driven by keys."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual", reason="the extra `play` is not installed")

from textual.pilot import Pilot

from zeta_context.cli.play import SAMPLE
from zeta_context.cli.play.app import Play
from zeta_context.context.gather import ContextSettings
from zeta_context.settings import Settings

ARTEFACTS = Path(__file__).resolve().parents[2] / "out" / "editors"
ROWS = SAMPLE.splitlines()
FIRST, SECOND, THIRD = [row for row, text in enumerate(ROWS) if ".warn(" in text][:3]


@pytest.fixture
def app(tmp_path: Path) -> Play:
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE, encoding="utf-8")
    return Play(path)


async def wait_for(pilot: Pilot[None], is_so: Callable[[], Any]) -> None:
    for _ in range(200):
        if is_so():
            return
        await pilot.pause()
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


async def rename(pilot: Pilot[None], app: Play, row: int, name: str = "warning") -> None:
    start = app.area.document.get_line(row).index(".warn(") + 1
    app.area.move_cursor((row, start + len("warn")))
    await pilot.press(*["backspace"] * 4, *name)
    await wait_for(pilot, lambda: f".{name}(" in app.area.document.get_line(row))


async def begin(pilot: Pilot[None], app: Play, name: str = "warning") -> None:
    for row in (FIRST, SECOND):
        await rename(pilot, app, row, name)
        await asyncio.sleep(0.35)
    await wait_for(pilot, lambda: app.prediction is not None)


def screen(app: Play) -> list[str]:
    return [
        "".join(segment.text for segment in app.screen._compositor.render_strips()[row])
        for row in range(app.size.height)
    ]


async def test_typing_leads_to_a_prediction_that_tab_goes_to_and_accepts(app: Play) -> None:
    async with app.run_test(size=(140, 30)) as pilot:
        await begin(pilot, app)
        await pilot.pause()
        shown = screen(app)
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        (ARTEFACTS / "play.svg").write_text(app.export_screenshot(), encoding="utf-8")
        assert "→ logger.warning(" in shown[THIRD + 1]
        assert "logger.warn(" in shown[THIRD + 1]
        assert any("by repeat" in row for row in shown)
        before = app.area.text
        await pilot.press("tab")
        assert app.area.cursor_location[0] == THIRD
        assert app.area.text == before
        await pilot.press("tab")
        await wait_for(pilot, lambda: app.area.text != before)
        assert ".warning(" in app.area.document.get_line(THIRD)
        assert app.session.document(str(app._path)).snapshot.text == app.area.text
        assert app.session.counts.total("accepted") == 1
        await pilot.press("ctrl+z")
        assert app.area.text == before
        await pilot.press("ctrl+y")
        assert app.area.text != before
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: app._path.read_text(encoding="utf-8") == app.area.text)


async def test_a_word_is_accepted_and_the_rest_stays(app: Play) -> None:
    async with app.run_test(size=(140, 30)) as pilot:
        await begin(pilot, app, "opt.warning")
        await pilot.press("tab", "shift+tab")
        await wait_for(pilot, lambda: ".opt(" in app.area.document.get_line(THIRD))
        await wait_for(pilot, lambda: app.prediction is not None)
        await pilot.press("tab")
        await wait_for(pilot, lambda: ".opt.warning(" in app.area.document.get_line(THIRD))


async def test_escape_rejects_and_tab_indents_again(app: Play) -> None:
    async with app.run_test(size=(140, 30)) as pilot:
        await begin(pilot, app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.session.counts.total("rejected") == 1)
        while app.prediction is not None:
            await pilot.press("escape")
            await pilot.pause()
        app.area.move_cursor((0, 0))
        await pilot.press("tab")
        assert app.area.document.get_line(0).startswith("    ")


async def test_a_new_file_with_text_beyond_ascii_can_be_begun(tmp_path: Path) -> None:
    app = Play(tmp_path / "new.py")
    async with app.run_test(size=(140, 30)) as pilot:
        await pilot.press("x", "=", "é", "𝒳", "enter", "漢")
        assert app.area.text == "x=é𝒳\n漢"
        assert app.session.document(str(app._path)).snapshot.text == app.area.text


PRICES = "def total(prices):\n    return sum(prices)\n\n\nprint(total([1]))\n"
BASKET = "from prices import total\n\n\ndef pay(basket):\n    return total(basket)\n"


async def test_tab_goes_on_in_a_file_that_was_not_open(tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("ty").exists():
        pytest.skip("ty is not installed")
    (tmp_path / "prices.py").write_text(PRICES)
    (tmp_path / "basket.py").write_text(BASKET)
    settings = Settings(offer_status=False, context=ContextSettings(definitions=True))
    app = Play(tmp_path / "prices.py", settings)
    async with app.run_test(size=(140, 30)) as pilot:
        await wait_for(pilot, app.session.counts.totals)
        server = app.session._gatherer.server(app.session.document(str(tmp_path / "prices.py")))
        assert server is not None
        await wait_for(pilot, lambda: server.is_running and not server.is_busy)
        app.area.move_cursor((0, 9))
        await asyncio.sleep(1)
        await pilot.press(*["backspace"] * 5, *"amount")
        app.area.move_cursor((1, 0))
        await wait_for(pilot, lambda: app.prediction is not None)
        await pilot.press("tab", "tab")
        await wait_for(pilot, lambda: app.jump is not None)
        await pilot.pause()
        assert any("go to `total` is called" in row for row in screen(app))
        assert app.jump is not None
        assert app.jump.why.endswith("place 2 of 3, in basket.py:1")
        await pilot.press("tab")
        assert (app.area.text, app.area.cursor_location) == (BASKET, (0, BASKET.index("total")))
        for row in (0, 4):
            await wait_for(pilot, lambda: app.prediction is not None)
            if app.area.cursor_location[0] != row:
                await pilot.press("tab")
            await pilot.press("tab")
        assert app.area.text == BASKET.replace("total", "amount")
        assert (tmp_path / "basket.py").read_text() == BASKET
        await pilot.press("ctrl+s")
        assert "amount" in (tmp_path / "basket.py").read_text()
        assert (tmp_path / "prices.py").read_text() == PRICES.replace("total", "amount")
