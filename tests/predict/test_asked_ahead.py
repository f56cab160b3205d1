"""A name is asked about before it is changed, and again while the server is young."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.predict.desk import Desk, Scripted, put, until
from zeta_context.events.projects import Projects
from zeta_context.lsp.documents import Location, UnitPoint
from zeta_context.predict import asked_ahead
from zeta_context.predict.asked_ahead import AskedAhead
from zeta_context.predict.causes import Cause
from zeta_context.text.point import Span

TEXT = "def total(prices):\n    return sum(prices)\n"
CURSOR = 6


class Reading:
    """A server that finds one use more each time that it is asked, up to three."""

    is_running = True
    is_busy = False

    def __init__(self) -> None:
        self.asked: list[int] = []

    def start_soon(self) -> None:
        pass

    def sync(self, path: Path, **_: object) -> None:
        pass

    visit = sync

    def open_snapshot(self, path: Path) -> None:
        return None

    def known_diagnostics(self, path: Path) -> tuple[()]:
        return ()

    async def diagnostics(self, path: Path) -> tuple[()]:
        return ()

    async def definition(self, path: Path, offset: int) -> tuple[Location, ...]:
        return (_at(path, 0),)

    type_definition = definition

    async def references(self, path: Path, offset: int) -> tuple[Location, ...]:
        self.asked.append(offset)
        return tuple(_at(path, row) for row in range(min(3, len(self.asked))))


def _at(path: Path, row: int) -> Location:
    start, end = UnitPoint(row, 4), UnitPoint(row, 9)
    return Location(path=path, uri=path.as_uri(), start=start, end=end, encoding="utf-16")


class Asking:
    def __init__(self, root: Path) -> None:
        self.desk = Desk(root, Scripted())
        self.desk.open(TEXT)
        self.server = Reading()
        self.now = 0.0
        self.ahead = AskedAhead(
            Projects((root,)), self.desk.tracker, lambda *_: None, clock=lambda: self.now
        )

    def ask(self, cursor: int = CURSOR) -> None:
        document = self.desk.tracker.document(self.desk.project, "a.py")
        self.ahead.ask_soon(self.server, document, cursor)

    def found(self) -> int:
        """How many uses are known of the name as it stands in row 0."""
        document = self.desk.tracker.document(self.desk.project, "a.py")
        cause = Cause(
            kind="rename",
            project=self.desk.project,
            path="a.py",
            name="total",
            new_name="amount",
            span=Span(4, 10),
            before=document.snapshot,
        )
        uses = self.ahead.recall(cause)
        return 0 if uses is None else len(uses.used)


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setattr(asked_ahead, "AGAIN_S", (0.01,) * 5)
    return Asking(tmp_path)


async def test_a_young_server_is_asked_until_its_answer_stays_the_same(asking: Asking) -> None:
    asking.ask()
    await until(lambda: len(asking.server.asked) == 4)
    await asyncio.sleep(0.05)
    assert asking.server.asked == [4] * 4
    assert asking.found() == 3
    assert asking.ahead.knows_name(asking.desk.project, "total")
    asking.now = 1.0
    asking.ask()  # it is known
    await asyncio.sleep(0.02)
    assert len(asking.server.asked) == 4


async def test_an_old_server_is_asked_once(asking: Asking) -> None:
    asking.ask(25)
    await until(lambda: len(asking.server.asked) == 4)
    asking.now = asked_ahead.YOUNG_S + 1
    asking.ask()
    await until(lambda: len(asking.server.asked) == 5)
    await asyncio.sleep(0.05)
    assert len(asking.server.asked) == 5


async def test_a_change_ends_the_asking_and_another_name_takes_its_place(asking: Asking) -> None:
    asking.ask()
    await until(lambda: len(asking.server.asked) >= 1)
    asking.desk.edit(put(0, "\n"))
    asked = len(asking.server.asked)
    await asyncio.sleep(0.05)
    assert len(asking.server.asked) <= asked + 1
    asking.now = 0.1
    asking.ask(26)  # too soon after the other
    asking.now = 1.0
    asking.ask(26)
    await until(lambda: asking.server.asked[-1] == 24)
    await asking.ahead.aclose()
