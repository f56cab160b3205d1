"""The rules for front ends, over conversations that keep or break them."""

import json
from pathlib import Path
from typing import Any

import pytest

from zeta_context.lsp.wire import encode_frame
from zeta_context.server.conformance import RULES, check

URI = "file:///project/a.py"
TEXT = "é𝒳 warn\n"
PREDICTION = {
    "id": "p1",
    "textDocument": {"uri": URI, "version": 2},
    "edits": [
        {
            "range": {"start": {"line": 0, "character": 7}, "end": {"line": 0, "character": 11}},
            "newText": "warning",
        }
    ],
}
CHANGE = {
    "textDocument": {"uri": URI, "version": 3},
    "contentChanges": [
        {"range": PREDICTION["edits"][0]["range"], "text": "warning"},  # type: ignore[index]
    ],
}


def said(method: str, number: int | None = None, **params: Any) -> tuple[str, dict[str, Any]]:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return "editor", message if number is None else {**message, "id": number}


def answered(number: int, result: Any) -> tuple[str, dict[str, Any]]:
    return "agent", {"jsonrpc": "2.0", "id": number, "result": result}


def document(**more: Any) -> dict[str, Any]:
    return {"textDocument": {"uri": URI, **more}}


BEGINNING = [
    said("initialize", 1, capabilities={"general": {"positionEncodings": ["utf-8"]}}),
    answered(1, {"capabilities": {"positionEncoding": "utf-8"}}),
    said("initialized"),
    said("textDocument/didOpen", **document(version=2, text=TEXT)),
    said("zeta/predict", 2, **document(), position={"line": 0, "character": 0}),
    answered(2, {"prediction": PREDICTION}),
]
SHOWN = said("zeta/didShow", id="p1")
CHANGED = said("textDocument/didChange", **CHANGE)
ACCEPTED = said("zeta/didAccept", id="p1")
REJECTED = said("zeta/didReject", id="p1", reason="rejected")
GOODBYE = [said("shutdown", 9), answered(9, None), said("exit")]


def verdicts(*conversation: tuple[str, dict[str, Any]]) -> dict[str, str]:
    pieces = [(side, encode_frame(json.dumps(body).encode())) for side, body in conversation]
    return {one.rule: one.verdict for one in check(pieces)}


@pytest.mark.parametrize("order", [(CHANGED, ACCEPTED), (ACCEPTED, CHANGED)])
def test_a_conversation_that_keeps_the_rules(order: Any) -> None:
    found = verdicts(*BEGINNING, SHOWN, *order, *GOODBYE)
    assert set(found) == set(RULES)
    assert [rule for rule, verdict in found.items() if verdict == "broken"] == []
    assert found["accepts"] == found["ranges"] == found["goodbye"] == "kept"
    assert found["rejects"] == found["saved_text"] == "not seen"


@pytest.mark.parametrize(
    ("rule", "conversation"),
    [
        ("handshake", BEGINNING[3:]),
        ("encodings", [said("initialize", 1, capabilities={}), *BEGINNING[1:]]),
        ("open_first", [*BEGINNING[:3], CHANGED]),
        ("open_first", [*BEGINNING, BEGINNING[3]]),
        ("versions", [*BEGINNING, CHANGED, CHANGED]),
        (
            "ranges",
            [
                *BEGINNING,
                said(
                    "textDocument/didChange",
                    textDocument={"uri": URI, "version": 3},
                    contentChanges=[
                        {
                            "range": {
                                "start": {"line": 9, "character": 0},
                                "end": {"line": 9, "character": 0},
                            },
                            "text": "x",
                        }
                    ],
                ),
            ],
        ),
        ("asks", [*BEGINNING, said("zeta/predict", 3, textDocument={"uri": "file:///b"})]),
        ("shows", [*BEGINNING, SHOWN, SHOWN]),
        ("shows", [*BEGINNING, said("zeta/didShow", id="other")]),
        ("accepts", [*BEGINNING, SHOWN, ACCEPTED]),
        ("accepts", [*BEGINNING, SHOWN, CHANGED, ACCEPTED, ACCEPTED]),
        ("rejects", [*BEGINNING, SHOWN, REJECTED, ACCEPTED]),
        ("goodbye", [*BEGINNING, said("exit")]),
    ],
)
def test_a_broken_rule_is_found(rule: str, conversation: list[Any]) -> None:
    assert verdicts(*conversation)[rule] == "broken"


def test_the_saved_file_tells_whether_every_change_was_told(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("one\n")
    uri = path.as_uri()
    opened = said("textDocument/didOpen", textDocument={"uri": uri, "version": 1, "text": "one\n"})
    saved = said("textDocument/didSave", textDocument={"uri": uri})
    assert verdicts(*BEGINNING[:3], opened, saved)["saved_text"] == "kept"
    path.write_text("two\n")
    assert verdicts(*BEGINNING[:3], opened, saved)["saved_text"] == "broken"
