"""`zeta-context play` in a real terminal, with real keys, as the process that people start."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.in_terminal import InTerminal
from tools.terminal import Terminal, wait_for
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.status import Status, read_statuses

pytest.importorskip("textual", reason="the extra `play` is not installed")

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("zeta-context")
ROWS = MAIN.splitlines()
LAST_ROW = len(ROWS) - 1
HOME, DOWN, RIGHT, BACKSPACE = "\x1b[1~", "\x1b[B", "\x1b[C", "\x7f"
UNDO, SAVE, QUIT, REJECT = "\x1a", "\x13", "\x11", "\x1b"
Keep = Callable[[list[str]], None]


class Play(InTerminal):
    """The editor over `main.py` of a project; its buffer is read by saving it."""

    def __init__(self, project: Path) -> None:
        self.file = project / "main.py"
        # The path of a Unix socket must be short.
        self._scratch = tempfile.TemporaryDirectory()
        self.environment = {"XDG_RUNTIME_DIR": self._scratch.name}
        command = [str(PROGRAM), "play", str(self.file)]
        self.terminal = Terminal(command, project, self.environment)
        self._row = 0
        wait_for(lambda: any("import logging" in row for row in self.terminal.screen()), 40)
        wait_for(self.statuses)

    def statuses(self) -> tuple[Status, ...]:
        """What it tells `zeta-context doctor`, once for each session."""
        return read_statuses(folder=Path(self._scratch.name) / "zeta-context")

    def counts(self) -> dict[str, int]:
        (status,) = wait_for(self.statuses)
        counts: dict[str, int] = status.fields["totals"]
        return counts

    def rename_twice(self) -> None:
        for row in (6, 8):
            self.press(DOWN * (row - self._row))
            self._row = row
            self.press(HOME)  # to where the text of the row begins
            self.press(RIGHT * len("logger.warn"))
            self.press(BACKSPACE * 4)
            self.terminal.type("warning")
            time.sleep(0.5)
        wait_for(self.has_prediction)

    def has_prediction(self) -> bool:
        """As the panel beside the text tells it."""
        return any("by repeat" in row for row in self.terminal.screen())

    @property
    def rows(self) -> list[str]:
        self.press(SAVE)
        time.sleep(0.3)
        return self.file.read_text(encoding="utf-8").splitlines()

    def close(self) -> None:
        super().close()
        self._scratch.cleanup()


@pytest.fixture
def play(project: Path) -> Iterator[Play]:
    editor = Play(project)
    yield editor
    editor.close()


def test_a_prediction_appears_is_gone_to_accepted_and_undone_in_one_step(
    play: Play, keep: Keep
) -> None:
    play.rename_twice()
    before = play.rows
    screen = play.terminal.screen()
    keep(screen)
    shown = next(row for row in screen if "logger.warn(" in row and "é 2'" in row)
    assert "→ logger.warning" in shown
    play.press("\t")
    assert play.rows == before
    play.press("\t")
    after = [*before[:10], ROWS[10].replace("warn", "warning"), *before[11:]]
    wait_for(lambda: play.rows == after)
    assert play.counts()["accepted"] == 1
    play.press(UNDO)
    wait_for(lambda: play.rows == before)


def test_a_far_prediction_is_gone_to(play: Play) -> None:
    play.rename_twice()
    assert not any("'ü'" in row for row in play.terminal.screen())
    for row in (10, 12, LAST_ROW):
        wait_for(play.has_prediction)
        play.press("\t")
        play.press("\t")
        after = ROWS[row].replace("warn", "warning")
        wait_for(partial(play.reads, row, after))
    assert any("'ü'" in row for row in play.terminal.screen())
    assert play.rows == [text.replace(".warn(", ".warning(") for text in ROWS]


def test_a_rejected_prediction_stays_away(play: Play) -> None:
    play.rename_twice()
    before = play.rows
    play.press(REJECT)
    assert wait_for(lambda: play.counts().get("rejected")) == 1
    time.sleep(0.5)
    shown = [row for row in play.terminal.screen() if "é 2'" in row]
    assert not any("→" in row for row in shown)
    assert play.rows == before


def test_a_wrong_prediction_is_written_down_as_a_scenario(play: Play, tmp_path: Path) -> None:
    play.rename_twice()
    command = [PROGRAM, "wrong", "--last", "-o", tmp_path / "wrong"]
    environment = {**os.environ, **play.environment}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "wrong").glob("*.md")
    (scenario,) = read_scenarios(path)
    assert scenario.text.splitlines() == play.rows
    assert scenario.rejected is not None


def test_it_quits_and_leaves_no_process_behind(play: Play) -> None:
    play.rename_twice()
    pid = play.terminal.process.pid
    play.press(QUIT)
    assert play.terminal.process.wait(20) == 0
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert play.statuses() == ()
