"""The cursor excerpt cut to what a prompt shows, as the model sees it, and edits back from it.

Knows the ranges and the line endings; knows nothing of markers, sections or answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from zeta_context.errors import OutOfRange
from zeta_context.prompt.budget import row_cost
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import ModelText
from zeta_context.prompt.ranges import compute_editable_and_context_spans
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CursorRegion:
    """What of the cursor excerpt a prompt shows and what of that may be rewritten.

    `editable`, `context` and `cursor` are places in `excerpt.text`, the text with line feeds.
    """

    excerpt: ModelText
    editable: Span
    context: Span
    cursor: int

    @property
    def before(self) -> str:
        """The context above the editable region."""
        return self.excerpt.text[self.context.start : self.editable.start]

    @property
    def text(self) -> str:
        """The editable region."""
        return self.excerpt.text[self.editable.start : self.editable.end]

    @property
    def after(self) -> str:
        """The context below the editable region, from the line feed of its last row."""
        return self.excerpt.text[self.editable.end : self.context.end]

    def text_with(self, cursor_marker: str) -> str:
        """The editable region with a marker at the cursor."""
        at = self.cursor - self.editable.start
        return self.text[:at] + cursor_marker + self.text[at:]

    def context_rows(self, excerpt_start_row: int) -> tuple[int, int]:
        """The rows of the file that the context shows; the end is exclusive."""
        text = self.excerpt.text
        first = excerpt_start_row + text.count("\n", 0, self.context.start)
        end = first + text.count("\n", self.context.start, self.context.end)
        return first, end + (not text[: self.context.end].endswith("\n"))

    def edits_to(self, region: str) -> tuple[TextEdit, ...]:
        """The edits of the source excerpt that turn the editable region into `region`."""
        return tuple(self.excerpt.to_source_edit(edit) for edit in self._model_edits(region))

    def source_with(self, edits: Sequence[TextEdit]) -> str:
        """The editable region of the source excerpt with edits of that excerpt applied."""
        start, end = self.excerpt.to_source_span(self.editable)
        inside = [
            TextEdit(Span(edit.span.start - start, edit.span.end - start), edit.new_text)
            for edit in edits
        ]
        return apply_edits(self.excerpt.source[start:end], inside)

    def source_offset_in(self, region: str, offset: int) -> int:
        """Where `offset` of the rewritten region `region` is in the source excerpt as edited."""
        place = self.editable.start + offset
        grown = model_grown = 0
        for edit in self._model_edits(region):
            start = edit.span.start + model_grown
            if place < start:
                break
            source_span = self.excerpt.to_source_span(edit.span)
            if place <= start + len(edit.new_text):
                inside = edit.new_text[: place - start]
                return source_span.start + grown + len(self.excerpt.to_source_text(inside))
            model_grown += len(edit.new_text) - edit.span.length
            new_length = len(self.excerpt.to_source_text(edit.new_text))
            grown += new_length - source_span.length
        return self.excerpt.to_source(place - model_grown) + grown

    def _model_edits(self, region: str) -> Sequence[TextEdit]:
        start = self.editable.start
        return [
            TextEdit(Span(edit.span.start + start, edit.span.end + start), edit.new_text)
            for edit in diff_text(self.text, region)
        ]


def resolve_cursor_region(
    prompt_input: PromptInput, editable_budget: int, context_budget: int
) -> CursorRegion:
    """The region around the cursor of an input, by a format's budgets in tokens.

    Raises OutOfRange when the cursor or a syntax span lies outside the excerpt.
    """
    excerpt, cursor = _read_excerpt(prompt_input)
    editable, context = compute_editable_and_context_spans(
        excerpt.text,
        cursor,
        [
            Span(excerpt.to_model(span.start), excerpt.to_model(span.end))
            for span in prompt_input.syntax_spans
        ],
        editable_budget,
        context_budget,
    )
    return CursorRegion(excerpt=excerpt, editable=editable, context=context, cursor=cursor)


def resolve_row_region(
    prompt_input: PromptInput,
    *,
    editable_rows: tuple[int, int],
    context_rows: int,
    context_budget: int,
) -> CursorRegion:
    """The region of a fixed number of rows above and below the cursor's row.

    The context is up to `context_rows` rows on either side of the cursor's, as far as
    `context_budget` tokens go beyond the editable region. Raises OutOfRange as
    `resolve_cursor_region` does.
    """
    excerpt, cursor = _read_excerpt(prompt_input)
    rows = excerpt.text.split("\n")
    starts = list(accumulate((len(row) + 1 for row in rows), initial=0))
    row = excerpt.text.count("\n", 0, cursor)
    first, last = max(row - editable_rows[0], 0), min(row + editable_rows[1], len(rows) - 1)
    top, bottom = max(row - context_rows, 0), min(row + context_rows, len(rows) - 1)
    up, down, left = first, last, context_budget
    while left > 0 and (up > top or down < bottom):
        grown = (up, down)
        if down < bottom and row_cost(rows[down + 1]) <= left:
            down += 1
            left -= row_cost(rows[down])
        if up > top and row_cost(rows[up - 1]) <= left:
            up -= 1
            left -= row_cost(rows[up])
        if grown == (up, down):
            break
    return CursorRegion(
        excerpt=excerpt,
        editable=Span(starts[first], starts[last] + len(rows[last])),
        context=Span(starts[up], starts[down] + len(rows[down])),
        cursor=cursor,
    )


def _read_excerpt(prompt_input: PromptInput) -> tuple[ModelText, int]:
    """The excerpt as a model sees it, and the cursor in that."""
    excerpt = ModelText(prompt_input.cursor_excerpt)
    length = len(prompt_input.cursor_excerpt)
    if not 0 <= prompt_input.cursor_offset <= length:
        raise OutOfRange(
            f"cursor offset {prompt_input.cursor_offset} of an excerpt with {length} characters"
        )
    for span in prompt_input.syntax_spans:
        if not 0 <= span.start <= span.end <= length:
            raise OutOfRange(f"syntax span {tuple(span)} of an excerpt with {length} characters")
    return excerpt, excerpt.to_model(prompt_input.cursor_offset)
