"""Several programs share one model over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.toy_runner import ToyRunner
from zeta_context.counts import Counts
from zeta_context.errors import ContextOverflow, RunnerGone
from zeta_context.runners.base import Cancelled, CancelToken, Completion, CompletionRequest, Runner
from zeta_context.runners.endpoint import parse_endpoint
from zeta_context.runners.http.runner import HttpRunner
from zeta_context.runners.http.servers import find_server
from zeta_context.runners.replay import ReplayRunner, digest_request
from zeta_context.server.completions.access import AccessRules, loopback_rules
from zeta_context.server.completions.listen import bind_loopback, bind_private_socket
from zeta_context.server.completions.queue import ModelQueue
from zeta_context.server.completions.service import CompletionService, Listener

TOKEN = "ab" * 32


@dataclass
class Served:
    """A running service: its Unix socket, its port, and what it counts."""

    path: Path
    port: int
    counts: Counts
    queue: ModelQueue

    def unix(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(self.path)), base_url="http://localhost"
        )

    def tcp(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            trust_env=False,
            headers={"Authorization": f"Bearer {TOKEN}", **headers},
        )

    async def raw(self, data: bytes, *, tcp: bool = False) -> bytes:
        """Everything that comes back for these bytes, until the server closes."""
        if tcp:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        else:
            reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(
    folder: Path, open_runner: Callable[[], Runner], **options: Any
) -> AsyncIterator[Served]:
    counts = Counts()
    queue = ModelQueue(open_runner, counts=counts, **options)
    path = folder / "own" / "s"
    tcp = bind_loopback()
    port = tcp.getsockname()[1]
    listeners = [
        Listener(socket=bind_private_socket(path), rules=AccessRules()),
        Listener(socket=tcp, rules=loopback_rules(port, TOKEN)),
    ]
    service = CompletionService(queue, model="toy", counts=counts)
    ready = asyncio.Event()
    task = asyncio.create_task(service.serve(listeners, ready=ready.set))
    await ready.wait()
    try:
        yield Served(path=path, port=port, counts=counts, queue=queue)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def runner() -> ToyRunner:
    return ToyRunner()


@pytest.fixture
async def served(tmp_path: Path, runner: ToyRunner) -> AsyncIterator[Served]:
    async with serving(tmp_path, lambda: runner) as one:
        yield one


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_a_completion_is_answered_as_openai_does(served: Served, runner: ToyRunner) -> None:
    async with served.unix() as client:
        answer = await client.post(
            "/v1/completions", json={"prompt": "a b", "stop": "x", "max_tokens": 9, "model": "any"}
        )
    assert answer.status_code == 200
    fields = answer.json()
    assert fields["object"] == "text_completion"
    assert fields["model"] == "toy"
    assert fields["choices"] == [
        {"text": "A B", "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert fields["usage"]["total_tokens"] == 4
    assert runner.requests == [CompletionRequest(prompt="a b", stop=("x",), max_output_tokens=9)]


ZED_FIM_STOPS = (
    *("<|endoftext|>", "<|file_separator|>", "<|fim_pad|>", "<|fim_prefix|>", "<|fim_middle|>"),
    *("<|fim_suffix|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<PRE>", "<SUF>", "<MID>"),
    *("[PREFIX]", "[SUFFIX]"),
)
ZED_ZETA_STOPS = ("<|editable_region_end|>", "<|editable_region_end|>\n")


@pytest.mark.parametrize("stops", [ZED_FIM_STOPS, ZED_ZETA_STOPS, ()], ids=["fim", "zeta", "zeta2"])
async def test_the_request_that_zed_sends_is_answered_with_all_that_it_reads(
    served: Served, runner: ToyRunner, stops: tuple[str, ...]
) -> None:
    """Its provider `open_ai_compatible_api`: what it sends, and every field that it must have.

    Source: open_ai_compatible.rs and fim.rs in Zed's crate `edit_prediction`, as of 2026; it reads
    `choices[].text` and the `id`, and refuses an answer without one of the fields below.
    """
    body = {"model": "MODEL", "prompt": "a b", "max_tokens": 256, "stop": list(stops)}
    async with served.tcp() as client:
        answer = await client.post("/v1/completions", json=body)
    assert answer.status_code == 200
    told = answer.json()
    for key, kind in {"id": str, "object": str, "created": int, "model": str}.items():
        assert isinstance(told[key], kind)
    (choice,) = told["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("A B", "stop")
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert isinstance(told["usage"][key], int)
    (request,) = runner.requests
    assert request == CompletionRequest(prompt="a b", stop=stops, max_output_tokens=256)


async def test_a_stream_tells_each_word_once_and_ends(served: Served, runner: ToyRunner) -> None:
    body = {"prompt": "hold on", "stream": True, "stream_options": {"include_usage": True}}
    async with served.unix() as client, client.stream("POST", "/v1/completions", json=body) as got:
        rows = [row async for row in _release_after_first(got.aiter_lines(), runner)]
    events = [row.removeprefix("data: ") for row in rows if row]
    assert events[-1] == "[DONE]"
    parts = [json.loads(one) for one in events[:-1]]
    assert "".join(one["choices"][0]["text"] for one in parts[:-1]) == "HOLD ON"
    assert [one["choices"][0]["finish_reason"] for one in parts[:-1]][-1] == "stop"
    assert parts[-1]["choices"] == []
    assert parts[-1]["usage"]["completion_tokens"] == 2
    assert got.headers["content-type"] == "text/event-stream"


async def _release_after_first(rows: AsyncIterator[str], runner: ToyRunner) -> AsyncIterator[str]:
    async for row in rows:
        runner.release.set()
        yield row


async def test_our_own_runner_loses_nothing_on_the_way(served: Served, runner: ToyRunner) -> None:
    server = find_server("shared")
    own = HttpRunner(parse_endpoint(f"unix:{served.path}", default_path=server.path), server)
    request = CompletionRequest(
        prompt="a b c",
        stop=("\n",),
        max_output_tokens=40,
        guesses=("A B", "A"),
        reference="a",
        substitutions=(("a", "b"),),
    )
    seen: list[str] = []
    got = await asyncio.to_thread(own.complete, request, on_text=seen.append)
    await asyncio.to_thread(own.prefill, "ahead")
    await asyncio.to_thread(own.close)
    assert runner.requests == [request]
    assert runner.prefilled == ["ahead"]
    assert isinstance(got, Completion)
    assert (got.text, got.model, got.mean_logprob) == ("A B C", "toy", -0.5)
    assert (got.usage.passes, got.usage.prefill_ms) == (2, 1.5)
    assert got.usage.queue_ms >= 0
    assert seen[-1] == "A B C"


async def test_a_cassette_can_be_served(tmp_path: Path) -> None:
    request = CompletionRequest(prompt="p", max_output_tokens=5)
    answer = Completion(text="taped", finish_reason="stop")
    cassette = ReplayRunner({digest_request(request): answer})
    async with serving(tmp_path, lambda: cassette) as served, served.unix() as client:
        good = await client.post("/v1/completions", json={"prompt": "p", "max_tokens": 5})
        bad = await client.post("/v1/completions", json={"prompt": "q", "max_tokens": 5})
    assert good.json()["choices"][0]["text"] == "taped"
    assert (bad.status_code, bad.json()["error"]["type"]) == (502, "model_gone")


async def test_the_model_gets_one_request_at_a_time(served: Served, runner: ToyRunner) -> None:
    async with served.unix() as client:
        answers = await asyncio.gather(
            *(client.post("/v1/completions", json={"prompt": f"w{n} x"}) for n in range(20))
        )
    assert [one.json()["choices"][0]["text"] for one in answers] == [f"W{n} X" for n in range(20)]
    assert runner.overlaps == 0


async def test_a_clients_newest_request_takes_the_place_of_its_older_ones(
    served: Served, runner: ToyRunner
) -> None:
    async def ask(prompt: str, user: str) -> httpx.Response:
        async with served.unix() as client:
            return await client.post("/v1/completions", json={"prompt": prompt, "user": user})

    first = asyncio.create_task(ask("hold first", "ann"))
    await _until(runner.started.is_set)
    other = asyncio.create_task(ask("other", "bob"))
    await _until(lambda: served.queue.waiting == 1)
    second = asyncio.create_task(ask("hold second", "ann"))
    replaced = await first
    assert (replaced.status_code, replaced.json()["error"]["type"]) == (409, "replaced")
    assert (await other).json()["choices"][0]["text"] == "OTHER"
    await _until(lambda: len(runner.requests) == 3)
    waiting = asyncio.create_task(ask("never", "cid"))
    await _until(lambda: served.queue.waiting == 1)
    newest = asyncio.create_task(ask("newest", "cid"))
    assert (await waiting).status_code == 409
    runner.release.set()
    assert (await second).json()["choices"][0]["text"] == "HOLD SECOND"
    assert (await newest).json()["choices"][0]["text"] == "NEWEST"
    assert runner.cancelled == ["hold first"]
    assert [one.prompt for one in runner.requests] == [
        "hold first",
        "other",
        "hold second",
        "newest",
    ]


async def test_a_client_that_leaves_stops_the_model(served: Served, runner: ToyRunner) -> None:
    for stream in (True, False):
        runner.started.clear()
        body = json.dumps({"prompt": "hold on", "stream": stream}).encode()
        _, writer = await asyncio.open_unix_connection(str(served.path))
        writer.write(_post(body))
        await _until(runner.started.is_set)
        started = time.monotonic()
        writer.close()
        await _until(lambda: len(runner.cancelled) == 1)
        assert time.monotonic() - started < 1
        runner.cancelled.clear()
    # Noticed while it waits, or while it is being told something.
    await _until(
        lambda: sum(map(served.counts.total, ("serve_client_left", "serve_client_gone"))) == 2
    )


async def test_a_client_that_leaves_while_waiting_costs_the_model_nothing(
    served: Served, runner: ToyRunner
) -> None:
    async with served.unix() as client:
        busy = asyncio.create_task(client.post("/v1/completions", json={"prompt": "hold"}))
        await _until(runner.started.is_set)
        _, writer = await asyncio.open_unix_connection(str(served.path))
        writer.write(_post(b'{"prompt": "gone"}'))
        await _until(lambda: served.queue.waiting == 1)
        writer.close()
        await _until(lambda: served.queue.waiting == 0)
        runner.release.set()
        assert (await busy).status_code == 200
    assert [one.prompt for one in runner.requests] == ["hold"]


async def test_cancelling_our_own_runner_stops_the_model(served: Served, runner: ToyRunner) -> None:
    server = find_server("shared")
    own = HttpRunner(parse_endpoint(f"unix:{served.path}", default_path=server.path), server)
    cancel = CancelToken()
    asking = asyncio.create_task(
        asyncio.to_thread(own.complete, CompletionRequest(prompt="hold"), cancel=cancel)
    )
    await _until(runner.started.is_set)
    cancel.cancel()
    assert await asking == Cancelled()
    await _until(lambda: runner.cancelled == ["hold"])
    await asyncio.to_thread(own.close)


async def test_reading_ahead_gives_way_to_whoever_wants_an_answer(
    served: Served, runner: ToyRunner
) -> None:
    async with served.unix() as client:
        ahead = asyncio.create_task(
            client.post("/v1/completions", json={"prompt": "hold", "max_tokens": 0, "user": "a"})
        )
        await _until(lambda: runner.prefilled == ["hold"])
        answer = await client.post("/v1/completions", json={"prompt": "x", "user": "b"})
        assert answer.json()["choices"][0]["text"] == "X"
        assert (await ahead).json()["choices"][0]["text"] == ""


async def test_a_full_queue_says_when_to_come_back(tmp_path: Path, runner: ToyRunner) -> None:
    async with serving(tmp_path, lambda: runner, max_waiting=1) as served, served.unix() as client:
        tasks = [asyncio.create_task(client.post("/v1/completions", json={"prompt": "hold"}))]
        await _until(runner.started.is_set)
        tasks.append(asyncio.create_task(client.post("/v1/completions", json={"prompt": "two"})))
        await _until(lambda: served.queue.waiting == 1)
        refused = await client.post("/v1/completions", json={"prompt": "three"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        runner.release.set()
        assert [(await one).status_code for one in tasks] == [200, 200]
        assert served.counts.totals() == {"serve_queue_full": 1}


async def test_the_model_is_loaded_when_first_needed_and_unloaded_when_idle(
    tmp_path: Path,
) -> None:
    made: list[ToyRunner] = []

    def open_runner() -> ToyRunner:
        made.append(ToyRunner())
        return made[-1]

    async with serving(tmp_path, open_runner, idle_s=0.05) as served, served.unix() as client:
        health = (await client.get("/health")).json()
        assert health == {"status": "ok", "is_loaded": False, "waiting": 0}
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "toy"
        assert made == []
        for n in (1, 2):
            answer = await client.post("/v1/completions", json={"prompt": "a"})
            assert answer.status_code == 200
            await _until(lambda: not served.queue.is_loaded)
            assert [one.is_closed for one in made] == [True] * n
    assert served.counts.total("serve_idle_unload") == 2


async def test_a_model_that_cannot_be_loaded_is_an_answer_and_tried_again(tmp_path: Path) -> None:
    made: list[ToyRunner] = []

    def open_runner() -> ToyRunner:
        made.append(ToyRunner())
        if len(made) == 1:
            raise RunnerGone("the model file is gone")
        return made[-1]

    async with serving(tmp_path, open_runner) as served, served.unix() as client:
        first = await client.post("/v1/completions", json={"prompt": "a"})
        assert (first.status_code, first.json()["error"]["type"]) == (502, "model_gone")
        assert (await client.post("/v1/completions", json={"prompt": "a"})).status_code == 200


async def test_a_model_on_another_machine_is_never_shared(tmp_path: Path) -> None:
    runner = ToyRunner(is_remote=True)
    async with serving(tmp_path, lambda: runner) as served, served.unix() as client:
        answer = await client.post("/v1/completions", json={"prompt": "a"})
        assert answer.status_code == 500
    assert runner.requests == []
    assert runner.is_closed


async def test_faults_of_the_model_have_their_status_and_repeat_nothing(
    served: Served, runner: ToyRunner
) -> None:
    runner.faults["long"] = lambda: ContextOverflow("the prompt has 9 tokens of 8")
    runner.faults["odd"] = lambda: ValueError("canary")
    async with served.unix() as client:
        for stream in (False, True):
            long = await client.post("/v1/completions", json={"prompt": "long", "stream": stream})
            assert long.status_code == 400
            assert long.json()["error"]["code"] == "context_length_exceeded"
            odd = await client.post("/v1/completions", json={"prompt": "odd", "stream": stream})
            assert odd.status_code == 500
            assert "canary" not in odd.text
        assert (await client.post("/v1/completions", json={"prompt": "ok"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"[" * 50_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "prompt is one string"),
        (b'{"prompt": [1, 2]}', "prompt is one string"),
        (b'{"prompt": ["a", "b"]}', "prompt is one string"),
        (b'{"prompt": "a", "n": 2}', "n is 1"),
        (b'{"prompt": "a", "suffix": "b"}', "suffix is not offered"),
        (b'{"prompt": "a", "max_tokens": -1}', "max_tokens is a whole number"),
        (b'{"prompt": "a", "max_tokens": true}', "max_tokens is a whole number"),
        (b'{"prompt": "a", "stop": [1]}', "stop is a string"),
        (b'{"prompt": "a", "stop": {}}', "stop is a string"),
        (b'{"prompt": "a", "zeta": 7}', "zeta holds"),
        (b'{"prompt": "a", "zeta": {"substitutions": [["x"]]}}', "zeta holds"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(
    served: Served, runner: ToyRunner, body: bytes, words: str
) -> None:
    async with served.unix() as client:
        answer = await client.post(
            "/v1/completions", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert runner.requests == []


def _post(body: bytes, *more: str, host: str = "localhost") -> bytes:
    rows = [
        "POST /v1/completions HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join([*rows, "", ""]).encode() + body


async def test_a_token_opens_the_tcp_port(served: Served) -> None:
    async with served.tcp() as client:
        assert (await client.get("/v1/models")).status_code == 200
        answer = await client.post("/v1/completions", json={"prompt": "a"})
        assert answer.json()["choices"][0]["text"] == "A"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "evil.example"}, "serve_wrong_host"),
        ({"Host": "evil.example:{port}"}, "serve_wrong_host"),
        ({"Host": "localhost"}, "serve_wrong_host"),
        ({"Host": "127.0.0.1:1"}, "serve_wrong_host"),
        ({"Host": "0.0.0.0:{port}"}, "serve_wrong_host"),
        ({"Host": "localhost.evil.example:{port}"}, "serve_wrong_host"),
        ({"Origin": "http://evil.example"}, "serve_from_a_page"),
        ({"Origin": "http://127.0.0.1:{port}"}, "serve_from_a_page"),
        ({"Origin": "null"}, "serve_from_a_page"),
        ({"Sec-Fetch-Site": "same-origin"}, "serve_from_a_page"),
        ({"Upgrade": "websocket", "Connection": "Upgrade"}, "serve_from_a_page"),
        ({"Authorization": ""}, "serve_wrong_token"),
        ({"Authorization": "Bearer " + "ab" * 31}, "serve_wrong_token"),
        ({"Authorization": "Bearer " + "AB" * 32}, "serve_wrong_token"),
        ({"Authorization": "Basic " + TOKEN}, "serve_wrong_token"),
    ],
)
async def test_what_a_web_page_or_a_stranger_sends_over_tcp_is_refused(
    served: Served, runner: ToyRunner, headers: dict[str, str], reason: str
) -> None:
    sent = {name: value.format(port=served.port) for name, value in headers.items()}
    async with served.tcp(**sent) as client:
        for answer in (
            await client.get("/v1/models"),
            await client.post("/v1/completions", json={"prompt": "a"}),
        ):
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == reason
            assert TOKEN not in answer.text
    assert served.counts.totals() == {reason: 2}
    assert runner.requests == []


async def test_a_token_in_the_url_is_refused_and_told_nobody(served: Served) -> None:
    async with served.tcp(Authorization="") as client:
        answer = await client.get(f"/v1/models?token={TOKEN}")
    assert answer.status_code == 403
    assert TOKEN not in answer.text + str(served.counts.recent())


async def test_a_form_of_a_page_is_refused_on_every_socket(
    served: Served, runner: ToyRunner
) -> None:
    for client in (served.tcp(), served.unix()):
        async with client:
            for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
                answer = await client.post(
                    "/v1/completions", content=b'{"prompt": "a"}', headers={"Content-Type": kind}
                )
                assert answer.status_code == 415
    assert runner.requests == []


async def test_a_page_gets_nothing_through_a_unix_socket_either(served: Served) -> None:
    async with served.unix() as client:
        answer = await client.get("/v1/models", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


async def test_two_host_headers_or_none_are_refused(served: Served) -> None:
    two = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nHost: evil\r\n\r\n"
    none = f"GET /health HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    assert (await served.raw(two.encode(), tcp=True)).startswith(b"HTTP/1.1 400")
    assert (await served.raw(none.encode(), tcp=True)).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 40_000, b"431"),
        (b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", b"400"),
        (_post(b"", "Content-Length: 7"), b"400"),
        (_post(b"{}", "Transfer-Encoding: gzip"), b"501"),
    ],
)
async def test_what_is_no_http_is_refused_and_counted(
    served: Served, data: bytes, status: bytes
) -> None:
    answer = await served.raw(data)
    assert answer.split(b" ")[1] == status
    assert served.counts.totals() == {"serve_no_http": 1}


async def test_a_body_without_end_is_refused_when_it_is_too_large(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.server.completions.connection.MAX_BODY_BYTES", 1000)
    data = _post(b"x" * 2000)
    assert (await served.raw(data)).startswith(b"HTTP/1.1 413")
    assert served.counts.totals() == {"serve_too_large": 1}


async def test_a_request_that_drips_is_given_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.server.completions.connection.REQUEST_S", 0.1)
    assert (await served.raw(b"POST /v1")).startswith(b"HTTP/1.1 408")
    assert served.counts.totals() == {"serve_too_slow": 1}


async def test_a_connection_serves_requests_one_after_the_other(served: Served) -> None:
    first = _post(b'{"prompt": "a"}')
    last = _post(b'{"prompt": "b"}', "Connection: close")
    answer = await served.raw(first + last)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b'"text":"A"') < answer.index(b'"text":"B"')


async def test_curl_may_ask_before_it_sends_its_body(served: Served) -> None:
    body = b'{"prompt": "a"}'
    reader, writer = await asyncio.open_unix_connection(str(served.path))
    writer.write(_post(body, "Expect: 100-continue").removesuffix(body))
    assert (await reader.readline()).startswith(b"HTTP/1.1 100")
    writer.write(body)
    await reader.readline()
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_an_unknown_path_is_not_found(served: Served) -> None:
    async with served.unix() as client:
        assert (await client.get("/v1/completions")).status_code == 404
        assert (await client.get("/")).status_code == 404
        assert (await client.delete("/v1/models")).status_code == 404


async def test_another_users_connection_is_closed_unheard(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.server.completions.service.is_same_user", lambda _: False)
    assert await served.raw(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert served.counts.totals() == {"serve_other_user": 1}


async def test_stopping_ends_what_is_asked_and_closes_the_model(
    tmp_path: Path, runner: ToyRunner
) -> None:
    async with serving(tmp_path, lambda: runner) as served:
        client = served.unix()
        asking = asyncio.create_task(client.post("/v1/completions", json={"prompt": "hold"}))
        await _until(runner.started.is_set)
    with contextlib.suppress(httpx.HTTPError):
        assert (await asking).status_code == 503
    await client.aclose()
    assert runner.is_closed
    assert runner.cancelled == ["hold"]


async def test_many_clients_at_once_all_get_their_own_answer(served: Served) -> None:
    def ask(n: int, results: dict[int, str]) -> None:
        transport = httpx.HTTPTransport(uds=str(served.path))
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            for m in range(5):
                answer = client.post("/v1/completions", json={"prompt": f"n{n} m{m}"})
                results[10 * n + m] = answer.json()["choices"][0]["text"]

    results: dict[int, str] = {}
    threads = [threading.Thread(target=ask, args=(n, results)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert results == {10 * n + m: f"N{n} M{m}" for n in range(6) for m in range(5)}


def test_a_loopback_socket_is_reachable_from_this_machine_only() -> None:
    with bind_loopback() as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.family == socket.AF_INET
