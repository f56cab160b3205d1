"""VS Code with the packaged extension: its server, a browser, and a window over a project.

Keys are real ones of the browser; what is shown is read from the page.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.parts import need_code_server, need_extension, need_program
from tools.terminal import wait_for
from zeta_context.status import Status, read_statuses

PROGRAM = Path(sys.executable).with_name("zeta-context")
DRIVER = Path(__file__).with_name("browser.mjs")
ROWS = MAIN.splitlines()
SETTINGS = {
    "zetaContext.program": str(PROGRAM),
    "workbench.startupEditor": "none",
    "editor.minimap.enabled": False,
    "chat.commandCenter.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "security.workspace.trust.startupPrompt": "never",
    "security.workspace.trust.banner": "never",
}
TRUSTING = "--disable-workspace-trust"


def package_extension() -> Path:
    """The extension as `vsce` packages it; skips the test without its tools."""
    folder = need_extension()
    done = subprocess.run(
        ["npm", "run", "--silent", "package"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist" / "zeta-context.vsix"


class CodeServer:
    """The server of one VS Code with nothing of the user's own; `home` is where all it keeps is."""

    def __init__(self, package: Path, home: Path, *options: str) -> None:
        self.home = home
        # The path of a Unix socket must be short.
        self._scratch = tempfile.TemporaryDirectory()
        installed = home / "extensions" / "zeta-context.zeta-context-0.1.0"
        with zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                if name.startswith("extension/") and not name.endswith("/"):
                    target = installed / name.removeprefix("extension/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))
        for folder in (home / "user" / "User", home / "user" / "Machine"):
            folder.mkdir(parents=True)
            (folder / "settings.json").write_text(json.dumps(SETTINGS, indent=1))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        own = {
            name: str(home / name)
            for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
        }
        code = need_code_server() / "node_modules/code-server/out/node/entry.js"
        self.process = subprocess.Popen(
            [
                shutil.which("node") or "node",
                str(code),
                "--auth=none",
                f"--bind-addr=127.0.0.1:{self.port}",
                f"--user-data-dir={home / 'user'}",
                f"--extensions-dir={home / 'extensions'}",
                "--disable-telemetry",
                "--disable-update-check",
                *options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                **own,
                "XDG_RUNTIME_DIR": self._scratch.name,
                "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
            },
            start_new_session=True,
        )
        try:
            wait_for(self._listens, 60)
        except BaseException:
            self.close()
            raise

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def agents(self) -> tuple[Status, ...]:
        """What the agents of its windows tell `zeta-context doctor`."""
        return read_statuses(folder=Path(self._scratch.name) / "zeta-context")

    def has_processes(self) -> bool:
        """Whether anything that it started is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self) -> None:
        """As one stops a server: by a signal that it can answer."""
        self.process.terminate()
        self.process.wait(20)

    def close(self) -> None:
        """End it whatever state it is in."""
        if self.process.poll() is None:
            self.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._scratch.cleanup()


class Browser:
    """One page of Chromium, which does what it is told."""

    def __init__(self) -> None:
        home, chromium = need_code_server(), need_program("chromium")
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", str(DRIVER), str(home), chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline())["ready"]

    def do(self, op: str, **given: Any) -> Any:
        """One of the operations of `browser.mjs`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **given}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer["value"]

    def close(self) -> None:
        if self._process.poll() is None:
            self.do("close")
        self._process.wait(20)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class Window:
    """VS Code over one project, with `main.py` open in it and the agent started."""

    def __init__(self, browser: Browser, server: CodeServer, project: Path) -> None:
        self.do = browser.do
        self.server = server
        self.project = project
        earlier = {agent.pid for agent in server.agents()}
        self.do("open", url=f"http://127.0.0.1:{server.port}/?folder={project}")
        self.do("wait", selector='.explorer-folders-view [aria-label^="main.py"]')
        self.open("main.py")
        self.agent = wait_for(
            lambda: next((one for one in server.agents() if one.pid not in earlier), None), 60
        ).pid
        wait_for(lambda: any(text.strip() == "zeta" for text in self.status_bar()), 60)

    # What the user does.

    def open(self, name: str) -> None:
        """By a click in the explorer, as any file."""
        self.do("click", selector=f'.explorer-folders-view [aria-label^="{name}"]')
        self.press("Enter")
        self.do("wait", selector=f'.tab.active[aria-label^="{name}"]')
        self.do("click", selector=".editor-group-container.active .monaco-editor .view-lines")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.do("press", key=key)

    def type(self, text: str) -> None:
        """Keys one at a time, at the pace of a fast typist."""
        self.do("type", text=text)

    def run(self, title: str) -> None:
        """A command, by its name in the palette."""
        self.press("F1")
        self.do("wait", selector=".quick-input-widget .monaco-inputbox")
        self.type(title)
        wait_for(lambda: any(title in text for text in self._texts(".quick-input-list-row")))
        self.press("Enter")

    def set(self, name: str, value: str) -> None:
        """Give one of `SETTINGS` another value in the user's file, as one does by hand."""
        self.run("Preferences: Open User Settings (JSON)")
        self.do("wait", selector='.tab.active[aria-label^="settings.json"]')
        row = list(SETTINGS).index(name) + 1
        wait_for(lambda: name in self.row(row))
        text = self.row(row)
        self.go_to(row, text.rindex('"'))
        self.press(*["Backspace"] * (text.rindex('"') - text.index('"', text.index(":")) - 1))
        self.type(value)
        self.press("Control+s", "Escape")
        file = self.server.home / "user" / "User" / "settings.json"
        wait_for(lambda: f'"{name}": "{value}"' in file.read_text())

    def go_to(self, row: int, column: int) -> None:
        """By the editor's own command, places counted from 0 in UTF-16."""
        self.press("Control+g")
        self.do("wait", selector=".quick-input-widget .monaco-inputbox")
        self.type(f"{row + 1}:{column + 1}")
        self.press("Enter")
        place = f"Ln {row + 1}, Col {column + 1}"
        wait_for(lambda: place in self.status_bar())

    def rename(self, row: int, name: str = "warning") -> None:
        """The `warn` of a row, by its last letters."""
        self.go_to(row, ROWS[row].index("warn") + len("warn"))
        self.press(*["Backspace"] * 4)
        self.type(name)
        self.press("Escape")
        time.sleep(0.4)

    def rename_twice(self, name: str = "warning") -> None:
        for row in (6, 8):
            self.rename(row, name)
        wait_for(self.has_prediction)

    def take(self, row: int) -> None:
        """Go to a prediction in a row near by, and make it."""
        self.press("Alt+y")
        wait_for(partial(self.is_at, row))
        self.press("Alt+y")
        wait_for(partial(self.reads, row, ROWS[row].replace("warn", "warning")))

    def save(self) -> list[str]:
        """Save, and give the rows of the file."""
        self.press("Control+s")
        shown = self.rows()

        def read() -> list[str]:
            return (self.project / "main.py").read_text(encoding="utf-8").splitlines()

        wait_for(lambda: shown.items() <= dict(enumerate([*read(), ""])).items())
        return read()

    def leave(self) -> None:
        """Close the window, as a browser's tab is closed."""
        self.do("open", url="about:blank")

    # What is shown.

    def _texts(self, selector: str) -> list[str]:
        texts: list[str] = self.do("texts", selector=selector)
        return texts

    def status_bar(self) -> list[str]:
        return self._texts(".statusbar-item")

    def behind(self) -> str:
        """What is drawn behind the rows."""
        return " ".join(self.do("behind")).replace("\xa0", " ")

    def ghost(self) -> str:
        """The editor's own ghost text."""
        return "".join(self._texts("[class*=ghost-text]")).replace("\xa0", " ")

    def rows(self) -> Mapping[int, str]:
        """The rows of the buffer that are on the screen, by their 0-based numbers."""
        return {int(number) - 1: text for number, text in self.do("rows").items()}

    def row(self, row: int) -> str:
        return self.rows().get(row, "")

    def reads(self, row: int, text: str) -> bool:
        """Whether a row on the screen reads so."""
        return self.row(row) == text

    def is_at(self, row: int) -> bool:
        """Whether the cursor is in a row."""
        return self.cursor()[0] == row

    def has_menu(self) -> bool:
        """Whether the completion menu is open."""
        return bool(self.do("visible", selector=".suggest-widget.visible"))

    def has_prediction(self) -> bool:
        """As the bar tells it."""
        return any(
            text.strip().startswith("zeta: ") and "edit" in text for text in self.status_bar()
        )

    def cursor(self) -> tuple[int, int]:
        """The row and the column in UTF-16, counted from 0, as the bar tells them."""
        told = next(text for text in self.status_bar() if text.strip().startswith("Ln "))
        line, _, column = told.strip().removeprefix("Ln ").partition(", Col ")
        return int(line) - 1, int(column.split()[0]) - 1

    def messages(self) -> list[str]:
        """The messages that popped up."""
        return self._texts(".notification-list-item-message")

    def activation_ms(self) -> float:
        """How long the start of the extension kept the extension host, as VS Code tells it."""
        self.run("Developer: Show Running Extensions")
        place = ".runtime-extensions-editor .extension"
        rows = wait_for(lambda: [text for text in self._texts(place) if "Zeta Context" in text])
        return float(re.findall(r"Activation: (\d+)ms", rows[0])[0])

    def next_agent(self, ended: int) -> int:
        """The agent that follows one that has ended."""
        self.agent = wait_for(
            lambda: next((one for one in self.server.agents() if one.pid != ended), None), 40
        ).pid
        return self.agent

    # What the agent tells.

    def counts(self) -> Mapping[str, int]:
        """The counts of this window's agent."""
        for agent in self.server.agents():
            if agent.pid == self.agent:
                counts: Mapping[str, int] = agent.fields["totals"]
                return counts
        return {}
