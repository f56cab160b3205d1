"""Examples to taught examples: what a teacher said, read, judged, repaired and selected.

Three passes over the file of examples, each of which only asks what no earlier run has: the
answers, a second opinion on them, and another try at those that cannot be used. Knows nothing of
endpoints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from zeta_context.counts import Counts
from zeta_context.errors import OutputError
from zeta_context.prompt.format import Message
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.patch import render_unified
from zeta_context.training.example import Example, Target
from zeta_context.training.select import SelectSettings, refuse_target
from zeta_context.training.teacher.cache import AnswerCache, make_key
from zeta_context.training.teacher.endpoint import TeacherSettings
from zeta_context.training.teacher.programmatic import render_state
from zeta_context.training.teacher.prompt import (
    Size,
    TeacherPrompt,
    describe,
    read_answer,
    read_prompt,
    render_question,
)
from zeta_context.training.teacher.run import Question

CRITIQUES = {
    "unreadable": "there was no fenced block in it that could be read.",
    "leak": "it holds a word or marker that belongs to these instructions, not to the file.",
    "too_large": "it changes far more than the next edit.",
    "duplicates_text": "it repeats rows that stand right beside the place.",
    "reversal": "it undoes what the programmer has just done, which was intended.",
    "breaks_syntax": "the file no longer parses with it.",
    "judged": "a reviewer doubts that the programmer would accept it.",
}
"""What a teacher is told of an answer, by the reason for which it was refused."""

MIN_CONFIDENCE = 3

_JSON = re.compile(r"\{.*\}", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachSettings:
    """How examples are taught: so many completions of each, by which prompt."""

    prompt: TeacherPrompt
    size: Size = "normal"
    completions: int = 1
    has_review: bool = False
    has_repair: bool = False
    select: SelectSettings = field(default_factory=SelectSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A completion as read: its edits, or why it cannot be used."""

    edits: tuple[TextEdit, ...] | None
    reason: str = ""


def ask_questions(
    examples: Iterable[Example], teacher: TeacherSettings, settings: TeachSettings
) -> Iterator[Question]:
    """What the teacher is asked, each completion a question of its own."""
    for example in examples:
        messages = _first_turn(example, teacher, settings)
        for number in range(settings.completions):
            yield _question(messages, teacher, settings, number)


def review_questions(
    examples: Iterable[Example],
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
) -> Iterator[Question]:
    """The second opinions that are due: on every completion that can be used and changes a text."""
    for example in examples:
        for number in range(settings.completions):
            reading = _read(example, _find(cache, example, teacher, settings, number), settings)
            if reading.edits:
                yield _review_question(example, reading.edits, teacher)


def repair_questions(
    examples: Iterable[Example],
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
) -> Iterator[Question]:
    """The second tries that are due: at every completion that cannot be used."""
    for example in examples:
        for number in range(settings.completions):
            answer = _find(cache, example, teacher, settings, number)
            reading = _judge(example, answer, cache, teacher, settings)
            if answer is not None and reading.edits is None:
                yield _repair_question(
                    example, answer, reading.reason, teacher, settings, number=number
                )


def teach_examples(
    examples: Iterable[Example],
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
    *,
    counts: Counts,
) -> Iterator[Example]:
    """The examples with the targets that the answers in the cache give; the rest is counted.

    Targets that users wrote are taken off: what is taught comes from the teacher alone.
    """
    name = f"{teacher.model or teacher.api}/{settings.prompt.version}/{settings.size}"
    for example in examples:
        targets: list[Target] = []
        for number in range(settings.completions):
            answer = _find(cache, example, teacher, settings, number)
            reading = _judge(example, answer, cache, teacher, settings)
            source: str = "teacher"
            if reading.edits is None and settings.has_repair and answer is not None:
                question = _repair_question(
                    example, answer, reading.reason, teacher, settings, number=number
                )
                repaired = _read(example, _text(cache, question), settings)
                counts.add("answer_repaired" if repaired.edits is not None else "answer_unrepaired")
                reading, source = repaired, "repaired"
            if reading.edits is None:
                counts.add(f"answer_{reading.reason}")
                continue
            counts.add("answer_quiet" if not reading.edits else "answer_used")
            target = Target(
                edits=reading.edits,
                source="repaired" if source == "repaired" else "teacher",
                teacher=name,
            )
            if all(one.edits != target.edits for one in targets):
                targets.append(target)
        if targets:
            yield replace(example, targets=tuple(targets))
        else:
            counts.add("example_untaught")


