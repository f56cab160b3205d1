"""A collection server from the command line: it serves, counts and exports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("uvicorn", reason="the extra `ingest` is not installed")

from tests.capture.records import make_example
from tests.ingest.records import make_batch, to_item
from tests.ingest.services import free_port, wait_for_port
from zeta_context.capture.batch import BATCHES_PATH, CONTENT_TYPE, encode_batch
from zeta_context.cli.main import cli


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["ingest", *arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_a_server_takes_a_batch_and_tells_of_it(tmp_path: Path) -> None:
    data = str(tmp_path / "collection")
    token = run("token", "t1", "--data", data).strip()
    port = free_port()
    command = [
        sys.executable, "-m", "zeta_context.cli.main", "ingest", "serve",
        "--data", data, "--port", str(port),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ})
    try:
        wait_for_port(port, process, "the server")
        batch = make_batch(to_item(make_example("CANARY = 1\n", at=1_700_000_000.0)))
        headers = {"authorization": f"Bearer {token}", "content-type": CONTENT_TYPE}
        url = f"http://127.0.0.1:{port}{BATCHES_PATH}"
        reply = httpx.post(url, content=encode_batch(batch), headers=headers)
        # The consent of the tests lies in the future of a real clock.
        assert reply.json() == {"results": {batch.items[0].id: "rejected:consent_time"}}
        assert httpx.post(url, content=b"", headers={}).status_code == 401
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1].decode()
    assert token not in said
    assert "CANARY" not in said
    counted = json.loads(run("stats", "--json", "--data", data))
    assert counted["events"] == {"rejected_consent_time": 1}
    assert counted["rows_of_counts"] == 0
    assert "waiting" in run("stats", "--data", data)
    assert run("export", "--data", data) == ""
