"""THE record: what is rendered, stored, sent, trained on and evaluated.

Knows nothing of how it was gathered or of any prompt format. Rows are 0-based, offsets and spans
are code points; a format that measures in UTF-8 bytes converts for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zeta_context.events.event import Event
from zeta_context.text.point import Span

PROMPT_INPUT_SCHEMA = 1

Trigger = Literal[
    "explicit",
    "buffer_edit",
    "completion_accepted",
    "prediction_accepted",
    "prediction_partially_accepted",
    "diagnostics",
    "cli",
    "testing",
    "other",
]
"""Why a prediction was asked for."""

ContextSource = Literal[
    "lsp_definition",
    "lsp_type_definition",
    "lsp_second_hop",
    "current_file",
    "edit_history_file",
    "recent_file",
    "bm25",
]
"""Where a related excerpt was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedExcerpt:
    """Rows `start_row` to `end_row` (exclusive) of a related file.

    `order` ranks excerpts across all files, lowest first. `symbol` is the identifier it defines,
    where one led to it.
    """

    start_row: int
    end_row: int
    text: str
    order: int = 0
    source: ContextSource = "lsp_definition"
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedFile:
    """Excerpts of one other file, or of the cursor's own file outside the cursor excerpt.

    `last_row` is the file's last row, which decides where an ellipsis is due.
    `is_outside_project` marks standard library and installed packages: local context only,
    never stored or sent. `project` is empty for such a file and `path` its path, shortened.
    """

    project: str
    path: str
    last_row: int
    excerpts: tuple[RelatedExcerpt, ...]
    is_outside_project: bool = False
    in_open_source_repo: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A diagnostic near the cursor: severity 1 (error) to 4 (hint), span in the cursor excerpt."""

    severity: int
    message: str
    span: Span
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInput:
    """The state of the editor from which the next edit is predicted.

    `cursor_excerpt` is a run of whole rows around the cursor, `cursor_offset` lies in it,
    `excerpt_start_row` is its first row in the file. `syntax_spans` are the syntax nodes that
    contain the cursor, innermost first, clipped to the excerpt and relative to it. `events` and
    `related_files` are oldest and most relevant first.
    """

    project: str
    path: str
    cursor_excerpt: str
    cursor_offset: int
    excerpt_start_row: int
    language: str = ""
    syntax_spans: tuple[Span, ...] = ()
    events: tuple[Event, ...] = ()
    related_files: tuple[RelatedFile, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    trigger: Trigger = "other"
    in_open_source_repo: bool | None = None
    schema: int = PROMPT_INPUT_SCHEMA
