"""A model server is asked over real sockets, and whatever it does wrong has a reason."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runners.scripted_server import (
    Request,
    Script,
    ScriptedServer,
    answer,
    events,
    hang_up,
    text,
)
from zeta_context.counts import Counts
from zeta_context.errors import (
    BadAnswer,
    ContextOverflow,
    RemoteNotAllowed,
    RunnerBusy,
    RunnerGone,
    RunnerTimeout,
    SettingsError,
    ZetaError,
)
from zeta_context.prompt.format import Message
from zeta_context.runners.base import Cancelled, CancelToken, Completion, CompletionRequest
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.http.exchange import Limits
from zeta_context.runners.http.runner import HttpRunner
from zeta_context.runners.http.servers import find_server

REQUEST = CompletionRequest(prompt="def f(", stop=("<end>",), max_output_tokens=32)
Make = Callable[..., HttpRunner]


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def make(counts: Counts) -> Iterator[Make]:
    made: list[HttpRunner] = []

    def runner(url: str, api: str = "openai", **options: Any) -> HttpRunner:
        server = find_server(api)
        endpoint = parse_endpoint(url, default_path=server.path)
        made.append(HttpRunner(endpoint, server, counts=counts, **options))
        return made[-1]

    yield runner
    for one in made:
        one.close()


def test_a_streamed_answer_is_told_as_it_grows_and_ends_with_its_usage(make: Make) -> None:
    with ScriptedServer(text("x", ", y", "):")) as server:
        seen: list[str] = []
        got = make(server.url, model="toy-7b").complete(REQUEST, on_text=seen.append)
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason, got.model) == ("x, y):", "stop", "toy")
    assert seen == ["x", "x, y", "x, y):"]
    assert (got.usage.prompt_tokens, got.usage.output_tokens) == (7, 3)
    (request,) = server.requests
    assert request.target == "/v1/completions"
    assert request.headers["accept-encoding"] == "identity"
    assert "authorization" not in request.headers
    assert request.fields == {
        "model": "toy-7b",
        "prompt": "def f(",
        "max_tokens": 32,
        "temperature": 0,
        "stop": ["<end>"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_server_that_streams_nothing_is_read_as_well(make: Make) -> None:
    body = json.dumps({"choices": [{"text": "a()", "finish_reason": "length"}]}).encode()
    with ScriptedServer(answer(body)) as server:
        got = make(server.url).complete(REQUEST)
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason) == ("a()", "length")


def test_a_connection_serves_several_requests(make: Make) -> None:
    body = json.dumps({"choices": [{"text": "a", "finish_reason": "stop"}]}).encode()
    with ScriptedServer(answer(body)) as server:
        runner = make(server.url)
        for _ in range(3):
            assert runner.complete(REQUEST)
        assert (server.connections, len(server.requests)) == (1, 3)


def test_stop_strings_cut_the_output_even_where_the_server_ignores_them(make: Make) -> None:
    with ScriptedServer(text("a<e", "nd>b", "more", finish_reason="length")) as server:
        seen: list[str] = []
        got = make(server.url).complete(REQUEST, on_text=seen.append)
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason) == ("a", "stop")
    assert seen == ["a"]


def test_half_a_stop_string_at_the_end_is_text(make: Make) -> None:
    with ScriptedServer(text("a<en")) as server:
        got = make(server.url).complete(REQUEST)
    assert isinstance(got, Completion)
    assert got.text == "a<en"


def test_characters_cut_by_the_network_are_put_together(make: Make) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    message = {"choices": [{"text": "größer 漢字 🎈", "finish_reason": "stop"}]}
    data = f": hello\r\n\r\ndata: {json.dumps(message, ensure_ascii=False)}\r\n\r\n".encode()

    def drip(connection: socket.socket, _: Request) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head)
        for byte in data:
            connection.sendall(bytes([byte]))
        connection.shutdown(socket.SHUT_WR)

    with ScriptedServer(drip) as server:
        got = make(server.url).complete(REQUEST)
    assert isinstance(got, Completion)
    assert got.text == "größer 漢字 🎈"


def test_a_lone_surrogate_in_the_prompt_can_be_sent(make: Make) -> None:
    with ScriptedServer(text("a")) as server:
        assert make(server.url).complete(CompletionRequest(prompt="x\ud800y"))
        assert server.requests[0].fields["prompt"] == "x\ud800y"


def _stream(*rows: str, content_type: str = "text/event-stream") -> Script:
    return answer("".join(rows).encode(), content_type=content_type)


MISBEHAVIOUR: list[tuple[str, Script, type[ZetaError]]] = [
    ("http_no_json", answer(b"\x00\xff\xfegarbage"), BadAnswer),
    ("http_no_json", answer(b""), BadAnswer),
    ("http_no_json", answer(b"[" * 40_000), BadAnswer),
    ("http_no_json", answer(b"<html>", content_type="text/html"), BadAnswer),
    ("http_no_json", _stream("data: {not json}\n\n"), BadAnswer),
    ("http_no_json", _stream("data: [1]\n\n"), BadAnswer),
    ("http_wrong_shape", answer(b"{}"), BadAnswer),
    ("http_wrong_shape", answer(b'{"choices": []}'), BadAnswer),
    ("http_wrong_shape", answer(b'{"choices": [7]}'), BadAnswer),
    ("http_wrong_shape", answer(b'{"choices": {"0": {}}}'), BadAnswer),
    ("http_wrong_shape", answer(b'{"choices": [{"text": 7}]}'), BadAnswer),
    ("http_wrong_shape", answer(b'{"choices": [{"finish_reason": "stop"}]}'), BadAnswer),
    (
        "http_wrong_shape",
        answer(b'{"choices": [{"text": "a", "finish_reason": "content_filter"}]}'),
        BadAnswer,
    ),
    ("http_server_error", events({"error": {"message": "out of memory"}}), RunnerGone),
    ("http_truncated", events({"choices": [{"text": "half"}]}), BadAnswer),
    ("http_truncated", _stream('data: {"choices": [{"text": "half"}]}'), BadAnswer),
    ("http_truncated", _stream(""), BadAnswer),
    ("http_cut_off", answer(b'{"choices"', length=500), BadAnswer),
    ("http_cut_off", hang_up, BadAnswer),
    ("http_cut_off", lambda connection, _: connection.sendall(b"SSH-2.0\r\n\r\n"), BadAnswer),
    ("http_too_large", answer(b'{"choices": "' + b"x" * 60_000), BadAnswer),
    (
        "http_compressed",
        answer(b"\x1f\x8b" + b"0" * 50, headers="Content-Encoding: gzip\r\n"),
        BadAnswer,
    ),
    ("http_status_400", answer(b'{"error": "x"}', status="400 Bad"), BadAnswer),
    ("http_status_401", answer(b"", status="401 Who"), RunnerGone),
    ("http_status_404", answer(b"{}", status="404 Where"), RunnerGone),
    ("http_status_500", answer(b"oops", status="500 Oops"), RunnerGone),
    ("http_status_204", answer(b"", status="204 Nothing"), BadAnswer),
    (
        "http_status_400",
        answer(
            b'{"error": {"code": 400, "type": "exceed_context_size_error", "message": "canary"}}',
            status="400 Bad",
        ),
        ContextOverflow,
    ),
    (
        "http_status_400",
        answer(
            b'{"object": "error", "message": "maximum context length is 4096"}', status="400 Bad"
        ),
        ContextOverflow,
    ),
    (
        "http_redirect",
        answer(b"", status="307 There", headers="Location: http://127.0.0.1:1/other\r\n"),
        RunnerGone,
    ),
    (
        "http_redirect",
        answer(b"", status="301 There", headers="Location: /v1/elsewhere\r\n"),
        RunnerGone,
    ),
]


@pytest.mark.parametrize(("reason", "script", "error"), MISBEHAVIOUR)
def test_a_server_that_misbehaves_is_a_counted_reason(
    make: Make, counts: Counts, reason: str, script: Script, error: type[ZetaError]
) -> None:
    with ScriptedServer(script) as server:
        runner = make(server.url, limits=Limits(max_bytes=50_000, total_s=10))
        with pytest.raises(error) as caught:
            runner.complete(REQUEST)
    assert type(caught.value) is error
    assert counts.totals() == {reason: 1}
    assert "canary" not in str(caught.value)


def test_a_redirect_is_not_followed_anywhere(make: Make) -> None:
    with ScriptedServer(text("stolen")) as other:
        location = f"Location: {other.url}/v1/completions\r\n"
        moved = answer(b"", status="308 Moved", headers=location)
        with ScriptedServer(moved) as server, pytest.raises(RunnerGone, match="another address"):
            make(server.url).complete(REQUEST)
        assert other.connections == 0


def test_nobody_listening_is_a_counted_reason(make: Make, counts: Counts) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RunnerGone, match="nothing answers"):
            make(url).complete(REQUEST)
    assert counts.totals() == {"http_unreachable": 1}


def test_a_server_that_says_nothing_is_given_up(make: Make, counts: Counts) -> None:
    with ScriptedServer(lambda connection, request: None) as server:
        runner = make(server.url, limits=Limits(read_s=0.1, total_s=10))
        with pytest.raises(RunnerTimeout, match="silent"):
            runner.complete(REQUEST)
    assert counts.totals() == {"http_silent": 1}


def test_a_server_that_drips_is_given_up_when_the_whole_takes_too_long(
    make: Make, counts: Counts
) -> None:
    def drip(connection: socket.socket, _: Request) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(200):
            connection.sendall(b": waiting\n")
            time.sleep(0.02)

    with ScriptedServer(drip) as server:
        runner = make(server.url, limits=Limits(read_s=5, total_s=0.3))
        started = time.monotonic()
        with pytest.raises(RunnerTimeout, match=r"within 0\.3 s"):
            runner.complete(REQUEST)
        assert time.monotonic() - started < 2
    assert counts.totals() == {"http_late": 1}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 30\r\n", 30),
        ("Retry-After: 99999999999\r\n", 600),
        ("Retry-After: -4\r\n", 1),
        ("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 600),
        ("Retry-After: whenever\r\n", 1),
        ("", 1),
    ],
)
@pytest.mark.parametrize("status", ["429 Slowly", "503 Away"])
def test_a_busy_server_is_left_alone_as_long_as_it_says(
    make: Make, counts: Counts, status: str, header: str, seconds: float
) -> None:
    now = [1000.0]
    with ScriptedServer(answer(b"{}", status=status, headers=header), text("back")) as server:
        runner = make(server.url, clock=lambda: now[0])
        with pytest.raises(RunnerBusy) as caught:
            runner.complete(REQUEST)
        assert caught.value.retry_after_s == seconds
        now[0] += seconds - 0.5
        with pytest.raises(RunnerBusy, match="left alone"):
            runner.complete(REQUEST)
        assert len(server.requests) == 1
        now[0] += 1
        assert runner.complete(REQUEST)
        assert len(server.requests) == 2
    assert counts.totals() == {f"http_status_{status[:3]}": 1, "http_paused": 1}


def test_a_server_that_stays_busy_is_left_alone_ever_longer(make: Make) -> None:
    now = [0.0]
    waits = []
    with ScriptedServer(answer(b"", status="503 Away")) as server:
        runner = make(server.url, clock=lambda: now[0])
        for _ in range(8):
            with pytest.raises(RunnerBusy) as caught:
                runner.complete(REQUEST)
            waits.append(caught.value.retry_after_s)
            now[0] += caught.value.retry_after_s
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_cancelling_closes_the_connection(make: Make) -> None:
    with ScriptedServer(text("unused")) as server:
        server._scripts[:] = [server.wait_until_left]
        runner, cancel = make(server.url), CancelToken()
        results: list[Completion | Cancelled] = []
        asking = threading.Thread(
            target=lambda: results.append(runner.complete(REQUEST, cancel=cancel))
        )
        asking.start()
        while not server.requests:
            time.sleep(0.005)
        started = time.monotonic()
        cancel.cancel()
        asking.join(5)
        assert results == [Cancelled(reason="canceled")]
        assert server.is_left.wait(2)
        assert time.monotonic() - started < 1


def test_what_is_cancelled_beforehand_opens_no_connection(make: Make) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with ScriptedServer(text("a")) as server:
        assert make(server.url).complete(REQUEST, cancel=cancel) == Cancelled()
        assert server.connections == 0


def test_closing_ends_the_calls_in_flight(make: Make) -> None:
    with ScriptedServer(text("unused")) as server:
        server._scripts[:] = [server.wait_until_left]
        runner = make(server.url)
        results: list[Completion | Cancelled] = []
        asking = threading.Thread(target=lambda: results.append(runner.complete(REQUEST)))
        asking.start()
        while not server.requests:
            time.sleep(0.005)
        runner.close()
        asking.join(5)
        assert results == [Cancelled(reason="closed")]
        assert server.is_left.wait(2)
        assert runner.complete(REQUEST) == Cancelled(reason="closed")
        runner.close()


def test_several_threads_ask_at_once(make: Make) -> None:
    def echo(connection: socket.socket, request: Request) -> None:
        body = {"choices": [{"text": request.fields["prompt"], "finish_reason": "stop"}]}
        answer(json.dumps(body).encode())(connection, request)

    with ScriptedServer(echo) as server:
        runner = make(server.url)
        results: dict[str, Completion | Cancelled] = {}

        def ask(name: str) -> None:
            results[name] = runner.complete(CompletionRequest(prompt=name))

        threads = [threading.Thread(target=ask, args=(f"p{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert {name: one.text for name, one in results.items() if one} == {
        f"p{n}": f"p{n}" for n in range(8)
    }


def test_a_unix_socket_needs_no_permission(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ScriptedServer(text("local"), socket_path=path):
        runner = make(f"unix:{path}")
        got = runner.complete(REQUEST)
    assert isinstance(got, Completion)
    assert got.text == "local"
    assert not runner.is_remote


def test_a_server_elsewhere_is_refused_and_counted(make: Make, counts: Counts) -> None:
    runner = make("https://models.example.com")
    assert runner.is_remote
    with pytest.raises(RemoteNotAllowed, match="not on this machine"):
        runner.complete(REQUEST)
    runner.prefill("def f(")
    assert counts.totals() == {"remote_not_allowed": 1}


def test_the_key_comes_from_the_named_variable_of_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch, counts: Counts
) -> None:
    with ScriptedServer(text("a")) as server:
        runner = make(server.url, api_key_env="TOY_KEY")
        monkeypatch.delenv("TOY_KEY", raising=False)
        with pytest.raises(SettingsError, match="TOY_KEY holds no API key"):
            runner.complete(REQUEST)
        monkeypatch.setenv("TOY_KEY", "canary\r\nX-Evil: 1")
        with pytest.raises(SettingsError) as caught:
            runner.complete(REQUEST)
        assert "canary" not in str(caught.value)
        assert server.connections == 0
        monkeypatch.setenv("TOY_KEY", "s3cret")
        runner.complete(REQUEST)
        assert server.requests[0].headers["authorization"] == "Bearer s3cret"


def test_a_key_is_never_sent_elsewhere_in_the_clear(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_KEY", "s3cret")
    url = "http://models.example.com/v1/completions"
    runner = make(url, api_key_env="TOY_KEY", permission=RemotePermission.from_urls([url]))
    with pytest.raises(SettingsError, match="https only"):
        runner.complete(REQUEST)


def test_guesses_are_sent_where_the_server_takes_a_prediction(make: Make) -> None:
    request = CompletionRequest(prompt="p", guesses=("likely", "less"), reference="r")
    with ScriptedServer(text("a")) as server:
        make(server.url, "fireworks").complete(request)
        make(server.url, "vllm").complete(request)
        make(server.url, "llama-server").complete(request)
        make(server.url, "shared").complete(request)
    fireworks, vllm, llama, shared = (one.fields for one in server.requests)
    assert fireworks["prediction"] == {"type": "content", "content": "likely"}
    assert "prediction" not in vllm
    assert llama["cache_prompt"] is True
    assert llama["speculative.n_max"] == 48
    assert shared["zeta"] == {
        "guesses": ["likely", "less"],
        "reference": "r",
        "substitutions": [],
        "texts": [],
    }


def test_the_users_own_fields_are_added_changed_or_taken_away(make: Make) -> None:
    with ScriptedServer(text("a")) as server:
        options = {"stream_options": None, "temperature": 0.2, "top_k": 1}
        make(server.url, options=options).complete(REQUEST)
    fields = server.requests[0].fields
    assert "stream_options" not in fields
    assert (fields["temperature"], fields["top_k"]) == (0.2, 1)


def test_llama_cpp_fills_in_between_the_parts_of_the_prompt(make: Make) -> None:
    parts = {
        "input_prefix": "def f(",
        "input_suffix": "\n",
        "input_extra": [{"filename": "a.py", "text": "x"}],
    }
    timings = {
        "prompt_n": 9,
        "cache_n": 20,
        "prompt_ms": 5.5,
        "predicted_n": 2,
        "predicted_ms": 3,
        "draft_n": 4,
        "draft_n_accepted": 1,
    }
    script = events(
        {"content": "x", "stop": False},
        {"content": "):", "stop": True, "stop_type": "word", "timings": timings},
    )
    with ScriptedServer(script) as server:
        runner = make(server.url, "infill")
        got = runner.complete(CompletionRequest(prompt=json.dumps(parts), stop=("\n\n",)))
        with pytest.raises(SettingsError, match="llama-infill"):
            runner.complete(CompletionRequest(prompt="plain"))
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason) == ("x):", "stop")
    assert (got.usage.prompt_tokens, got.usage.cached_tokens) == (29, 20)
    assert (got.usage.drafted, got.usage.accepted) == (4, 1)
    assert (got.usage.prefill_ms, got.usage.decode_ms) == (5.5, 3)
    assert server.requests[0].target == "/infill"
    fields = server.requests[0].fields
    assert {name: fields[name] for name in parts} == parts
    assert fields["n_predict"] == 512


def test_ollama_is_asked_in_raw_mode(make: Make) -> None:
    rows = [
        {"model": "zeta", "response": "x", "done": False},
        {
            "model": "zeta",
            "response": "",
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 5,
            "eval_count": 1,
            "eval_duration": 2_000_000,
        },
    ]
    body = "\n".join(map(json.dumps, rows)).encode()
    with ScriptedServer(answer(body, content_type="application/x-ndjson")) as server:
        got = make(server.url, "ollama", model="zeta").complete(REQUEST)
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason, got.model) == ("x", "length", "zeta")
    assert (got.usage.prompt_tokens, got.usage.decode_ms) == (5, 2.0)
    fields = server.requests[0].fields
    assert server.requests[0].target == "/api/generate"
    assert fields["raw"] is True
    assert fields["options"] == {"temperature": 0, "num_predict": 32, "stop": ["<end>"]}


def test_mercury_gets_one_message_of_the_user(make: Make) -> None:
    body = {
        "choices": [{"message": {"role": "assistant", "content": "new"}, "finish_reason": "stop"}]
    }
    request = CompletionRequest(
        prompt="everything",
        messages=(
            Message(role="system", content="be good"),
            Message(role="user", content="<|code_to_edit|>"),
        ),
    )
    with ScriptedServer(answer(json.dumps(body).encode())) as server:
        got = make(server.url, "mercury", model="mercury-edit-2").complete(request)
        make(server.url, "chat").complete(request)
    assert isinstance(got, Completion)
    assert got.text == "new"
    mercury, chat = server.requests
    assert mercury.target == "/v1/edit/completions"
    assert mercury.fields == {
        "model": "mercury-edit-2",
        "messages": [{"role": "user", "content": "<|code_to_edit|>"}],
        "max_tokens": 512,
        "temperature": 0,
    }
    assert [one["role"] for one in chat.fields["messages"]] == ["system", "user"]


def test_a_streamed_chat_is_put_together(make: Make) -> None:
    script = events(
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"delta": {"content": "a"}}]},
        {"choices": [{"delta": {"content": "b"}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        "[DONE]",
    )
    with ScriptedServer(script) as server:
        got = make(server.url, "chat").complete(REQUEST)
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason) == ("ab", "stop")


def test_a_stream_that_ends_without_a_reason_counts_as_cut_off(make: Make) -> None:
    with ScriptedServer(events({"choices": [{"text": "a"}]}, "[DONE]")) as server:
        got = make(server.url).complete(REQUEST)
    assert isinstance(got, Completion)
    assert got.finish_reason == "length"


def test_a_server_on_this_machine_reads_ahead_where_it_can(make: Make) -> None:
    with ScriptedServer(
        answer(b'{"choices": [{"text": "", "finish_reason": "length"}]}')
    ) as server:
        make(server.url, "llama-server").prefill("def f(")
        make(server.url, "openai").prefill("def f(")
    (request,) = server.requests
    assert request.fields["n_predict"] == 0
    assert request.fields["prompt"] == "def f("


def test_reading_ahead_never_fails(make: Make) -> None:
    with ScriptedServer(answer(b"", status="500 Oops")) as server:
        make(server.url, "llama-server").prefill("def f(")
        assert len(server.requests) == 1


def test_an_unknown_api_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"openai.*llama-server.*ollama.*mercury"):
        find_server("magic")


def test_a_fault_of_whoever_reads_along_is_not_swallowed(make: Make) -> None:
    def fail(_: str) -> None:
        raise ZeroDivisionError

    with ScriptedServer(text("a")) as server, pytest.raises(ZeroDivisionError):
        make(server.url).complete(REQUEST, on_text=fail)
