"""The format of Mercury's edit API: one user message of snippets, current file and edit history.

The model behind it is not public, so no token of it is known: it is asked through its own server
only. Source: the public clients of that server.
"""

from __future__ import annotations

from dataclasses import replace

from zeta_context.prompt.budget import budget_with_margin, estimate_tokens
from zeta_context.prompt.events import choose_events
from zeta_context.prompt.format import FinishReason, Message, Parsed, RenderedPrompt
from zeta_context.prompt.framing import Part, join_parts, refuse_special_tokens, shown_path
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion, resolve_cursor_region
from zeta_context.prompt.related import render_related_excerpts
from zeta_context.prompt.rewrite import Rewrite, strip_fence, take_between
from zeta_context.text.point import Span

SNIPPETS = "<|recently_viewed_code_snippets|>"
SNIPPETS_END = "<|/recently_viewed_code_snippets|>"
SNIPPET = "<|recently_viewed_code_snippet|>"
SNIPPET_END = "<|/recently_viewed_code_snippet|>"
FILE = "<|current_file_content|>"
FILE_END = "<|/current_file_content|>"
REGION = "<|code_to_edit|>"
REGION_END = "<|/code_to_edit|>"
HISTORY = "<|edit_diff_history|>"
HISTORY_END = "<|/edit_diff_history|>"
CURSOR_MARKER = "<|cursor|>"

NO_EDIT_ANSWER = "None"
EDITABLE_TOKENS = 350


class Mercury:
    """Renders and reads the messages of Mercury's edit API."""

    name = "mercury-edit"
    aliases = ("mercury", "mercury-coder")
    special_tokens = (
        SNIPPETS,
        SNIPPETS_END,
        SNIPPET,
        SNIPPET_END,
        FILE,
        FILE_END,
        REGION,
        REGION_END,
        HISTORY,
        HISTORY_END,
        CURSOR_MARKER,
    )
    single_tokens = ()
    max_prompt_tokens = 16_384
    max_output_tokens = 1024
    stop = ()

    _rewrite = Rewrite(
        end_marker="",
        cursor_marker=CURSOR_MARKER,
        special_tokens=special_tokens,
        shows_final_row=True,
    )

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The one message; all rows of the cursor excerpt are shown.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        max_tokens = self.max_prompt_tokens if max_tokens is None else max_tokens
        region = _region(prompt_input)
        refuse_special_tokens(prompt_input, region, self.special_tokens)
        path = shown_path(prompt_input)
        file = f"{FILE}\ncurrent_file_path: {path}\n{render_file(region)}\n{FILE_END}\n\n"
        left = budget_with_margin(max_tokens) - estimate_tokens(file)
        left -= estimate_tokens(f"{SNIPPETS}\n\n{SNIPPETS_END}\n\n{HISTORY}\n\n{HISTORY_END}")
        chosen = choose_events(
            prompt_input.events, max_tokens=max(0, left), special_tokens=self.special_tokens
        )
        diffs = "".join(chosen.texts).removesuffix("\n")
        events = chosen.fit(f"{HISTORY}\n{diffs}\n{HISTORY_END}")
        left -= estimate_tokens(diffs)
        related = render_related_excerpts(
            prompt_input.related_files,
            render=render_snippet,
            max_tokens=max(0, left),
            special_tokens=self.special_tokens,
            cursor_file=(prompt_input.project, prompt_input.path),
            cursor_rows=region.context_rows(prompt_input.excerpt_start_row),
        )
        shown = related.text.removesuffix("\n")
        snippets = f"{SNIPPETS}\n{shown}\n{SNIPPETS_END}\n\n"
        parts = (
            Part(name="related_files", text=snippets, fitted=related),
            Part(name="cursor", text=file),
            Part(name="edit_history", text=events.text, fitted=events),
        )
        framed = join_parts(parts, max_tokens, events.left_out + related.left_out)
        return framed.render(
            region,
            name=self.name,
            stop=self.stop,
            max_output_tokens=self.max_output_tokens,
            messages=(Message(role="user", content=framed.text),),
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What the new text of the region says, with or without tags and a fence around it.

        No edit is also the word None; see `Rewrite.parse` for the rest.
        """
        region = _region(prompt_input)
        text = strip_fence(normalize(output), region.text)
        answer = take_between(text, REGION, REGION_END)
        if answer.strip() == NO_EDIT_ANSWER != region.text.strip():
            return Parsed(kind="no_edit", reason="sentinel")
        return self._rewrite.parse(answer, region, finish_reason)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The new text of the region in a fence, as the server answers; it tells no cursor."""
        return f"```\n{self._rewrite.encode(_region(prompt_input), region)}```"


FORMAT = Mercury()


def render_snippet(path: str, text: str) -> str:
    """One related excerpt with its path."""
    return f"{SNIPPET}\ncode_snippet_file_path: {path}\n{text}{SNIPPET_END}\n"


def render_file(region: CursorRegion) -> str:
    """All rows of the excerpt, the editable region between its tags."""
    current = region.text_with(CURSOR_MARKER)
    return f"{region.before}{REGION}\n{current}\n{REGION_END}{region.after}"


def _region(prompt_input: PromptInput) -> CursorRegion:
    region = resolve_cursor_region(prompt_input, EDITABLE_TOKENS, 0)
    return replace(region, context=Span(0, len(region.excerpt.text)))
