"""The worker beside the pump: what it predicts, and that its failures cost the editor nothing."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.proxy_peer import CHAOS, Peer, through_proxy
from zeta_context.config_file import CONFIG_VARIABLE

SCRIPTED = [sys.executable, str(Path(__file__).with_name("scripted_worker.py"))]
TEXT = "def f(data):\n" + "".join(
    f"    logger.warn('é𝒳 {n}', extra=data)\n    run_{n}(data)\n" for n in range(8)
)


class Typist:
    """Renames `warn` to `warning`, one line after the other."""

    def __init__(self, peer: Peer, root: Path) -> None:
        self.peer = peer
        self.uri = (root / "a.py").as_uri()
        self.version = 1
        self.number = 100

    def shake_hands(self, root: Path) -> dict[str, Any]:
        capabilities = {
            "textDocument": {"inlineCompletion": {}},
            "window": {"showDocument": {"support": True}},
        }
        params = {"rootUri": root.as_uri(), "capabilities": capabilities}
        result: dict[str, Any] = self.peer.request(1, "initialize", params)
        self.peer.send(method="initialized", params={})
        opened = {"uri": self.uri, "languageId": "python", "version": 1, "text": TEXT}
        self.peer.send(method="textDocument/didOpen", params={"textDocument": opened})
        return result

    def replace(self, row: int, start: int, end: int, text: str) -> None:
        self.version += 1
        place = {
            "start": {"line": row, "character": start},
            "end": {"line": row, "character": end},
        }
        self.peer.send(
            method="textDocument/didChange",
            params={
                "textDocument": {"uri": self.uri, "version": self.version},
                "contentChanges": [{"range": place, "text": text}],
            },
        )

    def rename(self, number: int) -> None:
        self.replace(1 + 2 * number, 11, 15, "warning")

    def ask(self, method: str, row: int, character: int = 11, **more: Any) -> Any:
        self.number += 1
        position = {"line": row, "character": character}
        params = {"textDocument": {"uri": self.uri}, "position": position, **more}
        return self.peer.request(self.number, method, params)

    def predict(self, row: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("zeta/predict", row)
        return answer

    def predict_soon(self, row: int) -> dict[str, Any]:
        """The same, once a worker is there that knows the document."""
        ends = time.monotonic() + 40
        while time.monotonic() < ends:
            answer = self.predict(row)
            if answer.get("reason") not in ("worker_unavailable", "document_not_open"):
                return answer
            time.sleep(0.05)
        raise AssertionError("no worker came back")

    def status(self) -> dict[str, Any]:
        self.number += 1
        status: dict[str, Any] = self.peer.request(self.number, "zeta/status")
        return status


def worker_of(pump: int) -> int:
    """The process id of the worker below a pump."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        for child in Path(f"/proc/{pump}/task/{pump}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"proxy.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        time.sleep(0.02)
    raise AssertionError("there is no worker")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> None:
    ends = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_prediction_is_shown_accepted_and_followed_by_the_next(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        typist = Typist(peer, tmp_path)
        commands = typist.shake_hands(tmp_path)["capabilities"]["experimental"]["zetaContext"]
        typist.rename(0)
        prediction = typist.predict(1)["prediction"]
        (edit,) = prediction["edits"]
        assert edit["range"]["start"] == {"line": 3, "character": 11}
        assert edit["newText"] == "warning"
        assert prediction["textDocument"]["version"] == 2
        peer.send(method="zeta/didShow", params={"id": prediction["id"]})
        typist.rename(1)
        accept = {"command": commands["commands"][0], "arguments": [prediction["id"]]}
        assert peer.request(2, "workspace/executeCommand", accept) is None
        inline = typist.ask("textDocument/inlineCompletion", 5, context={"triggerKind": 2})
        assert "warning" in inline["items"][0]["insertText"]
        (alternative,) = typist.ask("textDocument/copilotInlineEdit", 5)["edits"]
        assert alternative["range"]["start"]["line"] == 5
        counts = typist.status()["counts"]
        assert counts["accepted"] == 1
        assert counts["shown"] == 2


def test_settings_that_cannot_be_used_are_counted_and_predictions_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[context]\ndeadline_ms = -1\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(config))
    with Peer(through_proxy(CHAOS), cwd=tmp_path) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.rename(0)
        assert typist.predict_soon(1)["prediction"]
        assert typist.status()["counts"]["settings_not_used"] == 1


def test_code_actions_are_ready_when_the_server_is_asked(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS, has_code_actions=True)) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.rename(0)
        place = {"line": 1, "character": 0}
        asked = {"range": {"start": place, "end": place}, "context": {"diagnostics": []}}
        actions = typist.ask("textDocument/codeAction", 1, **asked)
        assert [action["title"] for action in actions] == [
            "Apply predicted edit in line 4",
            "Go to predicted edit in line 4",
        ]
        jump = actions[1]["command"]
        typist.number += 1
        peer.send(
            id=typist.number,
            method="workspace/executeCommand",
            params={"command": jump["command"], "arguments": jump["arguments"]},
        )
        shown = peer.receive()
        if "method" not in shown:
            shown = peer.receive()
        assert shown["method"] == "window/showDocument"
        assert shown["params"]["selection"]["start"]["line"] == 3
        peer.send(id=shown["id"], result={"success": True})
        assert peer.request(5, "x/echo", [1]) == {"echo": [1]}


