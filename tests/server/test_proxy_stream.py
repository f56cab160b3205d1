"""One direction: any chunking forwards the same bytes, and gives the same copies and stops."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import FramingError
from zeta_context.lsp.wire import encode_frame
from zeta_context.server.proxy.envelope import HEAD_BYTES, Envelope
from zeta_context.server.proxy.stream import MessageStream, Treatment


class Capturing:
    """A receiver that stops methods beginning with `hold`, copies those beginning with `copy`."""

    def __init__(self) -> None:
        self.forwarded = bytearray()
        self.copies: list[bytes] = []
        self.held: list[bytes] = []
        self.garbled: list[str] = []
        self.failures: list[Exception] = []

    def decide(self, envelope: Envelope, size: int) -> Treatment:
        kind = envelope.method or (envelope.id or b"").decode().strip('"')
        if kind.startswith("hold"):
            return "hold"
        return "copy" if kind.startswith("copy") else "pass"

    def forward(self, data: bytes) -> None:
        self.forwarded += data

    def take_copy(self, envelope: Envelope, body: bytes) -> None:
        self.copies.append(body)

    def take_held(self, envelope: Envelope, raw: bytes, body_offset: int) -> None:
        self.held.append(raw)

    def lose_framing(self, error: FramingError) -> None:
        self.garbled.append(str(error))

    def note_failure(self, error: Exception) -> None:
        self.failures.append(error)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, bytes]:
    kind = draw(st.sampled_from(["hold/x", "copy/x", "pass/x"]))
    content = draw(st.text(max_size=60)) * draw(st.sampled_from([1, 1, 1, 200]))
    if draw(st.booleans()):
        members: dict[str, object] = {"method": kind, "params": {"text": content, "id": "hold/y"}}
    else:
        members = {"id": kind, "result": [content, {"method": "hold/z"}]}
    keys = draw(st.permutations(["jsonrpc", *members]))
    members["jsonrpc"] = "2.0"
    body = json.dumps({key: members[key] for key in keys}, ensure_ascii=False).encode()
    head = draw(st.sampled_from([b"", b"Content-Type: a/b; charset=utf-8\r\n"]))
    return kind, head + encode_frame(body)


@given(st.lists(messages(), max_size=5), st.integers(), st.sampled_from([1, 7, 100, 5000, 10**6]))
@settings(deadline=None)
def test_any_chunking_forwards_copies_and_stops_the_same(
    sent: list[tuple[str, bytes]], seed: int, most: int
) -> None:
    chance = random.Random(seed)
    receiver = Capturing()
    stream = MessageStream(receiver)
    total = b"".join(raw for _, raw in sent)
    at = 0
    while at < len(total):
        size = chance.randint(1, most)
        stream.feed(total[at : at + size])
        at += size
    assert stream.is_at_boundary
    assert bytes(receiver.forwarded) == b"".join(r for kind, r in sent if not kind.startswith("h"))
    assert receiver.held == [raw for kind, raw in sent if kind.startswith("hold")]
    assert receiver.copies == [
        raw[raw.index(b"\r\n\r\n") + 4 :] for kind, raw in sent if kind.startswith("copy")
    ]
    assert not receiver.garbled
    assert not receiver.failures


@given(st.lists(messages(), max_size=3), st.data())
@settings(deadline=None)
def test_an_end_in_mid_message_passes_what_came(
    sent: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    total = b"".join(raw for _, raw in sent)
    cut = data.draw(st.integers(0, len(total)))
    receiver = Capturing()
    stream = MessageStream(receiver)
    stream.feed(total[:cut])
    stream.finish()
    whole = b"".join(receiver.held)
    assert len(receiver.forwarded) + len(whole) == cut


@given(st.binary(min_size=1, max_size=200), st.integers(1, 40))
@settings(deadline=None)
def test_garbage_passes_unchanged(garbage: bytes, size: int) -> None:
    receiver = Capturing()
    stream = MessageStream(receiver)
    stream.feed(encode_frame(b'{"method":"pass"}'))
    for at in range(0, len(garbage), size):
        stream.feed(garbage[at : at + size])
    stream.finish()
    assert bytes(receiver.forwarded) + b"".join(receiver.held) == (
        encode_frame(b'{"method":"pass"}') + garbage
    )


def test_after_garbage_nothing_is_understood_and_nothing_injected() -> None:
    receiver = Capturing()
    stream = MessageStream(receiver)
    stream.feed(b"Traceback (most recent call last):\n")
    stream.feed(encode_frame(b'{"method":"hold/x"}'))
    assert len(receiver.garbled) == 1
    assert not receiver.held
    assert not stream.is_at_boundary


def test_a_large_message_flows_before_it_is_complete() -> None:
    receiver = Capturing()
    stream = MessageStream(receiver)
    raw = encode_frame(b'{"id":1,"result":"' + b"x" * 1_000_000 + b'"}')
    stream.feed(raw[: 2 * HEAD_BYTES])
    assert len(receiver.forwarded) == 2 * HEAD_BYTES
    assert not stream.is_at_boundary
    stream.feed(raw[2 * HEAD_BYTES :])
    assert bytes(receiver.forwarded) == raw
    assert stream.is_at_boundary


def test_a_message_can_be_injected_while_one_is_held() -> None:
    stream = MessageStream(Capturing())
    stream.feed(encode_frame(b'{"method":"hold/x","params":"' + b"y" * 100 + b'"}')[:-5])
    assert stream.is_at_boundary


def test_no_message_beyond_the_limit_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeta_context.server.proxy.stream.MAX_HELD_BYTES", 50)
    receiver = Capturing()
    stream = MessageStream(receiver)
    long = encode_frame(b'{"method":"hold/x","params":"' + b"y" * 100 + b'"}')
    unsettled = encode_frame(b'{"params":{"a":"' + b"y" * 5000 + b'"},"method":"hold/x"}')
    stream.feed(long + unsettled)
    assert bytes(receiver.forwarded) == long + unsettled


@pytest.mark.parametrize("method", ["decide", "take_copy", "take_held"])
def test_a_mistake_of_ours_costs_no_message(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    receiver = Capturing()
    monkeypatch.setattr(receiver, method, fail)
    stream = MessageStream(receiver)
    sent = encode_frame(b'{"method":"hold/x"}') + encode_frame(b'{"method":"copy/x"}')
    stream.feed(sent)
    assert bytes(receiver.forwarded) + b"".join(receiver.held) in (
        sent,
        encode_frame(b'{"method":"copy/x"}') + encode_frame(b'{"method":"hold/x"}'),
    )
    assert receiver.failures
