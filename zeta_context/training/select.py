"""Which targets may be trained on, and why the others may not.

Held against leaks of what teachers and formats say among themselves, against size, reversal of the
user's edits, doubled rows and broken syntax. Knows nothing of teachers or files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from zeta_context.context.syntax import error_count, parse
from zeta_context.predict.checks import check_duplicates
from zeta_context.predict.provenance import trace_events
from zeta_context.predict.reversal import undoes_user
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.registry import formats
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

SENTINELS = ("NO_EDITS", "KEEP_PREVIOUS")
"""What a teacher answers instead of a text; a released model learnt to write such words."""

_TAG = re.compile(
    r"<\|/?[A-Za-z][\w-]{2,}\|>|\[CURSOR_POSITION\]|^(?:<{7}|>{7}|={7})(?: |$)|^`{4,}",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectSettings:
    """How much a target may change: rows and characters, added and removed together."""

    max_rows: int = 40
    max_characters: int = 2_000
    may_be_quiet: bool = True


def refuse_target(
    prompt_input: PromptInput, edits: tuple[TextEdit, ...], settings: SelectSettings
) -> str | None:
    """Why edits of the cursor excerpt may not be trained on, or None.

    Reasons: `quiet`, `no_change`, `leak`, `too_large`, `duplicates_text`, `reversal`,
    `breaks_syntax`.
    """
    if not edits:
        return None if settings.may_be_quiet else "quiet"
    text = prompt_input.cursor_excerpt
    after = apply_edits(text, edits)
    objections: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("no_change", lambda: after == text),
        ("leak", lambda: find_leak(after, text) is not None),
        ("too_large", lambda: _is_too_large(text, edits, settings)),
        ("duplicates_text", lambda: check_duplicates(edits, TextSnapshot(text)) is not None),
        ("reversal", lambda: _undoes(prompt_input, edits)),
        ("breaks_syntax", lambda: _breaks_syntax(prompt_input, after)),
    )
    return next((reason for reason, holds in objections if holds()), None)


def find_leak(after: str, before: str = "") -> str | None:
    """A sentinel, marker or region tag that `after` holds and `before` does not."""
    for token in (*SENTINELS, *_markers()):
        if token in after and token not in before:
            return token
    for found in _TAG.finditer(after):
        if found.group() not in before:
            return found.group()
    return None


@cache
def _markers() -> tuple[str, ...]:
    """The markers of every format, but those that may well stand in ordinary text."""
    tokens = {token.strip() for one in formats() for token in one.special_tokens}
    return tuple(sorted(token for token in tokens if len(token) >= 7 and not token.isalnum()))


def _is_too_large(text: str, edits: Sequence[TextEdit], settings: SelectSettings) -> bool:
    removed = "".join(text[edit.span.start : edit.span.end] + "\n" for edit in edits)
    added = "".join(edit.new_text + "\n" for edit in edits)
    rows = removed.count("\n") + added.count("\n")
    return rows > settings.max_rows or len(removed) + len(added) > settings.max_characters


def _undoes(prompt_input: PromptInput, edits: tuple[TextEdit, ...]) -> bool:
    blank = "\n" * prompt_input.excerpt_start_row
    snapshot = TextSnapshot(blank + prompt_input.cursor_excerpt)
    provenance = trace_events(
        snapshot, prompt_input.events, prompt_input.project, prompt_input.path
    )
    by = len(blank)
    moved = tuple(
        TextEdit(Span(edit.span.start + by, edit.span.end + by), edit.new_text) for edit in edits
    )
    return undoes_user(snapshot, moved, provenance)


def _breaks_syntax(prompt_input: PromptInput, after: str) -> bool:
    """Whether the excerpt, which may begin and end anywhere, has more errors than before."""
    trees = [
        parse(prompt_input.language, text, path=prompt_input.path)
        for text in (prompt_input.cursor_excerpt, after)
    ]
    before, later = (None if tree is None else error_count(tree) for tree in trees)
    return before is not None and later is not None and later > before
