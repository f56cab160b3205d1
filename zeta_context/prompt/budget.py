"""How large things are in tokens, and what a prompt may cost.

Estimates only, from UTF-8 bytes, as released models were trained with: knows no tokenizer.
Source of the numbers: the public client of the Zeta models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BYTES_PER_TOKEN = 3

PROMPT_MARGIN = 0.9
"""The share of the budget that is filled, as the estimate may be too low."""

MAX_EVENTS = 6
"""The newest events that a prompt shows."""

LeftOutReason = Literal["over_budget", "over_count", "special_token", "in_cursor_excerpt"]
"""Why something is not in a prompt: no room, too many, a marker of the format in its text, or
shown anyway around the cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing in a section: `label` says which (`path:first-last` or `path`, rows 1-based)."""

    label: str
    tokens: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One thing that a prompt does not show, and why."""

    label: str
    tokens: int
    reason: LeftOutReason


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSection:
    """The part of a section that fits its budget: empty `text` when nothing does."""

    text: str
    items: tuple[Item, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def utf8_length(text: str) -> int:
    """The length of a text in UTF-8 bytes; a lone surrogate counts as one."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def estimate_tokens(text: str) -> int:
    """The token guess for a text: UTF-8 bytes divided by three."""
    return utf8_length(text) // BYTES_PER_TOKEN


def row_cost(row: str) -> int:
    """The token guess for a row without its ending: at least one."""
    size = len(row) if row.isascii() else utf8_length(row)
    return max(1, size // BYTES_PER_TOKEN)


def budget_with_margin(max_tokens: int) -> int:
    """The part of a prompt budget that may be filled."""
    return int(max_tokens * PROMPT_MARGIN)
