"""The format of the sweep-next-edit models (Qwen2.5-Coder, 0.5B to 7B): a block before and now.

The model sees the block around the cursor as it was before the last edit and as it is, and goes on
with what it will be. Source: the public client of the models; the block is the 21 rows they were
trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zeta_context.events.event import Event
from zeta_context.prompt.budget import MAX_EVENTS, budget_with_margin, estimate_tokens
from zeta_context.prompt.events import choose_events, display_path
from zeta_context.prompt.format import FinishReason, Parsed, RenderedPrompt
from zeta_context.prompt.framing import Part, join_parts, refuse_special_tokens, shown_path
from zeta_context.prompt.hunks import read_hunks, take_back_newest_edit, trim_context
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion, resolve_row_region
from zeta_context.prompt.related import render_related_excerpts
from zeta_context.prompt.rewrite import Rewrite, cut_at
from zeta_context.text.patch import render_hunks

FILE_MARKER = "<|file_sep|>"
END_OF_TEXT = "<|endoftext|>"
CURSOR_MARKER = "<|cursor|>"

BLOCK_ROWS = (10, 10)
FILE_ROWS = 50
FILE_TOKENS = 1024
HUNK_CONTEXT_ROWS = 1


class SweepNextEdit:
    """Renders and reads the prompts of the sweep-next-edit models."""

    name = "sweep-next-edit"
    aliases = ("sweep",)
    special_tokens = (FILE_MARKER, END_OF_TEXT, CURSOR_MARKER)
    single_tokens = (FILE_MARKER, END_OF_TEXT)
    max_prompt_tokens = 4096
    max_output_tokens = 1024
    stop = (FILE_MARKER, END_OF_TEXT)

    _rewrite = Rewrite(
        end_marker="",
        cursor_marker=CURSOR_MARKER,
        special_tokens=special_tokens,
        shows_final_row=True,
    )

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt: related excerpts, the file's rows, recent changes, the block before and now.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        max_tokens = self.max_prompt_tokens if max_tokens is None else max_tokens
        region = _region(prompt_input)
        refuse_special_tokens(prompt_input, region, self.special_tokens)
        rows = region.excerpt.text[slice(*region.context)]
        file = f"{FILE_MARKER}{shown_path(prompt_input)}\n{rows}\n"
        block = render_block(prompt_input, region, self.special_tokens)
        left = budget_with_margin(max_tokens) - estimate_tokens(file) - estimate_tokens(block)
        changes = choose_events(
            _split_by_hunk(prompt_input.events),
            max_tokens=left - MAX_EVENTS * estimate_tokens(FILE_MARKER),
            render=render_change,
            special_tokens=self.special_tokens,
        )
        history = changes.fit("".join(FILE_MARKER + text for text in changes.texts))
        left -= estimate_tokens(history.text)
        related = render_related_excerpts(
            prompt_input.related_files,
            render=lambda path, text: f"{FILE_MARKER}{path}\n{text}",
            max_tokens=max(0, left),
            special_tokens=self.special_tokens,
            cursor_file=(prompt_input.project, prompt_input.path),
            cursor_rows=region.context_rows(prompt_input.excerpt_start_row),
        )
        parts = (
            Part(name="related_files", text=related.text, fitted=related),
            Part(name="file", text=file),
            Part(name="edit_history", text=history.text, fitted=history),
            Part(name="cursor", text=block),
        )
        return join_parts(parts, max_tokens, history.left_out + related.left_out).render(
            region, name=self.name, stop=self.stop, max_output_tokens=self.max_output_tokens
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What the block that the model went on with says; see `Rewrite.parse`."""
        text, is_whole = cut_at(normalize(output), self.stop)
        finish = "stop" if is_whole else finish_reason
        return self._rewrite.parse(text, _region(prompt_input), finish)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The new text of the block; the model is not to say where the cursor goes."""
        return self._rewrite.encode(_region(prompt_input), region)


FORMAT = SweepNextEdit()


def render_block(
    prompt_input: PromptInput, region: CursorRegion, special_tokens: Sequence[str]
) -> str:
    """The block around the cursor, before the last edit and now, and the head of the next."""
    first = prompt_input.excerpt_start_row + 1
    first += region.excerpt.text.count("\n", 0, region.editable.start)
    last = first + region.text.count("\n")
    place = f"{shown_path(prompt_input)}:{first}:{last}"
    before = take_back_newest_edit(prompt_input, region.excerpt.text, region.editable)
    if any(token in before for token in special_tokens):
        before = region.text
    return (
        f"{FILE_MARKER}original/{place}\n{before}\n"
        f"{FILE_MARKER}current/{place}\n{region.text_with(CURSOR_MARKER)}\n"
        f"{FILE_MARKER}updated/{place}\n"
    )


def render_change(event: Event) -> str:
    """An event of one hunk as the rows it replaced, 1-based, and both texts; nothing without."""
    hunks = read_hunks(event)
    if not hunks:
        return ""
    path = normalize(display_path(event.project, event.path))
    first, old_lines = hunks[0].old_start + 1, hunks[0].old_lines
    old, new = ("".join(lines).strip("\n") for lines in (old_lines, hunks[0].new_lines))
    rows = f"{first}:{first + max(len(old_lines), 1) - 1}"
    return f"{path}:{rows}\noriginal:\n{old}\nupdated:\n{new}\n"


def _split_by_hunk(events: Sequence[Event]) -> list[Event]:
    """Each hunk as an event of its own, with less context."""
    return [
        replace(event, diff=render_hunks([trim_context(hunk, HUNK_CONTEXT_ROWS)]))
        for event in events
        for hunk in read_hunks(event)
    ]


def _region(prompt_input: PromptInput) -> CursorRegion:
    return resolve_row_region(
        prompt_input,
        editable_rows=BLOCK_ROWS,
        context_rows=FILE_ROWS,
        context_budget=FILE_TOKENS,
    )
