"""A teacher that needs no model and no network: it carries on repetitions and completes words.

Its answers are narrow, but always the same, and enough to try the whole loop offline. Sees only the
starting state, as every teacher does; asked as one (`--api programmatic`), it is given that as it
is instead of a prompt, and answers in the form that prompts ask for.
"""

from __future__ import annotations

import json
import re

from zeta_context.errors import PromptError
from zeta_context.events.document import OpenDocument
from zeta_context.predict.prediction import Prediction
from zeta_context.predict.proposers.repeat import RepeatProposer
from zeta_context.predict.view import View
from zeta_context.prompt.codec import decode_dict, encode_dict
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot
from zeta_context.training.teacher.prompt import NO_EDITS, find_region

NAME = "programmatic"

MIN_PREFIX = 3
"""Characters of a word that must stand there before it is completed."""

_TICKS = re.compile(r"`+")
_WORD = re.compile(r"[^\W\d]\w*")
_BEGUN = re.compile(r"[^\W\d]\w*\Z")


def render_state(prompt_input: PromptInput) -> str:
    """The question that a program is asked about a starting state."""
    return json.dumps(encode_dict(prompt_input), sort_keys=True)


def answer_state(question: str) -> str:
    """The answer to what `render_state` gave, as `prompt.read_answer` reads it.

    Raises ValueError for any other question.
    """
    try:
        prompt_input = decode_dict(json.loads(question))
    except (ValueError, TypeError, AttributeError, PromptError):
        raise ValueError("no starting state") from None
    edits = teach(prompt_input)
    region = find_region(prompt_input)
    start, end = region.excerpt.to_source_span(region.editable)
    if not edits or any(edit.span.start < start or edit.span.end > end for edit in edits):
        return NO_EDITS
    text = region.excerpt.source[start:end]
    moved = [
        TextEdit(Span(edit.span.start - start, edit.span.end - start), edit.new_text)
        for edit in edits
    ]
    fence = "`" * max(5, 1 + max(map(len, _TICKS.findall(text)), default=0))
    return f"{fence}\n{apply_edits(text, moved)}\n{fence}\n"


def teach(prompt_input: PromptInput) -> tuple[TextEdit, ...]:
    """The edits of the cursor excerpt that should follow; none where nothing can be told."""
    return repeat_edits(prompt_input) or complete_word(prompt_input)


def repeat_edits(prompt_input: PromptInput) -> tuple[TextEdit, ...]:
    """The edits that carry on what was repeated."""
    blank = "\n" * prompt_input.excerpt_start_row
    document = OpenDocument(
        project=prompt_input.project,
        path=prompt_input.path,
        language=prompt_input.language,
        version=0,
        snapshot=TextSnapshot(blank + prompt_input.cursor_excerpt),
    )
    cursor = len(blank) + prompt_input.cursor_offset
    view = View(document=document, cursor=cursor, events=prompt_input.events)
    found = RepeatProposer().propose(view)
    if not isinstance(found, Prediction) or found.path != prompt_input.path:
        return ()
    edits = [
        TextEdit(Span(edit.span.start - len(blank), edit.span.end - len(blank)), edit.new_text)
        for edit in found.edits
    ]
    return tuple(edits) if all(edit.span.start >= 0 for edit in edits) else ()


def complete_word(prompt_input: PromptInput) -> tuple[TextEdit, ...]:
    """The rest of the word that was begun at the cursor, if one near it goes on so."""
    text, cursor = prompt_input.cursor_excerpt, prompt_input.cursor_offset
    begun = _BEGUN.search(text, 0, cursor)
    if begun is None or len(begun.group()) < MIN_PREFIX or _WORD.match(text, cursor):
        return ()
    prefix = begun.group()
    distances: dict[str, int] = {}
    for found in _WORD.finditer(text):
        word = found.group()
        if word.startswith(prefix) and found.start() != begun.start():
            distance = abs(found.start() - cursor)
            distances[word] = min(distance, distances.get(word, distance))
    if not distances or prefix in distances:
        return ()
    word = min(distances, key=lambda one: (distances[one], one))
    return (TextEdit(Span(cursor, cursor), word[len(prefix) :]),)
