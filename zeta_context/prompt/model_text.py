"""A text as a model sees it: line feeds only, no lone surrogates; and the way back.

Models were trained on texts with line feeds. What a model leaves alone keeps its own line
endings; what it adds gets those of the text around it. Knows nothing of prompts.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

_CRLF = re.compile("\r\n")
_SURROGATE = re.compile("[\ud800-\udfff]")


def normalize(text: str) -> str:
    """The text with line feeds only, every lone surrogate replaced by U+FFFD."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


class ModelText:
    """A source text beside its normalized form; offsets of both are code points."""

    __slots__ = ("_crlf_places", "_crlf_source_places", "line_ending", "source", "text")

    def __init__(self, source: str) -> None:
        self.source = source
        self.text = normalize(source)
        starts = [match.start() for match in _CRLF.finditer(source)] if "\r" in source else []
        self._crlf_source_places = starts
        self._crlf_places = [start - i for i, start in enumerate(starts)]
        carriage_returns = source.count("\r") - len(starts)
        line_feeds = source.count("\n") - len(starts)
        self.line_ending = "\n"
        if len(starts) > max(line_feeds, carriage_returns):
            self.line_ending = "\r\n"
        elif carriage_returns > line_feeds:
            self.line_ending = "\r"

    def to_model(self, offset: int) -> int:
        """The place in `text` of an offset in `source`; between CR and LF is before the ending."""
        return offset - bisect_left(self._crlf_source_places, offset)

    def to_source(self, offset: int) -> int:
        """The place in `source` of an offset in `text`."""
        return offset + bisect_left(self._crlf_places, offset)

    def to_source_span(self, span: Span) -> Span:
        """A span of `text` as a span of `source`."""
        return Span(self.to_source(span.start), self.to_source(span.end))

    def to_source_text(self, new_text: str) -> str:
        """New text with the line ending that most rows of `source` have."""
        return new_text if self.line_ending == "\n" else new_text.replace("\n", self.line_ending)

    def to_source_edit(self, edit: TextEdit) -> TextEdit:
        """An edit of `text` as an edit of `source`."""
        return TextEdit(self.to_source_span(edit.span), self.to_source_text(edit.new_text))
