"""Neovim plugins made for Copilot's server, with the documented lines that give them ours.

They are in no package registry: ZETA_CONTEXT_NEOVIM_PLUGINS names a folder in which
`sidekick.nvim` and `copilot-lsp` were cloned; without it the tests skip.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import snippets
from tests.e2e.editors.told import Told
from tests.e2e.servers import Program, need
from tools.neovim_rpc import NeovimConnection
from tools.terminal import wait_for

pytestmark = pytest.mark.e2e

HERE = Path(sys.executable).parent
MAIN = "# 𝒳\nlog = open\n\n\ndef run(data):\n" + "".join(
    f"    '𝒳é'; log.warn({n}, extra=data)\n    run_{n}()\n" for n in range(4)
)
ROWS = MAIN.splitlines()
EXPECTED = ROWS[9].replace("warn", "warning")


class Neovim:
    """A Neovim with one of the plugins, and the lines of the page of other editors."""

    def __init__(self, program: Program, project: Path, plugin: Path, server: str) -> None:
        self.told, self._scratch = Told(), tempfile.TemporaryDirectory()
        self.told.folder.chmod(0o700)
        (lines,) = (one.text for one in snippets("lua") if f'config("{server}"' in one.text)
        init = Path(self._scratch.name) / "init.lua"
        init.write_text(
            f"vim.opt.runtimepath:prepend({str(plugin)!r})\nvim.o.swapfile = false\n{lines}\n"
            "vim.cmd('filetype plugin on')\n"
            "pcall(function() require('sidekick').setup({cli = {watch = false}}) end)\n"
        )
        address = Path(self._scratch.name) / "nvim"
        self.process = subprocess.Popen(
            [*program.command, "--headless", "-u", init, "-i", "NONE", "--listen", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=project,
            env={
                **os.environ,
                **program.environment,
                "XDG_RUNTIME_DIR": str(self.told.folder),
                "PATH": f"{HERE}{os.pathsep}{os.environ['PATH']}",
            },
        )
        wait_for(address.exists)
        time.sleep(0.2)
        self.nvim = NeovimConnection(address)
        self.nvim.call("command", "edit main.py")
        wait_for(lambda: self.lua("return (vim.lsp.get_clients()[1] or {}).initialized"))
        wait_for(self.told.is_there)

    def lua(self, code: str) -> Any:
        return self.nvim.call("exec_lua", code, [])

    def rename_twice(self) -> None:
        """At the pace of a person; the plugin asks by itself afterwards."""
        for row in (5, 7):
            self.nvim.call("input", f":{row + 1}<CR>0fw")
            for key in ("c", "w", *"warning"):
                self.nvim.call("input", key)
                time.sleep(0.03)
            self.nvim.call("input", "<Esc>")
            time.sleep(0.5)

    @property
    def row(self) -> int:
        row: int = self.nvim.call("win_get_cursor", 0)[0]
        return row - 1

    def text(self, row: int) -> str:
        (text,) = self.nvim.call("buf_get_lines", 0, row, row + 1, True)
        return str(text)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.nvim.close()
        self.told.close()
        self._scratch.cleanup()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("VIMRUNTIME", raising=False)
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "main.py").write_text(MAIN, encoding="utf-8")
    return folder.resolve()


def find_plugin(name: str) -> Path:
    folder = os.environ.get("ZETA_CONTEXT_NEOVIM_PLUGINS", "")
    plugin = Path(folder) / name
    if not folder or not plugin.is_dir():
        reason = f"{name} is in no registry: clone it, and set ZETA_CONTEXT_NEOVIM_PLUGINS"
        print(reason)
        pytest.skip(reason)
    return plugin


@pytest.fixture
def sidekick(project: Path) -> Iterator[Neovim]:
    plugin = find_plugin("sidekick.nvim")
    editor = Neovim(need("neovim"), project, plugin, "copilot_zeta")
    yield editor
    editor.close()


@pytest.fixture(params=["0.11", "0.12"])
def copilot_lsp(request: pytest.FixtureRequest, project: Path) -> Iterator[Neovim]:
    plugin = find_plugin("copilot-lsp")
    program = need("neovim") if request.param == "0.12" else Program([str(HERE / "nvim")])
    editor = Neovim(program, project, plugin, "copilot_ls")
    yield editor
    editor.close()


def test_sidekick_goes_to_a_prediction_and_applies_it(sidekick: Neovim) -> None:
    sidekick.rename_twice()
    wait_for(lambda: sidekick.lua("return require('sidekick.nes').have()"))
    assert sidekick.lua("return require('sidekick').nes_jump_or_apply()")
    wait_for(lambda: sidekick.row == 9)
    assert sidekick.lua("return require('sidekick').nes_jump_or_apply()")
    wait_for(lambda: sidekick.text(9) == EXPECTED)
    wait_for(lambda: sidekick.told.counts()["accepted"] == 1)


def test_copilot_lsp_goes_to_a_prediction_and_applies_it(copilot_lsp: Neovim) -> None:
    copilot_lsp.rename_twice()
    wait_for(lambda: copilot_lsp.lua("return vim.b.nes_state ~= nil"))
    wait_for(lambda: copilot_lsp.told.counts()["shown"])
    assert copilot_lsp.lua("return require('copilot-lsp.nes').walk_cursor_start_edit()")
    wait_for(lambda: copilot_lsp.row == 9)
    assert copilot_lsp.lua("return require('copilot-lsp.nes').apply_pending_nes()")
    wait_for(lambda: copilot_lsp.text(9) == EXPECTED)
