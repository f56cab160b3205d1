"""V0131GitMergeMarkersPrefix, the format of Zeta models trained on Qwen-Coder tokens.

As V0211SeedCoder the model rewrites the editable region, given between conflict markers; what
stands above it and the region are the prefix, what stands below the suffix. Source: the public
client of the Zeta models.
"""

from __future__ import annotations

from zeta_context.prompt.budget import budget_with_margin, estimate_tokens
from zeta_context.prompt.events import render_events
from zeta_context.prompt.format import FinishReason, Parsed, RenderedPrompt
from zeta_context.prompt.formats.conflict_markers import (
    CURRENT_MARKER,
    CURSOR_MARKER,
    END_MARKER,
    SEPARATOR,
    render_cursor_text,
)
from zeta_context.prompt.framing import (
    Part,
    join_parts,
    refuse_special_tokens,
    shown_path,
    with_newline,
)
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.region import CursorRegion, resolve_cursor_region
from zeta_context.prompt.related import render_related_files
from zeta_context.prompt.rewrite import Rewrite

PREFIX = "<|fim_prefix|>"
SUFFIX = "<|fim_suffix|>"
MIDDLE = "<|fim_middle|>"
FILE_MARKER = "<|file_sep|>"

EDITABLE_TOKENS = 350
CONTEXT_TOKENS = 150


class MergeMarkersPrefix:
    """Renders and reads V0131GitMergeMarkersPrefix."""

    name = "V0131GitMergeMarkersPrefix"
    aliases = ("zeta-merge-markers",)
    special_tokens = (
        PREFIX,
        SUFFIX,
        MIDDLE,
        FILE_MARKER,
        CURRENT_MARKER,
        SEPARATOR,
        END_MARKER,
        CURSOR_MARKER,
    )
    single_tokens = (PREFIX, SUFFIX, MIDDLE, FILE_MARKER)
    max_prompt_tokens = 4096
    max_output_tokens = 2048
    stop = (END_MARKER,)

    _rewrite = Rewrite(
        end_marker=END_MARKER, cursor_marker=CURSOR_MARKER, special_tokens=special_tokens
    )

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt: related files, then the edit history, then the rows around the cursor.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        max_tokens = self.max_prompt_tokens if max_tokens is None else max_tokens
        region = _region(prompt_input)
        refuse_special_tokens(prompt_input, region, self.special_tokens)
        cursor = f"{FILE_MARKER}{shown_path(prompt_input)}\n{PREFIX}{render_cursor_text(region)}"
        cursor += with_newline(SUFFIX + region.after) + MIDDLE
        left = budget_with_margin(max_tokens) - estimate_tokens(cursor)
        events = render_events(
            prompt_input.events,
            header=f"{FILE_MARKER}edit history\n",
            max_tokens=max(0, left),
            special_tokens=self.special_tokens,
        )
        left -= estimate_tokens(events.text)
        related = render_related_files(
            prompt_input.related_files,
            file_marker=FILE_MARKER,
            max_tokens=max(0, left),
            special_tokens=self.special_tokens,
            cursor_file=(prompt_input.project, prompt_input.path),
            cursor_rows=region.context_rows(prompt_input.excerpt_start_row),
        )
        parts = (
            Part(name="related_files", text=related.text, fitted=related),
            Part(name="edit_history", text=events.text, fitted=events),
            Part(name="cursor", text=cursor),
        )
        return join_parts(parts, max_tokens, events.left_out + related.left_out).render(
            region, name=self.name, stop=self.stop, max_output_tokens=self.max_output_tokens
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What the rewritten region says; see `Rewrite.parse` for what is no edit."""
        return self._rewrite.parse(output, _region(prompt_input), finish_reason)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The rewritten region and the end marker; see `Rewrite.encode`."""
        return self._rewrite.encode(_region(prompt_input), region, cursor)


FORMAT = MergeMarkersPrefix()


def _region(prompt_input: PromptInput) -> CursorRegion:
    return resolve_cursor_region(prompt_input, EDITABLE_TOKENS, CONTEXT_TOKENS)
