"""The pump in front of real processes: to both sides it is as if it were not there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.server.proxy_peer import CHAOS, Peer, encode, through_proxy
from zeta_context.server.proxy.launch import pump_argv

ENDED = encode(id=99, method="shutdown") + encode(method="exit")


def ways(*messages: tuple[str, dict[str, object]]) -> bytes:
    return b"".join(
        encode(id=at, method=f"chaos/{way}", params=params)
        for at, (way, params) in enumerate(messages, 1)
    )


HEIR = "an heir that keeps the output open"
SCENARIOS = {
    "late, duplicated and out of order": ways(("late", {}), ("late", {}), ("duplicate", {}))
    + encode(id=10, method="x/echo", params=["é"])
    + ENDED,
    "huge": ways(("huge", {"bytes": 3_000_000}), ("huge_backwards", {"bytes": 2_000_000})) + ENDED,
    "beyond what is ever held": ways(("huge_backwards", {"bytes": 10_000_000})) + ENDED,
    "invalid UTF-8": ways(("invalid_utf8", {}), ("invalid_utf8", {})) + ENDED,
    "another charset": ways(("charset", {})) + ENDED,
    "half a header": ways(("half_header", {})),
    "crash in a small message": ways(("crash_in_message", {"bytes": 20})),
    "crash in a large message": ways(("crash_in_message", {"bytes": 1_000_000})),
    "byte by byte": ways(("slow", {"pause": 0.005})) + ENDED,
    "a byte a second": ways(("slow", {"pause": 1.0, "last": 4}), ("duplicate", {})) + ENDED,
    "garbage before a message": ways(("garbage", {}), ("duplicate", {})) + ENDED,
    "a negative length": ways(("bad_length", {}), ("duplicate", {})) + ENDED,
    "a batch": ways(("batch", {}), ("duplicate", {})) + ENDED,
    "nested 50,000 deep": ways(("depth", {})) + ENDED,
    "the error stream": ways(("stderr", {})) + ENDED,
    "its own exit status": ways(("exit", {"code": 42})),
    "killed by a signal": ways(("signal", {"number": signal.SIGSEGV})),
    "output closed, then exit": ways(("close_output", {})),
    HEIR: ways(("leave_heir", {})),
    "end of input": encode(id=1, method="x/echo", params={}),
    "end of input in mid-message": encode(id=1, method="x/echo", params={})[:-3],
    "garbage from the editor": b"Content-Length: 5\r\n\r\nabcde",
    "no message at all": b"",
}


def run(argv: list[str], sent: bytes) -> tuple[bytes, bytes, int]:
    with Peer(argv) as peer:
        peer.write(sent)
        if not sent.endswith(ENDED):
            time.sleep(0.2)
        peer.close_input()
        peer.process.stdin = None
        if sent != SCENARIOS[HEIR]:
            return peer.finish(30)
        # An heir would keep a direct server's pipes open: what counts is when the process ends.
        ended = peer.process.wait(30)
        os.set_blocking(peer._out, False)
        assert peer.process.stderr is not None
        os.set_blocking(peer.process.stderr.fileno(), False)
        return drain(peer._out), drain(peer.process.stderr.fileno()), ended


def drain(fd: int) -> bytes:
    data = b""
    while True:
        try:
            piece = os.read(fd, 1 << 20)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_misbehaving_server_misbehaves_the_same_through_the_proxy(name: str) -> None:
    direct = run(CHAOS, SCENARIOS[name])
    proxied = run(through_proxy(CHAOS), SCENARIOS[name])
    assert proxied[0] == direct[0]
    assert without_traceback(proxied[1]) == without_traceback(direct[1])
    assert proxied[2] == direct[2]


def without_traceback(err: bytes) -> bytes:
    return b"" if b"Traceback" in err else err


@pytest.mark.parametrize("size", [1, 2, 3, 5, 19, 64])
def test_chunk_boundaries_of_the_editor_change_nothing(size: int) -> None:
    sent = b"".join(
        encode(id=number, method="x/echo", params={"text": "é𝒳" * number, "id": 5})
        for number in range(1, 8)
    )
    sent += encode(params={"a": [1]}, id=8, method="x/echo") + ENDED
    with Peer(CHAOS) as peer:
        peer.write(sent)
        direct = peer.finish()
    with Peer(through_proxy(CHAOS)) as peer:
        for at in range(0, len(sent), size):
            peer.write(sent[at : at + size])
            if at % (40 * size) == 0:
                time.sleep(0.001)
        assert peer.finish() == direct


def test_a_missing_server_is_told_with_status_127() -> None:
    done = subprocess.run(
        through_proxy(["no-such-language-server", "--stdio"]), capture_output=True, check=False
    )
    assert done.returncode == 127
    assert b"cannot start no-such-language-server" in done.stderr


def test_a_file_that_is_no_program_is_told_with_status_126(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("")
    done = subprocess.run(
        through_proxy([str(tmp_path / "server")]), capture_output=True, check=False
    )
    assert done.returncode == 126


def test_signals_reach_the_server_which_decides() -> None:
    with Peer(through_proxy([*CHAOS, "--term-is-7"])) as peer:
        assert peer.request(1, "x/echo", {}) == {"echo": {}}
        peer.process.send_signal(signal.SIGTERM)
        assert peer.process.wait(10) == 7


def test_a_killed_server_is_seen_as_killed() -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        os.kill(peer.request(1, "chaos/pid"), signal.SIGKILL)
        assert peer.process.wait(10) == -signal.SIGKILL


def test_an_editor_that_stops_reading_breaks_the_servers_pipe() -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        server = peer.request(1, "chaos/pid")
        assert peer.process.stdout is not None
        peer.process.stdout.close()
        peer.process.stdout = None
        peer.send(id=2, method="chaos/huge", params={"bytes": 3_000_000})
        # The server's own end, with its own status, of its own broken pipe.
        assert peer.process.wait(10) != 0
        assert not is_alive(server)


def test_an_editor_that_reads_late_loses_nothing_and_is_waited_for() -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        peer.send(id=1, method="chaos/huge", params={"bytes": 4_000_000})
        peer.write(ENDED)
        time.sleep(0.5)
        out, _, status = peer.finish()
        assert status == 0
        assert len(out) > 4_000_000


def test_a_slow_reader_costs_bounded_memory() -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        peer.request(0, "x/echo")
        before = resident_mb(peer.process.pid)
        peer.send(id=1, method="chaos/huge", params={"bytes": 60_000_000})
        time.sleep(1.0)
        assert resident_mb(peer.process.pid) - before < 10
        peer.process.kill()


def test_a_large_message_costs_the_pump_no_memory() -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        peer.request(0, "x/echo")
        before = resident_mb(peer.process.pid)
        assert len(peer.request(1, "chaos/huge", {"bytes": 30_000_000})) == 30_000_000
        assert resident_mb(peer.process.pid) - before < 8


def test_the_pump_imports_nothing_heavy() -> None:
    argv = pump_argv(["server"])
    code = argv[argv.index("-c") + 1].replace("main; main()", "main")
    code += "; import json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([*argv[: argv.index("-c") + 1], code], capture_output=True, check=True)
    modules = json.loads(done.stdout)
    ours = {name for name in modules if name.startswith("zeta_context")}
    assert ours == {
        "zeta_context",
        "zeta_context.errors",
        "zeta_context.lsp",
        "zeta_context.lsp.wire",
        "zeta_context.server",
        "zeta_context.server.proxy",
        "zeta_context.server.version",
        *(
            f"zeta_context.server.proxy.{name}"
            for name in (
                *("backlog", "envelope", "link", "process", "pump"),
                *("report", "rewrite", "shadows", "sink", "stream", "traffic", "workers"),
            )
        ),
    }
    foreign = {name.partition(".")[0] for name in modules} - {"zeta_context"}
    assert foreign <= sys.stdlib_module_names | {"__main__", "__mp_main__"}
    assert not foreign & {"asyncio", "subprocess", "logging", "dataclasses", "threading", "inspect"}
    assert len(modules) < 100


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")
