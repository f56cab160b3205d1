"""A rename goes on through the places that a real language server knows."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from zeta_context.context.gather import ContextSettings
from zeta_context.events.event import Cause
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.verify import Verifier
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

pytestmark = pytest.mark.e2e

ACCOUNTS = """\
class Account:
    def __init__(self, name: str) -> None:
        self.name = name


def find_account(number: int) -> Account:
    return Account(str(number))


def first() -> Account:
    return find_account(1)
"""
SHOW = """\
from shop.accounts import Account, find_account


def show(number: int) -> str:
    account: Account = find_account(number)
    return account.name + find_account(2).name


def other(find_account: int) -> int:
    return find_account
"""


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    if not (Path(sys.executable).parent / "ty").exists():
        pytest.skip("ty is not installed beside the interpreter")
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "accounts.py").write_text(ACCOUNTS)
    (shop / "show.py").write_text(SHOW)
    settings = Settings(
        offer_status=False,
        watch_files=False,
        context=ContextSettings(definitions=True, deadline_ms=2000),
    )
    async with Session(tmp_path, settings=settings) as session:
        session.open("shop/show.py", SHOW)
        session.open("shop/accounts.py", ACCOUNTS)
        for _ in range(100):  # until the server has read the project
            if "find_account" in await _definitions(session):
                break
            await asyncio.sleep(0.2)
        yield session


async def _definitions(session: Session) -> str:
    _, explanation = await session.explain("shop/show.py", SHOW.index("account: Account") + 20)
    found = explanation.gathered.prompt_input.related_files
    return "".join(excerpt.text for file in found for excerpt in file.excerpts)


def rename(session: Session, old: str, new: str, cause: Cause | None = None) -> int:
    text = session.document("shop/accounts.py").snapshot.text
    at = text.index(f"def {old}") + 4
    span = Span(at, at + len(old))
    session.edit_many("shop/accounts.py", (TextEdit(span, new),), cause=cause)
    return at


async def asked(session: Session, cursor: int) -> Prediction | Discarded:
    """The ripple's answer, once the server has said where the name stands."""
    answer: Prediction | Discarded = Discarded(reason="none")
    for _ in range(20):
        answer = await session.predict("shop/accounts.py", cursor)
        if isinstance(answer, Prediction) and answer.proposer == "ripple":
            return answer
        await asyncio.sleep(0.1)
    return answer


async def test_every_place_of_a_rename_comes_in_turn_and_no_other(session: Session) -> None:
    at = rename(session, "find_account", "look_up")
    answer = await asked(session, at + 40)
    told = []
    while isinstance(answer, Prediction) and answer.proposer == "ripple":
        told.append((answer.path, answer.why.rpartition(": ")[2]))
        session.accept(answer)
        answer = await session.predict(answer.path, answer.cursor or 0)
    assert told == [
        ("shop/accounts.py", "place 1 of 4"),
        ("shop/show.py", "place 2 of 4"),
        ("shop/show.py", "place 3 of 4"),
        ("shop/show.py", "place 4 of 4"),
    ]
    text = session.document("shop/show.py").snapshot.text
    assert text.count("look_up") == 3
    assert text.endswith("def other(find_account: int) -> int:\n    return find_account\n")


async def test_places_in_a_file_that_is_not_open_are_gone_to_and_proposed_once_it_is(
    session: Session, tmp_path: Path
) -> None:
    session.close("shop/show.py")
    at = rename(session, "find_account", "look_up")
    first = await asked(session, at + 40)
    assert isinstance(first, Prediction)
    session.accept(first)
    answer = await session.predict("shop/accounts.py", first.cursor or 0)
    assert isinstance(answer, Discarded)
    assert answer.reason == "not_open"
    jump = answer.jump
    assert jump is not None
    assert (jump.path, jump.offset) == ("shop/show.py", SHOW.index("find_account"))
    assert jump.why.endswith("place 2 of 4, in shop/show.py:1")
    assert (tmp_path / "shop/show.py").read_text() == SHOW

    session.open("shop/show.py", SHOW)
    told = []
    second = await session.predict("shop/show.py", jump.offset)
    while isinstance(second, Prediction) and second.proposer == "ripple":
        told.append(second.why.rpartition(": ")[2])
        session.accept(second)
        second = await session.predict("shop/show.py", second.cursor or 0)
    assert told == ["place 2 of 4", "place 3 of 4", "place 4 of 4"]
    assert session.document("shop/show.py").snapshot.text.count("look_up") == 3


async def test_who_does_not_want_to_leave_the_open_files_is_not_asked_again(
    session: Session,
) -> None:
    session.close("shop/show.py")
    at = rename(session, "find_account", "look_up")
    first = await asked(session, at + 40)
    assert isinstance(first, Prediction)
    session.accept(first)
    answer = await session.predict("shop/accounts.py", at)
    assert isinstance(answer, Discarded)
    assert answer.jump is not None
    session.reject_jump(answer.jump)
    for cursor in (at, at + 40):
        again = await session.predict("shop/accounts.py", cursor)
        assert isinstance(again, Discarded)
        assert again.jump is None
    assert session.counts.totals()["jump_rejected"] == 1


async def test_undoing_the_rename_ends_it(session: Session) -> None:
    at = rename(session, "find_account", "look_up")
    assert isinstance(await asked(session, at + 40), Prediction)
    rename(session, "look_up", "find_account", cause="undo")
    answer = await session.predict("shop/accounts.py", at + 40)
    assert not isinstance(answer, Prediction)


async def test_another_name_where_the_old_one_was_used_is_no_rename(session: Session) -> None:
    at = SHOW.index("find_account(number)")
    session.edit("shop/show.py", Span(at, at + 12), "Account")
    await session.predict("shop/show.py", at + 30)
    await asyncio.sleep(0.5)
    answer = await session.predict("shop/show.py", at + 31)
    assert not isinstance(answer, Prediction) or answer.proposer != "ripple"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("x = show(1)\n", "neutral"),
        ("x = shwo(1)\n", "worse"),
        ("x = show('a')\n", "worse"),
        ("y: int = show(3)\n", "worse"),
    ],
)
async def test_new_errors_are_seen_before_anything_is_shown(
    session: Session, text: str, verdict: str
) -> None:
    verifier = Verifier(session.projects, session._gatherer.server, counts=session.counts)
    document = session.document("shop/show.py")
    edits = (TextEdit(Span(len(SHOW), len(SHOW)), text),)
    assert await verifier.check(document, edits, deadline_s=10) == verdict


@pytest.mark.parametrize(("is_step", "verdict"), [(False, "worse"), (True, "neutral")])
async def test_what_is_used_below_and_taken_away_counts_unless_it_is_one_step_of_several(
    session: Session, is_step: bool, verdict: str
) -> None:
    verifier = Verifier(session.projects, session._gatherer.server, counts=session.counts)
    at = ACCOUNTS.index("def find_account") + 4
    document = session.document("shop/accounts.py")
    edits = (TextEdit(Span(at, at + 12), "look_up"),)
    told = await verifier.check(document, edits, deadline_s=10, is_step=is_step)
    assert told == verdict


async def test_errors_that_go_are_better(session: Session) -> None:
    session.edit("shop/show.py", Span(len(SHOW), len(SHOW)), "x = shwo(1)\n")
    verifier = Verifier(session.projects, session._gatherer.server, counts=session.counts)
    at = len(SHOW) + 4
    document = session.document("shop/show.py")
    edits = (TextEdit(Span(at, at + 4), "show"),)
    assert await verifier.check(document, edits, deadline_s=10) == "better"
