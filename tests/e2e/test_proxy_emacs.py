"""Emacs with eglot over the proxy in front of ty: ty works, and predictions are code actions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.rename_project import FAULTY_ROW, FIRST_ROW, NEXT_ROW
from tests.e2e.servers import need

SESSION = Path(__file__).with_name("eglot_session.el")
PROXY = [str(Path(sys.executable).with_name("zeta-context")), "proxy", "--code-actions", "--"]


@pytest.mark.e2e
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["emacs", "emacs-nox"])
def test_eglot_works_over_the_proxy_and_applies_predictions(
    name: str, rename_project: Path
) -> None:
    emacs = need(name)
    server = [*PROXY, *need("ty").command, "server"]
    ran = subprocess.run(
        [*emacs.command, "-q", "--no-site-file", "--batch", "-l", str(SESSION)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={
            **os.environ,
            **emacs.environment,
            "HOME": str(rename_project.parent),
            "SERVER": json.dumps(server),
            "ROOT": str(rename_project),
            "FIRST_ROW": str(FIRST_ROW),
            "NEXT_ROW": str(NEXT_ROW),
        },
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = dict(line.split(": ", 1) for line in ran.stdout.splitlines() if ": " in line)
    assert "str" in told["hover"]
    assert "helpers.py" in told["definition"]
    assert str(FAULTY_ROW) in told["diagnostics"]
    assert told["title"] == f"Apply predicted edit in line {NEXT_ROW + 1}"
    assert "warning('𝒳 2'" in told["row"]
    assert told["accepted"] == "1"
    assert told["eglot"] == "gone"
