"""What a language server says of a prediction decides whether it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.predict.desk import Desk, Scripted, put
from zeta_context.counts import Counts
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.verify import Verdict, Verifier
from zeta_context.predict.view import Document
from zeta_context.text.edit import TextEdit

TEXT = "one = 1\ntwo = \nthree = 3\n"


class Judge(Verifier):
    """Says what the test says, of the text that is put in."""

    def __init__(self, **verdicts: Verdict) -> None:
        self._verdicts = verdicts
        self.deadlines: list[float] = []

    async def check(
        self,
        document: Document,
        edits: Sequence[TextEdit],
        *,
        deadline_s: float,
        is_step: bool = False,
    ) -> Verdict:
        self.deadlines.append(deadline_s)
        return self._verdicts[edits[0].new_text]

    async def aclose(self) -> None:
        pass


class Second(Scripted):
    name = "second"


def desk_of(root: Path, judge: Judge, verification: str, *texts: str) -> Desk:
    proposers = [Scripted(put(14, texts[0])), *(Second(put(14, text)) for text in texts[1:])]
    settings = PredictSettings(verification=verification)  # type: ignore[arg-type]
    desk = Desk(root, *proposers, settings=settings)
    desk.predictor._verifier = judge
    desk.open(TEXT)
    return desk


async def shown(desk: Desk) -> str:
    answer = await desk.predict(14)
    return answer.edits[0].new_text if isinstance(answer, Prediction) else answer.reason


@pytest.mark.parametrize(
    ("verification", "verdicts", "expected"),
    [
        ("suppress", {"a": "neutral", "b": "better"}, "a"),
        ("suppress", {"a": "unknown", "b": "better"}, "a"),
        ("suppress", {"a": "worse", "b": "neutral"}, "b"),
        ("suppress", {"a": "worse", "b": "worse"}, "verified_worse"),
        ("last", {"a": "worse", "b": "neutral"}, "b"),
        ("last", {"a": "worse", "b": "worse"}, "a"),
        ("off", {"a": "worse", "b": "worse"}, "a"),
    ],
)
async def test_a_worse_one_gives_others_their_turn(
    tmp_path: Path, verification: str, verdicts: dict[str, Verdict], expected: str
) -> None:
    judge = Judge(**verdicts)
    assert await shown(desk_of(tmp_path, judge, verification, "a", "b")) == expected
    assert set(judge.deadlines) <= {0.08}


async def test_without_a_server_of_ours_nothing_is_known(tmp_path: Path) -> None:
    counts = Counts()
    desk = Desk(tmp_path, Scripted())
    desk.open(TEXT)
    document = desk.tracker.document(desk.project, "a.py")
    verifier = Verifier(projects_of(tmp_path), lambda _: None, counts=counts)
    assert await verifier.check(document, (put(14, "a"),), deadline_s=1) == "unknown"
    assert counts.totals() == {"verify_no_server": 1}
    await verifier.aclose()


def projects_of(root: Path):  # type: ignore[no-untyped-def]
    from zeta_context.events.projects import Projects

    return Projects((root,))


async def test_silence_stays_silence(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(None))
    desk.predictor._verifier = Judge()
    desk.open(TEXT)
    answer = await desk.predict(14)
    assert isinstance(answer, Discarded)
    await asyncio.sleep(0)
