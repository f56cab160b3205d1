"""Lets a teacher order the changes of a commit, where the rules of `hunks` are not enough.

Answers are cached as all of a teacher's are. Knows nothing of typing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zeta_context.prompt.format import Message
from zeta_context.training.commits.hunks import Place
from zeta_context.training.teacher.cache import AnswerCache, make_key
from zeta_context.training.teacher.endpoint import TeacherSettings, open_teacher
from zeta_context.training.teacher.prompt import read_prompt
from zeta_context.training.teacher.run import Question, RunLimits, ask_all

_RANGE = re.compile(r"(\d+)\s*(?:-\s*(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldOrder:
    """Asks a teacher for the order of places; plain data, so that other processes can have it."""

    teacher: TeacherSettings
    cache: Path

    def __call__(self, places: Sequence[Place], paths: Sequence[str]) -> list[Place]:
        """All places: those that the teacher names in its order, then the others in theirs."""
        prompt = read_prompt("reorder-v1")
        changes = "\n".join(
            f"{number}. {paths[place.file]}, row {place.row + 1}\n{_show(place)}"
            for number, place in enumerate(places, 1)
        )
        content = prompt.fill({"changes": changes})
        parts = {**self.teacher.key_parts(), "prompt": prompt.version, "content": content}
        question = Question(key=make_key(parts), messages=(Message(role="user", content=content),))
        cache = AnswerCache(self.cache)
        try:
            limits = RunLimits(concurrency=1, ask_doubtful=True)
            asyncio.run(ask_all([question], open_teacher(self.teacher), cache, limits))
            known = cache.find(question.key)
        finally:
            cache.close()
        text = known.answer.text if known is not None and known.answer is not None else ""
        return [places[number] for number in parse_order(text, len(places))]


def parse_order(answer: str, count: int) -> list[int]:
    """Every number from 0 to `count`, those that the answer names first and in its order.

    Numbers are 1-based in the answer; remarks, repetitions and what does not exist are passed over.
    """
    order: dict[int, None] = {}
    for line in answer.splitlines():
        if line.lstrip().startswith(("//", "`")):
            continue
        for first, last in _RANGE.findall(line):
            for number in range(int(first), min(int(last or first), count) + 1):
                if 1 <= number <= count:
                    order.setdefault(number - 1)
    for number in range(count):
        order.setdefault(number)
    return list(order)


def _show(place: Place) -> str:
    old = "".join(f"-{row}\n" for row in place.old.splitlines())
    return old + "".join(f"+{row}\n" for row in place.new.splitlines())
