"""What the runner takes from the environment, and what it lets nobody see."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runners.scripted_server import Request, ScriptedServer, answer, text
from zeta_context.counts import Counts
from zeta_context.errors import RunnerGone, SettingsError, ZetaError
from zeta_context.runners.base import Completion, CompletionRequest
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.http.runner import HttpRunner
from zeta_context.runners.http.servers import find_server

REQUEST = CompletionRequest(prompt="canary_in_prompt", guesses=("canary_in_guess",))
REMOTE = "http://models.example.com:8080/v1/completions"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_"):
            monkeypatch.delenv(name)


def _runner(url: str, counts: Counts | None = None, *, key: str = "") -> HttpRunner:
    return HttpRunner(
        parse_endpoint(url, default_path="/v1/completions"),
        find_server("openai"),
        permission=RemotePermission.from_urls([REMOTE]),
        counts=counts,
        api_key_env=key,
    )


def test_the_users_proxy_carries_what_goes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(text("through")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        runner = _runner(REMOTE)
        got = runner.complete(REQUEST)
        runner.close()
    assert isinstance(got, Completion)
    assert got.text == "through"
    assert proxy.requests[0].target == REMOTE


def test_no_proxy_ever_sees_what_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(text("proxy")) as proxy, ScriptedServer(text("direct")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        runner = _runner(server.url)
        got = runner.complete(REQUEST)
        runner.close()
        assert proxy.connections == 0
    assert isinstance(got, Completion)
    assert got.text == "direct"


def test_a_proxy_that_refuses_is_a_counted_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    https = REMOTE.replace("http:", "https:")
    counts = Counts()
    with ScriptedServer(answer(b"no", status="403 No")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        runner = HttpRunner(
            parse_endpoint(https),
            find_server("openai"),
            permission=RemotePermission.from_urls([https]),
            counts=counts,
        )
        with pytest.raises(RunnerGone, match="proxy"):
            runner.complete(REQUEST)
        runner.close()
    assert counts.totals() == {"http_proxy": 1}
    assert proxy.requests[0].target == "models.example.com:8080"
    assert b"canary" not in proxy.requests[0].body


def test_a_proxy_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://localhost:1")
    counts = Counts()
    runner = _runner(REMOTE, counts)
    with pytest.raises(SettingsError, match="HTTP_PROXY"):
        runner.complete(REQUEST)
    runner.close()
    assert counts.totals() == {"http_environment": 1}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path), "-out", str(path) + ".crt"),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def test_the_users_certificate_authority_is_honoured_and_no_other_believed(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    counts = Counts()
    with ScriptedServer(text("safe"), tls=tls) as server:
        stranger = _runner(server.url, counts)
        with pytest.raises(RunnerGone, match="certificate"):
            stranger.complete(REQUEST)
        stranger.close()
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        friend = _runner(server.url, counts)
        got = friend.complete(REQUEST)
        friend.close()
    assert isinstance(got, Completion)
    assert counts.totals() == {"http_certificate": 1}


AUDITED = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith("socket.") else None)
from zeta_context.errors import RemoteNotAllowed
from zeta_context.runners.base import CompletionRequest
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.http.runner import HttpRunner
from zeta_context.runners.http.servers import find_server
refused = 0
allowed = RemotePermission.from_urls(["https://models.example.com/v1/completions"])
for url in sys.argv[1:]:
    runner = HttpRunner(parse_endpoint(url), find_server("llama-server"), permission=allowed)
    try:
        runner.complete(CompletionRequest(prompt="x"))
    except RemoteNotAllowed:
        refused += 1
    runner.prefill("x")
    runner.close()
print(refused, seen, "httpx" in sys.modules)
"""


def test_a_refused_server_costs_not_one_socket_and_no_lookup() -> None:
    urls = [
        "http://models.example.com/v1/completions",
        "https://models.example.com/v1/other",
        "https://models.example.com:444/v1/completions",
        "http://localhost.example.com/v1/completions",
        "http://10.0.0.1/v1/completions",
    ]
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, *urls], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{len(urls)} [] False\n"


def test_no_log_error_or_counter_holds_prompt_answer_or_key(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TOY_KEY", "canary_in_key")
    echo = json.dumps({"error": {"message": "canary_in_error"}}).encode()
    wrong = json.dumps({"choices": "canary_in_answer"}).encode()

    def half(connection: socket.socket, _: Request) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\ncanary_half")
        connection.shutdown(socket.SHUT_WR)

    scripts = (
        text("canary_in_text"),
        answer(echo, status="400 canary_in_status"),
        answer(wrong),
        answer(echo, status="301 There", headers="Location: http://canary.example/\r\n"),
        half,
    )
    counts = Counts()
    told: list[str] = []
    with ScriptedServer(*scripts) as server:
        runner = _runner(server.url, counts, key="TOY_KEY")
        told.append(repr(runner))
        for _ in scripts:
            try:
                runner.complete(REQUEST)
            except ZetaError as error:
                told.append(repr(error))
        runner.close()
    assert len(server.requests) == len(scripts)
    assert server.requests[0].headers["authorization"] == "Bearer canary_in_key"
    own = [one for one in caplog.records if not one.name.startswith(("httpcore", "httpx"))]
    others = [one.getMessage() for one in caplog.records if one not in own]
    assert "canary" not in " ".join(
        [*told, *(one.getMessage() for one in own), str(counts.totals())]
    )
    # What httpx logs is the server's status line and headers: never what was sent or its body.
    sent_or_said = ("canary_in_prompt", "canary_in_guess", "canary_in_key", "canary_in_text")
    assert not [one for one in others for word in (*sent_or_said, "canary_half") if word in one]
    assert others, "httpx logs something at DEBUG, else this test shows nothing"
