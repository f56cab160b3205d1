"""The editors that are too big for every run: fetched only by `make test-editors`.

That sets ZETA_CONTEXT_FETCH_EDITORS=1; elsewhere their tests skip, with the reason, unless the
parts are there already.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import servers
from tests.e2e.servers import Unfetchable

ROOT = Path(__file__).resolve().parents[3]
EXTENSION = ROOT / "plugins" / "vscode"
CODE_SERVER = "4.100.3"
TIMEOUT_S = 900

APT = {
    "emacs": ("emacs-nox", "elpa-eglot", "elpa-lsp-mode"),
    "chromium": ("chromium",),
    "kate": ("kate",),
    "Xvfb": ("xvfb",),
    "xdotool": ("xdotool",),
    "dbus-run-session": ("dbus-daemon",),
}

REBUILD = ("kerberos", "native-watchdog", "@vscode/spdlog", "@vscode/deviceid", "node-pty")
"""Native parts of code-server; what of them cannot be built is not needed here."""


def may_fetch() -> bool:
    return os.environ.get("ZETA_CONTEXT_FETCH_EDITORS") == "1"


@contextlib.contextmanager
def skipping(name: str) -> Iterator[None]:
    """Skips the test with the reason when `name` cannot be had."""
    try:
        yield
    except (Unfetchable, subprocess.SubprocessError, OSError) as error:
        reason = f"{name} cannot be had here: {str(error)[:200]}"
        print(reason)
        pytest.skip(reason)


def need_program(name: str) -> str:
    """The path of a program of Debian's, installed if need be and allowed."""
    with skipping(name):
        found = shutil.which(name)
        if found is None:
            apt_install(*APT[name])
            found = shutil.which(name)
        if found is None:
            raise Unfetchable("it was not installed")
        return found


def apt_install(*packages: str) -> None:
    """Install packages of Debian's; raises Unfetchable where that may not or cannot be done."""
    if not may_fetch():
        raise Unfetchable("make test-editors fetches it")
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Unfetchable("apt-get as root is what would fetch it")
    for command in (
        ("apt-get", "update", "-qq"),
        ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages),
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)


def _npm(*arguments: str, cwd: Path, check: bool = True) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unfetchable("there is no npm")
    subprocess.run([npm, *arguments], cwd=cwd, check=check, capture_output=True, timeout=TIMEOUT_S)


_INSTALL = ("install", "--no-audit", "--no-fund", "--ignore-scripts")


def need_extension() -> Path:
    """The folder of the VS Code extension, with its tools installed."""
    with skipping("the extension's tools"):
        if not (EXTENSION / "node_modules" / ".bin" / "vsce").exists():
            if not may_fetch():
                raise Unfetchable("make test-editors fetches them")
            _npm(*_INSTALL, cwd=EXTENSION)
    return EXTENSION


def need_code_server() -> Path:
    """The folder in which code-server and playwright-core are installed."""
    with skipping("code-server"):
        if not (servers.CACHE / "code-server" / "done").exists():
            if not may_fetch():
                raise Unfetchable("make test-editors fetches it")
            apt_install("libkrb5-dev", "ripgrep")
        return servers._install("code-server", _install_code_server)
    raise AssertionError


def _install_code_server(folder: Path) -> None:
    """Without its scripts, which want to run as another user and to fetch from elsewhere."""
    _npm(*_INSTALL, f"code-server@{CODE_SERVER}", "playwright-core@1.65.1", cwd=folder)
    home = folder / "node_modules" / "code-server"
    code = home / "lib" / "vscode"
    _npm(*_INSTALL, "--omit=dev", cwd=code)
    bin_folder = code / "node_modules" / "@vscode" / "ripgrep" / "bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    _link(bin_folder / "rg", Path(shutil.which("rg") or "/usr/bin/rg"))
    for package in REBUILD:
        _npm("rebuild", package, cwd=code, check=False)
    _link(code / "node_modules.asar", Path("node_modules"))
    _link(code / "bin" / "remote-cli" / "code-server", Path("code-linux.sh"))
    _link(code / "bin" / "helpers" / "browser.sh", Path("browser-linux.sh"))
    _npm(*_INSTALL, "--omit=dev", cwd=code / "extensions")
    _npm("rebuild", "argon2", "--build-from-source", cwd=folder)


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
