"""Records as bytes: what goes in comes out, and what is hostile is refused small and fast."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.capture.records import make_event, make_example, make_outcome
from zeta_context.capture.codec import (
    MAX_RAW_BYTES,
    compress,
    decode_record,
    encode_record,
    from_dict,
    to_dict,
)
from zeta_context.capture.example import EXAMPLE_SCHEMA, Example, make_record_id, whole_minute
from zeta_context.errors import CaptureError


def packed(data: Any) -> bytes:
    return compress(msgpack.packb(data))


@given(st.text(st.characters(), max_size=200))
def test_an_example_of_any_text_comes_back_as_it_was(text: str) -> None:
    example = make_example(text)
    assert decode_record(encode_record(example)) == example


def test_an_example_with_lone_surrogates_comes_back_as_it_was() -> None:
    example = make_example("x = '\ud800'\n")
    assert decode_record(encode_record(example)) == example


def test_an_outcome_comes_back_with_and_without_the_events_that_followed() -> None:
    outcome = make_outcome(make_record_id())
    assert decode_record(encode_record(outcome)) == outcome
    told = replace(outcome, following=(make_event("amount"),))
    assert decode_record(encode_record(told)) == told


def test_an_outcome_holds_no_text_of_a_file_without_the_second_consent() -> None:
    data = to_dict(make_outcome(make_record_id()))
    assert data.pop("following") is None
    assert set(data) == {
        "kind", "id", "example_id", "at", "accepted", "was_shown", "reason", "part", "kept_rate",
        "schema",
    }  # fmt: skip


def test_an_example_on_its_way_holds_nothing_of_what_came_afterwards(example: Example) -> None:
    assert set(to_dict(example)) == {
        "kind", "id", "at", "prompt_input", "prediction", "quiet_reason", "schema",
    }  # fmt: skip


def test_fields_of_a_later_version_are_ignored_but_a_later_schema_is_refused(
    example: Example,
) -> None:
    assert from_dict({**to_dict(example), "mood": "good"}) == example
    with pytest.raises(CaptureError, match="newer version"):
        from_dict({**to_dict(example), "schema": EXAMPLE_SCHEMA + 1})


def test_a_record_that_is_too_large_is_not_made() -> None:
    with pytest.raises(CaptureError, match="at most"):
        encode_record(make_example("x" * (MAX_RAW_BYTES + 1)))


def bomb(raw_bytes: int) -> bytes:
    """Zeros as one frame that declares no size."""
    compressor = zstandard.ZstdCompressor(level=19, write_content_size=False).compressobj()
    piece = bytes(1 << 20)
    parts = [compressor.compress(piece) for _ in range(raw_bytes >> 20)]
    return b"".join(parts) + compressor.flush()


def lying(body: bytes, size: int) -> bytes:
    """The frame with another size in its header: magic, descriptor with an 8-byte size."""
    descriptor = 0b11_1_00000  # 8 bytes of size, single segment
    parameters = zstandard.get_frame_parameters(body)
    assert not parameters.has_checksum
    return body[:4] + bytes([descriptor]) + size.to_bytes(8, "little") + body[6:]


def deep(n: int) -> bytes:
    return b"\x91" * n + b"\xc0"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "zstd bomb": lambda: bomb(256 << 20),
    "zstd bomb inside one": lambda: compress(bomb(64 << 20)),
    "declared 10 GB": lambda: lying(compress(b"x" * 100), 10_000_000_000),
    "declared less than it holds": lambda: lying(compress(bytes(100_000)), 10),
    "window of 2 GB": lambda: b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00",
    "cut-off frame": lambda: compress(msgpack.packb({"kind": "example"}) * 100)[:-3],
    "two frames": lambda: packed({}) * 2,
    "no frame": lambda: b"\x00" * 100,
    "empty": lambda: b"",
    "array of 2^32-1": lambda: compress(b"\xdd\xff\xff\xff\xff"),
    "map of 2^32-1": lambda: compress(b"\xdf\xff\xff\xff\xff"),
    "text of 2^32-1": lambda: compress(b"\xdb\xff\xff\xff\xff"),
    "depth 100,000": lambda: compress(deep(100_000)),
    "a million tiny objects": lambda: compress(
        b"\xdd" + (500_000).to_bytes(4, "big") + b"\x80" * 500_000
    ),
    "extension type": lambda: packed({"kind": msgpack.ExtType(5, b"x")}),
    "timestamp": lambda: packed({"kind": msgpack.Timestamp(1)}),
    "duplicate keys": lambda: compress(b"\x82\xa1a\x01\xa1a\x02"),
    "numbers for keys": lambda: packed({1: 2}),
    "an array": lambda: packed([1]),
    "not a number": lambda: packed({**to_dict(make_example()), "at": float("nan")}),
    "infinite": lambda: packed({**to_dict(make_outcome("0" * 32)), "kept_rate": float("inf")}),
    "integer overflow": lambda: packed({**to_dict(make_example()), "schema": 2**63}),
    "a truth value for a number": lambda: packed({**to_dict(make_example()), "at": True}),
    "a text for a truth value": lambda: packed(
        {**to_dict(make_outcome("0" * 32)), "accepted": "no"}
    ),
    "unknown kind": lambda: packed({**to_dict(make_example()), "kind": "other"}),
    "schema of the future": lambda: packed({**to_dict(make_example()), "schema": 99}),
    "a field is missing": lambda: packed({"kind": "example", "schema": 1}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_input_27_bombs_and_lies_are_refused_small_and_fast(name: str) -> None:
    body = HOSTILE[name]()
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(CaptureError) as refusal:
            decode_record(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert time.perf_counter() - started < 30  # a hang, not a timing
    assert "prices" not in str(refusal.value)


def test_identifiers_are_distinct_and_sort_by_time() -> None:
    ids = [make_record_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(one) == 32 and one[12] == "7" and one[16] in "89ab" for one in ids)
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)


def test_times_are_told_in_whole_minutes() -> None:
    assert whole_minute(1_800_000_059.9) == 1_800_000_000.0
