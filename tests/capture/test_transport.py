"""What carries bytes to a server goes nowhere else, and is not fooled by what comes back."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.runners.scripted_server import Request, ScriptedServer, answer, hang_up
from zeta_context.capture.batch import BATCHES_PATH
from zeta_context.capture.transport import HttpTransport, NoReply
from zeta_context.runners.http.exchange import Limits

QUICK = Limits(connect_s=2.0, read_s=0.5, total_s=1.0, max_bytes=10_000)
TOKEN = "ZETA_CONTEXT_TEST_TOKEN"


async def post(server: str) -> object:
    transport = HttpTransport(token_env=TOKEN, limits=QUICK)
    try:
        return await transport.post(server, BATCHES_PATH, b"body")
    finally:
        await transport.aclose()


async def test_it_posts_the_body_with_the_token_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TOKEN, "secret-of-the-user")
    with ScriptedServer(
        answer(b"fine", status="207 Multi-Status", headers="Retry-After: 3\r\n")
    ) as server:
        reply = await post(server.url + "/")
    (request,) = server.requests
    assert (request.target, request.body) == (BATCHES_PATH, b"body")
    assert request.headers["authorization"] == "Bearer secret-of-the-user"
    assert request.headers["content-type"] == "application/msgpack"
    assert (reply.status, reply.headers["retry-after"], reply.body) == (207, "3", b"fine")  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Again", "308 For good"])
async def test_bad_input_24_a_redirect_is_never_followed(status: str) -> None:
    with ScriptedServer(answer(b"here")) as other:
        location = f"Location: {other.url}/v1/batches\r\n"
        with (
            ScriptedServer(answer(b"", status=status, headers=location)) as server,
            pytest.raises(NoReply, match="http_redirect") as problem,
        ):
            await post(server.url)
        assert problem.value.is_final
        assert other.requests == []


async def test_another_machine_is_never_spoken_to_without_tls() -> None:
    with pytest.raises(NoReply, match="no_tls"):
        await post("http://collect.example.org")
    with pytest.raises(NoReply, match="wrong_url"):
        await post("ftp://collect.example.org")


def drip(connection: socket.socket, _: Request) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    try:
        for _ in range(100):
            connection.sendall(b"x")
            connection.settimeout(0.1)
            try:
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
    except OSError:
        return


BAD = {
    "reset mid-body": (answer(b"half", length=1000), "http_cut_off"),
    "no word": (hang_up, "http_cut_off"),
    "slow drip": (drip, "http_late"),
    "endless": (answer(b"x" * 20_000), "http_too_large"),
    "gzip bomb": (
        answer(zlib.compress(bytes(5_000_000)), headers="Content-Encoding: gzip\r\n"),
        "http_compressed",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_24_a_bad_answer_is_no_reply(name: str) -> None:
    script, reason = BAD[name]
    with ScriptedServer(script) as server, pytest.raises(NoReply, match=reason) as problem:
        await post(server.url)
    assert not problem.value.is_final


async def test_a_server_that_is_not_there_is_no_reply() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NoReply, match="http_unreachable"):
        await post(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", path, "-out", path.with_suffix(".crt"), "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


async def test_bad_input_24_a_certificate_that_nobody_vouches_for_ends_it_before_a_byte_is_sent(
    certificate: Path,
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with (
        ScriptedServer(answer(b"fine"), tls=tls) as server,
        pytest.raises(NoReply, match="http_certificate"),
    ):
        await post(server.url)
    assert server.requests == []


async def test_bad_input_35_neither_body_nor_token_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TOKEN, "CANARY-token")
    transport = HttpTransport(token_env=TOKEN, limits=QUICK)
    with caplog.at_level(logging.DEBUG), ScriptedServer(answer(b"CANARY-reply")) as server:
        await transport.post(server.url, BATCHES_PATH, b"CANARY-body")
        await transport.aclose()
    assert "CANARY" not in caplog.text
    assert "CANARY" not in repr(vars(transport))
