"""Whoever is killed whenever: what was acknowledged is there, once, and everything adds up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("uvicorn", reason="the extra `ingest` is not installed")


@pytest.mark.timeout(280)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork and no SIGKILL")
def test_bad_input_21_nothing_is_lost_when_client_and_server_are_killed_50_times() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.kills", "--kills", "50"],
        capture_output=True, text=True, check=False, timeout=270,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] >= 50
    assert result["acknowledged"] > 0
    assert (result["lost"], result["duplicates"], result["unaccounted"]) == (0, 0, 0)
