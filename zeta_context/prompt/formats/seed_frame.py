"""The frame of the formats for Seed-Coder models: suffix, then prefix, then the middle to fill.

Puts sections together within a budget; knows nothing of how the editable region is marked or how
answers are read. Source of the order and of the budget rules: the public client of the Zeta
models.
"""

from __future__ import annotations

from zeta_context.prompt.budget import budget_with_margin, estimate_tokens
from zeta_context.prompt.events import render_events
from zeta_context.prompt.framing import (
    Framed,
    Part,
    join_parts,
    refuse_special_tokens,
    shown_path,
    with_newline,
)
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.region import CursorRegion
from zeta_context.prompt.related import render_related_files

SUFFIX = "<[fim-suffix]>"
PREFIX = "<[fim-prefix]>"
MIDDLE = "<[fim-middle]>"
FILE_MARKER = "<filename>"


def frame(
    prompt_input: PromptInput,
    region: CursorRegion,
    cursor_text: str,
    *,
    special_tokens: tuple[str, ...],
    max_tokens: int,
) -> Framed:
    """The prompt around `cursor_text`, the rows of the region as the format marks them.

    Room goes to the rows around the cursor, which are never cut, then to the edit history, then
    to related files. Raises SpecialTokens when the rows shown, or the path, hold a marker, and
    OverBudget when there is no room for them.
    """
    refuse_special_tokens(prompt_input, region, special_tokens)
    after = with_newline(SUFFIX + region.after)
    cursor = f"{FILE_MARKER}{shown_path(prompt_input)}\n{cursor_text}"
    left = budget_with_margin(max_tokens)
    left -= estimate_tokens(after + PREFIX) + estimate_tokens(cursor + MIDDLE)
    events = render_events(
        prompt_input.events,
        header=f"{FILE_MARKER}edit_history\n",
        max_tokens=max(0, left),
        special_tokens=special_tokens,
    )
    left -= estimate_tokens(events.text + "\n")
    related = render_related_files(
        prompt_input.related_files,
        file_marker=FILE_MARKER,
        max_tokens=max(0, left),
        special_tokens=special_tokens,
        cursor_file=(prompt_input.project, prompt_input.path),
        cursor_rows=region.context_rows(prompt_input.excerpt_start_row),
    )
    parts = (
        Part(name="suffix", text=after),
        Part(name="related_files", text=PREFIX + _with_blank_row(related.text), fitted=related),
        Part(name="edit_history", text=_with_blank_row(events.text), fitted=events),
        Part(name="cursor", text=cursor + MIDDLE),
    )
    return join_parts(parts, max_tokens, events.left_out + related.left_out)


def _with_blank_row(text: str) -> str:
    return text + "\n" if text else ""
