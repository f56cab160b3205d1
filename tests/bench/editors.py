"""What the plugins cost at the start of an editor, and how fast the first try is.

`make bench-editors`: milliseconds are medians of fresh starts; the first try is the installation by
uv with nothing cached, `zeta-context setup` and a plain Neovim until a prediction is accepted, with
the keys of a fast typist.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.e2e.editors import first_try
from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.emacs import Emacs
from tests.e2e.editors.neovim import PLUGIN, Neovim
from tests.e2e.editors.vscode import TRUSTING, Browser, CodeServer, Window, package_extension
from tests.e2e.servers import Program, Unfetchable, fetch
from tools.terminal import wait_for

ROOT = Path(__file__).resolve().parents[2]
NVIM = Path(sys.executable).with_name("nvim")
STARTS = 15
VSCODE_STARTS = 3

NEOVIM = """
local from = vim.uv.hrtime()
vim.opt.runtimepath:prepend({plugin!r})
vim.cmd.source({plugin!r} .. "/plugin/zeta_context.lua")
require("zeta_context").setup({{}})
io.write((vim.uv.hrtime() - from) / 1e6)
vim.cmd("qall!")
"""
VIM = (
    "let g:from = reltime() | set rtp^={plugin} | runtime plugin/zeta_context.vim"
    " | call writefile([string(reltimefloat(reltime(g:from)) * 1000)], '{out}') | qall!"
)
EMACS = (
    '(let ((from (float-time))) (add-to-list \'load-path "{plugin}")'
    ' (autoload \'zeta-context-mode "zeta-context" nil t)'
    " (add-hook 'prog-mode-hook 'zeta-context-mode)"
    " (princ (* 1000 (- (float-time) from))))"
)


def time_neovim(folder: Path) -> float:
    init = folder / "init.lua"
    init.write_text(NEOVIM.format(plugin=str(PLUGIN)))
    command = [NVIM, "--headless", "-u", init, "-i", "NONE", "-n"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout or done.stderr)


def time_vim(folder: Path) -> float | None:
    program = shutil.which("vim.nox") or shutil.which("vim")
    out = folder / "vim.txt"
    if program is None:
        return None
    work = VIM.format(plugin=ROOT / "plugins/vim", out=out)
    command = [program, "-N", "-u", "NONE", "-i", "NONE", "-es", "-c", work]
    subprocess.run(command, capture_output=True, check=False)
    return float(out.read_text()) if out.exists() else None


def time_emacs(_: Path) -> float | None:
    program = shutil.which("emacs")
    if program is None:
        return None
    work = EMACS.format(plugin=ROOT / "plugins/emacs")
    command = [program, "-Q", "--batch", "--eval", work]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def time_restart(project: Path) -> float:
    """Seconds from the end of a killed agent until the next one is ready."""
    nvim = Neovim(Program([str(NVIM)]), project)
    try:
        nvim.open("main.py")
        is_ready = "return require('zeta_context.agent').is_ready()"
        os.kill(nvim.status()["pid"], signal.SIGKILL)
        killed = time.monotonic()
        nvim.wait_for(lambda: not nvim.lua(is_ready))
        nvim.wait_for(lambda: nvim.lua(is_ready))
        return time.monotonic() - killed
    finally:
        nvim.kill()


def time_emacs_restart(project: Path, folder: Path) -> float | None:
    """The same in Emacs."""
    program = shutil.which("emacs")
    if program is None:
        return None
    emacs = Emacs(Program([program]), project, folder)
    try:
        emacs.begin()
        ended = wait_for(emacs.agent)
        os.kill(ended, signal.SIGKILL)
        killed = time.monotonic()
        wait_for(lambda: emacs.agent() not in (None, ended))
        return time.monotonic() - killed
    finally:
        emacs.close()


def time_vscode(project: Path, folder: Path) -> tuple[float, float] | None:
    """Milliseconds of the extension's start, and seconds until a killed agent is replaced."""
    try:
        server = CodeServer(package_extension(), folder, TRUSTING)
    except pytest.skip.Exception:
        return None
    browser = Browser()
    try:
        starts, restarts = [], []
        for _ in range(VSCODE_STARTS):
            code = Window(browser, server, project)
            starts.append(code.activation_ms())
            os.kill(code.agent, signal.SIGKILL)
            killed = time.monotonic()
            code.next_agent(code.agent)
            restarts.append(time.monotonic() - killed)
            code.leave()
        return statistics.median(starts), statistics.median(restarts)
    finally:
        browser.close()
        server.close()


def time_install(folder: Path) -> float | None:
    """Seconds of `uv tool install` from this clone into an empty home folder; None without uv."""
    try:
        uv = fetch("uv").command[0]
    except Unfetchable:
        return None
    home = folder / "clean"
    home.mkdir()
    environment = {**first_try.clean_environment(home), "UV_PYTHON": sys.executable}
    started = time.monotonic()
    command = [uv, "tool", "install", "--quiet", str(ROOT)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return round(time.monotonic() - started, 2)


def main() -> None:
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = folder / "project"
        project.mkdir()
        (project / "main.py").write_text(MAIN, encoding="utf-8")
        for key, measure in (
            ("neovim_start_ms", time_neovim),
            ("vim_start_ms", time_vim),
            ("emacs_start_ms", time_emacs),
        ):
            found = [one for one in (measure(folder) for _ in range(STARTS)) if one is not None]
            figures[key] = round(statistics.median(found), 3) if found else None
        figures["restart_s"] = round(statistics.median(time_restart(project) for _ in range(3)), 2)
        restarted = [time_emacs_restart(project, folder / f"emacs{n}") for n in range(3)]
        found = [one for one in restarted if one is not None]
        figures["emacs_restart_s"] = round(statistics.median(found), 2) if found else None
        vscode = time_vscode(project, folder / "code")
        figures["vscode_start_ms"] = vscode and vscode[0]
        figures["vscode_restart_s"] = vscode and round(vscode[1], 2)
        home = folder / "home"
        home.mkdir()
        figures["install_s"] = time_install(folder)
        started = time.monotonic()
        first_try.set_up(home)
        figures["setup_s"] = round(time.monotonic() - started, 2)
        figures["first_accept_s"] = round(first_try.accept_first(home, project), 2)
    for key, value in figures.items():
        print(f"{key:18}{value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
