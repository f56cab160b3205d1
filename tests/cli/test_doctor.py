"""`zeta-context doctor` on real projects, with real sessions running."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.git_repo import GitRepo, plant_traps
from zeta_context import __version__
from zeta_context.cli.main import cli
from zeta_context.counts import Counts
from zeta_context.status import StatusOffer


def run(folder: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(cli, ["doctor", *arguments])


def examine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found = json.loads(run(folder, "--json", monkeypatch=monkeypatch).stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(autouse=True)
def _own_runtime_folder(runtime_folder: Path) -> None: ...


def test_versions_and_the_state_of_the_project_are_told(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = repo.commit({"a.py": "a\n", "b.py": "b\n"})
    repo.write("a.py", "changed\n")
    repo.write("new.py", "n\n")
    found = examine(repo.root, monkeypatch)
    assert found["versions"]["zeta_context"] == __version__
    assert found["versions"]["python"] == sys.version.split()[0]
    assert found["versions"]["pygit2"]
    assert found["project"]["name"] == "project"
    assert (found["project"]["head"], found["project"]["branch"]) == (sha, "main")
    assert (found["project"]["modified"], found["project"]["untracked"]) == (1, 1)
    assert found["languages"] == {"python": 2}
    shown = run(repo.root, monkeypatch=monkeypatch)
    assert f"project on main at {sha[:10]}, 1 modified, 1 untracked" in shown.stdout
    assert "python 2" in shown.stdout


def test_servers_that_are_installed_are_told_and_a_missing_one_is_a_fault_with_its_mend(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.commit({"a.zig": "a\n", "b.zig": "b\n", "c.py": "c\n"})
    found = examine(repo.root, monkeypatch)
    names = {server["name"] for server in found["servers"]}
    if (Path(sys.executable).parent / "ty").exists():
        assert "ty" in names
    repo.commit({f"{i}.go": "package a\n" for i in range(20)})
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(repo.root, monkeypatch=monkeypatch)
    assert result.exit_code == 1
    assert "no language server for go" in result.stdout
    assert "mend  go install golang.org/x/tools/gopls@latest" in result.stdout


def test_a_server_inside_the_project_is_not_counted(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"main.go": "package a\n"})
    repo.write("bin/gopls", "#!/bin/sh\n").chmod(0o755)
    monkeypatch.setenv("PATH", str(repo.root / "bin"))
    names = {server["name"] for server in examine(repo.root, monkeypatch)["servers"]}
    assert "gopls" not in names


@pytest.mark.parametrize(
    ("state", "what", "mend"),
    [
        ("none", "no_repository", "git init"),
        ("unborn", "nothing is committed yet", "git commit"),
        ("bare", "embedded_bare", "bare repository"),
    ],
)
def test_each_fault_of_the_git_state_has_a_mend(
    repo: GitRepo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    state: str,
    what: str,
    mend: str,
) -> None:
    folder = repo.root
    if state == "none":
        folder = tmp_path / "empty"
        folder.mkdir()
    elif state == "bare":
        repo.git("init", "-q", "--bare", "inner.git")
        folder = repo.root / "inner.git"
    result = run(folder, "--json", monkeypatch=monkeypatch)
    assert result.exit_code == 1
    faults = json.loads(result.stdout)["faults"]
    assert any(what in fault["what"] and mend in fault["mend"] for fault in faults), faults


def test_a_detached_head_is_told_and_no_fault(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"a.txt": "a\n"})
    repo.git("checkout", "-q", "--detach")
    result = run(repo.root, monkeypatch=monkeypatch)
    assert "project detached at" in result.stdout
    assert result.exit_code == 0, result.stdout


def test_running_sessions_tell_their_counters_and_their_last_reasons(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"a.txt": "a\n"})
    code = (
        "import asyncio, sys\n"
        "from zeta_context.session import Session\n"
        "async def main():\n"
        "    async with Session(sys.argv[1]) as session:\n"
        "        session.open('app.py', 'x = 1\\n')\n"
        "        await session.predict('app.py', 0)\n"
        "        print('up', flush=True)\n"
        "        await asyncio.to_thread(sys.stdin.read)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(repo.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        (session,) = examine(repo.root, monkeypatch)["sessions"]
        assert session["pid"] == process.pid
        assert session["projects"] == ["project"]
        (reason,) = session["recent"]
        assert session["totals"][reason["reason"]] == 1
        assert reason["place"] == "app.py:1"
        assert reason["age_s"] < 60
        shown = run(repo.root, monkeypatch=monkeypatch).stdout
        assert f"session {process.pid}: project" in shown
        assert f"{reason['reason']}" in shown
        assert "app.py:1" in shown
    finally:
        process.communicate("")
    assert process.returncode == 0
    assert examine(repo.root, monkeypatch)["sessions"] == []


def test_only_the_last_twenty_reasons_are_told_newest_first_and_made_harmless(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"a.txt": "a\n"})
    counts = Counts(clock=lambda: 1000.0)
    for i in range(30):
        counts.note(f"reason_{i}", place="a\x1b[31m.py:1")

    def tell() -> dict[str, object]:
        recent = [{"at": r.at, "name": r.name, "place": r.place} for r in counts.recent()]
        return {"projects": ["p"], "totals": counts.totals(), "recent": [*recent, "junk", {}]}

    offer = StatusOffer(tell)
    offer.start()
    try:
        shown = run(repo.root, monkeypatch=monkeypatch).stdout
        told = examine(repo.root, monkeypatch)["sessions"][0]
    finally:
        offer.stop()
    rows = [line for line in shown.splitlines() if line.rstrip().endswith(".py:1")]
    assert 15 < len(rows) <= 20
    assert "reason_29" in rows[0]
    assert "d ago" in rows[0]
    assert "\x1b" not in shown
    assert told["pid"] == os.getpid()


def test_a_runtime_folder_that_others_can_enter_is_a_fault(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch, runtime_folder: Path
) -> None:
    repo.commit({"a.txt": "a\n"})
    (runtime_folder / "zeta-context").mkdir()
    (runtime_folder / "zeta-context").chmod(0o755)
    faults = examine(repo.root, monkeypatch)["faults"]
    assert [fault["mend"] for fault in faults] == [f"chmod 700 {runtime_folder / 'zeta-context'}"]


def test_nothing_that_a_hostile_project_names_is_run(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.commit({"a.py": "a\n"})
    plant_traps(repo, tmp_path / "marker")
    repo.write("a.py", "b\n")
    assert examine(repo.root, monkeypatch)["project"]["modified"] == 1
    assert not (tmp_path / "marker").exists()


def test_whether_examples_are_collected_is_told(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"a.py": "a\n"})
    told = examine(repo.root, monkeypatch)["collection"]
    assert (told["state"], told["reason"]) == ("off", "no_collection_server")
    assert "Nothing is collected here" in run(repo.root, monkeypatch=monkeypatch).stdout
