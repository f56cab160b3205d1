"""What an embedder sees of a session: documents in, predictions out, nothing that hurts."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.basket import BASKET
from zeta_context.errors import NotOpen, OutOfRange, OutsideProject, StaleSnapshot
from zeta_context.events.content_change import ContentChange
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Point, Span

TEXT = """\
def total(user, prices):
    limit = user.limit
    if user.blocked:
        return 0
    return min(sum(prices), limit)
"""
QUIET = Settings(offer_status=False, watch_files=False)


class Waiting:
    """Proposes as another does, but not before it is let go on."""

    name = "waiting"

    def __init__(self, proposer: Renamer) -> None:
        self.is_asked, self.may_go_on = threading.Event(), threading.Event()
        self._proposer = proposer

    def propose(self, view: View) -> Prediction | Discarded:
        self.is_asked.set()
        assert self.may_go_on.wait(10)
        return self._proposer.propose(view)


class Renamer:
    """Proposes to rename the first `user` that is left, in the document of the cursor."""

    name = "renamer"

    def __init__(self) -> None:
        self.seen: list[View] = []

    def propose(self, view: View) -> Prediction | Discarded:
        self.seen.append(view)
        at = view.document.snapshot.text.find("user")
        if at < 0:
            return Discarded(reason="no_place")
        return Prediction(
            id=f"p{len(self.seen)}",
            project=view.document.project,
            path=view.document.path,
            version=view.document.version,
            edits=(TextEdit(Span(at, at + 4), "account"),),
            proposer=self.name,
            why="user is left",
        )


def session_of(tmp_path: Path, renamer: Renamer | None = None) -> Session:
    proposers = (renamer,) if renamer is not None else None
    return Session(tmp_path, settings=QUIET, proposers=proposers)


def rename_at(session: Session, path: str, nth: int) -> None:
    text = session.document(path).snapshot.text
    at = -1
    for _ in range(nth):
        at = text.index("user", at + 1)
    session.edit(path, Span(at, at + 4), "account")


async def test_the_embedded_default_carries_on_what_was_done_twice(tmp_path: Path) -> None:
    async with session_of(tmp_path) as session:
        session.open("shop.py", BASKET)
        for _ in range(2):
            at = session.document("shop.py").snapshot.text.index("print")
            session.edit("shop.py", Span(at, at + 5), "log.info")
        prediction = await session.predict("shop.py", cursor=at + 8)
        assert isinstance(prediction, Prediction), prediction
        session.accept(prediction)
        assert session.document("shop.py").snapshot.text == BASKET.replace("print", "log.info")
        assert [event.predicted for event in session.events()] == [False, True]


async def test_a_session_without_edits_is_silent_and_says_why(tmp_path: Path) -> None:
    async with session_of(tmp_path) as session:
        session.open("shop.py", TEXT)
        answer = await session.predict("shop.py", cursor=0)
        assert isinstance(answer, Discarded)
        assert answer.reason == "no_events"
        assert session.status()["totals"] == {"no_events": 1}
        assert session.status()["recent"][0]["place"] == "shop.py:1"  # type: ignore[index]


async def test_proposers_see_the_other_documents_of_the_project_and_the_prompt_input(
    tmp_path: Path,
) -> None:
    renamer = Renamer()
    async with session_of(tmp_path, renamer) as session:
        session.open("a.py", "user = 1\n")
        session.open("b.py", "user = 2\n")
        await session.predict("a.py", Point(0, 2))
    view = renamer.seen[0]
    assert [other.path for other in view.others] == ["b.py"]
    assert view.prompt_input is not None
    assert view.prompt_input.cursor_excerpt == "user = 1\n"
    assert view.prompt_input.cursor_offset == 2


async def test_accepting_changes_the_document_only_when_the_editor_did_not_report_it(
    tmp_path: Path,
) -> None:
    renamer = Renamer()
    async with session_of(tmp_path, renamer) as session:
        session.open("a.py", "user + user\n")
        silent = await session.predict("a.py", 0)
        assert isinstance(silent, Prediction)
        session.accept(silent)
        assert session.document("a.py").snapshot.text == "account + user\n"

        telling = await session.predict("a.py", 0)
        assert isinstance(telling, Prediction)
        for edit in telling.edits:
            session.edit("a.py", edit.span, edit.new_text)
        session.accept(telling)
        assert session.document("a.py").snapshot.text == "account + account\n"
        assert [event.predicted for event in session.events()] == [True]


async def test_a_prediction_that_comes_back_through_a_language_client_is_recognised(
    tmp_path: Path,
) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("a.py", "x = user\n", version=1)
        prediction = await session.predict("a.py", 0)
        assert isinstance(prediction, Prediction)
        # Neovim spells the same change as a whole row.
        change = ContentChange(text="x = account\n", start=Point(0, 0), end=Point(1, 0))
        session.apply_changes("a.py", [change], encoding="utf-8", version=2)
        session.accept(prediction)
        assert session.document("a.py").snapshot.text == "x = account\n"
        assert [event.predicted for event in session.events()] == [True]


async def test_typing_on_makes_the_shown_prediction_stale(tmp_path: Path) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("a.py", "user = 1\n")
        prediction = await session.predict("a.py", 0)
        assert isinstance(prediction, Prediction)
        session.edit("a.py", Span(8, 8), "0")
        with pytest.raises(StaleSnapshot, match=r"a\.py changed"):
            session.accept(prediction)
        assert session.document("a.py").snapshot.text == "user = 10\n"


@pytest.mark.parametrize(
    ("span", "typed", "reason"),
    [
        (Span(8, 8), "0", "interpolate_failed"),
        (Span(0, 4), "account", "interpolated_empty"),
    ],
)
async def test_a_document_that_changes_while_predicting_gets_no_stale_prediction(
    tmp_path: Path, span: Span, typed: str, reason: str
) -> None:
    waiting = Waiting(Renamer())
    async with Session(tmp_path, settings=QUIET, proposers=[waiting]) as session:
        session.open("a.py", "user = 1\n")
        asking = asyncio.ensure_future(session.predict("a.py", 0))
        await asyncio.to_thread(waiting.is_asked.wait, 10)
        session.edit("a.py", span, typed)
        waiting.may_go_on.set()
        answer = await asking
        assert isinstance(answer, Discarded)
        assert answer.reason == reason


async def test_what_is_typed_while_predicting_is_taken_off_the_prediction(tmp_path: Path) -> None:
    waiting = Waiting(Renamer())
    async with Session(tmp_path, settings=QUIET, proposers=[waiting]) as session:
        session.open("a.py", "user = 1\n")
        asking = asyncio.ensure_future(session.predict("a.py", 0))
        await asyncio.to_thread(waiting.is_asked.wait, 10)
        session.edit("a.py", Span(0, 4), "acc")
        waiting.may_go_on.set()
        answer = await asking
        assert isinstance(answer, Prediction)
        assert answer.version == session.document("a.py").version
        assert answer.edits == (TextEdit(Span(3, 3), "ount"),)


async def test_rejecting_counts_the_reason(tmp_path: Path) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("a.py", "user = 1\n")
        prediction = await session.predict("a.py", 0)
        assert isinstance(prediction, Prediction)
        outcome = session.reject(prediction, reason="rejected")
        assert (outcome.accepted, outcome.reason) == (False, "rejected")
        assert session.counts.total("rejected") == 1
        assert session.document("a.py").snapshot.text == "user = 1\n"


async def test_mistakes_of_the_editor_are_clear_errors_and_the_session_goes_on(
    tmp_path: Path,
) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("a.py", "user\n")
        with pytest.raises(OutOfRange):
            session.edit("a.py", Span(2, 99), "x")
        with pytest.raises(NotOpen):
            session.edit("b.py", Span(0, 0), "x")
        with pytest.raises(OutsideProject):
            session.open("../elsewhere.py", "secret")
        assert session.document("a.py").snapshot.text == "user\n"
        assert await session.predict("a.py", 0)


async def test_history_is_kept_apart_by_project(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    async with Session(one, more_roots=[two], settings=QUIET) as session:
        session.open("a.py", "x = 1\n")
        session.open(str(two / "b.py"), "y = 1\n")
        session.edit("a.py", Span(4, 5), "2")
        session.edit(str(two / "b.py"), Span(4, 5), "3")
        assert [event.path for event in session.events("one")] == ["a.py"]
        assert [event.path for event in session.events("two")] == ["b.py"]


async def test_a_new_file_without_a_path_is_predicted_like_any_other(tmp_path: Path) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("untitled:1", "user\n", language="python")
        assert await session.predict("untitled:1", 0)
        session.close("untitled:1")
        with pytest.raises(NotOpen):
            session.document("untitled:1")


async def test_a_renamed_document_answers_to_its_new_path(tmp_path: Path) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("a.py", "user\n")
        session.rename("a.py", "b.py")
        assert session.document("b.py").path == "b.py"
        with pytest.raises(NotOpen):
            session.document("a.py")


async def test_a_reload_is_not_typing(tmp_path: Path) -> None:
    async with session_of(tmp_path, Renamer()) as session:
        session.open("a.py", "user\n")
        session.reload("a.py", "something else\n")
        assert session.events() == ()
        assert session.document("a.py").snapshot.text == "something else\n"


async def test_what_another_program_writes_is_no_typing_when_the_editor_takes_it_over(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\ntwo\n")
    settings = Settings(offer_status=False)
    async with Session(tmp_path, settings=settings, proposers=[Renamer()]) as session:
        session.open("a.py", "one\ntwo\n")
        await asyncio.sleep(0.3)  # the watcher begins in the background
        file.write_text("one\nthree\n")
        for _ in range(100):
            await asyncio.sleep(0.05)
            if session.counts.total("disk_changed"):
                break
        session.edit("a.py", Span(4, 7), "three")
        assert session.events() == ()
        session.edit("a.py", Span(0, 3), "zero")
        assert len(session.events()) == 1