def test_a_killed_worker_is_replaced_and_knows_the_documents(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.rename(0)
        assert typist.predict(1)["prediction"] is not None
        os.kill(worker_of(peer.process.pid), signal.SIGKILL)
        assert peer.request(50, "x/echo", {"a": 1}) == {"echo": {"a": 1}}
        typist.rename(1)
        assert typist.predict_soon(3)["prediction"] is not None
        proxy = typist.status()["proxy"]
        assert proxy["worker_died"] == 1
        assert proxy["worker_started"] == 2


def test_a_worker_started_anew_gets_the_text_of_a_checkpoint(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        # More than a checkpoint's worth of changes, all in one row that ends as it was.
        for _ in range(6):
            typist.replace(0, 0, 0, "x" * 250_000)
            typist.replace(0, 0, 250_000, "")
        typist.rename(0)
        assert typist.predict(1)["prediction"] is not None
        os.kill(worker_of(peer.process.pid), signal.SIGKILL)
        typist.predict_soon(1)
        typist.rename(1)
        assert typist.predict(3)["prediction"]["edits"][0]["range"]["start"]["line"] == 5


def test_what_an_editor_forbids_outlives_the_worker(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        assert typist.predict_soon(1)
        assert typist.status()["environment"] == {"telemetry": True, "trusted": True}
        peer.send(method="zeta/didChangeEnvironment", params={"telemetry": False})
        os.kill(worker_of(peer.process.pid), signal.SIGKILL)
        typist.predict_soon(1)
        assert typist.status()["environment"] == {"telemetry": False, "trusted": True}
        # More than a checkpoint's worth of changes, so that the next one has it from there.
        for _ in range(6):
            typist.replace(0, 0, 0, "x" * 250_000)
            typist.replace(0, 0, 250_000, "")
        assert typist.predict_soon(1)
        os.kill(worker_of(peer.process.pid), signal.SIGKILL)
        typist.predict_soon(1)
        assert typist.status()["environment"]["telemetry"] is False


def test_requests_of_a_dying_worker_are_answered_and_it_is_given_up(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS, worker=[*SCRIPTED, "dies when asked"])) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        began = time.monotonic()
        for _ in range(20):
            assert typist.predict(1) == {"reason": "worker_unavailable"}
            assert peer.request(9, "x/echo", None) == {"echo": None}
        assert time.monotonic() - began < 10


def test_a_worker_that_dies_at_once_is_not_started_forever(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS, worker=[*SCRIPTED, "dies"])) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        for _ in range(5):
            assert typist.predict(1) == {"reason": "worker_unavailable"}
            time.sleep(0.1)
        assert peer.request(9, "x/echo", None) == {"echo": None}


def test_a_hanging_worker_is_replaced(tmp_path: Path) -> None:
    argv = through_proxy(CHAOS, worker=[*SCRIPTED, "hangs"], max_worker_wait_s=0.5)
    with Peer(argv) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        began = time.monotonic()
        assert typist.predict(1) == {"reason": "worker_unavailable"}
        assert 0.3 < time.monotonic() - began < 5


def test_a_lagging_worker_is_dropped_copies_and_the_editor_none(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS, worker=[*SCRIPTED, "hangs"])) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        for _ in range(60):
            typist.replace(0, 0, 0, "x" * 250_000)
        assert peer.request(9, "x/echo", "still") == {"echo": "still"}
        assert typist.predict(1) == {"reason": "worker_unavailable"}
        assert peer.request(10, "shutdown") is None
        peer.send(method="exit")
        assert peer.process.wait(10) == 0


def test_garbage_from_a_worker_does_no_harm(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS, worker=[*SCRIPTED, "garbage"])) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        time.sleep(0.5)
        assert peer.request(9, "x/echo", 1) == {"echo": 1}


def test_a_killed_pump_takes_server_and_worker_with_it(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.predict_soon(1)
        server, worker = peer.request(7, "chaos/pid"), worker_of(peer.process.pid)
        # A server that would not look at its input for a while.
        peer.send(id=8, method="chaos/sleep", params={"seconds": 30})
        time.sleep(0.1)
        peer.process.kill()
        wait_until_gone(server)
        wait_until_gone(worker)


def test_the_worker_ends_with_its_server(tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.predict_soon(1)
        worker = worker_of(peer.process.pid)
        peer.request(7, "shutdown")
        peer.send(method="exit")
        assert peer.process.wait(10) == 0
        wait_until_gone(worker)


@pytest.mark.parametrize("method", ["zeta/nothing", "zeta/predict"])
def test_a_bad_request_of_ours_is_an_error_and_not_a_fault(method: str, tmp_path: Path) -> None:
    with Peer(through_proxy(CHAOS)) as peer:
        Typist(peer, tmp_path).shake_hands(tmp_path)
        peer.send(id=3, method=method, params=[1])
        assert peer.answer_to(3)["error"]["code"] in (-32601, -32602)


def test_a_project_folder_cannot_shadow_what_the_proxy_imports(tmp_path: Path) -> None:
    for name in ("json", "select", "zeta_context", "asyncio", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')\n")
    with Peer(through_proxy(CHAOS), cwd=tmp_path) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.rename(0)
        assert typist.predict_soon(1)["prediction"] is not None
