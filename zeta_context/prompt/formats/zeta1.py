"""The format of the released Zeta 1 model (Qwen2.5-Coder-7B): instruction, edits, excerpt.

The model rewrites the editable region and repeats its markers, which are plain text: any model can
be asked so, none has them as tokens. Source: the public client of the Zeta models, whose prompt it
is byte for byte.
"""

from __future__ import annotations

from zeta_context.events.event import Event
from zeta_context.prompt.budget import budget_with_margin, estimate_tokens
from zeta_context.prompt.events import choose_events, display_path
from zeta_context.prompt.format import FinishReason, Parsed, RenderedPrompt
from zeta_context.prompt.framing import Part, join_parts, refuse_special_tokens, shown_path
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion, resolve_cursor_region
from zeta_context.prompt.rewrite import Rewrite, strip_fence, take_between

CURSOR_MARKER = "<|user_cursor_is_here|>"
OTHER_CURSOR_MARKER = "<|user_cursor|>"
START_OF_FILE = "<|start_of_file|>"
REGION_START = "<|editable_region_start|>"
REGION_END = "<|editable_region_end|>"

INSTRUCTION = (
    "You are a code completion assistant and your task is to analyze user edits and then rewrite "
    "an excerpt that the user provides, suggesting the appropriate edits within the excerpt, "
    "taking into account the cursor location."
)

EDITABLE_TOKENS = 350
CONTEXT_TOKENS = 150


class Zeta1:
    """Renders and reads the prompts of Zeta 1."""

    name = "zeta1"
    aliases = ("zeta",)
    special_tokens = (CURSOR_MARKER, START_OF_FILE, REGION_START, REGION_END)
    single_tokens = ()
    max_prompt_tokens = 4096
    max_output_tokens = 2048
    stop = tuple(REGION_END + "\n" * count for count in range(4))

    _rewrite = Rewrite(
        end_marker=REGION_END + "\n",
        cursor_marker=CURSOR_MARKER,
        special_tokens=special_tokens,
        shows_final_row=True,
    )

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt. It has no related files; events go first when there is no room.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        max_tokens = self.max_prompt_tokens if max_tokens is None else max_tokens
        region = _region(prompt_input)
        refuse_special_tokens(prompt_input, region, self.special_tokens)
        head = f"### Instruction:\n{INSTRUCTION}\n\n### User Edits:\n\n"
        excerpt = f"\n\n### User Excerpt:\n\n{render_excerpt(prompt_input, region)}"
        excerpt += "\n\n### Response:\n"
        left = budget_with_margin(max_tokens) - estimate_tokens(head) - estimate_tokens(excerpt)
        events = choose_events(
            prompt_input.events,
            max_tokens=max(0, left),
            render=render_event,
            special_tokens=self.special_tokens,
        )
        history = events.fit("\n\n".join(events.texts))
        parts = (
            Part(name="instruction", text=head),
            Part(name="edit_history", text=history.text, fitted=history),
            Part(name="cursor", text=excerpt),
        )
        return join_parts(parts, max_tokens, history.left_out).render(
            region, name=self.name, stop=self.stop, max_output_tokens=self.max_output_tokens
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What the text between the markers says, or all of it where a model left them out.

        See `Rewrite.parse` for what is no edit.
        """
        region = _region(prompt_input)
        text = normalize(output)
        if OTHER_CURSOR_MARKER not in region.text:
            text = text.replace(OTHER_CURSOR_MARKER, CURSOR_MARKER)
        answer = take_between(text, REGION_START, REGION_END)
        if REGION_START not in text:
            answer = strip_fence(answer, region.text)
        finish = "stop" if REGION_END in text else finish_reason
        return self._rewrite.parse(answer, region, finish)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The rewritten region between its markers; see `Rewrite.encode`."""
        answer = self._rewrite.encode(_region(prompt_input), region, cursor)
        return f"{REGION_START}\n{answer}"


FORMAT = Zeta1()


def render_event(event: Event) -> str:
    """One event: what it renamed, then its diff in a fence; nothing when it did neither."""
    path = normalize(display_path(event.project, event.path))
    old = event.path if event.old_path is None else event.old_path
    old_path = normalize(display_path(event.project, old))
    text = f"User renamed {old_path} to {path}\n\n" if old_path != path else ""
    if event.diff:
        text += f"User edited {path}:\n```diff\n{normalize(event.diff)}\n```"
    return text


def render_excerpt(prompt_input: PromptInput, region: CursorRegion) -> str:
    """The rows around the cursor in a fence, the editable region between its markers."""
    starts_file = prompt_input.excerpt_start_row == 0 and region.context.start == 0
    start = f"{START_OF_FILE}\n" if starts_file else ""
    current = region.text_with(CURSOR_MARKER)
    return (
        f"```{shown_path(prompt_input)}\n{start}{region.before}"
        f"{REGION_START}\n{current}\n{REGION_END}{region.after}\n```"
    )


def _region(prompt_input: PromptInput) -> CursorRegion:
    return resolve_cursor_region(prompt_input, EDITABLE_TOKENS, CONTEXT_TOKENS)
