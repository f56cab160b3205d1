"""A change from one text to another, and how changes add up.

Knows nothing of documents, time or who made the change. A change is held as the one span that
encloses everything that differs, so adding changes up and carrying places across them costs
a few integer operations, whatever the size of the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True)
class Change:
    """`old_span` of `old` became `new_span` of `new`; outside them the two texts agree.

    Both spans start at the same offset, because all text before them is the same.
    """

    old: TextSnapshot
    new: TextSnapshot
    old_span: Span
    new_span: Span

    @property
    def is_empty(self) -> bool:
        """Whether the texts are the same after all."""
        if self.old_span.length != self.new_span.length:
            return False
        return self.old.slice(self.old_span) == self.new.slice(self.new_span)

    def followed_by(self, later: Change) -> Change:
        """Both changes as one; `later` must start from the text that this one leads to."""
        start = min(self.new_span.start, later.old_span.start)
        end = max(self.new_span.end, later.old_span.end)
        return Change(
            self.old,
            later.new,
            Span(start, self.old_span.end + end - self.new_span.end),
            Span(start, later.new_span.end + end - later.old_span.end),
        )

    def carry(self, span: Span) -> Span:
        """Where a span of the old text is in the new text; it grows over what it touches."""
        if span.end <= self.old_span.start:
            return span
        shift = self.new_span.end - self.old_span.end
        if span.start >= self.old_span.end:
            return Span(span.start + shift, span.end + shift)
        return Span(
            min(span.start, self.new_span.start),
            span.end + shift if span.end >= self.old_span.end else self.new_span.end,
        )


def count_rows_between(left: Span, right: Span, snapshot: TextSnapshot) -> int:
    """How many rows lie from the end of one span to the start of the next; 0 if they meet."""
    if right.start < left.start:
        left, right = right, left
    if right.start <= left.end:
        return 0
    return snapshot.point(right.start).row - snapshot.point(left.end).row
