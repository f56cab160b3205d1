"""Runs the tests of every editor and prints, as its last line, what passed in each as JSON.

`python -m tests.e2e.editors.report [EDITOR ...]`; the exit status is 1 when a test failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

EDITORS: dict[str, tuple[tuple[str, ...], str]] = {
    "neovim": ((str(HERE / "test_neovim.py"),), "not 0.12 and not 0_12"),
    "neovim_012": ((str(HERE / "test_neovim.py"),), "0.12 or 0_12"),
    "emacs": ((str(HERE / "test_emacs.py"),), ""),
    "vim": ((str(HERE / "test_vim.py"),), ""),
    "vscode": ((str(HERE / "test_vscode.py"),), ""),
    "play": ((str(HERE / "test_play.py"), str(ROOT / "tests" / "cli" / "test_play.py")), ""),
}
"""The tests of each editor: files, and an expression that chooses among them."""


def run(name: str) -> tuple[int | str, bool]:
    """How many tests passed (or "skipped: reason"), and whether none failed."""
    files, choice = EDITORS[name]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-q", *files, f"--junitxml={results}"]
        done = subprocess.run([*command, *(["-k", choice] if choice else [])], check=False)
        cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    skipped = [one.get("message", "") for case in cases for one in case.iter("skipped")]
    failed = sum(
        case.find("failure") is not None or case.find("error") is not None for case in cases
    )
    passed = len(cases) - len(skipped) - failed
    if skipped and not passed and not failed:
        return f"skipped: {skipped[0]}", True
    return passed, done.returncode == 0


def main() -> None:
    names = sys.argv[1:] or list(EDITORS)
    found = {name: run(name) for name in names}
    for name, (result, is_well) in found.items():
        print(f"{name:12}{result}{'' if is_well else '  FAILED'}")
    print(json.dumps({name: result for name, (result, _) in found.items()}))
    sys.exit(any(not is_well for _, is_well in found.values()))


if __name__ == "__main__":
    main()
