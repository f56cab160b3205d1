"""A Vim in a terminal with the library inside, driven by real keys, which a channel asks."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.editors.in_terminal import InTerminal
from tests.e2e.editors.parts import apt_install, may_fetch, skipping
from tools.terminal import Terminal, wait_for

PLUGIN = Path(__file__).resolve().parents[3] / "plugins" / "vim"
PROGRAM = Path(sys.executable).with_name("zeta-context")
VERSION = "py3 import sys; print('%d.%d' % sys.version_info[:2])"


def find_vim() -> str:
    """A Vim with this Python inside; skips the test where there is none."""
    if may_fetch() and shutil.which("vim.nox") is None:
        with skipping("vim-nox"):
            apt_install("vim-nox")
    for name in ("vim", "vim.nox"):
        program = shutil.which(name)
        if program is None:
            continue
        done = subprocess.run(
            [program, "-N", "-u", "NONE", "-es", "+redir! > /dev/stdout", f"+{VERSION}", "+qa!"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if sysconfig.get_python_version() in done.stdout:
            return program
    reason = f"no Vim with Python {sysconfig.get_python_version()}: apt-get install vim-nox"
    print(reason)
    pytest.skip(reason)


class Vim(InTerminal):
    """One Vim in a terminal, which answers questions over a channel."""

    def __init__(self, project: Path, folder: Path, *, is_on: bool = True) -> None:
        program = find_vim()
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            init = folder / "vimrc"
            init.write_text(
                f"set nocompatible noswapfile backspace=indent,eol,start encoding=utf-8\n"
                f"set rtp^={PLUGIN}\nlet g:zeta_context_program = '{PROGRAM}'\n"
                f"set ttimeoutlen=5 viminfo=\n"
                f"autocmd VimEnter * let g:channel = ch_open('127.0.0.1:{port}')\n"
            )
            command = [program, "-N", "-u", str(init), "-i", "NONE", str(project / "main.py")]
            self.terminal = Terminal(command, project, {"HOME": str(folder)})
            server.settimeout(20)
            try:
                self._channel, _ = server.accept()
            except BaseException:
                print("\n".join(self.terminal.screen()))
                self.terminal.close()
                raise
        self._channel.settimeout(20)
        self._number = -1
        self._pending = b""
        if is_on:
            wait_for(lambda: self.expr("py3eval('int(zeta_vim.desk.session is not None)')"))

    def expr(self, expression: str) -> Any:
        """The value of a Vim expression."""
        self._number -= 1
        self._channel.sendall(json.dumps(["expr", expression, self._number]).encode() + b"\n")
        while b"\n" not in self._pending:
            data = self._channel.recv(1 << 20)
            assert data, "Vim hung up"
            self._pending += data
            try:
                number, value = json.loads(self._pending)
            except ValueError:
                continue
            self._pending = b""
            assert number == self._number
            return value
        raise AssertionError

    @property
    def rows(self) -> list[str]:
        rows: list[str] = self.expr("getline(1, '$')")
        return rows

    @property
    def row(self) -> int:
        line: int = self.expr("line('.')")
        return line - 1

    def has_prediction(self) -> bool:
        return bool(self.expr("zeta_context#has_prediction()"))

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.expr("py3eval('zeta_vim.counts()')")
        return counts

    def text(self) -> str:
        text: str = self.expr("py3eval('zeta_vim.text(' .. bufnr() .. ')')")
        return text

    def rename_twice(self, name: str = "warning") -> None:
        for row in (6, 8):
            self.press(f"{row + 1}G0fw")
            self.terminal.type(f"cw{name}")
            self.press("\x1b")
            time.sleep(0.4)
        wait_for(self.has_prediction)

    def close(self) -> None:
        self._channel.close()
        super().close()
