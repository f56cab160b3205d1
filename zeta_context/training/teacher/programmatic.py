"""A teacher that needs no model and no network: it carries on repetitions and completes words.

Its answers are narrow, but always the same, and enough to try the whole loop offline. Sees only the
starting state, as every teacher does.
"""

from __future__ import annotations

import re

from zeta_context.events.document import OpenDocument
from zeta_context.predict.prediction import Prediction
from zeta_context.predict.proposers.repeat import RepeatProposer
from zeta_context.predict.view import View
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

NAME = "programmatic"

MIN_PREFIX = 3
"""Characters of a word that must stand there before it is completed."""

_WORD = re.compile(r"[^\W\d]\w*")
_BEGUN = re.compile(r"[^\W\d]\w*\Z")


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
