"""JSON-RPC with one peer, without any process."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.counts import Counts
from zeta_context.errors import ResponseError, ServerGone
from zeta_context.lsp.rpc import Connection, decode_body, encode_body


class Peer:
    """The other side: keeps what it was sent."""

    def __init__(self, id_prefix: str = "") -> None:
        self.sent: list[dict[str, Any]] = []
        self.notified: list[tuple[str, Any]] = []
        self.counts = Counts()
        self.connection = Connection(
            lambda body: self.sent.append(json.loads(body)),
            answer=self.answer,
            observe=lambda method, params: self.notified.append((method, params)),
            counts=self.counts,
            id_prefix=id_prefix,
        )

    def answer(self, method: str, params: Any) -> Any:
        if method == "known":
            return params["value"]
        raise ResponseError(-32601, "unknown")

    def say(self, message: Any) -> None:
        self.connection.receive(json.dumps(message).encode())


async def test_answers_reach_their_questions_in_any_order() -> None:
    peer = Peer()
    questions = [
        asyncio.create_task(peer.connection.request(f"m{n}", None, timeout_s=5)) for n in range(3)
    ]
    await asyncio.sleep(0)
    for message in reversed(peer.sent):
        peer.say({"id": message["id"], "result": message["method"]})
    assert await asyncio.gather(*questions) == ["m0", "m1", "m2"]
    assert peer.connection.pending_count == 0


async def test_ids_with_a_prefix_are_text_and_do_not_collide_with_numbers() -> None:
    peer = Peer(id_prefix="zc:1f:")
    question = asyncio.create_task(peer.connection.request("m", None, timeout_s=5))
    await asyncio.sleep(0)
    peer.say({"id": 1, "result": "for somebody else"})
    assert peer.sent[0]["id"] == "zc:1f:1"
    peer.say({"id": "zc:1f:1", "result": "ours"})
    assert await question == "ours"
    assert peer.counts.total("lsp_unknown_id") == 1


async def test_a_late_answer_is_told_from_an_unknown_one() -> None:
    peer = Peer()
    with pytest.raises(Exception, match="no answer"):
        await peer.connection.request("m", None, timeout_s=0.01)
    peer.say({"id": 1, "result": None})
    assert peer.counts.total("lsp_late_answer") == 1
    assert peer.sent[-1] == {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}}


async def test_a_search_for_references_is_given_up_without_a_word() -> None:
    """Cancelled once, a server that many use answers none ever after."""
    peer = Peer()
    with pytest.raises(Exception, match="no answer"):
        await peer.connection.request("textDocument/references", None, timeout_s=0.01)
    question = asyncio.create_task(
        peer.connection.request("textDocument/references", None, timeout_s=5)
    )
    await asyncio.sleep(0)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    peer.say({"id": 2, "result": []})
    assert [one["method"] for one in peer.sent] == ["textDocument/references"] * 2
    assert peer.counts.total("lsp_late_answer") == 1


async def test_closing_fails_what_waits_and_what_comes() -> None:
    peer = Peer()
    question = asyncio.create_task(peer.connection.request("m", None, timeout_s=5))
    await asyncio.sleep(0)
    peer.connection.close("gone")
    with pytest.raises(ServerGone, match="gone"):
        await question
    with pytest.raises(ServerGone, match="gone"):
        await peer.connection.request("m", None, timeout_s=5)
    count = len(peer.sent)
    peer.connection.notify("n")
    assert len(peer.sent) == count


def test_requests_of_the_peer_are_answered_or_refused() -> None:
    peer = Peer()
    peer.say({"id": "a", "method": "known", "params": {"value": 5}})
    peer.say({"id": 2, "method": "unknown", "params": None})
    peer.say({"id": 3, "method": "known", "params": "malformed"})
    assert peer.sent[0] == {"jsonrpc": "2.0", "id": "a", "result": 5}
    assert peer.sent[1]["error"]["code"] == -32601
    assert peer.sent[2]["error"]["code"] == -32603


@given(st.binary(max_size=200))
def test_no_body_makes_receive_raise(body: bytes) -> None:
    Peer().connection.receive(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": json_values,
            "method": json_values,
            "params": json_values,
            "result": json_values,
            "error": json_values,
        },
    )
)
def test_no_message_makes_receive_raise(message: dict[str, Any]) -> None:
    peer = Peer()
    peer.connection.receive(encode_body(message))


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_messages_survive_encoding(message: dict[str, Any]) -> None:
    decoded = decode_body(encode_body(message))
    assert decoded == message


def test_a_lone_surrogate_is_sent_as_a_replacement() -> None:
    assert decode_body(encode_body({"t": "a\ud800b"})) == {"t": "a\ufffdb"}
