"""The hunks of the edit history: with less context, and taken back in the text they led to.

Knows diffs and rows; knows nothing of how a format writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zeta_context.errors import PatchError, TextError
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.text.edit import TextEdit, apply_edits, sort_edits
from zeta_context.text.patch import PatchHunk, edits_from_hunks, parse_patch, reverse_hunks
from zeta_context.text.point import Span


def read_hunks(event: Event) -> tuple[PatchHunk, ...]:
    """The hunks of an event's diff, with line feeds only."""
    patch = parse_patch(normalize(event.diff))
    return tuple(hunk for file in patch.files for hunk in file.hunks)


def trim_context(hunk: PatchHunk, rows: int) -> PatchHunk:
    """The hunk with at most `rows` unchanged rows before its first change and after its last."""
    changed = [at for at, line in enumerate(hunk.lines) if line.op != " "]
    if not changed:
        return hunk
    first = max(changed[0] - rows, 0)
    lines = hunk.lines[first : changed[-1] + 1 + rows]
    return replace(
        hunk, old_start=hunk.old_start + first, new_start=hunk.new_start + first, lines=lines
    )


def take_back_newest_edit(prompt_input: PromptInput, text: str, span: Span) -> str:
    """What stood in `span`, whole rows of the excerpt `text`, before its file's newest event.

    Only hunks that lie within the span count, and none that the text does not have at its rows:
    what cannot be taken back stays.
    """
    # A hunk has whole lines; the excerpt lacks the ending of its last row.
    ended = text + "\n"
    edits: list[TextEdit] = []
    for hunk in reverse_hunks(_newest_hunks(prompt_input)):
        edits += _edits_within(
            hunk, prompt_input.excerpt_start_row, ended, Span(span.start, span.end + 1)
        )
    old = text[span.start : span.end]
    try:
        undone = apply_edits(old + "\n", sort_edits(edits))
    except TextError:
        return old
    return undone.removesuffix("\n")


def _newest_hunks(prompt_input: PromptInput) -> Sequence[PatchHunk]:
    place = (prompt_input.project, prompt_input.path)
    for event in reversed(prompt_input.events):
        if (event.project, event.path) == place:
            return read_hunks(event)
    return ()


def _edits_within(hunk: PatchHunk, start_row: int, text: str, span: Span) -> list[TextEdit]:
    """The edits that a hunk of the file makes in the excerpt, relative to `span`, if all are in."""
    if not hunk.has_place or hunk.old_start < start_row:
        return []
    shifted = replace(
        hunk, old_start=hunk.old_start - start_row, new_start=hunk.new_start - start_row
    )
    try:
        edits = edits_from_hunks(text, [shifted])
    except PatchError:
        return []
    if any(edit.span.start < span.start or edit.span.end > span.end for edit in edits):
        return []
    return [
        TextEdit(Span(edit.span.start - span.start, edit.span.end - span.start), edit.new_text)
        for edit in edits
    ]
