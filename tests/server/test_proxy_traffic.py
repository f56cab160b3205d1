"""Policy: what of the traffic is ours, what is added to, and that all else is left alone."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.lsp.wire import FrameReader, encode_frame
from zeta_context.server.proxy import link
from zeta_context.server.proxy.rewrite import FrontEnds, add_capabilities, add_code_actions
from zeta_context.server.proxy.shadows import Shadows
from zeta_context.server.proxy.stream import MessageStream
from zeta_context.server.proxy.traffic import Traffic, encode_actions
from zeta_context.server.proxy.workers import Keep
from zeta_context.server.version import describe_protocol

ACCEPT = "zeta-context.accept.00"


class Outlets:
    """Keeps what goes where."""

    def __init__(self, *, has_worker: bool = True) -> None:
        self.client = bytearray()
        self.server = bytearray()
        self.sent: list[bytes] = []
        self.worker: list[tuple[bytes, bytes, Keep]] = []
        self.has_worker = has_worker
        self.starts = 0

    def forward_to_client(self, data: bytes) -> None:
        self.client += data

    def forward_to_server(self, data: bytes) -> None:
        self.server += data

    def send_to_client(self, frame: bytes) -> None:
        self.sent.append(frame)

    def start_worker(self) -> None:
        self.starts += 1

    def send_to_worker(self, kind: bytes, body: bytes, keep: Keep = "no") -> bool:
        self.worker.append((kind, body, keep))
        return self.has_worker


class Wire:
    """A traffic with both its streams."""

    def __init__(self, *, has_worker: bool = True, has_code_actions: bool = False) -> None:
        self.out = Outlets(has_worker=has_worker)
        self.counted: list[str] = []
        self.traffic = Traffic(
            self.out,
            id_prefix="zeta:00:",
            front_ends=FrontEnds((ACCEPT,), has_code_actions),
            count=self.counted.append,
        )
        self._client = MessageStream(self.traffic.from_client)
        self._server = MessageStream(self.traffic.from_server)

    def client(self, **message: Any) -> bytes:
        raw = encode_frame(json.dumps({"jsonrpc": "2.0", **message}).encode())
        self._client.feed(raw)
        return raw

    def send_body(self, body: bytes) -> None:
        self._client.feed(encode_frame(body))

    def server(self, **message: Any) -> bytes:
        raw = encode_frame(json.dumps({"jsonrpc": "2.0", **message}).encode())
        self._server.feed(raw)
        return raw

    def shake_hands(
        self, server: dict[str, Any] | None = None, client: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        self.client(id=0, method="initialize", params={"capabilities": client or {}})
        self.server(id=0, result={"capabilities": server or {}, "x-vendor": {"a-b": [{}]}})
        (frame,) = FrameReader().feed(bytes(self.out.client))
        self.out.client.clear()
        self.out.server.clear()
        self.out.worker.clear()
        answer: dict[str, Any] = json.loads(frame.body)["result"]
        return answer


def bodies(frames: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(FrameReader().feed(frame)[0].body) for frame in frames]


def test_the_initialize_result_gains_our_capabilities_and_loses_none() -> None:
    wire = Wire()
    own = {"hoverProvider": {}, "vendor/x": None, "executeCommandProvider": {"commands": ["a"]}}
    result = wire.shake_hands(own, {"textDocument": {"inlineCompletion": {}}})
    capabilities = result["capabilities"]
    assert result["x-vendor"] == {"a-b": [{}]}
    assert capabilities["hoverProvider"] == {}
    assert capabilities["vendor/x"] is None
    assert capabilities["inlineCompletionProvider"] is True
    assert capabilities["executeCommandProvider"]["commands"] == ["a", ACCEPT]
    assert capabilities["experimental"]["zetaContext"] == describe_protocol([ACCEPT])
    assert "codeActionProvider" not in capabilities
    assert wire.out.starts == 1


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["jsonrpc", "id", "method", "params"]))
)
@pytest.mark.parametrize("size", [1, 6000])
def test_requests_are_recognised_with_their_members_in_any_order(
    order: tuple[str, ...], size: int
) -> None:
    wire = Wire(has_code_actions=True)

    def send(**members: Any) -> None:
        members["params"]["pad"] = ["x" * size]
        members["jsonrpc"] = "2.0"
        wire.send_body(json.dumps({key: members[key] for key in order}).encode())

    send(id=1, method="initialize", params={"capabilities": {}})
    wire.server(id=1, result={"capabilities": {"codeActionProvider": True}})
    assert wire.out.starts == 1
    assert b"zetaContext" in wire.out.client
    send(id=2, method="textDocument/codeAction", params={"textDocument": {"uri": "u:a"}})
    wire.traffic.offers = {"u:a": b'{"title":"ours"}'}
    wire.server(id=2, result=None)
    assert b"ours" in wire.out.client
    before = bytes(wire.out.server)
    send(id=3, method="zeta/predict", params={})
    assert list(wire.traffic.outstanding) == [b"3"]
    send(id=4, method="workspace/executeCommand", params={"command": ACCEPT})
    assert list(wire.traffic.outstanding) == [b"3", b"4"]
    assert bytes(wire.out.server) == before


def test_inline_completion_is_not_offered_to_an_editor_that_knows_none() -> None:
    assert "inlineCompletionProvider" not in Wire().shake_hands()["capabilities"]


def test_a_failed_initialize_passes_unchanged() -> None:
    wire = Wire()
    wire.client(id=0, method="initialize", params={})
    raw = wire.server(id=0, error={"code": -32603, "message": "no"})
    assert bytes(wire.out.client) == raw


@given(
    st.dictionaries(
        st.sampled_from(["experimental", "executeCommandProvider", "codeActionProvider", "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.just({"commands": 3}),
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_any_capabilities_survive(capabilities: dict[str, Any], has_actions: bool) -> None:
    body = json.dumps({"id": 1, "result": {"capabilities": capabilities}}).encode()
    changed, _ = add_capabilities(
        body, offered=FrontEnds((ACCEPT,), has_actions), client_has_inline_completion=True
    )
    after = json.loads(changed)["result"]["capabilities"]
    for name, value in capabilities.items():
        if isinstance(value, str | int) and value is not False and name != "executeCommandProvider":
            assert after[name] == value


@pytest.mark.parametrize(
    "method", ["zeta/status", "textDocument/inlineCompletion", "textDocument/copilotInlineEdit"]
)
def test_our_requests_reach_the_worker_only(method: str) -> None:
    wire = Wire()
    wire.shake_hands()
    raw = wire.client(id=4, method=method, params={})
    assert not wire.out.server
    assert wire.out.worker == [(link.REQUEST, FrameReader().feed(raw)[0].body, "no")]
    wire.traffic.answer(b"4", b'{"id":4,"result":null}')
    wire.traffic.answer(b"4", b'{"id":4,"result":null}')
    assert bodies(wire.out.sent) == [{"id": 4, "result": None}]
    assert wire.counted == ["late_answer"]


def test_a_server_with_inline_completion_of_its_own_keeps_it() -> None:
    wire = Wire()
    wire.shake_hands({"inlineCompletionProvider": {}})
    raw = wire.client(id=4, method="textDocument/inlineCompletion", params={})
    assert bytes(wire.out.server) == raw


def test_without_a_worker_our_requests_are_answered_at_once() -> None:
    wire = Wire(has_worker=False)
    wire.shake_hands()
    wire.client(id=4, method="textDocument/inlineCompletion", params={})
    wire.client(id="s", method="zeta/predict", params={})
    wire.client(method="zeta/didShow", params={})
    assert bodies(wire.out.sent) == [
        {"jsonrpc": "2.0", "id": 4, "result": None},
        {"jsonrpc": "2.0", "id": "s", "result": {"reason": "worker_unavailable"}},
    ]
    assert not wire.out.server


def test_requests_owed_by_a_dead_worker_are_answered_once() -> None:
    wire = Wire()
    wire.shake_hands()
    wire.client(params={}, method="zeta/predict", id=9)
    wire.traffic.give_up_requests()
    wire.traffic.give_up_requests()
    assert [body["id"] for body in bodies(wire.out.sent)] == [9]


def test_our_command_is_consumed_and_another_passes() -> None:
    wire = Wire()
    wire.shake_hands()
    foreign = wire.client(
        id=1, method="workspace/executeCommand", params={"command": "x", "arguments": [ACCEPT]}
    )
    assert bytes(wire.out.server) == foreign
    wire.client(id=2, method="workspace/executeCommand", params={"command": ACCEPT})
    assert bytes(wire.out.server) == foreign
    assert [kind for kind, _, _ in wire.out.worker] == [link.REQUEST]


def test_cancelling_our_request_reaches_the_worker_and_another_the_server() -> None:
    wire = Wire()
    wire.shake_hands()
    wire.client(id=1, method="zeta/predict")
    wire.client(method="$/cancelRequest", params={"id": 1})
    raw = wire.client(method="$/cancelRequest", params={"id": 2})
    assert bytes(wire.out.server) == raw
    assert len(wire.out.worker) == 2


def test_answers_to_our_requests_never_reach_the_editor_or_the_server() -> None:
    wire = Wire()
    wire.shake_hands()
    wire.server(id="zeta:00:5", result=[])
    wire.server(result={"big": ["x"] * 5000}, id="zeta:00:6")
    wire.client(id="zeta:00:7", result=None)
    kept = wire.server(id="zeta:01:5", result=[])
    assert bytes(wire.out.client) == kept
    assert not wire.out.server
    assert len(wire.out.worker) == 3


SHADOW = "file:///p/%C3%A9__zeta_would.py"


def showing() -> Wire:
    wire = Wire()
    wire.shake_hands()
    assert wire.traffic.shadows.want(SHADOW.encode(), b"OPEN")
    wire.traffic.shadows.proceed()
    assert bytes(wire.out.server) == b"OPEN"
    return wire


def test_nothing_that_the_server_says_of_a_shadow_document_reaches_the_editor() -> None:
    wire = showing()
    # Servers spell URIs as they like.
    for uri in (SHADOW, "file:///p/é__zeta_would.py"):
        wire.server(method="textDocument/publishDiagnostics", params={"uri": uri})
    wire.server(method="window/logMessage", params={"message": f"looked at {SHADOW}"})
    params = {"uri": "file:///p/b.py", "diagnostics": [{"message": "like in a__zeta_would.py"}]}
    kept = wire.server(method="textDocument/publishDiagnostics", params=params)
    kept += wire.server(method="window/logMessage", params={"message": "looked at b.py"})
    assert bytes(wire.out.client) == kept
    assert len(wire.out.worker) == 3


CLOSED = encode_frame(
    b'{"jsonrpc":"2.0","method":"textDocument/didClose",'
    b'"params":{"textDocument":{"uri":"%b"}}}' % SHADOW.encode()
)


@pytest.mark.parametrize("method", ["textDocument/hover", "workspace/symbol", "x/anything"])
def test_shadows_are_gone_before_any_question_of_the_editor(method: str) -> None:
    wire = showing()
    raw = wire.client(id=1, method=method, params={"textDocument": {"uri": "file:///p/a.py"}})
    assert bytes(wire.out.server) == b"OPEN" + CLOSED + raw
    assert (link.SHADOWS_CLOSED, b"", "no") in wire.out.worker
    raw += wire.client(id=2, method=method, params={})
    assert bytes(wire.out.server) == b"OPEN" + CLOSED + raw


@pytest.mark.parametrize("method", ["textDocument/didChange", "$/cancelRequest", "zeta/predict"])
def test_shadows_stay_for_what_the_server_does_not_answer(method: str) -> None:
    wire = showing()
    wire.client(id=1, method=method, params={"textDocument": {"uri": "file:///p/a.py"}})
    assert CLOSED not in wire.out.server


def test_nothing_is_shown_asked_or_taken_away_while_the_server_owes_the_editor_an_answer() -> None:
    """Opening or closing a document makes servers give up what they are at."""
    wire = Wire()
    wire.shake_hands()
    shadows, uri = wire.traffic.shadows, SHADOW.encode()
    raw = wire.client(id=1, method="textDocument/hover", params={})
    raw += wire.client(id=2, method="textDocument/hover", params={})
    assert shadows.want(uri, b"OPEN")
    shadows.ask(uri, b"ASK")
    shadows.proceed()
    wire.server(id=1, result=None)
    shadows.proceed()
    assert bytes(wire.out.server) == raw
    wire.server(id=2, result=None)
    shadows.proceed()
    assert bytes(wire.out.server) == raw + b"OPENASK"
    shadows.close(uri)
    shadows.proceed()
    shadows.ask(uri, b"ASK")
    shadows.proceed()
    assert bytes(wire.out.server) == raw + b"OPENASK" + CLOSED


def test_a_command_of_ours_is_nothing_that_the_server_owes() -> None:
    wire = Wire()
    wire.shake_hands()
    params = {"command": ACCEPT, "arguments": ["p1"]}
    wire.client(id=1, method="workspace/executeCommand", params=params)
    assert wire.traffic.shadows.want(SHADOW.encode(), b"OPEN")
    wire.traffic.shadows.proceed()
    assert bytes(wire.out.server) == b"OPEN"


def test_a_question_that_is_never_answered_is_forgiven_after_a_while() -> None:
    now = [0.0]
    sent = bytearray()
    shadows = Shadows(sent.extend, lambda name: None, lambda: now[0])
    shadows.make_way("textDocument/hover")
    assert shadows.want(b"u", b"OPEN")
    now[0] = 4.0
    shadows.proceed()
    assert not sent
    now[0] = 6.0
    shadows.proceed()
    assert sent == b"OPEN"


def test_an_editor_that_asks_for_the_diagnostics_of_the_workspace_is_shown_no_shadow() -> None:
    wire = showing()
    wire.client(id=1, method="workspace/diagnostic", params={"previousResultIds": []})
    assert CLOSED in wire.out.server
    assert not wire.traffic.shadows.want(SHADOW.encode(), b"OPEN")
    assert wire.counted == ["shadow_closed_early", "shadow_refused"]


def test_what_a_dead_worker_had_shown_is_taken_away_and_what_it_wanted_forgotten() -> None:
    wire = showing()
    assert wire.traffic.shadows.want(b"file:///p/b__zeta_is.py", b"OTHER")
    wire.traffic.shadows.forget()
    wire.traffic.shadows.proceed()
    assert bytes(wire.out.server) == b"OPEN" + CLOSED


@pytest.mark.parametrize(("count", "is_copied"), [(1, True), (5000, False)])
def test_published_diagnostics_pass_and_the_worker_sees_those_of_ordinary_size(
    count: int, is_copied: bool
) -> None:
    wire = Wire()
    wire.shake_hands()
    params = {"uri": "file:///p/a.py", "diagnostics": [{"message": "m"}] * count}
    raw = wire.server(method="textDocument/publishDiagnostics", params=params)
    assert bytes(wire.out.client) == raw
    assert len(wire.out.worker) == is_copied


def test_documents_are_kept_for_a_later_worker_and_hints_are_not() -> None:
    wire = Wire()
    wire.shake_hands()
    for method in ("didOpen", "didChange", "didClose", "didSave", "hover"):
        wire.client(method=f"textDocument/{method}", params={})
    wire.client(method="workspace/symbol", id=1, params={})
    assert [keep for _, _, keep in wire.out.worker] == ["sync", "sync", "sync", "no", "no"]


def test_code_actions_are_added_to_the_answer_for_their_document() -> None:
    wire = Wire(has_code_actions=True)
    wire.shake_hands({"codeActionProvider": True})
    wire.traffic.offers = {"u:a": encode_actions([{"title": "Apply predicted edit"}])}
    wire.client(id=3, method="textDocument/codeAction", params={"textDocument": {"uri": "u:a"}})
    wire.server(id=3, result=[{"title": "theirs"}])
    (frame,) = FrameReader().feed(bytes(wire.out.client))
    assert [action["title"] for action in json.loads(frame.body)["result"]] == [
        "theirs",
        "Apply predicted edit",
    ]
    wire.out.client.clear()
    raw = wire.server(id=3, result=[])
    assert bytes(wire.out.client) == raw


def test_an_offer_does_not_outlive_a_change() -> None:
    wire = Wire(has_code_actions=True)
    wire.shake_hands({"codeActionProvider": True})
    wire.traffic.offers = {"u:a": b"{}"}
    wire.client(method="textDocument/didChange", params={})
    wire.client(id=3, method="textDocument/codeAction", params={"textDocument": {"uri": "u:a"}})
    raw = wire.server(id=3, result=[])
    assert bytes(wire.out.client) == raw


def test_code_actions_of_a_server_without_any_are_the_workers() -> None:
    wire = Wire(has_code_actions=True)
    assert wire.shake_hands()["capabilities"]["codeActionProvider"] is True
    wire.client(id=3, method="textDocument/codeAction", params={"textDocument": {"uri": "u:a"}})
    assert not wire.out.server


@given(
    st.none() | st.lists(st.integers() | st.text(max_size=5) | st.just({"result": []})),
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=3)), max_size=3),
    st.booleans(),
)
@settings(deadline=None)
def test_actions_are_appended_to_any_list(
    result: list[Any] | None, ours: list[dict[str, str]], is_first: bool
) -> None:
    message = {"result": result, "id": 1} if is_first else {"id": 1, "result": result}
    body = json.dumps(message).encode()
    changed = json.loads(add_code_actions(body, encode_actions(ours)))
    assert changed["id"] == 1
    assert changed["result"] == ([*(result or []), *ours] if ours else result)


@pytest.mark.parametrize("body", [b'{"id":1,"error":{"code":1}}', b'{"id":1,"result":{}}', b"x"])
def test_an_answer_that_is_no_list_is_left_alone(body: bytes) -> None:
    assert add_code_actions(body, b"{}") is body


def test_a_server_request_with_an_id_of_the_editors_is_not_taken_for_an_answer() -> None:
    wire = Wire()
    wire.client(id=1, method="initialize", params={})
    raw = wire.server(id=1, method="workspace/configuration", params={})
    assert bytes(wire.out.client) == raw
