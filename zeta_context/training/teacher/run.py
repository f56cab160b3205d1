"""Asks a teacher very many questions: several at a time, within rates and a budget, once each.

Whatever happens, a run that is started again goes on where it stopped. Memory does not grow with
the number of questions. Knows nothing of what the questions are about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from zeta_context.counts import Counts
from zeta_context.errors import BadAnswer, RunnerBusy, RunnerGone
from zeta_context.prompt.budget import utf8_length
from zeta_context.prompt.format import Message
from zeta_context.training.teacher.cache import MAX_ATTEMPTS, Answer, AnswerCache, Bill
from zeta_context.training.teacher.endpoint import Teacher

BYTES_PER_TOKEN = 3.6
"""What a teacher's tokenizer makes of prompts with code, until its own bills say better."""

OUTPUT_TOKENS = 600
"""The length of an answer, until the first ones say better."""

PILOT = 40
"""So many answers are enough to estimate the rest from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a teacher is asked, under the key that it is kept by."""

    key: str
    messages: tuple[Message, ...]

    @property
    def size_bytes(self) -> int:
        """The length of all turns."""
        return sum(utf8_length(one.content) for one in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """How fast and how far: rates by the minute (0: none), the budget for the whole cache.

    `ask_doubtful` asks again what was sent before a crash and perhaps billed.
    """

    concurrency: int = 8
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    budget_cost: float = 0.0
    budget_tokens: int = 0
    ask_doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the unanswered questions will take; `is_measured` by answers to others like them."""

    questions: int
    answered: int
    input_tokens: int
    output_tokens: int
    cost: float
    is_measured: bool


def estimate_run(questions: Iterable[Question], cache: AnswerCache, teacher: Teacher) -> Estimate:
    """What asking would cost, without asking: from lengths, and from what answers took so far."""
    n = answered = left_bytes = known_bytes = known_in = known_out = 0
    for question in questions:
        n += 1
        known = cache.find(question.key)
        if known is not None and known.answer is not None:
            answered += 1
            known_bytes += question.size_bytes
            known_in += known.answer.input_tokens
            known_out += known.answer.output_tokens
        else:
            left_bytes += question.size_bytes
    is_measured = answered >= min(PILOT, n)
    per_byte = known_in / known_bytes if is_measured and known_bytes else 1 / BYTES_PER_TOKEN
    per_answer = known_out / answered if is_measured and answered else OUTPUT_TOKENS
    n_in, n_out = round(left_bytes * per_byte), round((n - answered) * per_answer)
    return Estimate(
        questions=n,
        answered=answered,
        input_tokens=n_in,
        output_tokens=n_out,
        cost=teacher.settings.price(n_in, n_out),
        is_measured=is_measured and answered > 0,
    )


async def ask_all(
    questions: Iterable[Question],
    teacher: Teacher,
    cache: AnswerCache,
    limits: RunLimits,
    *,
    counts: Counts | None = None,
    on_answer: Callable[[int], None] | None = None,
) -> Bill:
    """Ask what has no answer yet, and return what everything in the cache has cost.

    Counted: `teacher_cached`, `teacher_asked`, `teacher_in_doubt`, `teacher_given_up`,
    `teacher_failed_*`, `teacher_budget`. Raises SettingsError for a key that is refused.
    """
    run = _Run(teacher, cache, limits, counts or Counts(), on_answer)
    pending = iter(questions)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, limits.concurrency)):
                group.create_task(run.work(pending))
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from None
    finally:
        await teacher.aclose()
    return cache.bill()


class _Run:
    """What the workers of one run share."""

    def __init__(
        self,
        teacher: Teacher,
        cache: AnswerCache,
        limits: RunLimits,
        counts: Counts,
        on_answer: Callable[[int], None] | None,
    ) -> None:
        self._teacher = teacher
        self._cache = cache
        self._limits = limits
        self._counts = counts
        self._on_answer = on_answer
        self._bill = cache.bill()
        self._spent = self._bill.cost
        self._tokens = self._bill.input_tokens + self._bill.output_tokens
        self._next_at = 0.0
        self._done = 0

    async def work(self, questions: Iterator[Question]) -> None:
        """Answer questions until there are none, or no money."""
        for question in questions:
            if self._is_spent():
                self._counts.add("teacher_budget")
                return
            if self._is_due(question):
                await self._answer(question)
            self._done += 1
            if self._on_answer is not None:
                self._on_answer(self._done)

    def _is_due(self, question: Question) -> bool:
        known = self._cache.find(question.key)
        if known is None:
            return True
        match known.state:
            case "answered":
                self._counts.add("teacher_cached")
            case "batched":
                self._counts.add("teacher_batched")
            case "sent" if not self._limits.ask_doubtful:
                self._counts.add("teacher_in_doubt")
            case "failed" if known.attempts >= MAX_ATTEMPTS:
                self._counts.add("teacher_given_up")
            case _:
                return True
        return False

    async def _answer(self, question: Question) -> None:
        is_again = self._limits.ask_doubtful
        while self._cache.note_sent(question.key, again=is_again):
            is_again = False
            try:
                await self._wait_for_turn(question)
                answer = await self._teacher.ask(question.messages, question.key)
            except RunnerBusy as busy:
                self._cache.note_failure(question.key, "busy")
                self._counts.add("teacher_busy")
                self._next_at = max(self._next_at, time.monotonic() + busy.retry_after_s)
            except (BadAnswer, RunnerGone) as problem:
                self._fail(question, problem)
            else:
                self._keep(question, answer)
                return
            known = self._cache.find(question.key)
            if known is None or known.attempts >= MAX_ATTEMPTS:
                self._counts.add("teacher_given_up")
                return

    def _fail(self, question: Question, problem: BadAnswer | RunnerGone) -> None:
        reason = "bad_answer" if isinstance(problem, BadAnswer) else "gone"
        self._cache.note_failure(question.key, f"{reason}: {problem}")
        self._counts.add(f"teacher_failed_{reason}")

    def _keep(self, question: Question, answer: Answer) -> None:
        self._cache.note_answer(question.key, answer)
        self._counts.add("teacher_asked")
        self._spent += answer.cost
        self._tokens += answer.input_tokens + answer.output_tokens

    def _is_spent(self) -> bool:
        limits = self._limits
        return bool(limits.budget_cost and self._spent >= limits.budget_cost) or bool(
            limits.budget_tokens and self._tokens >= limits.budget_tokens
        )

    async def _wait_for_turn(self, question: Question) -> None:
        """Wait until the rates let another question go, and until the server is not busy."""
        now = time.monotonic()
        at = max(self._next_at, now)
        limits = self._limits
        gap = 60 / limits.requests_per_minute if limits.requests_per_minute else 0.0
        if limits.tokens_per_minute:
            tokens = question.size_bytes / BYTES_PER_TOKEN + OUTPUT_TOKENS
            gap = max(gap, 60 * tokens / limits.tokens_per_minute)
        self._next_at = at + gap
        if at > now:
            await asyncio.sleep(at - now)
