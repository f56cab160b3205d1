"""Anthropic's message batches: many questions at once for half the price, answers within a day.

A batch is written down before its questions count as sent with it, so that a crash at any point
neither loses nor repeats one: what was sent with no batch known is looked for among the server's
batches by key. Knows nothing of what the questions are about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from zeta_context.counts import Counts
from zeta_context.errors import BadAnswer
from zeta_context.training.teacher.cache import MAX_ATTEMPTS, AnswerCache
from zeta_context.training.teacher.endpoint import HttpTeacher, message_body, read_message
from zeta_context.training.teacher.run import Question

MAX_QUESTIONS = 10_000
MAX_BYTES = 100_000_000
POLL_S = 30.0
_PATH = "/v1/messages/batches"


async def submit_batches(
    questions: Iterable[Question], teacher: HttpTeacher, cache: AnswerCache, counts: Counts
) -> None:
    """Send what has no answer and waits in no batch yet."""
    for batch in _cut(_due(questions, cache)):
        requests = [
            {"custom_id": one.key, "params": message_body(teacher.settings, one.messages)}
            for one in batch
        ]
        for one in batch:
            cache.note_sent(one.key)
        response = await teacher.request("POST", _PATH, {"requests": requests})
        cache.note_batched([one.key for one in batch], str(response["id"]))
        counts.add("teacher_batched", len(batch))


async def collect_batches(
    teacher: HttpTeacher,
    cache: AnswerCache,
    counts: Counts,
    *,
    waits: bool,
    poll_s: float = POLL_S,
) -> int:
    """Take in what has ended; with `waits` stay until all has. Returns how many batches wait."""
    while True:
        left = 0
        for batch in cache.batches():
            state = await teacher.request("GET", f"{_PATH}/{batch}")
            if state.get("processing_status") != "ended":
                left += 1
                continue
            results = await teacher.request("GET", f"{_PATH}/{batch}/results")
            for result in results:
                _take(result, teacher, cache, counts)
            for key in cache.keys_of(batch):  # ended without them
                cache.note_failure(key, "missing in the batch")
                counts.add("teacher_failed_missing")
        if not left or not waits:
            return left
        await asyncio.sleep(poll_s)


async def adopt_doubtful(teacher: HttpTeacher, cache: AnswerCache, counts: Counts) -> None:
    """Find questions that a crash left in doubt among the server's newest batches."""
    known = set(cache.batches())
    listed = await teacher.request("GET", f"{_PATH}?limit=100")
    for one in listed.get("data", ()):
        batch = str(one["id"])
        if batch in known or one.get("processing_status") != "ended":
            continue
        for result in await teacher.request("GET", f"{_PATH}/{batch}/results"):
            found = cache.find(str(result.get("custom_id", "")))
            if found is not None and found.state == "sent":
                counts.add("teacher_adopted")
                _take(result, teacher, cache, counts)


def _take(result: Any, teacher: HttpTeacher, cache: AnswerCache, counts: Counts) -> None:
    key, outcome = str(result["custom_id"]), result["result"]
    if outcome.get("type") != "succeeded":
        cache.note_failure(key, str(outcome.get("type")))
        counts.add(f"teacher_failed_{outcome.get('type')}")
        return
    try:
        cache.note_answer(key, read_message(teacher.settings, outcome["message"]))
        counts.add("teacher_asked")
    except BadAnswer as problem:
        cache.note_failure(key, str(problem))
        counts.add("teacher_failed_bad_answer")


def _due(questions: Iterable[Question], cache: AnswerCache) -> Iterator[Question]:
    for question in questions:
        known = cache.find(question.key)
        if known is None or (known.state == "failed" and known.attempts < MAX_ATTEMPTS):
            yield question


def _cut(questions: Iterator[Question]) -> Iterator[list[Question]]:
    while batch := list(islice(questions, 1)):
        size = batch[0].size_bytes
        while len(batch) < MAX_QUESTIONS and size < MAX_BYTES:
            one = next(questions, None)
            if one is None:
                break
            batch.append(one)
            size += one.size_bytes
        yield batch
