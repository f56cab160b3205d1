"""V0211SeedCoder, the format of the released Zeta 2 model (Seed-Coder-8B).

The model rewrites the whole editable region, given between conflict markers. Source: the public
client of the Zeta models; V0331SeedCoderModelPy is the same bytes under another name.
"""

from __future__ import annotations

from zeta_context.prompt.format import FinishReason, Parsed, RenderedPrompt
from zeta_context.prompt.formats.conflict_markers import (
    CURRENT_MARKER,
    CURSOR_MARKER,
    END_MARKER,
    SEPARATOR,
    render_cursor_text,
)
from zeta_context.prompt.formats.seed_frame import FILE_MARKER, MIDDLE, PREFIX, SUFFIX, frame
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.region import CursorRegion, resolve_cursor_region
from zeta_context.prompt.rewrite import Rewrite

EDITABLE_TOKENS = 350
CONTEXT_TOKENS = 150


class Zeta2:
    """Renders and reads V0211SeedCoder."""

    name = "V0211SeedCoder"
    aliases = ("zeta2", "V0331SeedCoderModelPy")
    special_tokens = (
        SUFFIX,
        PREFIX,
        MIDDLE,
        FILE_MARKER,
        CURRENT_MARKER,
        SEPARATOR,
        END_MARKER,
        CURSOR_MARKER,
    )
    single_tokens = (SUFFIX, PREFIX, MIDDLE)
    max_prompt_tokens = 4096
    max_output_tokens = 2048
    stop = (END_MARKER,)

    _rewrite = Rewrite(
        end_marker=END_MARKER, cursor_marker=CURSOR_MARKER, special_tokens=special_tokens
    )

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt; the editable region and its context are whole rows around the cursor.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        region = _region(prompt_input)
        framed = frame(
            prompt_input,
            region,
            render_cursor_text(region),
            special_tokens=self.special_tokens,
            max_tokens=self.max_prompt_tokens if max_tokens is None else max_tokens,
        )
        return framed.render(
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


FORMAT = Zeta2()


def _region(prompt_input: PromptInput) -> CursorRegion:
    return resolve_cursor_region(prompt_input, EDITABLE_TOKENS, CONTEXT_TOKENS)
