"""How this program was installed, and the commands that add an extra to it or update it.

Read off the installed metadata beside the package, without importing any package: the relay of the
proxy asks, too. Sources: the core metadata and recorded-origin (`direct_url.json`) specifications
of packages. Runs nothing.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

NAME = "zeta-context"
_EXTRA = re.compile(r"""extra == ['"]([^'"]+)['"]""")
_NOT_KEPT = ("dev", "test", "demo", "servers")
"""Extras of developers, who install into a folder of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """`source` is the folder it was installed from, empty for a package index.

    `extras` are those whose packages are all there; `python` is the interpreter it runs with.
    """

    tool: Literal["uv", "pipx", "pip"]
    python: str
    source: str = ""
    is_editable: bool = False
    has_pip: bool = True
    extras: tuple[str, ...] = ()

    def install_command(self, *extras: str) -> str:
        """The command after which `extras` are there, and those that are there already, too."""
        if self.tool == "uv":
            return f"uv tool install --force {self._what(extras, keep=True)}"
        if self.tool == "pipx":
            return f"pipx install --force {self._what(extras, keep=True)}"
        editable = "--editable " if self.is_editable else ""
        return f"{self._pip()} {editable}{self._what(extras)}"

    def update_command(self) -> str:
        """The command that brings this installation up to date."""
        if not self.source:
            if self.tool == "pip":
                return f"{self._pip()} --upgrade {NAME}"
            return f"{self.tool} {'tool ' if self.tool == 'uv' else ''}upgrade {NAME}"
        pull = f"git -C {shlex.quote(self.source)} pull"
        again = self.install_command()
        if self.tool == "uv":
            again = again.replace("--force", "--force --reinstall")
        return f"{pull} && {again}"

    def uninstall_command(self) -> str:
        """The command that takes the program away."""
        if self.tool == "pip":
            return f"{self._pip('uninstall')} {NAME}"
        return f"{self.tool} {'tool ' if self.tool == 'uv' else ''}uninstall {NAME}"

    def program_command(self, command: str) -> str:
        """The command that installs another program, as the user installs programs of Python's.

        `command` is the one by pip; the system's own pip often takes nothing.
        """
        name = command.removeprefix("pip install ")
        if name == command or " " in name or self.tool == "pip":
            return command
        return f"{'uv tool' if self.tool == 'uv' else 'pipx'} install {name}"

    def _what(self, extras: Iterable[str], *, keep: bool = False) -> str:
        wanted = sorted({*extras, *(self.extras if keep else ())})
        return shlex.quote((self.source or NAME) + (f"[{','.join(wanted)}]" if wanted else ""))

    def _pip(self, verb: str = "install") -> str:
        python = shlex.quote(self.python)
        return f"{python} -m pip {verb}" if self.has_pip else f"uv pip {verb} --python {python}"


def find_installation(prefix: str = sys.prefix, paths: Iterable[str] | None = None) -> Installation:
    """What the metadata in `paths` (`sys.path` otherwise) say of the installation at `prefix`."""
    folders = [Path(one) for one in (sys.path if paths is None else paths) if Path(one).is_dir()]
    own = next((found for one in folders for found in one.glob("zeta_context-*.dist-info")), None)
    origin = _read_origin(own / "direct_url.json") if own is not None else {}
    url = urlsplit(str(origin.get("url", "")))
    details = origin.get("dir_info")
    is_folder = url.scheme == "file" and isinstance(details, dict)
    parts = Path(prefix).parts
    return Installation(
        tool="uv" if {"uv", "tools"} <= set(parts) else "pipx" if "pipx" in parts else "pip",
        python=sys.executable or "python3",
        source=unquote(url.path) if is_folder and Path(unquote(url.path)).is_dir() else "",
        is_editable=isinstance(details, dict) and details.get("editable") is True,
        has_pip=importlib.util.find_spec("pip") is not None,
        extras=_find_extras(own / "METADATA", folders) if own is not None else (),
    )


def install_command(*extras: str) -> str:
    """The command that adds `extras` to this installation."""
    return find_installation().install_command(*extras)


def _read_origin(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _find_extras(metadata: Path, folders: Iterable[Path]) -> tuple[str, ...]:
    """The extras all of whose packages are in `folders`."""
    try:
        head = metadata.read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return ()
    infos = (info.name for folder in folders for info in folder.glob("*.dist-info"))
    there = {_canonical(name.partition("-")[0]) for name in infos}
    missing: dict[str, bool] = {}
    for line in head.splitlines():
        if line.startswith("Requires-Dist: ") and (extra := _EXTRA.search(line)) is not None:
            requirement = re.match(r"[\w.-]+", line.removeprefix("Requires-Dist: "))
            is_there = requirement is not None and _canonical(requirement[0]) in there
            missing[extra[1]] = missing.get(extra[1], False) or not is_there
    return tuple(
        sorted(one for one, lacks in missing.items() if not lacks and one not in _NOT_KEPT)
    )


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
