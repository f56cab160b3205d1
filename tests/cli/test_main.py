"""The command line as a whole: fast help, lazy commands, clear errors, exit statuses."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from zeta_context import __version__
from zeta_context.cli import main
from zeta_context.cli.main import COMMANDS, Registered, cli
from zeta_context.errors import RepositoryError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zeta_context.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_installed_command_with_one_line() -> None:
    done = run("--help")
    assert done.returncode == 0
    installed = cli.list_commands(click.Context(cli))
    assert {"predict", "doctor"} <= set(installed)
    for name in installed:
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"  {name} "))
        assert COMMANDS[name].summary in line
        assert len(line) <= 80


def test_help_loads_no_command_and_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from zeta_context.cli.main import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "loaded = [m for m in sys.modules if m.startswith('zeta_context.cli.')]\n"
        "print(loaded, {'rich', 'pygit2', 'git', 'httpx', 'pygls', 'asyncio'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['zeta_context.cli.main'] set()\n"


def test_version_is_told() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"zeta-context {__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["--nonsense"], ["predict"]])
def test_wrong_use_ends_with_two_and_speaks_to_standard_error(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr or not arguments


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_installed_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    if name in cli.list_commands(click.Context(cli)):
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.output
    else:
        assert result.exit_code == 2


def test_a_command_whose_module_is_missing_is_hidden_and_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(main.COMMANDS, "later", Registered(module="later_on", summary="Later."))
    assert "later" not in CliRunner().invoke(cli, ["--help"]).output
    result = CliRunner().invoke(cli, ["later"])
    assert result.exit_code == 2
    assert "No such command 'later'" in result.output


def test_an_error_of_the_library_is_one_line_and_status_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    @click.command()
    def failing() -> None:
        raise RepositoryError("git state cannot be read; run `git fsck`")

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: failing)
    result = CliRunner().invoke(cli, ["failing"])
    assert result.exit_code == 2
    assert result.stderr == "zeta-context: git state cannot be read; run `git fsck`\n"
    assert result.stdout == ""
