"""One teaching run over a file of examples: what the command does, and what a crash interrupts.

Streams the file once for each pass. Knows nothing of the command line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import SettingsError
from zeta_context.training.example import Example, read_examples
from zeta_context.training.teacher.batches import adopt_doubtful, collect_batches, submit_batches
from zeta_context.training.teacher.cache import AnswerCache, Bill
from zeta_context.training.teacher.endpoint import HttpTeacher, TeacherSettings, open_teacher
from zeta_context.training.teacher.run import Estimate, Question, RunLimits, ask_all, estimate_run
from zeta_context.training.teacher.teach import (
    TeachSettings,
    ask_questions,
    repair_questions,
    review_questions,
    teach_examples,
)

OnAnswer = Callable[[int], None]


def estimate_teaching(
    path: Path, cache: AnswerCache, teacher: TeacherSettings, settings: TeachSettings
) -> Estimate:
    """What the first pass will cost, without asking anybody."""
    questions = ask_questions(read_examples(path), teacher, settings)
    return estimate_run(questions, cache, open_teacher(teacher))


def ask_teacher(
    path: Path,
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
    limits: RunLimits,
    *,
    counts: Counts,
    on_answer: OnAnswer | None = None,
) -> Bill:
    """Ask all that is due: answers, then second opinions and second tries where those are set."""
    for questions in _passes(path, cache, teacher, settings):
        asyncio.run(
            ask_all(
                questions,
                open_teacher(teacher),
                cache,
                limits,
                counts=counts,
                on_answer=on_answer,
            )
        )
    return cache.bill()


def ask_in_batches(
    path: Path,
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
    *,
    counts: Counts,
    waits: bool,
) -> int:
    """Send what is due in batches and take in what has ended; returns how many are under way.

    A pass begins when the one before has ended: run it again later, or wait.
    """
    client = open_teacher(teacher)
    if not isinstance(client, HttpTeacher) or teacher.api != "anthropic":
        raise SettingsError("only the API `anthropic` has batches that this version can use")

    async def run(questions: Iterable[Question]) -> int:
        try:
            await collect_batches(client, cache, counts, waits=False)
            if cache.bill().in_doubt:
                await adopt_doubtful(client, cache, counts)
            await submit_batches(questions, client, cache, counts)
            return await collect_batches(client, cache, counts, waits=waits)
        finally:
            await client.aclose()

    for questions in _passes(path, cache, teacher, settings):
        left = asyncio.run(run(questions))
        if left:
            return left
    return 0


def taught_examples(
    path: Path,
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
    *,
    counts: Counts,
) -> Iterator[Example]:
    """The examples of the file with the targets that the cache holds answers for."""
    return teach_examples(read_examples(path), cache, teacher, settings, counts=counts)


def _passes(
    path: Path, cache: AnswerCache, teacher: TeacherSettings, settings: TeachSettings
) -> Iterator[Iterable[Question]]:
    yield ask_questions(read_examples(path), teacher, settings)
    if settings.has_review:
        yield review_questions(read_examples(path), cache, teacher, settings)
    if settings.has_repair:
        yield repair_questions(read_examples(path), cache, teacher, settings)
