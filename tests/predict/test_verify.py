"""What a language server says of a prediction decides whether it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.predict.desk import Desk, Scripted, put
from zeta_context.counts import Counts
from zeta_context.events.projects import Projects
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


class SlowServer:
    """An editor's server that is asked beside what its user sees, and takes its time."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.open: set[str] = set()
        self.is_running = True
        self.wait_s = 0.05

    @property
    def beside(self) -> SlowServer:
        return self

    async def uses(self, path: Path, offset: int) -> tuple[tuple[()], tuple[()]]:
        return (), ()

    def supports(self, method: str) -> bool:
        return method == "textDocument/diagnostic"

    def sync(self, path: Path, **_: object) -> None:
        self.shown.append(path.name)
        self.open.add(path.name)

    def close_document(self, path: Path) -> None:
        self.open.discard(path.name)

    async def diagnostics(self, path: Path, *, timeout_s: float) -> tuple[()]:
        await asyncio.sleep(self.wait_s)
        return ()


async def test_an_editors_server_that_is_always_late_is_spared_for_a_while(tmp_path: Path) -> None:
    counts, server, now = Counts(), SlowServer(), [0.0]
    desk = Desk(tmp_path, Scripted())
    desk.open(TEXT)
    document = desk.tracker.document(desk.project, "a.py")
    verifier = Verifier(
        Projects((tmp_path,)),
        lambda _: server,  # type: ignore[arg-type, return-value]
        counts=counts,
        clock=lambda: now[0],
    )
    for number in range(5):
        edit = put(14, str(number))
        assert await verifier.check(document, (edit,), deadline_s=0.001) == "unknown"
        # While it is busy with one it is not asked about another.
        assert await verifier.check(document, (edit,), deadline_s=0.001) == "unknown"
        while verifier._work:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert (counts.total("verify_unknown"), counts.total("verify_too_slow")) == (3, 7)
    # What was shown is taken away, whatever became of the question.
    assert server.shown
    assert not server.open
    now[0] += 61
    server.wait_s = 0
    assert await verifier.check(document, (put(14, "2"),), deadline_s=5) == "neutral"
    assert await verifier.check(document, (put(14, "3"),), deadline_s=5) == "neutral"
    await verifier.aclose()


async def test_in_files_that_share_names_an_editors_server_is_shown_nothing(tmp_path: Path) -> None:
    counts, server = Counts(), SlowServer()
    desk = Desk(tmp_path, Scripted())
    desk.tracker.open(desk.project, "a.go", "package a\n", "go")
    document = desk.tracker.document(desk.project, "a.go")
    verifier = Verifier(Projects((tmp_path,)), lambda _: server, counts=counts)  # type: ignore[arg-type, return-value]
    assert await verifier.check(document, (put(0, "x"),), deadline_s=5) == "unknown"
    assert (server.shown, counts.total("verify_not_alone")) == ([], 1)
