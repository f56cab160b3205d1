"""Counts on the wire: read back as they were, and nothing else is taken for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from zeta_context.errors import CaptureError
from zeta_context.rollout.counts_report import (
    MAX_REPORT_BYTES,
    MAX_ROWS,
    CountsReport,
    decode_report,
    decode_taken,
    encode_report,
    encode_taken,
)
from zeta_context.rollout.outcomes import OutcomeCounts

ROW = OutcomeCounts(install="i-1", variant="new", id="r-1", experiment="e", requests=3, shown=2)
REPORT = CountsReport(installation="i-1", project="p", consent="c", paper="{}", rows=(ROW,))


def test_a_report_is_read_back() -> None:
    assert decode_report(encode_report(REPORT)) == REPORT
    assert decode_taken(encode_taken([ROW])) == {"r-1"}
    for hostile in (b"", b"[]", b'{"taken": 3}', b'{"taken": [3, {}]}', b"[" * 100_000):
        assert decode_taken(hostile) == frozenset()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"rows": []},
        {"rows": [{"install": "other", "variant": "new", "id": "r-2"}]},
        {"rows": [{"install": "i-1", "variant": "x" * 101, "id": "r-2"}]},
        {"rows": [{"install": "i-1", "variant": "new", "id": "../r"}]},
        {"rows": [{"install": "i-1", "variant": "new", "id": "r", "shown": -1}]},
        {"rows": [{"install": "i-1", "variant": "new", "id": "r", "shown": 2**50}]},
        {"rows": [{"install": "i-1", "variant": b"new", "id": "r"}]},
        {"rows": {}},
        {"installation": 3},
        {"consent": ""},
        {"paper": b"x"},
        {"paper": "x" * MAX_REPORT_BYTES},
    ],
)
def test_what_is_no_report_is_refused(change: dict[str, Any]) -> None:
    table = msgpack.unpackb(encode_report(REPORT)) | change
    with pytest.raises(CaptureError):
        decode_report(msgpack.packb(table))


def test_too_many_rows_and_bytes_that_are_nothing_are_refused() -> None:
    rows = tuple(replace(ROW, id=f"r-{number}") for number in range(MAX_ROWS + 1))
    for hostile in (
        encode_report(replace(REPORT, rows=rows)),
        encode_report(replace(REPORT, rows=(ROW, ROW))),
        b"",
        b"\x91" * 50_000,
        b"\xdf\xff\xff\xff\xff",
        b"\xc1",
    ):
        with pytest.raises(CaptureError):
            decode_report(hostile)
