"""What the README tells a reader to run, runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_a_python_snippet_of_the_readme_runs_as_it_stands(snippet: str, tmp_path: Path) -> None:
    script = tmp_path / "snippet.py"
    script.write_text(snippet, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for expected in re.findall(r"# > (.*)", snippet):
        assert expected in done.stdout


def test_the_readme_has_a_snippet_to_run() -> None:
    assert SNIPPETS


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench-core", "bench-repeat"])
def test_a_make_target_that_the_readme_names_exists(target: str) -> None:
    assert f"make {target}" in README.read_text(encoding="utf-8")
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
