"""A headless Neovim with the plugin, driven by real keys, whose screen can be read back."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.servers import Program
from tools.neovim_rpc import NeovimConnection

PLUGIN = Path(__file__).resolve().parents[3] / "plugins" / "neovim"
PROGRAM = Path(sys.executable).with_name("zeta-context")
TIMEOUT_S = 20

INIT = """
vim.opt.runtimepath:prepend({plugin!r})
vim.o.swapfile, vim.o.columns, vim.o.lines = false, 100, 30
notified = {{}}
vim.notify = function(text, level) table.insert(notified, {{text, level}}) end
{before}
require("zeta_context").setup({options})
"""

MARKS = """
local space = vim.api.nvim_get_namespaces()["zeta_context"]
local found = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, space, 0, -1, {details = true})) do
  local text = ""
  for _, chunk in ipairs(mark[4].virt_text or {}) do text = text .. chunk[1] end
  table.insert(found, {mark[2], mark[3], text, mark[4].virt_text_pos or mark[4].hl_group or ""})
end
return found
"""

PANELS = """
local found = {}
for _, window in ipairs(vim.api.nvim_list_wins()) do
  if vim.api.nvim_win_get_config(window).relative ~= "" then
    local buffer = vim.api.nvim_win_get_buf(window)
    table.insert(found, vim.api.nvim_buf_get_lines(buffer, 0, -1, true))
  end
end
return found
"""

SCREEN = """
vim.cmd("redraw!")
local rows = {}
for row = 1, vim.o.lines do
  local cells = {}
  for column = 1, vim.o.columns do table.insert(cells, vim.fn.screenstring(row, column)) end
  table.insert(rows, (table.concat(cells):gsub("%s+$", "")))
end
return rows
"""


class Neovim:
    """One Neovim over one folder; `options` are the Lua table for `setup`.

    Unless `is_own`, it reads the user's configuration as any Neovim does.
    """

    def __init__(
        self,
        program: Program,
        folder: Path,
        *,
        options: str = "",
        before: str = "",
        is_own: bool = True,
    ) -> None:
        self.folder = folder
        # The path of a Unix socket must be short.
        self._scratch = tempfile.TemporaryDirectory()
        address = Path(self._scratch.name) / "nvim"
        options = options or f"{{cmd = {{{str(PROGRAM)!r}, 'serve'}}}}"
        init = Path(self._scratch.name) / "init.lua"
        init.write_text(INIT.format(plugin=str(PLUGIN), options=options, before=before))
        chosen = ["-u", str(init)] if is_own else ["-n"]
        self.process = subprocess.Popen(
            [*program.command, "--headless", *chosen, "-i", "NONE", "--listen", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **program.environment},
        )
        try:
            self.connection = self.wait_for(lambda: _connect(address))
        except BaseException:
            self.process.kill()
            self.process.wait(10)
            self._scratch.cleanup()
            raise

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.connection.call("exec_lua", code, arguments)

    def press(self, keys: str) -> None:
        """Keys in Neovim's notation, as if typed; comes back when they are taken."""
        self.connection.call("input", keys)
        self.connection.call("eval", "1")

    def type(self, keys: str) -> None:
        """Keys one at a time, at the pace of a fast typist."""
        for key in keys:
            self.press("<lt>" if key == "<" else key)
            time.sleep(0.02)

    def wait_for(self, is_so: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        ends = time.monotonic() + timeout_s
        while not (found := is_so()):
            assert time.monotonic() < ends, "it did not come to pass in time"
            time.sleep(0.03)
        return found

    def open(self, name: str) -> None:
        """Open a file, and wait for the agent."""
        self.press(f":edit {name}<CR>")
        self.wait_for(lambda: self.lua("return require('zeta_context.agent').is_ready()"))
        self.wait_for(lambda: self.status().get("documents"))

    @property
    def rows(self) -> list[str]:
        rows: list[str] = self.connection.call("buf_get_lines", 0, 0, -1, True)
        return rows

    @property
    def cursor(self) -> tuple[int, int]:
        """The 0-based row and the byte column."""
        row, column = self.connection.call("win_get_cursor", 0)
        return row - 1, column

    def marks(self) -> list[list[Any]]:
        """Row, byte column, virtual text, and where it is shown (or the colour of the text)."""
        marks: list[list[Any]] = self.lua(MARKS)
        return marks

    def panels(self) -> list[list[str]]:
        panels: list[list[str]] = self.lua(PANELS)
        return panels

    def screen(self) -> list[str]:
        screen: list[str] = self.lua(SCREEN)
        return screen

    def has_prediction(self) -> bool:
        return bool(self.lua("return require('zeta_context').has_prediction()"))

    def status(self) -> dict[str, Any]:
        """The answer to `zeta/status`."""
        self.lua(
            "local buffer = vim.api.nvim_get_current_buf()\n"
            "local peer = require('zeta_context.peers').of(buffer)\n"
            "zeta_status = nil\n"
            "peer.request(buffer, 'zeta/status', vim.empty_dict(),\n"
            "  function(_, status) zeta_status = status end)"
        )
        self.wait_for(lambda: self.lua("return zeta_status ~= nil"))
        status: dict[str, Any] = self.lua("return zeta_status")
        return status

    def counts(self) -> dict[str, int]:
        counts = self.status()["counts"]
        return counts if isinstance(counts, dict) else {}

    def notified(self) -> list[Any]:
        notified: list[Any] = self.lua("return notified")
        return notified

    def quit(self) -> int:
        """Quit as a user would; the exit status."""
        self.connection.call("input", "<Esc><Esc>:qall!<CR>")
        status = self.process.wait(10)
        self.kill()
        return status

    def kill(self) -> None:
        """End it whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.connection.close()
        self._scratch.cleanup()


def _connect(address: Path) -> NeovimConnection | None:
    """It may be there a moment before anybody listens."""
    try:
        return NeovimConnection(address)
    except OSError:
        return None
