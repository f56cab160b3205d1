"""Helix with the lines that the setup prints for it, in a terminal, with real keys."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.told import Told
from tests.e2e.servers import need
from tools.terminal import Terminal, wait_for
from zeta_context.cli.setup.editors import find_editor

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("zeta-context")
ROWS = MAIN.splitlines()
Keep = Callable[[list[str]], None]


class Helix:
    """One Helix over a project, with its own folder for configuration."""

    def __init__(self, project: Path, home: Path, program: str) -> None:
        self.file = project / "main.py"
        helix = need("hx")
        recipe = find_editor("helix")
        assert recipe is not None
        settings = home / ".config" / "helix"
        settings.mkdir(parents=True)
        (settings / "languages.toml").write_text(recipe.lines(program))
        # Without findings of its own the other server has no actions: ours come first.
        (project / "pyrightconfig.json").write_text('{"ignore": ["."]}')
        self.told = Told()
        server = Path(need("basedpyright-langserver").command[0]).parent
        environment = {
            **helix.environment,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_RUNTIME_DIR": str(self.told.folder),
            "PATH": f"{server}{os.pathsep}{os.environ['PATH']}",
        }
        self.terminal = Terminal([*helix.command, "main.py"], project, environment)
        # It says so only once the language servers are ready to be asked.
        wait_for(lambda: self._ask("No code actions available"))

    @property
    def text(self) -> str:
        return "\n".join(self.terminal.screen())

    def rename(self, row: int) -> None:
        self.terminal.type(f"{row + 1}gggsfwecwarning")
        wait_for(lambda: "warning(" in self.text)
        self.terminal.press("\x1b")
        time.sleep(0.4)

    def _ask(self, expected: str) -> bool:
        """Open the menu of code actions, and tell whether something comes to stand there."""
        self.terminal.type("\x1b", pause_s=0.2)
        self.terminal.press(" a")
        try:
            wait_for(lambda: expected in self.text, timeout_s=2)
        except AssertionError:
            return False
        return True

    def choose_action(self, title: str, keys: str) -> None:
        """Open the menu of code actions until it has one, and take it."""
        wait_for(lambda: self._ask(title))
        self.terminal.press(keys)
        time.sleep(0.2)

    def saved(self) -> list[str]:
        self.terminal.type(":w\r")
        return self.file.read_text().splitlines()


@pytest.fixture
def helix(project: Path, tmp_path: Path) -> Iterator[Helix]:
    editor = Helix(project, tmp_path / "home", str(PROGRAM))
    yield editor
    editor.terminal.close()
    editor.told.close()


def test_a_prediction_is_a_code_action_in_helix(helix: Helix, keep: Keep) -> None:
    helix.rename(6)
    helix.rename(8)
    helix.terminal.type("11gg")
    helix.choose_action("Apply predicted edit in line 11", "\r")
    expected = ROWS[10].replace("warn(", "warning(")
    wait_for(lambda: helix.saved()[10] == expected)
    keep(helix.terminal.screen())
    helix.terminal.type("u")
    wait_for(lambda: helix.saved()[10] == ROWS[10])


def test_helix_goes_to_a_far_prediction_and_what_was_accepted_arrives(helix: Helix) -> None:
    for row in (6, 8):
        helix.rename(row)
    helix.terminal.type("1gg")
    helix.choose_action("Go to predicted edit in line 11", "\x1b[B\r")
    wait_for(lambda: " 11:1" in helix.text)
    helix.choose_action("Apply predicted edit in line 11", "\r")
    helix.choose_action("Apply predicted edit in line 13", "\r")
    wait_for(lambda: helix.told.counts()["accepted"] == 2)
    helix.terminal.type(":wqa\r")
    assert helix.terminal.process.wait(10) == 0
    assert sum("logger.warning(" in row for row in helix.file.read_text().splitlines()) == 4
