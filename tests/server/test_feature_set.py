"""Our methods as a feature set: one answer each, newest first, and no text in any log."""

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from zeta_context.lsp.rpc import INVALID_PARAMS, METHOD_NOT_FOUND, REQUEST_CANCELLED
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.feature_set import FeatureSet
from zeta_context.server.features import Commands, Features
from zeta_context.session import Session

URI = "file:///p/a.py"
SECRET = "what the user typed"


class SlowFeatures(Features):
    """Predicts when it is let."""

    def __init__(self, root: Path) -> None:
        session = Session(root)
        commands = Commands(accept="a", reject="r", jump="j")
        super().__init__(session, EditorDocuments(session), commands)
        self.may_answer = asyncio.Event()

    async def zeta_predict(self, params: Mapping[str, Any]) -> dict[str, Any]:
        await self.may_answer.wait()
        return {"prediction": None, "reason": SECRET}


class Asker:
    def __init__(self, root: Path) -> None:
        self.features = SlowFeatures(root)
        self.answers: list[dict[str, Any]] = []
        self.feature_set = FeatureSet(
            self.features, show_document=lambda params: None, status=lambda: {"é": 1}
        )

    def ask(self, number: object, method: str, params: object) -> None:
        message = {"id": number, "method": method, "params": params}
        self.feature_set.take_request(message, lambda body: self.answers.append(json.loads(body)))

    async def answer_to(self, number: object) -> dict[str, Any]:
        while True:
            for answer in self.answers:
                if answer["id"] == number:
                    return answer
            await asyncio.sleep(0.001)


@pytest.fixture
async def asker(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


@pytest.mark.parametrize("number", [1, "zeta 𝒳", 2.5, None])
async def test_every_id_gets_its_answer_once(asker: Asker, number: object) -> None:
    asker.ask(number, "zeta/status", None)
    assert (await asker.answer_to(number))["result"] == {"é": 1}
    await asyncio.sleep(0)
    assert len(asker.answers) == 1


async def test_a_newer_request_for_a_document_cancels_the_older(asker: Asker) -> None:
    params = {"textDocument": {"uri": URI}}
    for number in (1, 2):
        asker.ask(number, "zeta/predict", params)
        await asyncio.sleep(0.01)
    asker.ask(3, "zeta/predict", {"textDocument": {"uri": "file:///p/b.py"}})
    assert (await asker.answer_to(1))["error"]["code"] == REQUEST_CANCELLED
    asker.features.may_answer.set()
    assert "result" in await asker.answer_to(2)
    assert "result" in await asker.answer_to(3)
    assert len(asker.answers) == 3


async def test_a_request_is_cancelled_before_and_after_it_began(asker: Asker) -> None:
    for number, method in ((1, "textDocument/codeAction"), ("x", "zeta/predict")):
        asker.ask(number, method, {"textDocument": {"uri": URI}})
    await asyncio.sleep(0.01)
    asker.ask(9, "zeta/predict", {"textDocument": {"uri": "file:///p/b.py"}})
    for number in ("x", 9, "never asked", None):
        asker.feature_set.cancel({"id": number})
    assert (await asker.answer_to("x"))["error"]["code"] == REQUEST_CANCELLED
    assert (await asker.answer_to(9))["error"]["code"] == REQUEST_CANCELLED


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("zeta/predict", [], INVALID_PARAMS),
        ("textDocument/inlineCompletion", {"textDocument": 5, "position": 1}, None),
        ("zeta/nothing", {}, METHOD_NOT_FOUND),
    ],
)
async def test_wrong_requests_are_errors_without_what_they_said(
    asker: Asker, method: str, params: object, code: int | None
) -> None:
    asker.ask(1, method, params)
    answer = await asker.answer_to(1)
    assert answer.get("error", {}).get("code") == code
    assert "Traceback" not in json.dumps(answer)


async def test_no_text_reaches_a_log(asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    asker.features.may_answer.set()
    with caplog.at_level(logging.DEBUG):
        asker.ask(1, "zeta/predict", {"textDocument": {"uri": URI}, "text": SECRET})
        asker.ask(2, "textDocument/codeAction", {"context": SECRET})
        asker.ask(3, "zeta/nothing", {"text": SECRET})
        for number in (1, 2, 3):
            await asker.answer_to(number)
    assert SECRET not in caplog.text
