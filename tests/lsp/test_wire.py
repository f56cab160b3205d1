"""Framing: any chunking gives the same frames, and every kind of bad header says what it is."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import FramingError
from zeta_context.lsp.wire import (
    MAX_HEADER_BYTES,
    Frame,
    FrameReader,
    encode_frame,
    read_header,
)

bodies = st.lists(st.binary(max_size=200), min_size=1, max_size=6)
header_names = st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH"])
extra_fields = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/vscode-jsonrpc; charset=utf-8",
            b"Content-Type: application/vscode-jsonrpc; charset=utf8",
            b"X-Trace: abc",
            b"Empty:",
        ]
    ),
    max_size=2,
    unique=True,
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    body = draw(st.binary(max_size=120))
    fields = draw(extra_fields)
    space = draw(st.sampled_from([b"", b" ", b"\t "]))
    fields.insert(
        draw(st.integers(0, len(fields))), draw(header_names) + b":" + space + b"%d" % len(body)
    )
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


@given(st.lists(messages(), min_size=1, max_size=5), st.data())
@settings(deadline=None)
def test_any_chunking_gives_the_frames_with_their_bytes(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = FrameReader()
    frames: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames += reader.feed(stream[start:end])
    assert [frame.raw for frame in frames] == sent
    assert reader.pending == b""


@given(bodies)
@settings(deadline=None)
def test_byte_by_byte_gives_the_bodies(sent: list[bytes]) -> None:
    reader = FrameReader()
    stream = b"".join(map(encode_frame, sent))
    frames = [frame for at in range(len(stream)) for frame in reader.feed(stream[at : at + 1])]
    assert [frame.body for frame in frames] == sent


@given(st.binary(max_size=400), st.integers(1, 50))
@settings(deadline=None, max_examples=200)
def test_garbage_raises_or_waits_but_never_loses_a_byte(garbage: bytes, size: int) -> None:
    reader = FrameReader()
    seen = b""
    for at in range(0, len(garbage), size):
        try:
            seen += b"".join(frame.raw for frame in reader.feed(garbage[at : at + size]))
        except FramingError:
            continue
    assert seen + reader.pending == garbage


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"Content-Length: -5\r\n\r\n", "negative"),
        (b"Content-Length: 5, 5\r\n\r\n", "no number"),
        (b"Content-Length: +5\r\n\r\n", "no number"),
        (b"Content-Length: \xd9\xa3\r\n\r\n", "no number"),
        (b"Content-Length: 0x10\r\n\r\n", "no number"),
        (b"Content-Length:\r\n\r\n", "no number"),
        (b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", "18 digits"),
        (b"Content-Length: 99999999999\r\n\r\n", "more than the"),
        (b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "twice"),
        (b"Content-Type: text\r\n\r\n", "no Content-Length"),
        (b"\r\n\r\n", "no field"),
        (b"Content-Length: 5\n\n{}", "bare line feed"),
        (b"Content-Length: 5\r\nno field\r\n\r\n", "no field"),
        (b"Starting the server\n", "no header field"),
        (b"{", "no header field"),
        (b"\xff\xfe", "no header field"),
        (b"X: " + b"y" * MAX_HEADER_BYTES, "no end of header"),
    ],
)
def test_a_bad_header_is_told_with_what_is_wrong(header: bytes, said: str) -> None:
    reader = FrameReader()
    with pytest.raises(FramingError, match=said):
        reader.feed(header)
    with pytest.raises(FramingError, match=said):
        reader.feed(b"")
    assert reader.pending == header


def test_frames_before_an_error_are_delivered_first() -> None:
    reader = FrameReader()
    good = encode_frame(b"{}")
    assert [frame.raw for frame in reader.feed(good + good + b"oops\n")] == [good, good]
    with pytest.raises(FramingError):
        reader.feed(b"")
    assert reader.pending == b"oops\n"


def test_error_messages_hold_no_byte_of_the_stream() -> None:
    with pytest.raises(FramingError) as raised:
        FrameReader().feed(b"secret text without any header\n")
    assert "secret" not in str(raised.value)


def test_the_charset_is_read_and_the_body_left_alone() -> None:
    body = "é".encode("latin-1")
    raw = b'content-TYPE: x/y; Charset="ISO-8859-1"\r\nContent-Length: 1\r\n\r\n' + body
    (frame,) = FrameReader().feed(raw)
    assert (frame.charset, frame.body, frame.raw) == ("iso-8859-1", body, raw)


def test_an_empty_body_is_a_frame() -> None:
    (frame,) = FrameReader().feed(b"Content-Length: 0\r\n\r\n")
    assert frame.body == b""


def test_a_header_can_be_read_where_it_lies() -> None:
    data = b"xxx" + encode_frame(b"12345")
    header = read_header(data, 3)
    assert header is not None
    assert (header.size, header.content_length) == (len(b"Content-Length: 5\r\n\r\n"), 5)


@pytest.mark.parametrize("chunk", [1, 64 * 1024])
def test_time_grows_with_the_size_not_its_square(chunk: int) -> None:
    def cost(size: int) -> float:
        stream = encode_frame(b"x" * size)
        pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
        best = 1e9
        for _ in range(3):
            reader = FrameReader()
            began = time.process_time()
            count = sum(len(reader.feed(piece)) for piece in pieces)
            best = min(best, time.process_time() - began)
            assert count == 1
        return best

    small = 50_000 if chunk == 1 else 4_000_000
    assert cost(8 * small) < 8 * 4 * max(cost(small), 0.002)


def test_many_small_frames_in_one_chunk_cost_no_copy_of_the_rest() -> None:
    stream = encode_frame(b"{}") * 100_000
    began = time.process_time()
    assert len(FrameReader().feed(stream)) == 100_000
    assert time.process_time() - began < 5
