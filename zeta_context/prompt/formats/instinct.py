"""The format of Instinct (Qwen2.5-Coder-7B, a chat model): context, user edits, user excerpt.

The model answers with the new text of the editable region alone. Order, headings and markers are
those of its public client; the two texts that tell it what to do are our own, and both can be
given to the constructor. Source: the public client of the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.events.event import Event
from zeta_context.prompt.budget import budget_with_margin, estimate_tokens
from zeta_context.prompt.events import choose_events, display_path
from zeta_context.prompt.format import FinishReason, Message, Parsed, RenderedPrompt
from zeta_context.prompt.framing import Part, join_parts, refuse_special_tokens, shown_path
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion, resolve_row_region
from zeta_context.prompt.related import render_related_excerpts
from zeta_context.prompt.rewrite import Rewrite, cut_at, strip_fence, take_between

CURSOR_MARKER = "<|user_cursor_is_here|>"
REGION_START = "<|editable_region_start|>"
REGION_END = "<|editable_region_end|>"
CONTEXT_FILE = "<|context_file|>"
SNIPPET = "<|snippet|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

SYSTEM = f"""\
You predict the next edit of a developer. "### Context:" holds excerpts of files that may matter, \
each after {CONTEXT_FILE} with its path and {SNIPPET}. "### User Edits:" holds the latest edits as \
unified diffs, the newest first. "### User Excerpt:" holds the rows around the cursor: the part \
between {REGION_START} and {REGION_END} is yours to rewrite, {CURSOR_MARKER} shows the cursor.

Answer with the new text of that part and nothing else: no markers, no code fence, no remarks. \
Carry on what the edits have begun, in the style of the code around it, and leave the rest as it \
is. Do not take back the newest edit unless it is a plain mistake. If nothing needs to change, \
repeat the part unchanged."""

INSTRUCTION = (
    "Rewrite the editable region of the user excerpt the way the developer is about to, going by "
    "the context, the user edits and the cursor."
)

EDITABLE_ROWS = (1, 5)
CONTEXT_ROWS = 25
CONTEXT_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Instinct:
    """Renders and reads the prompts of Instinct."""

    system: str = SYSTEM
    instruction: str = INSTRUCTION
    name: str = "instinct"
    aliases: tuple[str, ...] = ("continue-instinct",)
    special_tokens: tuple[str, ...] = (
        CURSOR_MARKER,
        REGION_START,
        REGION_END,
        CONTEXT_FILE,
        SNIPPET,
        TURN_START,
        TURN_END,
    )
    single_tokens: tuple[str, ...] = (TURN_START, TURN_END)
    max_prompt_tokens: int = 8192
    max_output_tokens: int = 1024
    stop: tuple[str, ...] = (TURN_END,)

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The two messages of a chat, and as `text` the same in the model's own chat markup.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        max_tokens = self.max_prompt_tokens if max_tokens is None else max_tokens
        region = _region(prompt_input)
        refuse_special_tokens(prompt_input, region, self.special_tokens)
        system = f"{TURN_START}system\n{self.system}{TURN_END}\n{TURN_START}user\n"
        head = f"{self.instruction}\n\n### Context:\n"
        excerpt = f"\n\n### User Excerpt:\n{shown_path(prompt_input)}\n\n{render_excerpt(region)}"
        excerpt += "```\n### Response:"
        tail = f"{TURN_END}\n{TURN_START}assistant\n"
        edits_head = "\n\n### User Edits:\n\n"
        left = budget_with_margin(max_tokens) - estimate_tokens(edits_head)
        left -= estimate_tokens(system + head) + estimate_tokens(excerpt + tail)
        chosen = choose_events(
            prompt_input.events,
            max_tokens=max(0, left),
            render=render_event,
            special_tokens=self.special_tokens,
        )
        events = chosen.fit(edits_head + "\n".join(reversed(chosen.texts)))
        left -= sum(item.tokens for item in chosen.items) + len(chosen.texts)
        related = render_related_excerpts(
            prompt_input.related_files,
            render=lambda path, text: f"{CONTEXT_FILE}: {path}\n{SNIPPET}\n{text}",
            max_tokens=max(0, left),
            special_tokens=self.special_tokens,
            cursor_file=(prompt_input.project, prompt_input.path),
            cursor_rows=region.context_rows(prompt_input.excerpt_start_row),
        )
        context = related.text.removesuffix("\n")
        parts = (
            Part(name="instruction", text=system + head),
            Part(name="related_files", text=context, fitted=related),
            Part(name="edit_history", text=events.text, fitted=events),
            Part(name="cursor", text=excerpt + tail),
        )
        return join_parts(parts, max_tokens, events.left_out + related.left_out).render(
            region,
            name=self.name,
            stop=self.stop,
            max_output_tokens=self.max_output_tokens,
            messages=(
                Message(role="system", content=self.system),
                Message(role="user", content=head + context + events.text + excerpt),
            ),
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What the new text of the region says, with or without markers and a fence around it.

        See `Rewrite.parse` for what is no edit.
        """
        region = _region(prompt_input)
        text, is_whole = cut_at(normalize(output), self.stop)
        answer = take_between(text, REGION_START, REGION_END)
        if REGION_START not in text:
            answer = strip_fence(answer, region.text)
        finish = "stop" if is_whole else finish_reason
        return self._rewrite().parse(answer, region, finish)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The new text of the region; the model is not to say where the cursor goes."""
        return self._rewrite().encode(_region(prompt_input), region)

    def _rewrite(self) -> Rewrite:
        return Rewrite(
            end_marker="",
            cursor_marker=CURSOR_MARKER,
            special_tokens=self.special_tokens,
            shows_final_row=True,
        )


FORMAT = Instinct()


def render_event(event: Event) -> str:
    """One event: the file's name and its diff in a fence; nothing without a diff."""
    if not event.diff:
        return ""
    path = normalize(display_path(event.project, event.path))
    diff = normalize(event.diff).removesuffix("\n")
    return f'User edited file "{path}"\n\n```diff\n{diff}\n```'


def render_excerpt(region: CursorRegion) -> str:
    """The rows around the cursor, the editable region between its markers."""
    current = region.text_with(CURSOR_MARKER)
    return f"{region.before}{REGION_START}\n{current}\n{REGION_END}{region.after}"


def _region(prompt_input: PromptInput) -> CursorRegion:
    return resolve_row_region(
        prompt_input,
        editable_rows=EDITABLE_ROWS,
        context_rows=CONTEXT_ROWS,
        context_budget=CONTEXT_TOKENS,
    )
