"""A prompt input for another place than the one that it was gathered for.

Events and related files stay, the excerpt is a new one; nothing is waited for. Knows nothing of
requests.
"""

from __future__ import annotations

from dataclasses import replace

from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.syntax import parse
from zeta_context.events.document import OpenDocument
from zeta_context.prompt.input import PromptInput


def center(prompt_input: PromptInput, document: OpenDocument, cursor: int) -> PromptInput:
    """The input as of a cursor (an offset) in a document of the same project."""
    tree = parse(document.language, document.snapshot, path=document.path)
    excerpt = gather_excerpt(document.snapshot, cursor, tree)
    return replace(
        prompt_input,
        path=document.path,
        language=document.language,
        cursor_excerpt=excerpt.text,
        cursor_offset=excerpt.cursor_offset,
        excerpt_start_row=excerpt.start_row,
        syntax_spans=excerpt.syntax_spans,
        diagnostics=(),
    )
