"""The seam of prompt formats: what each one must do, and what it hands back.

Knows nothing of any single format, of models or of runners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from zeta_context.prompt.budget import Item, LeftOut
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

FinishReason = Literal["stop", "length"]
"""Why a runner stopped: the model ended (or a stop string came), or the limit cut it off."""

ParsedKind = Literal["edits", "no_edit", "truncated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A named part of a prompt: where it stands in the text, and its estimated tokens."""

    name: str
    span: Span
    tokens: int
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a chat: who speaks, and what."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """A prompt, ready for a runner, and what is in it.

    `editable` and `context` are spans of the cursor excerpt: what the model may rewrite, and
    what of the file it sees. `stop` are strings at which a runner may stop besides the model's
    own end; `tokens` is the estimate for the whole text. `left_out` says what found no place.
    A format of a chat model also has `messages`, for a server that wants those instead of `text`.
    """

    format: str
    text: str
    sections: tuple[Section, ...]
    tokens: int
    editable: Span
    context: Span
    stop: tuple[str, ...]
    max_output_tokens: int
    left_out: tuple[LeftOut, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a model's output says.

    `edits` replace spans of the cursor excerpt (code points), sorted and disjoint; see
    `shift_edits` for the file. `region` is the new text of the editable region, with the file's
    own line endings; `cursor` the place in the excerpt as edited where the model put the cursor.
    `reason` tells why there is no edit: `identical`, `sentinel`, `empty_output`, `truncated`.
    """

    kind: ParsedKind
    edits: tuple[TextEdit, ...] = ()
    region: str | None = None
    cursor: int | None = None
    reason: str = ""


class Format(Protocol):
    """A published prompt format. Stateless and pure: the same input gives the same bytes."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Markers that no text in the prompt may hold; one that ends in a line feed is a row."""
        ...

    @property
    def single_tokens(self) -> tuple[str, ...]:
        """Markers that must each be one token of the model, or it is the wrong model."""
        ...

    @property
    def max_prompt_tokens(self) -> int: ...

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt, in at most `max_tokens` estimated tokens (`max_prompt_tokens` if None).

        Raises SpecialTokens when the part of the file that the prompt shows holds a marker, and
        OverBudget when that part alone does not fit.
        """
        ...

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What the output of a model given `render(prompt_input)` says.

        Raises OutputError when it is not in this format.
        """
        ...

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The output that a model should give for the editable region to become `region`.

        `cursor` is an offset in `region`. This is what training aims at: `parse` undoes it.
        """
        ...


def shift_edits(edits: Sequence[TextEdit], by: int) -> tuple[TextEdit, ...]:
    """The edits moved by `by` code points: from the cursor excerpt to the file it starts in."""
    return tuple(
        TextEdit(Span(edit.span.start + by, edit.span.end + by), edit.new_text) for edit in edits
    )


def find_special_token(text: str, special_tokens: Sequence[str]) -> str | None:
    """The first of a format's markers that the text holds.

    A marker that ends in a line feed only counts as a whole row.
    """
    for token in special_tokens:
        if token.endswith("\n"):
            if f"\n{token}" in f"\n{text}\n":
                return token
        elif token in text:
            return token
    return None
