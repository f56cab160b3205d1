"""Puts the parts of a prompt together, and refuses what a model could not tell from its markers.

Knows sections, estimates and markers; knows nothing of the order or the wording of any format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.errors import OverBudget, SpecialTokens
from zeta_context.prompt.budget import FittedSection, LeftOut, estimate_tokens
from zeta_context.prompt.events import display_path
from zeta_context.prompt.format import Message, RenderedPrompt, Section, find_special_token
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion
from zeta_context.text.point import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A prompt text, its sections, its estimated tokens and what it left out."""

    text: str
    sections: tuple[Section, ...]
    tokens: int
    left_out: tuple[LeftOut, ...]

    def render(
        self,
        region: CursorRegion,
        *,
        name: str,
        stop: tuple[str, ...],
        max_output_tokens: int,
        messages: tuple[Message, ...] = (),
    ) -> RenderedPrompt:
        """The prompt of the format `name` around a region."""
        return RenderedPrompt(
            format=name,
            text=self.text,
            sections=self.sections,
            tokens=self.tokens,
            editable=region.excerpt.to_source_span(region.editable),
            context=region.excerpt.to_source_span(region.context),
            stop=stop,
            max_output_tokens=max_output_tokens,
            left_out=self.left_out,
            messages=messages,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A named piece of a prompt; `fitted` says what is in it, where that was a choice."""

    name: str
    text: str
    fitted: FittedSection | None = None


def join_parts(
    parts: Sequence[Part], max_tokens: int, left_out: tuple[LeftOut, ...] = ()
) -> Framed:
    """The prompt of these parts, in this order; `left_out` adds to what the parts left out.

    Raises OverBudget when it is larger than `max_tokens`: what can be cut was cut before.
    """
    text = ""
    sections: list[Section] = []
    for part in parts:
        sections.append(
            Section(
                name=part.name,
                span=Span(len(text), len(text) + len(part.text)),
                tokens=estimate_tokens(part.text),
                items=part.fitted.items if part.fitted else (),
            )
        )
        text += part.text
    tokens = estimate_tokens(text)
    if tokens > max_tokens:
        raise OverBudget(f"the rows around the cursor need about {tokens} tokens of {max_tokens}")
    return Framed(text=text, sections=tuple(sections), tokens=tokens, left_out=left_out)


def shown_path(prompt_input: PromptInput) -> str:
    """The path of the cursor's file as prompts show it."""
    return normalize(display_path(prompt_input.project, prompt_input.path))


def refuse_special_tokens(
    prompt_input: PromptInput, region: CursorRegion, special_tokens: Sequence[str]
) -> None:
    """Raise SpecialTokens when the rows that the prompt shows, or the path, hold a marker."""
    path = shown_path(prompt_input)
    shown = region.excerpt.text[region.context.start : region.context.end]
    for text, where in ((shown, "the text around the cursor"), (path, "the file's path")):
        if token := find_special_token(text, special_tokens):
            raise SpecialTokens(f"{where} holds the marker {token.strip()!r} of the prompt format")
    if "\n" in path:
        raise SpecialTokens("the file's path holds a line break")


def with_newline(text: str) -> str:
    """The text with a line feed at its end, and only one added."""
    return text if text.endswith("\n") else text + "\n"
