"""Each answer of a server means one thing for the records that were sent."""

from __future__ import annotations

import json

import pytest

from zeta_context.capture.verdict import (
    LONGEST_WAIT_S,
    Gone,
    Later,
    Stop,
    Taken,
    TooLarge,
    Unfit,
    Verdict,
    judge,
)

IDS = ["a", "b"]
NOW = 1_800_000_000.0


def say(results: object) -> bytes:
    return json.dumps({"results": results}).encode()


TABLE: list[tuple[str, int, dict[str, str], bytes, Verdict]] = [
    ("all", 200, {}, say({"a": "accepted", "b": "duplicate"}),
     Taken(results={"a": "accepted", "b": "duplicate"})),
    ("some", 207, {}, say({"a": "accepted"}), Taken(results={"a": "accepted"})),
    ("rejected", 200, {}, say({"a": "rejected:consent"}), Taken(results={"a": "rejected:consent"})),
    ("unknown identifiers", 200, {}, say({"z": "accepted"}), Later(reason="no_results")),
    ("unknown words", 200, {}, say({"a": "ok", "b": 1}), Later(reason="no_results")),
    ("garbage", 200, {}, b"\xff\x00", Later(reason="no_results")),
    ("a page", 200, {}, b"<html>", Later(reason="no_results")),
    ("a list", 200, {}, b"[]", Later(reason="no_results")),
    ("results of a list", 200, {}, say(["a"]), Later(reason="no_results")),
    ("nothing", 200, {}, b"", Later(reason="no_results")),
    ("deep", 200, {}, b"[" * 100_000, Later(reason="no_results")),
    ("204", 204, {}, b"", Later(reason="http_204")),
    ("301", 301, {"location": "http://elsewhere"}, b"", Stop(reason="http_301")),
    ("307", 307, {"location": "/"}, b"", Stop(reason="http_307")),
    ("400", 400, {}, b"", Unfit(reason="http_400")),
    ("401", 401, {}, b"", Stop(reason="http_401")),
    ("403", 403, {}, b"", Stop(reason="http_403")),
    ("404", 404, {}, b"", Stop(reason="http_404")),
    ("408", 408, {}, b"", Later(reason="http_408")),
    ("409", 409, {}, b"", Unfit(reason="http_409")),
    ("410", 410, {}, b"", Gone()),
    ("413", 413, {}, b"", TooLarge()),
    ("422", 422, {}, b"", Unfit(reason="http_422")),
    ("425", 425, {}, b"", Later(reason="http_425")),
    ("429 seconds", 429, {"retry-after": "7"}, b"", Later(reason="http_429", wait_s=7.0)),
    ("429 date", 429, {"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, b"",
     Later(reason="http_429", wait_s=60.0)),
    ("429 negative", 429, {"retry-after": "-5"}, b"", Later(reason="http_429")),
    ("429 absurd", 429, {"retry-after": "1000000000000"}, b"",
     Later(reason="http_429", wait_s=LONGEST_WAIT_S)),
    ("500", 500, {}, b"", Later(reason="http_500")),
    ("503", 503, {"retry-after": "30"}, b"", Later(reason="http_503", wait_s=30.0)),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_bad_input_24_every_answer_has_its_meaning(
    row: tuple[str, int, dict[str, str], bytes, Verdict],
) -> None:
    _, status, headers, body, expected = row
    assert judge(status, headers, body, IDS, clock=lambda: NOW) == expected
