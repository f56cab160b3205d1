"""From a home folder without anything to the first accepted prediction in Neovim.

`zeta-context setup` and then a plain `nvim`, as somebody would who tries it for the first time.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.editors.neovim import PROGRAM, Neovim
from tests.e2e.servers import Program

ROWS = (6, 8)


def clean_environment(home: Path) -> dict[str, str]:
    """The variables for programs that are to find an empty home folder, and this Neovim."""
    here = Path(sys.executable).parent
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
    }


def set_up(home: Path) -> str:
    """Run the setup with no question; what it printed."""
    command = [PROGRAM, "setup", "--editor", "neovim"]
    environment = clean_environment(home)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def accept_first(home: Path, project: Path) -> float:
    """Work in `main.py` until a prediction is accepted; the seconds since Neovim was started."""
    started = time.monotonic()
    nvim = Path(sys.executable).with_name("nvim")
    editor = Neovim(Program([str(nvim)], clean_environment(home)), project, is_own=False)
    try:
        editor.lua("notified = {}")
        editor.open("main.py")
        for row in ROWS:
            editor.press(f":{row + 1}<CR>0fw")
            editor.type("cwwarning")
            editor.press("<Esc>")
            time.sleep(0.35)
        editor.wait_for(editor.has_prediction)
        editor.press("<M-y>")
        editor.press("<M-y>")
        editor.wait_for(lambda: editor.counts().get("accepted"))
        took = time.monotonic() - started
        assert "logger.warning('𝒳 é 2'" in editor.rows[10]
        assert editor.quit() == 0
    finally:
        editor.kill()
    return took
