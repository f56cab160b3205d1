"""Makes the pictures of the documentation: screenshots, and a recording of a terminal.

`python -m tools.pictures` writes docs/pictures/play.svg and neovim.svg, vscode.png where `make
test-editors` has fetched VS Code, and first-prediction.cast, which `asciinema play` shows.
Everything in them comes from the real programs.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path

import pytest
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.e2e.editors.vscode import TRUSTING, Browser, CodeServer, Window, package_extension
from tools.terminal import COLUMNS, ROWS, Terminal, wait_for
from zeta_context.cli.play import SAMPLE
from zeta_context.cli.play.app import Play

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
PROGRAM = Path(sys.executable).with_name("zeta-context")
NVIM = Path(sys.executable).with_name("nvim")
CALLS = [row for row, text in enumerate(SAMPLE.splitlines()) if ".warn(" in text]

INIT = """
vim.opt.runtimepath:prepend({plugin!r})
vim.o.swapfile, vim.o.termguicolors, vim.o.number = false, true, true
require("zeta_context").setup({{ cmd = {{ {program!r}, "serve" }} }})
"""


def without_fonts(picture: str) -> str:
    """The picture without the fonts that it would load from elsewhere."""
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


async def draw_play(sample: Path) -> str:
    """The editor in the terminal, with a prediction on offer."""
    app = Play(sample)
    async with app.run_test(size=(150, 30)) as pilot:
        for row in CALLS[:2]:
            start = app.area.document.get_line(row).index(".warn(") + 1
            app.area.move_cursor((row, start + len("warn")))
            await pilot.press(*["backspace"] * 4, *"warning")
            await asyncio.sleep(0.8)
        for _ in range(100):
            await pilot.pause(0.1)
            if app.prediction is not None:
                break
        await pilot.pause(1.0)
        return app.export_screenshot(title="zeta-context play")


NAMES = {"brown": "yellow", "brightbrown": "bright_yellow"}


def _colour(name: str) -> str | None:
    """A colour of the terminal's as rich names it."""
    if name == "default":
        return None
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return NAMES.get(name) or re.sub("^bright", "bright_", name)


def draw_screen(terminal: Terminal, title: str) -> str:
    """A terminal's screen as a picture."""
    console = Console(width=COLUMNS, file=io.StringIO(), record=True, color_system="truecolor")
    for row in terminal.cells():
        line = Text()
        for (front, back, is_bold), cells in groupby(row, key=lambda cell: cell[1:]):
            style = Style(color=_colour(front), bgcolor=_colour(back), bold=is_bold)
            line.append("".join(character for character, *_ in cells), style=style)
        console.print(line, overflow="crop", no_wrap=True)
    return console.export_svg(title=title)


def record_neovim(folder: Path, sample: Path) -> tuple[str, str]:
    """Neovim until the first prediction is accepted: a picture from the middle, and all of it."""
    init = folder / "init.lua"
    plugin = ROOT / "plugins" / "neovim"
    init.write_text(INIT.format(plugin=str(plugin), program=str(PROGRAM)), encoding="utf-8")
    command = [str(NVIM), "-u", str(init), "-i", "NONE", str(sample)]
    terminal = Terminal(command, folder, {"HOME": str(folder), "COLORTERM": ""})
    began = time.monotonic()
    try:
        wait_for(lambda: any("logger" in row for row in terminal.screen()))
        time.sleep(2.0)
        for row in CALLS[:2]:
            terminal.press(f"{row + 1}G0fw")
            time.sleep(0.4)
            terminal.type("cwwarning", pause_s=0.09)
            terminal.press("\x1b")
            time.sleep(0.7)
        wait_for(lambda: any("→" in row for row in terminal.screen()))
        time.sleep(1.0)
        picture = draw_screen(terminal, "Neovim")
        for _ in range(4):
            terminal.press("\x1by")
            time.sleep(0.9)
        assert sum("warning(" in row for row in terminal.screen()) >= len(CALLS) - 1
        terminal.press("\x1b:qa!\r")
        terminal.process.wait(10)
    finally:
        terminal.close()
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "The first prediction"}
    lines = [json.dumps(head)]
    for at, data in terminal.output:
        text = data.decode(errors="replace")
        lines.append(json.dumps([round(at - began, 3), "o", text], ensure_ascii=False))
    return picture, "\n".join(lines) + "\n"


def photograph_vscode(folder: Path, picture: Path) -> None:
    """VS Code in a browser, with a prediction on offer."""
    project = folder / "project"
    project.mkdir()
    (project / "main.py").write_text(SAMPLE, encoding="utf-8")
    rows = SAMPLE.splitlines()
    server = CodeServer(package_extension(), folder / "code", TRUSTING)
    browser = Browser()
    try:
        code = Window(browser, server, project)
        for row in CALLS[:2]:
            code.go_to(row, rows[row].index(".warn(") + len(".warn"))
            code.press(*["Backspace"] * len("warn"))
            code.type("warning")
            code.press("Escape")
            time.sleep(0.5)
        wait_for(code.has_prediction)
        code.press("Control+b")
        time.sleep(1.0)
        code.do("screenshot", path=str(picture))
        code.leave()
    finally:
        browser.close()
        server.close()


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = folder / "sample.py"
        sample.write_text(SAMPLE, encoding="utf-8")
        picture = without_fonts(asyncio.run(draw_play(sample)))
        (PICTURES / "play.svg").write_text(picture, encoding="utf-8")
        picture, cast = record_neovim(folder, sample)
        (PICTURES / "neovim.svg").write_text(without_fonts(picture), encoding="utf-8")
        cast = cast.replace(str(folder), "~")
        (PICTURES / "first-prediction.cast").write_text(cast, encoding="utf-8")
        try:
            photograph_vscode(folder, PICTURES / "vscode.png")
        except pytest.skip.Exception as reason:
            print(f"no picture of VS Code: {reason}")


if __name__ == "__main__":
    main()