def first_turn(
    prompt_input: PromptInput, teacher: TeacherSettings, prompt: TeacherPrompt, size: Size
) -> tuple[Message, ...]:
    """What a teacher is asked about a starting state; a program is given that as it is."""
    if teacher.api == "programmatic":
        return (Message(role="user", content=render_state(prompt_input)),)
    return (Message(role="user", content=render_question(prompt_input, prompt, size)),)


def _first_turn(
    example: Example, teacher: TeacherSettings, settings: TeachSettings
) -> tuple[Message, ...]:
    return first_turn(example.prompt_input, teacher, settings.prompt, settings.size)


def _question(
    messages: tuple[Message, ...],
    teacher: TeacherSettings,
    settings: TeachSettings | None,
    number: int,
) -> Question:
    parts = {
        **teacher.key_parts(),
        "prompt": settings.prompt.version if settings is not None else "",
        "messages": [[one.role, one.content] for one in messages],
        "completion": number,
    }
    return Question(key=make_key(parts), messages=messages)


def _repair_question(
    example: Example,
    answer: str,
    reason: str,
    teacher: TeacherSettings,
    settings: TeachSettings,
    *,
    number: int,
) -> Question:
    critique = CRITIQUES.get(reason, "it does not follow the rules.")
    text = read_prompt("repair-v1").fill({"critique": critique})
    messages = (
        *_first_turn(example, teacher, settings),
        Message(role="assistant", content=answer),
        Message(role="user", content=text),
    )
    return _question(messages, teacher, settings, number)


def _review_question(
    example: Example, edits: tuple[TextEdit, ...], teacher: TeacherSettings
) -> Question:
    text = example.prompt_input.cursor_excerpt
    diff = render_unified(text, apply_edits(text, edits))
    prompt = read_prompt("qa-v1")
    content = prompt.fill({**describe(example.prompt_input), "prediction": diff})
    return _question((Message(role="user", content=content),), teacher, None, 0)


def _find(
    cache: AnswerCache,
    example: Example,
    teacher: TeacherSettings,
    settings: TeachSettings,
    number: int,
) -> str | None:
    return _text(
        cache, _question(_first_turn(example, teacher, settings), teacher, settings, number)
    )


def _text(cache: AnswerCache, question: Question) -> str | None:
    known = cache.find(question.key)
    return known.answer.text if known is not None and known.answer is not None else None


def _read(example: Example, answer: str | None, settings: TeachSettings) -> Reading:
    if answer is None:
        return Reading(edits=None, reason="missing")
    try:
        edits = read_answer(answer, example.prompt_input)
    except OutputError:
        return Reading(edits=None, reason="unreadable")
    reason = refuse_target(example.prompt_input, edits, settings.select)
    if reason == "no_change":
        return Reading(edits=())
    return Reading(edits=edits) if reason is None else Reading(edits=None, reason=reason)


def _judge(
    example: Example,
    answer: str | None,
    cache: AnswerCache,
    teacher: TeacherSettings,
    settings: TeachSettings,
) -> Reading:
    """A completion as read, unless the second opinion on it is bad."""
    reading = _read(example, answer, settings)
    if not settings.has_review or not reading.edits:
        return reading
    opinion = _text(cache, _review_question(example, reading.edits, teacher))
    if opinion is not None and not is_approved(opinion):
        return Reading(edits=None, reason="judged")
    return reading


def is_approved(opinion: str) -> bool:
    """Whether a second opinion speaks for a prediction; one that cannot be read says nothing."""
    found = _JSON.search(opinion)
    try:
        data = json.loads(found.group()) if found else {}
        return not data.get("reverts_edits") and int(data.get("confidence", 5)) >= MIN_CONFIDENCE
    except (ValueError, TypeError, AttributeError):
        return True
