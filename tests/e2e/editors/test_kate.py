"""Kate with the lines that the setup prints for it, on a display of its own, with real keys."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.parts import need_program
from tests.e2e.editors.told import Told
from tests.e2e.servers import need
from tools.terminal import wait_for
from zeta_context.cli.setup.editors import find_editor

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("zeta-context")
ROWS = MAIN.splitlines()
PLUGINS = (
    "[General]\nShow welcome view for new window=false\n[Kate Plugins]\nlspclientplugin=true\n"
)


class Kate:
    """One Kate on one invisible display; `told` asks the proxy that it started."""

    def __init__(self, project: Path, home: Path) -> None:
        kate, server = need_program("kate"), Path(need("pylsp").command[0])
        self.file = project / "main.py"
        self.told = Told()
        self.told.folder.chmod(0o700)
        settings = home / ".config" / "kate" / "lspclient"
        settings.mkdir(parents=True)
        recipe = find_editor("kate")
        assert recipe is not None
        lines = recipe.lines(str(PROGRAM)).splitlines()
        (settings / "settings.json").write_text("\n".join(lines[1:]))
        (home / ".config" / "katerc").write_text(PLUGINS)
        self.display = self._start_display()
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_RUNTIME_DIR": str(self.told.folder),
            "DISPLAY": self.display,
            "QT_QPA_PLATFORM": "xcb",
            "PATH": f"{server.parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.editor = subprocess.Popen(
            [need_program("dbus-run-session"), "--", kate, "-b", "main.py"],
            cwd=project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _start_display(self) -> str:
        reading, writing = os.pipe()
        self.server = subprocess.Popen(
            [need_program("Xvfb"), "-displayfd", str(writing), "-screen", "0", "1280x800x24"],
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with os.fdopen(reading) as told:
            return f":{int(told.readline())}"

    def act(self, *arguments: str) -> str:
        command = [need_program("xdotool"), *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    def press(self, *keys: str, pause_s: float = 0.3) -> None:
        self.act("key", "--delay", "40", *keys)
        time.sleep(pause_s)

    def start_server(self) -> None:
        """Kate asks whether it may start the server: yes."""

        def is_started() -> bool:
            window = self.act("search", "--name", "main.py").split()
            if window:
                self.press("Return")
            if not self.told.is_there():
                return False
            self.act("windowfocus", window[-1])
            return True

        wait_for(is_started, timeout_s=40)
        # The first Return may have come to the text.
        self.press("ctrl+z", "ctrl+z", "ctrl+z", pause_s=1)

    def go_to(self, row: int) -> None:
        self.press("ctrl+g")
        self.act("type", "--delay", "30", str(row + 1))
        self.press("Return", "Home")

    def rename(self, row: int) -> None:
        self.go_to(row)
        self.press(*["Right"] * ROWS[row].strip().index("warn("))
        self.press(*["Delete"] * 4)
        self.act("type", "--delay", "50", "warning")
        # Closes the list of completions.
        self.press("Escape", pause_s=0.5)

    def saved(self) -> list[str]:
        self.press("ctrl+s")
        return self.file.read_text().splitlines()

    def close(self) -> None:
        for process in (self.editor, self.server):
            process.terminate()
            process.wait(10)
        self.told.close()


@pytest.fixture
def kate(project: Path, tmp_path: Path) -> Iterator[Kate]:
    for name in ("kate", "Xvfb", "xdotool", "dbus-run-session"):
        need_program(name)
    editor = Kate(project, tmp_path / "home")
    yield editor
    editor.close()


def test_a_prediction_is_a_code_action_in_kate(kate: Kate) -> None:
    kate.start_server()
    kate.rename(6)
    kate.rename(8)
    expected = ROWS[10].replace("warn(", "warning(")
    kate.go_to(10)

    def is_applied() -> bool:
        kate.press("alt+Return", pause_s=1.2)
        kate.press("Down", "Return")
        return kate.saved()[10] == expected

    wait_for(is_applied, timeout_s=40)
    wait_for(lambda: kate.told.counts()["accepted"])
    kate.press("ctrl+z")
    wait_for(lambda: kate.saved()[10] == ROWS[10])
