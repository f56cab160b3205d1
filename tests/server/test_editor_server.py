"""The editor's server as the worker asks it: current texts only, patiently, with diagnostics."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zeta_context.counts import Counts
from zeta_context.errors import NotOpen, ResponseError, ServerGone
from zeta_context.lsp.rpc import CONTENT_MODIFIED, SERVER_CANCELLED
from zeta_context.server.proxy.beside import ShadowStep
from zeta_context.server.proxy.editor_server import EditorServer, HeldDocument
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

PATH = Path("/p/a.py")
URI = "file:///p/a.py"
TEXT = "𝒳 = make()\n"
UNITS = {"utf-8": 5, "utf-16": 3, "utf-32": 2}
PULLED = {"definitionProvider": True, "diagnosticProvider": {}}


class Desk:
    """An editor's server whose answers a test scripts, and the document that the editor holds."""

    def __init__(self, capabilities: dict[str, Any], encoding: Encoding = "utf-16") -> None:
        self.held: HeldDocument | None = HeldDocument(URI, 3, TextSnapshot(TEXT))
        self.counts = Counts()
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda message: {"result": None}
        self.shadows: list[tuple[str, str, dict[str, Any]]] = []
        self.server = EditorServer(
            self.write,
            id_prefix="zeta:",
            held=lambda path: self.held,
            shadow=self.write_shadow,
            counts=self.counts,
        )
        self.server.encoding = encoding
        self.server.take_result({"capabilities": capabilities})
        self.server.set_ready(True)
        self.server.sync(PATH, language="python", version=3, snapshot=TextSnapshot(TEXT))

    def write(self, body: bytes) -> None:
        message = json.loads(body)
        self.asked.append(message)
        if "id" in message:
            reply = json.dumps({"id": message["id"], **self.answer(message)}).encode()
            asyncio.get_running_loop().call_soon(self.server.connection.receive, reply)

    def write_shadow(self, kind: ShadowStep, uri: str, frame: bytes) -> None:
        body = frame.partition(b"\r\n\r\n")[2]
        self.shadows.append((kind, uri, json.loads(body) if body else {}))
        message = self.shadows[-1][2]
        if "id" in message:
            reply = json.dumps({"id": message["id"], **self.answer(message)}).encode()
            asyncio.get_running_loop().call_soon(self.server.take_answer, message["id"], reply)

    def place(self, start: int, end: int) -> dict[str, Any]:
        places = ({"line": 0, "character": at} for at in (start, end))
        return dict(zip(("start", "end"), places, strict=True))


@pytest.mark.parametrize("encoding", UNITS)
async def test_questions_and_answers_count_in_the_editors_units(encoding: Encoding) -> None:
    desk = Desk({"definitionProvider": True}, encoding)
    start = UNITS[encoding] + 2
    found = {"uri": "file:///p/b.py", "range": desk.place(start, start + 4)}
    desk.answer = lambda message: {"result": [found]}
    (location,) = await desk.server.definition(PATH, TEXT.index("make"))
    assert desk.asked[0]["params"]["position"]["character"] == start
    assert (location.start.units, location.encoding) == (start, encoding)


@pytest.mark.parametrize("code", [CONTENT_MODIFIED, SERVER_CANCELLED])
async def test_a_server_that_is_not_ready_to_say_is_asked_again_later(code: int) -> None:
    desk = Desk({"definitionProvider": True})
    refusal = {"error": {"code": code, "message": "not now"}}
    desk.answer = lambda message: refusal if len(desk.asked) < 3 else {"result": []}
    assert await desk.server.definition(PATH, 4) == ()
    assert len(desk.asked) == 3
    assert desk.counts.totals()["lsp_retried"] == 2


async def test_a_question_about_a_text_of_before_is_not_asked_again() -> None:
    desk = Desk({"definitionProvider": True})

    def change(message: dict[str, Any]) -> dict[str, Any]:
        newer = TextSnapshot("another text\n")
        desk.server.sync(PATH, language="python", version=4, snapshot=newer)
        return {"error": {"code": CONTENT_MODIFIED, "message": "not now"}}

    desk.answer = change
    with pytest.raises(ResponseError):
        await desk.server.definition(PATH, 4)
    assert len(desk.asked) == 1


async def test_what_a_server_registers_later_is_asked_until_it_takes_that_back() -> None:
    desk = Desk({})
    assert not desk.server.is_running
    one = {"id": "r1", "method": "textDocument/definition"}
    desk.server.observe("client/registerCapability", {"registrations": [one]})
    assert desk.server.is_running
    desk.server.observe("client/unregisterCapability", {"unregisterations": [one]})
    assert not desk.server.is_running


