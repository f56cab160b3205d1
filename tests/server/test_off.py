"""Predictions that the user has turned off cost nothing: no process, no thread, no work."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.server.proxy_peer import CHAOS, Peer
from zeta_context.config_file import CONFIG_VARIABLE
from zeta_context.context.gather import ContextSettings
from zeta_context.off_switch import is_off
from zeta_context.predict.gating import GatingSettings
from zeta_context.predict.settings import PredictSettings
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Span

COMMAND = str(Path(sys.executable).with_name("zeta-context"))
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")


@pytest.fixture(autouse=True)
def turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "config.toml"
    config.write_text("[predict]\nenabled = false\n")
    config.chmod(0o600)
    monkeypatch.setenv(CONFIG_VARIABLE, str(config))
    return config


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def ticks_of(pid: int) -> int:
    """What a process has used of the processors, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[predict]\nenabled = false\n", True),
        ("[predict]\nenabled = true\n", False),
        ("[predict]\nenabled = 'no'\n", False),
        ("[model]\nid = 'enabled'\n", False),
        ("enabled =", False),
        ("", False),
    ],
)
def test_only_a_file_that_says_so_turns_off(turned_off: Path, content: str, expected: bool) -> None:
    turned_off.write_text(content)
    assert is_off() is expected
    turned_off.unlink()
    assert is_off() is False


def test_the_proxy_is_the_server_itself() -> None:
    with Peer([COMMAND, "proxy", "--", *CHAOS]) as peer:
        result = peer.request(1, "initialize", {"capabilities": {}})
        assert "zetaContext" not in str(result)
        assert peer.request(2, "chaos/pid") == peer.process.pid
        assert children_of(peer.process.pid) == []
        assert threads_of(peer.process.pid) == 1


def test_a_server_that_is_missing_ends_as_it_would_without_us() -> None:
    done = subprocess.run(
        [COMMAND, "proxy", "--", "no-such-server"], capture_output=True, check=False
    )
    assert done.returncode == 127
    assert b"no-such-server" in done.stderr


def test_the_agent_says_that_it_is_off_and_does_nothing() -> None:
    with Peer([COMMAND, "serve"]) as peer:
        capabilities = peer.request(1, "initialize", {"capabilities": {}})["capabilities"]
        assert capabilities["experimental"]["zetaContext"]["off"] is True
        assert capabilities["textDocumentSync"] == 0
        pid, place = peer.process.pid, {"line": 0, "character": 0}
        assert (threads_of(pid), children_of(pid)) == (1, [])
        before = ticks_of(pid)
        change: dict[str, Any] = {"range": {"start": place, "end": place}, "text": "x"}
        document = {"uri": "file:///a.py", "version": 1}
        for _ in range(1000):  # an editor that tells of its documents all the same
            peer.send(
                method="textDocument/didChange",
                params={"textDocument": document, "contentChanges": [change]},
            )
        answer = peer.request(2, "zeta/predict", {"textDocument": document, "position": place})
        assert answer["reason"] == "off"
        # A hundred seconds of typing at ten keys a second: less than a tenth of a second.
        assert ticks_of(pid) - before < os.sysconf("SC_CLK_TCK") / 10
        assert (threads_of(pid), children_of(pid)) == (1, [])
        peer.request(3, "shutdown")
        peer.send(method="exit")
        assert peer.process.wait(10) == 0


def test_doctor_says_that_predictions_are_turned_off(tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, "doctor"], capture_output=True, check=False, cwd=tmp_path)
    assert b"off: `enabled = false` under [predict]" in done.stdout


async def test_a_session_starts_no_thread_and_no_process(tmp_path: Path) -> None:
    settings = Settings(
        offer_status=False,
        context=ContextSettings(definitions=True),
        predict=PredictSettings(gating=GatingSettings(enabled=False)),
    )
    threads, children = threading.active_count(), children_of(os.getpid())
    async with Session(tmp_path, settings=settings) as session:
        session.open("a.py", "one = 1\n")
        for at in range(50):
            session.edit("a.py", Span(at, at), "x")
            answer = await session.predict("a.py", at + 1, trigger="buffer_edit")
            assert not answer
        assert threading.active_count() == threads
        assert children_of(os.getpid()) == children
        assert session.status()["totals"] == {"off": 50}
