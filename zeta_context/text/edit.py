"""Replacements in a text, by offset.

Knows nothing of documents or versions: an edit means something only together with a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.text.point import Span


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace `span` (code points) of a text by `new_text`."""

    span: Span
    new_text: str

    @property
    def is_empty(self) -> bool:
        """Whether it replaces nothing by nothing."""
        return self.span.start == self.span.end and not self.new_text
