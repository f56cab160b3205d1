"""`zeta-context serve` as a process: a language server with nothing behind it."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.proxy_peer import Peer, encode
from tests.server.test_proxy_worker import Typist
from zeta_context.config_file import CONFIG_VARIABLE

COMMAND = [str(Path(sys.executable).with_name("zeta-context")), "serve", "--stdio"]


def test_it_predicts_for_a_file_without_any_server(tmp_path: Path) -> None:
    with Peer([*COMMAND, "--code-actions"], cwd=tmp_path) as peer:
        typist = Typist(peer, tmp_path)
        capabilities = typist.shake_hands(tmp_path)["capabilities"]
        assert capabilities["inlineCompletionProvider"] is True
        assert capabilities["positionEncoding"] == "utf-16"
        typist.rename(0)
        prediction = typist.predict(1)["prediction"]
        assert prediction["edits"][0]["range"]["start"] == {"line": 3, "character": 11}
        typist.rename(1)
        accept = {
            "command": capabilities["executeCommandProvider"]["commands"][0],
            "arguments": [prediction["id"]],
        }
        peer.request(5, "workspace/executeCommand", accept)
        assert typist.status()["counts"]["accepted"] == 1
        place = {"line": 4, "character": 0}
        asked = {"range": {"start": place, "end": place}, "context": {"diagnostics": []}}
        assert len(typist.ask("textDocument/codeAction", 4, **asked)) == 2
        assert peer.request(6, "shutdown") is None
        peer.send(method="exit")
        assert peer.process.wait(30) == 0


def test_the_users_settings_name_the_servers_that_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[context]\ndefinitions = true\nservers.python = ["not-installed-here"]\n')
    monkeypatch.setenv(CONFIG_VARIABLE, str(config))
    with Peer(COMMAND, cwd=tmp_path) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.rename(0)
        assert typist.predict(1)["prediction"]
        assert typist.status()["counts"]["lsp_not_installed"] == 1


def test_wrong_settings_are_told_before_anything_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[context]\ndeadline_ms = -1\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(config))
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert "context.deadline_ms" in ended.stderr


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["utf-16"], "utf-16"), (["utf-8", "utf-16"], "utf-8"), (["utf-8", "utf-32"], "utf-32")],
)
def test_it_chooses_an_encoding_that_the_editor_offers(offered: list[str], chosen: str) -> None:
    with Peer(COMMAND) as peer:
        capabilities = {"general": {"positionEncodings": offered}}
        result = peer.request(1, "initialize", {"capabilities": capabilities})
        assert result["capabilities"]["positionEncoding"] == chosen


def test_requests_out_of_turn_are_errors() -> None:
    with Peer(COMMAND) as peer:
        peer.send(id=1, method="zeta/status")
        assert peer.answer_to(1)["error"]["code"] == -32002
        peer.request(2, "initialize", {"capabilities": {}})
        peer.send(id=3, method="textDocument/hover", params={})
        assert peer.answer_to(3)["error"]["code"] == -32601
        peer.request(4, "shutdown")
        peer.send(id=5, method="zeta/status")
        assert peer.answer_to(5)["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (encode(method="exit"), 1),
        (b"no message\n", 1),
        (b"", 1),
        (encode(id=1, method="initialize", params={}) + encode(id=2, method="shutdown"), 1),
    ],
)
def test_it_ends_with_its_input(sent: bytes, status: int) -> None:
    with Peer(COMMAND) as peer:
        peer.write(sent)
        peer.close_input()
        peer.process.stdin = None
        assert peer.process.wait(30) == status


def test_malformed_messages_are_survived(tmp_path: Path) -> None:
    with Peer(COMMAND, cwd=tmp_path) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        malformed: list[Any] = [None, [], {"textDocument": 3}, {"textDocument": {"uri": [1]}}]
        for params in malformed:
            for method in ("didOpen", "didChange", "didClose", "didSave", "didShowInlineEdit"):
                peer.send(method=f"textDocument/{method}", params=params)
            peer.send(method="zeta/didAccept", params=params)
            peer.send(method="$/cancelRequest", params=params)
        typist.rename(0)
        assert typist.predict(1)["prediction"] is not None


def test_a_cancelled_request_is_answered_as_cancelled(tmp_path: Path) -> None:
    with Peer(COMMAND, cwd=tmp_path) as peer:
        typist = Typist(peer, tmp_path)
        typist.shake_hands(tmp_path)
        typist.rename(0)
        where = {"textDocument": {"uri": typist.uri}, "position": {"line": 1, "character": 0}}
        peer.write(
            encode(id=7, method="zeta/predict", params=where)
            + encode(method="$/cancelRequest", params={"id": 7})
        )
        began = time.monotonic()
        assert peer.answer_to(7)["error"]["code"] == -32800
        assert time.monotonic() - began < 5


def test_it_knows_what_the_editor_forbids_from_the_handshake_on() -> None:
    with Peer(COMMAND) as peer:
        told = {"telemetry": False, "trusted": True}
        capabilities = {"experimental": {"zetaContext": told}}
        peer.request(1, "initialize", {"capabilities": capabilities})
        assert peer.request(2, "zeta/status")["environment"] == told
        peer.send(method="zeta/didChangeEnvironment", params={"telemetry": True, "trusted": 1})
        told = {"telemetry": True, "trusted": False}
        assert peer.request(3, "zeta/status")["environment"] == told
