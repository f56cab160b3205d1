"""Batches and deletions as bytes, and hostile bytes that claim to be such."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from zeta_context.capture.batch import (
    MAX_ITEMS,
    Batch,
    DeletionRequest,
    WireItem,
    decode_batch,
    decode_deletion,
    decode_results,
    encode_batch,
    encode_deletion,
    encode_results,
    is_identifier,
)
from zeta_context.errors import CaptureError

ITEM = WireItem(
    id="0" * 32, project="p" * 32, kind="example", consent="c-1", evidence="e" * 64,
    sha256="f" * 64, body=b"body",
)  # fmt: skip
BATCH = Batch(
    installation="i-1", items=(ITEM,), papers={"c-1": "{}"}, drops={"secret": 2, "overflow": 0}
)


def table() -> dict[str, Any]:
    data: dict[str, Any] = msgpack.unpackb(encode_batch(BATCH))
    return data


def changed(**fields: Any) -> bytes:
    packed: bytes = msgpack.packb({**table(), **fields})
    return packed


def changed_item(**fields: Any) -> bytes:
    return changed(items=[{**table()["items"][0], **fields}])


def test_a_batch_and_a_deletion_come_back_as_they_were() -> None:
    assert decode_batch(encode_batch(BATCH)) == BATCH
    request = DeletionRequest(id="d-1", installation="i-1", project="p", consent="c-1")
    assert decode_deletion(encode_deletion(request)) == request


def test_keys_of_a_later_version_are_passed_over() -> None:
    assert decode_batch(changed(mood={"good": [1, 2]})) == BATCH
    assert decode_batch(changed_item(mood=[1])) == BATCH


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a number": lambda: b"\x01",
    "cut off": lambda: encode_batch(BATCH)[:-2],
    "two messages": lambda: encode_batch(BATCH) * 2,
    "array of 2^32-1": lambda: b"\x81\xa5items\xdd\xff\xff\xff\xff",
    "map of 2^32-1": lambda: b"\xdf\xff\xff\xff\xff",
    "text of 2^32-1": lambda: b"\x81\xdb\xff\xff\xff\xff",
    "body of 2^32-1": lambda: b"\x81\xa5items\x91\x81\xa4body\xc6\xff\xff\xff\xff",
    "depth": lambda: b"\x81\xa1x" + b"\x91" * 1_000_000,
    "a million tiny items": lambda: b"\x81\xa5items\xdd\x00\x0f\x42\x40" + b"\x80" * 1_000_000,
    "a million objects for a text": lambda: (
        b"\x81\xacinstallation\xdd\x00\x0f\x42\x40" + b"\x80" * 1_000_000
    ),
    "too many items": lambda: changed(items=table()["items"] * (MAX_ITEMS + 1)),
    "no items": lambda: changed(items=[]),
    "the same identifier twice": lambda: changed(items=table()["items"] * 2),
    "a path for an identifier": lambda: changed_item(id="../x"),
    "an extension type": lambda: changed_item(body=msgpack.ExtType(1, b"x")),
    "a text for a body": lambda: changed_item(body="x"),
    "a number for a project": lambda: changed_item(project=1),
    "schema of the future": lambda: changed(schema=2),
    "negative drops": lambda: changed(drops={"secret": -1}),
    "drops without end": lambda: changed(drops={"secret": 2**63}),
    "papers that are no texts": lambda: changed(papers={"c": 1}),
    "too long a paper": lambda: changed(papers={"c": "x" * 70_000}),
    "duplicate keys": lambda: b"\x82\xa6schema\x01\xa6schema\x01",
    "installation with a slash": lambda: changed(installation="a/b"),
    "no UTF-8": lambda: b"\x81\xa6\xff\xff\xff\xff\xff\xff\x01",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_input_27_what_is_no_batch_is_refused_small_and_fast(name: str) -> None:
    data = HOSTILE[name]()
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(CaptureError):
            decode_batch(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert time.perf_counter() - started < 30  # a hang, not a timing


def test_a_deletion_that_is_none_is_refused() -> None:
    for data in (b"", b"\x80", encode_batch(BATCH), msgpack.packb({"schema": 1, "id": "../"})):
        with pytest.raises(CaptureError):
            decode_deletion(data)


def test_only_what_was_asked_about_is_taken_from_results() -> None:
    said = encode_results({"a": "accepted", "b": "rejected:licence", "z": "accepted"})
    assert decode_results(said, ["a", "b"]) == {"a": "accepted", "b": "rejected:licence"}


def test_identifiers_name_no_place() -> None:
    assert is_identifier("0198-aB_c")
    for one in ("", "a" * 65, "a/b", "..", "a.b", "é", "a b", "-", "a\n"):
        assert not is_identifier(one), one