@pytest.mark.parametrize("encoding", UNITS)
async def test_published_diagnostics_are_known_where_they_are_now(encoding: Encoding) -> None:
    desk = Desk({}, encoding)
    at = UNITS[encoding] + 2
    params = {
        "uri": URI,
        "version": 3,
        "diagnostics": [{"range": desk.place(at, at + 4), "message": "no such name"}],
    }
    desk.server.observe("textDocument/publishDiagnostics", params)
    desk.held = HeldDocument(URI, 4, TextSnapshot("# é\n" + TEXT))
    (known,) = await desk.server.diagnostics(PATH)
    assert desk.held.snapshot.slice(known.span) == "make"
    assert not desk.asked


async def test_diagnostics_are_asked_for_where_the_server_can_be_asked() -> None:
    desk = Desk(PULLED)
    item = {"range": desk.place(5, 9), "message": "no such name", "severity": 1}
    desk.answer = lambda message: {"result": {"kind": "full", "items": [item]}}
    (known,) = await desk.server.diagnostics(PATH)
    assert TEXT[known.span.start : known.span.end] == "make"
    assert desk.asked[0]["method"] == "textDocument/diagnostic"
    assert desk.server.known_diagnostics(PATH) == (known,)


async def test_diagnostics_of_a_document_that_the_editor_does_not_hold_are_nothing() -> None:
    desk = Desk(PULLED)
    desk.held = None
    params = {"uri": URI, "diagnostics": [{"range": desk.place(0, 1), "message": "m"}]}
    desk.server.observe("textDocument/publishDiagnostics", params)
    assert await desk.server.diagnostics(PATH) == ()
    assert not desk.asked


BESIDE = Path("/p/a__zeta_would.py")
BESIDE_URI = "file:///p/a__zeta_would.py"
FAULT = {"severity": 1, "message": "wrong", "code": "no-name"}


def shown(desk: Desk, text: str) -> None:
    desk.server.beside.sync(BESIDE, language="python", version=0, snapshot=TextSnapshot(text))


async def test_a_text_is_shown_asked_about_and_taken_away() -> None:
    desk = Desk(PULLED)
    fault = {**FAULT, "range": desk.place(3, 7)}
    desk.answer = lambda message: {"result": {"kind": "full", "items": [fault]}}
    shown(desk, "𝒳 = maek()\n")
    (found,) = await desk.server.beside.diagnostics(BESIDE, timeout_s=5)
    assert (found.message, tuple(found.span)) == ("wrong", (2, 6))
    desk.server.beside.close_document(BESIDE)
    desk.server.beside.close_document(BESIDE)
    assert [(kind, uri) for kind, uri, _ in desk.shadows] == [
        ("open", BESIDE_URI), ("ask", BESIDE_URI), ("close", BESIDE_URI)
    ]  # fmt: skip
    opened = desk.shadows[0][2]["params"]["textDocument"]
    assert (opened["uri"], opened["languageId"]) == (BESIDE_URI, "python")
    assert opened["text"] == "𝒳 = maek()\n"
    assert desk.shadows[1][2]["params"]["textDocument"]["uri"] == BESIDE_URI
    assert not desk.asked


async def test_what_is_published_of_a_shown_text_is_told_of_its_newest_showing() -> None:
    desk = Desk({"definitionProvider": True})
    beside = desk.server.beside
    shown(desk, "old()\n")
    shown(desk, "new()\n")
    newest = desk.shadows[-1][2]["params"]["textDocument"]
    told = {"uri": BESIDE_URI, "diagnostics": [{**FAULT, "range": desk.place(0, 3)}]}
    desk.server.observe(
        "textDocument/publishDiagnostics", {**told, "version": newest["version"] - 1}
    )
    assert not await beside.was_told(BESIDE, timeout_s=0.01)
    desk.server.observe("textDocument/publishDiagnostics", {**told, "version": newest["version"]})
    assert await beside.was_told(BESIDE, timeout_s=5)
    assert [one.message for one in beside.known_diagnostics(BESIDE)] == ["wrong"]


async def test_what_is_said_of_a_text_that_was_taken_away_early_counts_for_nothing() -> None:
    desk = Desk(PULLED)

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        desk.server.beside.take_closed()
        return {"result": {"kind": "full", "items": []}}

    desk.answer = answer
    shown(desk, "maek()\n")
    with pytest.raises(ServerGone):
        await desk.server.beside.diagnostics(BESIDE, timeout_s=5)
    with pytest.raises(NotOpen):
        desk.server.beside.known_diagnostics(BESIDE)
