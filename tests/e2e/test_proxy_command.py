"""`zeta-context proxy` as an editor runs it: the installed command, its status, its manners."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.proxy_peer import CHAOS, Peer
from tests.server.test_proxy_worker import Typist, worker_of
from zeta_context.status import Status, read_statuses

COMMAND = [str(Path(sys.executable).with_name("zeta-context")), "proxy"]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder / "zeta-context"


def status_of(folder: Path, pid: int) -> dict[str, Any]:
    found: tuple[Status, ...] = read_statuses(folder=folder)
    (status,) = (one for one in found if one.pid == pid)
    return dict(status.fields)


def test_doctor_hears_of_a_worker_that_died(runtime: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    with Peer([*COMMAND, "--", *CHAOS], cwd=root) as peer:
        typist = Typist(peer, root)
        typist.shake_hands(root)
        typist.rename(0)
        assert typist.predict_soon(1)["prediction"] is not None
        time.sleep(1.1)
        typist.rename(1)
        typist.predict(3)
        fields = status_of(runtime, peer.process.pid)
        assert fields["worker_is_alive"] is True
        assert fields["projects"] == ["project"]
        assert fields["totals"]["predicted"] >= 1
        os.kill(worker_of(peer.process.pid), signal.SIGKILL)
        ends = time.monotonic() + 10
        while "proxy_worker_died" not in status_of(runtime, peer.process.pid)["totals"]:
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert "worker_died" in str(status_of(runtime, peer.process.pid)["recent"])
        done = subprocess.run(
            [COMMAND[0], "doctor", "--json"], capture_output=True, check=False, cwd=root
        )
        assert "proxy_worker_died" in json.dumps(json.loads(done.stdout)["sessions"])
        peer.request(9, "shutdown")
        peer.send(method="exit")
        assert peer.process.wait(10) == 0
        assert not list(runtime.glob("*.sock"))


def test_a_missing_server_leaves_no_status_behind(runtime: Path) -> None:
    done = subprocess.run([*COMMAND, "--", "no-such-server"], capture_output=True, check=False)
    assert done.returncode == 127
    assert not list(runtime.glob("*.sock"))


def test_the_status_socket_is_not_the_servers(runtime: Path) -> None:
    with Peer([*COMMAND, "--", *CHAOS]) as peer:
        server = peer.request(1, "chaos/pid")
        descriptors = {link.name for link in Path(f"/proc/{server}/fd").iterdir()}
        assert descriptors == {"0", "1", "2"}


def test_without_a_server_the_command_says_how_to_call_it() -> None:
    done = subprocess.run(COMMAND, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"SERVER" in done.stderr


def test_options_of_the_server_are_the_servers() -> None:
    arguments = ["--stdio", "--code-actions", "-x"]
    code = "import sys; sys.exit(sys.argv[1:] != ['--stdio', '--code-actions', '-x'])"
    done = subprocess.run(
        [*COMMAND, "--code-actions", "--", sys.executable, "-c", code, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert done.returncode == 0
