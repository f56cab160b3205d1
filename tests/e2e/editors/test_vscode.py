"""The VS Code extension: type-checked, packaged, and driven in a real VS Code in a browser."""

import json
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.editors.conftest import ARTEFACTS, MAIN
from tests.e2e.editors.parts import EXTENSION, need_code_server, need_extension, need_program
from tools.settings_reference import write_configuration
from tools.terminal import wait_for

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("zeta-context")
ROWS = MAIN.splitlines()
DRIVER = Path(__file__).with_name("browser.mjs")


@pytest.fixture(scope="module")
def package() -> Path:
    """The extension as `vsce` packages it, which type-checks and bundles it first."""
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


def test_the_settings_are_those_of_the_library() -> None:
    manifest = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    assert manifest["contributes"]["configuration"] == write_configuration()


@pytest.mark.timeout(240)
def test_the_extension_type_checks_and_is_packaged(package: Path) -> None:
    names = zipfile.ZipFile(package).namelist()
    assert "extension/dist/extension.js" in names
    assert "extension/package.json" in names
    assert not any("node_modules" in name or name.endswith(".ts") for name in names)


class Code:
    """VS Code in a browser, with the packaged extension installed."""

    def __init__(self, package: Path, project: Path, folder: Path) -> None:
        home = need_code_server()
        chromium = need_program("chromium")
        node = shutil.which("node") or "node"
        extensions = folder / "extensions" / "zeta-context.zeta-context-0.1.0"
        extensions.mkdir(parents=True)
        with zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                if name.startswith("extension/") and not name.endswith("/"):
                    target = extensions / name.removeprefix("extension/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))
        user = folder / "user" / "User"
        user.mkdir(parents=True)
        settings = {
            "zetaContext.program": str(PROGRAM),
            "workbench.startupEditor": "none",
            "files.autoSave": "afterDelay",
            "files.autoSaveDelay": 100,
            "editor.minimap.enabled": False,
            "security.workspace.trust.enabled": False,
            "chat.commandCenter.enabled": False,
            "workbench.secondarySideBar.defaultVisibility": "hidden",
        }
        (user / "settings.json").write_text(json.dumps(settings))
        machine = folder / "user" / "Machine"
        machine.mkdir()
        (machine / "settings.json").write_text(json.dumps(settings))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.project = project
        self._server = subprocess.Popen(
            [
                node,
                str(home / "node_modules/code-server/out/node/entry.js"),
                "--auth=none",
                f"--bind-addr=127.0.0.1:{port}",
                f"--user-data-dir={folder / 'user'}",
                f"--extensions-dir={folder / 'extensions'}",
                "--disable-telemetry",
                "--disable-update-check",
                "--disable-workspace-trust",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._browser: subprocess.Popen[str] | None = None
        try:
            wait_for(lambda: _listens(port), 60)
            self._browser = subprocess.Popen(
                [node, str(DRIVER), str(home), chromium],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._browser.stdout is not None
            assert json.loads(self._browser.stdout.readline())["ready"]
            self.do("open", url=f"http://127.0.0.1:{port}/?folder={project}")
            self.do("wait", selector=".monaco-workbench .explorer-folders-view")
            self.do("wait", selector='[aria-label^="main.py"]')
            self.do("click", selector='[aria-label^="main.py"]')
            self.do("press", key="Enter")
            self.do("wait", selector=".monaco-editor .view-line")
            self.do("wait", selector='#zeta-context\\.zeta-context, [id*="zeta-context"]')
            wait_for(lambda: "zeta" in self.status_bar(), 60)
            self.do("click", selector=".monaco-editor .view-lines")
        except BaseException:
            self.close()
            raise

    def do(self, op: str, **given: Any) -> Any:
        assert self._browser is not None
        assert self._browser.stdin is not None
        assert self._browser.stdout is not None
        self._browser.stdin.write(json.dumps({"op": op, **given}) + "\n")
        self._browser.stdin.flush()
        answer = json.loads(self._browser.stdout.readline())
        assert "error" not in answer, answer
        return answer["value"]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.do("press", key=key)

    def go_to(self, row: int, column: int) -> None:
        """By the editor's own command, places counted from 0."""
        self.press("Control+g")
        self.do("type", text=f"{row + 1}:{column + 1}")
        self.press("Enter")
        time.sleep(0.3)

    def rename(self, row: int) -> None:
        start = ROWS[row].index("warn")
        self.go_to(row, start + len("warn"))
        self.press(*["Backspace"] * 4)
        self.do("type", text="warning")
        self.press("Escape")
        time.sleep(0.4)

    def status_bar(self) -> list[str]:
        """Its items; `zeta` is among them once the agent has started."""
        texts: list[str] = self.do("texts", selector=".statusbar-item")
        return [text.strip() for text in texts]

    def behind(self) -> str:
        """What is drawn behind the lines."""
        return " ".join(self.do("after")).replace("\xa0", " ")

    @property
    def rows(self) -> list[str]:
        """The file as it was saved, which happens by itself."""
        return (self.project / "main.py").read_text(encoding="utf-8").splitlines()

    def close(self) -> None:
        if self._browser is not None:
            if self._browser.poll() is None:
                self.do("close")
            self._browser.wait(20)
            for stream in (self._browser.stdin, self._browser.stdout):
                if stream is not None:
                    stream.close()
        self._server.terminate()
        self._server.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def code(package: Path, project: Path, tmp_path: Path) -> Iterator[Code]:
    editor = Code(package, project, tmp_path / "code")
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    yield editor
    editor.do("screenshot", path=str(ARTEFACTS / "vscode-end.png"))
    editor.close()


@pytest.mark.timeout(300)
def test_a_prediction_appears_is_gone_to_accepted_undone_and_rejected(code: Code) -> None:
    for row in (6, 8):
        code.rename(row)
    wait_for(lambda: "→ logger.warning(" in code.behind(), 30)
    code.do("screenshot", path=str(ARTEFACTS / "vscode.png"))
    wait_for(lambda: code.rows[8] == ROWS[8].replace("warn", "warning"))
    before = code.rows
    code.press("Alt+y")
    time.sleep(0.5)
    assert code.rows == before
    code.press("Alt+y")
    wait_for(lambda: code.rows[10] == ROWS[10].replace("warn", "warning"))
    time.sleep(0.5)
    code.press("Control+z")
    wait_for(lambda: code.rows == before)
    code.press("Control+Shift+z")
    wait_for(lambda: code.rows != before)
    code.press("Control+Home")
    wait_for(lambda: "line" in code.behind() or "→" in code.behind(), 30)
    code.press("Alt+n")
    wait_for(lambda: "→ logger" not in code.behind())
