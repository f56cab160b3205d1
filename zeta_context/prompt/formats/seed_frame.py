"""The frame of the formats for Seed-Coder models: suffix, then prefix, then the middle to fill.

Puts sections together within a budget; knows nothing of how the editable region is marked or how
answers are read. Source of the order and of the budget rules: the public client of the Zeta
models.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.errors import OverBudget, SpecialTokens
from zeta_context.prompt.budget import (
    FittedSection,
    LeftOut,
    budget_with_margin,
    estimate_tokens,
)
from zeta_context.prompt.events import display_path, render_events
from zeta_context.prompt.format import Section, find_special_token
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion
from zeta_context.prompt.related import render_related_files
from zeta_context.text.point import Span

SUFFIX = "<[fim-suffix]>"
PREFIX = "<[fim-prefix]>"
MIDDLE = "<[fim-middle]>"
FILE_MARKER = "<filename>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A prompt text, its sections, its estimated tokens and what it left out."""

    text: str
    sections: tuple[Section, ...]
    tokens: int
    left_out: tuple[LeftOut, ...]


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
    path = display_path(prompt_input.project, prompt_input.path)
    _refuse_special_tokens(path, region, special_tokens)
    after = _with_newline(SUFFIX + region.after)
    cursor = f"{FILE_MARKER}{normalize(path)}\n{cursor_text}"
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
    framed = _put_together(after, related, events, cursor)
    if framed.tokens > max_tokens:
        raise OverBudget(
            f"the rows around the cursor need about {framed.tokens} tokens of {max_tokens}"
        )
    return framed


def _put_together(after: str, related: FittedSection, events: FittedSection, cursor: str) -> Framed:
    text = ""
    sections: list[Section] = []
    for name, part, fitted in (
        ("suffix", after, None),
        ("related_files", PREFIX + _with_blank_row(related.text), related),
        ("edit_history", _with_blank_row(events.text), events),
        ("cursor", cursor + MIDDLE, None),
    ):
        sections.append(
            Section(
                name=name,
                span=Span(len(text), len(text) + len(part)),
                tokens=estimate_tokens(part),
                items=fitted.items if fitted else (),
            )
        )
        text += part
    return Framed(
        text=text,
        sections=tuple(sections),
        tokens=estimate_tokens(text),
        left_out=events.left_out + related.left_out,
    )


def _refuse_special_tokens(
    path: str, region: CursorRegion, special_tokens: tuple[str, ...]
) -> None:
    shown = region.excerpt.text[region.context.start : region.context.end]
    for text, where in ((shown, "the text around the cursor"), (path, "the file's path")):
        if token := find_special_token(text, special_tokens):
            raise SpecialTokens(f"{where} holds the marker {token.strip()!r} of the prompt format")
    if "\n" in normalize(path):
        raise SpecialTokens("the file's path holds a line break")


def _with_newline(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _with_blank_row(text: str) -> str:
    return text + "\n" if text else ""
