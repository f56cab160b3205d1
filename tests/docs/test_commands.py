"""Every command that any page names exists with its options; every configuration is understood.

The pages of `documents.OWN` are run as a reader would; what else is written down anywhere is here
parsed by the program itself, or read as the program reads it.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.docs.documents import DOCS, FENCE, ROOT
from tests.docs.test_documentation import split_console
from tests.git_repo import GitRepo
from zeta_context.cli.main import cli
from zeta_context.consent.policy import FORBIDS_ALL, parse_policy
from zeta_context.settings import load_settings

PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
INLINE = re.compile(r"`(zeta-context [a-z][^`\n]*)`")
SHELL = {"|", "||", "&&", ";", ">"}
POLICY_KEY, PROJECT_KEYS = "schema", {"exclude", "collect", "remote"}


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """The blocks of all pages in some languages, each with its page and line."""
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(content):
            if match[1] in languages:
                line = content.count("\n", 0, match.start()) + 1
                yield f"{page.relative_to(ROOT)}:{line}", match[2]


def commands() -> Iterator[tuple[str, str]]:
    """Every command in a console, and every one of ours in the text, with its place."""
    for place, text in blocks("console"):
        joined = text.replace("\\\n", " ")
        for command, _ in split_console(joined):
            yield place, re.split(r"\s#\s", command)[0]
    for page in PAGES:
        for match in INLINE.finditer(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), match[1]


def split_words(command: str) -> list[str]:
    """The words up to the first sign of the shell's; `[--x]` and `A | B` are as told to people."""
    words = shlex.split(re.sub(r"[\[\]]|\.\.\.|…", " ", command))
    at = next((at for at, word in enumerate(words) if word in SHELL), len(words))
    return words[:at]


def refuse(words: list[str]) -> str:
    """What the program has against a command line, but for files that are not here."""
    group: click.Command = cli
    context = click.Context(cli, info_name="zeta-context")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        found = group.get_command(context, words[0])
        if found is None:
            return f"there is no {words[0]}"
        group, words = found, words[1:]
        context = click.Context(group, parent=context, info_name=group.name)
    if isinstance(group, click.Group) and not words:
        return ""
    try:
        group.make_context(str(group.name), list(words), parent=context.parent)
    except click.UsageError as error:
        if isinstance(error, click.BadParameter) and not _is_told_whole(error, words):
            return ""
        return error.format_message()
    except click.exceptions.Exit:
        pass
    return ""


def _is_told_whole(error: click.BadParameter, words: list[str]) -> bool:
    """In running text a command is often named without its arguments."""
    has_options = any(word.startswith("-") and word != "--" for word in words)
    return isinstance(error, click.MissingParameter) and has_options


@pytest.mark.parametrize(("place", "command"), sorted(set(commands())))
def test_a_command_is_one_that_the_program_takes(place: str, command: str) -> None:
    words = split_words(command)
    if words[0] == "zeta-context":
        for verb in words[2].split("|") if len(words) > 2 else [""]:
            assert refuse([*words[1:2], *([verb] if verb else []), *words[3:]]) == ""
    elif words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        text = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", text, re.MULTILINE) for target in targets)


def test_a_wrong_command_would_be_found() -> None:
    assert refuse(["no-such-thing"])
    assert refuse(["predict", "a.py:1:1", "--no-such-option"])
    assert refuse(["spool", "no-such-verb"])
    assert not refuse(["predict", "a.py:1:1", "--explain"])


@pytest.mark.parametrize(("place", "text"), list(blocks("toml")))
def test_a_configuration_means_something_to_the_program(
    place: str, text: str, tmp_path: Path
) -> None:
    table = tomllib.loads(text)
    if POLICY_KEY in table:
        assert parse_policy(text.encode()) != FORBIDS_ALL
    elif set(table) <= PROJECT_KEYS and "remote" in table and isinstance(table["remote"], bool):
        assert set(table) == PROJECT_KEYS
    elif "language-server" not in table:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        assert load_settings(path).warnings == ()


@pytest.mark.parametrize(("place", "text"), list(blocks("json")))
def test_a_piece_of_json_is_json(place: str, text: str) -> None:
    assert json.loads(text.replace("…", "..."))


def test_the_python_of_the_page_of_traces_runs_as_it_stands(tmp_path: Path) -> None:
    (text,) = (text for place, text in blocks("python") if place.startswith("docs/trace.md"))
    sessions = ROOT / "fixtures" / "sessions"
    shutil.copy(sessions / "lending-accounts.jsonl", tmp_path / "session.jsonl")
    command = [sys.executable, "-W", "error", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "lending/" in done.stdout
    assert (tmp_path / "session.ztrace").stat().st_size > 0


@pytest.mark.parametrize(
    "script",
    [
        "zeta-context eval run fixtures/scenarios --predictor default -o runs/a\n"
        "cp -r runs/a runs/b\n"
        "zeta-context eval report runs/a page.html\n"
        "zeta-context eval compare runs/a runs/b",
        "zeta-context replay fixtures/sessions/lending-accounts.jsonl\n"
        "zeta-context replay fixtures/sessions/lending-accounts.jsonl --json | grep silence",
        "zeta-context spool list",
        "zeta-context ingest token some-team --data collection\n"
        "zeta-context ingest stats --data collection\n"
        "zeta-context ingest export --data collection -o examples.jsonl",
        "zeta-context model list",
        "zeta-context servers rust --all",
        "zeta-context consent status .",
        "zeta-context consent license .",
        "zeta-context ledger show",
    ],
    ids=lambda script: " ".join(script.split()[:3]),
)
def test_what_the_pages_tell_to_run_runs(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need nothing which is not here, in a folder with the repository's fixtures."""
    written = {re.sub(r"\s+", " ", command) for _, command in commands()}
    for command in script.splitlines():
        stem = " ".join(command.split()[:3])
        assert command.startswith("cp ") or any(one.startswith(stem) for one in written), command
    for name in ("STATE", "CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    GitRepo(tmp_path).commit({"a.py": "x = 1\n"})
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Alone a command may have a finding; of several each must go well for the next to run.
    assert done.returncode in ((0,) if "\n" in script else (0, 1)), done.stderr
    assert "Traceback" not in done.stderr
