"""Envelopes: the method and id of any message, from any order of members, without parsing it."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.server.proxy.envelope import (
    HEAD_BYTES,
    Envelope,
    find_member,
    read_head,
    read_whole,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "method", "a\\b", 'q"', "result"]), inner)
    ),
    max_leaves=12,
)
ids = st.integers() | st.text(max_size=8)


@st.composite
def messages(draw: st.DrawFn) -> tuple[dict[str, object], bytes]:
    members: dict[str, object] = {"jsonrpc": "2.0"}
    if draw(st.booleans()):
        members["method"] = draw(st.sampled_from(["a/b", "$/c", 'd"e', "f\\g", "é"]))
        if draw(st.booleans()):
            members["params"] = draw(json_values)
        if draw(st.booleans()):
            members["id"] = draw(ids)
    else:
        members["id"] = draw(ids)
        members[draw(st.sampled_from(["result", "error"]))] = draw(json_values)
    order = draw(st.permutations(list(members)))
    message = {key: members[key] for key in order}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n ")]))
    indent = draw(st.sampled_from([None, 2]))
    body = json.dumps(
        message, separators=separators, ensure_ascii=draw(st.booleans()), indent=indent
    ).encode("utf-8", "surrogatepass")
    return message, body


@given(messages())
def test_the_envelope_is_what_a_parser_finds(sample: tuple[dict[str, object], bytes]) -> None:
    message, body = sample
    envelope = read_whole(body)
    assert envelope.is_settled
    assert envelope.method == message.get("method")
    if "method" not in message:
        assert envelope.id is not None
        assert json.loads(envelope.id) == message["id"]


@given(messages(), st.data())
def test_a_settled_head_never_changes_its_mind(
    sample: tuple[dict[str, object], bytes], data: st.DataObject
) -> None:
    _, body = sample
    cut = data.draw(st.integers(0, len(body)))
    head = read_head(body[:cut], is_whole=cut == len(body))
    if head.is_settled:
        whole = read_whole(body)
        assert head.method == whole.method
        if head.method is None:
            assert head.id == whole.id


@given(messages(), st.sampled_from(["id", "method", "params", "result", "error"]))
def test_a_member_is_found_where_it_lies(
    sample: tuple[dict[str, object], bytes], name: str
) -> None:
    message, body = sample
    place = find_member(body, name)
    assert (place is not None) == (name in message)
    if place is not None:
        assert json.loads(body[slice(*place)]) == message[name]


@given(st.binary(max_size=300))
def test_any_bytes_give_an_envelope(body: bytes) -> None:
    assert isinstance(read_whole(body), Envelope)
    assert isinstance(read_head(body, is_whole=False), Envelope)


@pytest.mark.parametrize(
    "nested",
    ['{"id":"zeta:x:1","method":"m"}', '[{"id":1}]', '"\\",\\"id\\":\\"zeta:x:1\\"}"'],
)
def test_an_id_inside_a_value_is_not_the_messages(nested: str) -> None:
    body = f'{{"jsonrpc":"2.0","result":{nested},"id":7}}'.encode()
    assert read_whole(body) == Envelope(None, b"7", True)
    body = f'{{"jsonrpc":"2.0","params":[{nested}],"method":"x"}}'.encode()
    assert read_whole(body).method == "x"


def test_an_escaped_slash_is_a_slash() -> None:
    body = b'{"method":"textDocument\\/didOpen","params":{}}'
    assert read_head(body, is_whole=True).method == "textDocument/didOpen"


def test_a_batch_is_settled_as_nothing() -> None:
    assert read_head(b'[{"id":1}]', is_whole=False) == Envelope(None, None, True)


def test_a_head_of_a_large_response_is_told_from_its_first_bytes() -> None:
    head = b'{"jsonrpc":"2.0","id":"a","result":[' + b"1," * HEAD_BYTES
    assert read_head(head, is_whole=False) == Envelope(None, b'"a"', True)


def test_a_large_body_with_its_id_at_the_end_costs_no_walk() -> None:
    body = b'{"result":[' + b'{"label":"x"},' * 400_000 + b'1],"id":3,"jsonrpc":"2.0"}'
    began = time.process_time()
    assert read_whole(body).id == b"3"
    assert time.process_time() - began < 0.02


def test_hostile_bodies_take_linear_time() -> None:
    for body in (
        b'{"' + b"\\" * 500_000,
        b'{"a":"' + b'\\"' * 500_000,
        b'{"params":' + b"[" * 1_000_000,
        b"{" + b" " * 1_000_000,
        b'{"params":{},' + b',"id":1' * 200_000,
        b'{"params":1' + b"1" * 1_000_000,
    ):
        began = time.process_time()
        read_whole(body)
        read_head(body, is_whole=True)
        assert time.process_time() - began < 2
