"""Which server is chosen and started, and which never is."""

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.lsp.conftest import toy_command
from zeta_context.lsp import servers
from zeta_context.lsp.pool import LanguageServers
from zeta_context.lsp.servers import (
    KNOWN_SERVERS,
    find_installed,
    find_program,
    search_directories,
    servers_for,
)


def make_program(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / name
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def known(name: str) -> servers.KnownServer:
    return next(one for one in KNOWN_SERVERS if one.name == name)


def test_names_of_known_servers_are_unique_and_each_says_how_to_get_it() -> None:
    names = [one.name for one in KNOWN_SERVERS]
    assert len(names) == len(set(names)) >= 20
    assert all(one.install and one.languages and one.program for one in KNOWN_SERVERS)


@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("python", "ty"),
        ("typescript", "vtsls"),
        ("tsx", "vtsls"),
        ("cpp", "clangd"),
        ("bash", "bash-language-server"),
    ],
)
def test_each_language_has_its_preferred_server(language: str, first: str) -> None:
    assert servers_for(language)[0].name == first


def test_servers_without_definitions_are_not_asked_for_any() -> None:
    assert "ruff" not in {one.name for one in servers_for("python")}
    assert servers_for("klingon") == ()


def test_a_program_in_the_project_is_never_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "tools"
    make_program(project / "node_modules" / ".bin", "marksman")
    make_program(project, "marksman")
    (tmp_path / "link").symlink_to(project)
    entries = ["", ".", "bin", str(project), str(project / "node_modules/.bin")]
    monkeypatch.setenv("PATH", os.pathsep.join([*entries, str(tmp_path / "link")]))
    monkeypatch.chdir(project)
    assert find_installed(known("marksman"), root=project) is None
    expected = make_program(elsewhere, "marksman")
    monkeypatch.setenv("PATH", os.pathsep.join([*entries, str(elsewhere)]))
    found = find_installed(known("marksman"), root=project)
    assert found is not None
    assert found.command == (str(expected), "server")


def test_the_interpreters_own_environment_is_searched_first() -> None:
    assert str(Path(sys.executable).parent) in search_directories()[:2]
    assert find_program("no-such-program-anywhere", search_directories()) is None


def test_typescript_servers_use_the_compiler_beside_them_not_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    make_program(tools / "node_modules" / ".bin", "typescript-language-server")
    monkeypatch.setenv("PATH", str(tools / "node_modules" / ".bin"))
    server = known("typescript-language-server")
    assert find_installed(server) is None
    compiler = tools / "node_modules" / "typescript" / "lib" / "tsserver.js"
    compiler.parent.mkdir(parents=True)
    compiler.write_text("")
    found = find_installed(server)
    assert found is not None
    assert found.options["tsserver"] == {"path": str(compiler)}


async def test_a_server_that_runs_project_code_waits_for_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, project = tmp_path / "tools", tmp_path / "project"
    project.mkdir()
    make_program(tools, "gopls")
    monkeypatch.setenv("PATH", str(tools))
    async with LanguageServers(project) as pool:
        assert pool.server("go") is None
        assert pool.counts.totals() == {"lsp_not_allowed": 1}
    async with LanguageServers(project, allow_project_code=True) as pool:
        server = pool.server("go")
        assert server is not None
        assert server.name == "gopls"


async def test_why_there_is_no_server_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    async with LanguageServers(tmp_path, commands={"python": []}) as pool:
        for _ in range(2):
            assert pool.server("python") is None
            assert pool.server("java") is None
            assert pool.server("klingon") is None
        assert pool.counts.totals() == {
            "lsp_not_installed": 1,
            "lsp_turned_off": 1,
            "lsp_unknown_language": 1,
        }


async def test_the_users_own_command_is_shared_by_its_languages(tmp_path: Path) -> None:
    command = toy_command({})
    async with LanguageServers(tmp_path, commands={"toy": command, "tsx": command}) as pool:
        server = await pool.start("toy")
        assert server is not None
        assert server.is_running
        assert pool.server("typescriptreact") is server
        assert pool.started == (server,)
    assert server.state == "closed"
    assert pool.server("toy") is None


async def test_a_users_command_that_is_missing_or_relative_is_not_run(tmp_path: Path) -> None:
    make_program(tmp_path, "planted")
    commands = {"toy": ["./planted"], "other": ["no-such-program"]}
    async with LanguageServers(tmp_path, commands=commands) as pool:
        assert pool.server("toy") is None
        assert pool.server("other") is None
        assert pool.counts.total("lsp_not_installed") == 2
