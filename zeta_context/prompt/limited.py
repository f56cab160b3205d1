"""A format whose prompts and outputs are kept short: for small models and slow machines.

What is too much is left out by the format itself, as with any smaller budget. Knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zeta_context.prompt.format import FinishReason, Format, Parsed, RenderedPrompt
from zeta_context.prompt.input import PromptInput


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedFormat:
    """`inner`, with at most so many tokens in a prompt and in an answer, as it estimates them."""

    inner: Format
    max_prompt_tokens: int
    max_output_tokens: int

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def aliases(self) -> tuple[str, ...]:
        return self.inner.aliases

    @property
    def special_tokens(self) -> tuple[str, ...]:
        return self.inner.special_tokens

    @property
    def single_tokens(self) -> tuple[str, ...]:
        return self.inner.single_tokens

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        limit = self.max_prompt_tokens if max_tokens is None else max_tokens
        rendered = self.inner.render(prompt_input, max_tokens=limit)
        shortest = min(rendered.max_output_tokens, self.max_output_tokens)
        return replace(rendered, max_output_tokens=shortest)

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        return self.inner.parse(output, prompt_input, finish_reason=finish_reason)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        return self.inner.encode(prompt_input, region, cursor=cursor)
