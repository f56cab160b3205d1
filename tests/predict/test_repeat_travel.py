"""What is local to one function of one file is not carried to another file."""

from __future__ import annotations

from pathlib import Path

from zeta_context import Span
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.session import Session
from zeta_context.settings import Settings

QUIET = Settings(offer_status=False, watch_files=False)

LOCAL = """\
def borrow(desk, number):
    visitor = desk.find(number)
    if not visitor.may_borrow:
        raise Suspended(visitor.name)
    return visitor


def renew(desk, number):
    return desk.find(number).renew()
"""
DECLARED = """\
class Visitor:
    name: str


class Desk:
    def find_visitor(self, number):
        return self.visitors[number]

    def lend(self, number):
        return self.find_visitor(number)
"""
OTHER = """\
import desk


def remind(visitor):
    print(visitor.name)


def check(number):
    return desk.find_visitor(number)
"""


async def answer_elsewhere(tmp_path: Path, text: str, old: str, new: str) -> object:
    """Change every `old` of one document, then ask in another."""
    async with Session(tmp_path, settings=QUIET) as session:
        session.open("desk.py", text)
        session.open("other.py", OTHER)
        while old in (now := session.document("desk.py").snapshot.text):
            start = now.index(old)
            session.edit("desk.py", Span(start, start + len(old)), new)
        return await session.predict("other.py", cursor=0)


async def test_the_new_name_of_a_local_variable_stays_in_its_file(tmp_path: Path) -> None:
    answer = await answer_elsewhere(tmp_path, LOCAL, "visitor", "reader")
    assert isinstance(answer, Discarded)


async def test_the_new_name_of_a_method_is_carried_to_other_files(tmp_path: Path) -> None:
    answer = await answer_elsewhere(tmp_path, DECLARED, "find_visitor", "find_reader")
    assert isinstance(answer, Prediction), answer
    assert answer.path == "other.py"
    assert answer.edits[0].new_text in ("find_reader", "reader")


async def test_a_macro_that_was_renamed_in_a_header_is_renamed_where_it_is_used(
    tmp_path: Path,
) -> None:
    header = "#define QUEUE_ROOM 64\n\nstruct queue {\n    int values[QUEUE_ROOM];\n};\n"
    async with Session(tmp_path, settings=QUIET) as session:
        session.open("queue.h", header)
        session.open("queue.c", "int push(int used)\n{\n    return used == QUEUE_ROOM;\n}\n")
        while "ROOM" in (now := session.document("queue.h").snapshot.text):
            start = now.index("QUEUE_ROOM")
            session.edit("queue.h", Span(start, start + len("QUEUE_ROOM")), "QUEUE_LIMIT")
        answer = await session.predict("queue.c", cursor=0)
    assert isinstance(answer, Prediction), answer
    assert answer.path == "queue.c"
    assert answer.edits[0].new_text in ("QUEUE_LIMIT", "LIMIT")
