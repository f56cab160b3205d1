"""How large a change is: characters, tokens, rows, places.

Knows nothing of whether it is right.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.metrics.tokens import split_tokens
from zeta_context.text.diff import count_common_prefix, diff_rows, diff_text, split_lines
from zeta_context.text.sequence import diff_sequences


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSize:
    """What is put in and taken out, and in how many separate places (runs of rows)."""

    inserted_characters: int = 0
    deleted_characters: int = 0
    inserted_tokens: int = 0
    deleted_tokens: int = 0
    inserted_rows: int = 0
    deleted_rows: int = 0
    places: int = 0

    @property
    def characters(self) -> int:
        """All characters put in or taken out."""
        return self.inserted_characters + self.deleted_characters

    @property
    def rows(self) -> int:
        """All rows put in or taken out."""
        return self.inserted_rows + self.deleted_rows


def measure_change(old: str, new: str) -> ChangeSize:
    """The size of the smallest edits that take one text to the other."""
    start = old.rfind("\n", 0, count_common_prefix(old, new)) + 1
    old_rows, new_rows = split_lines(old[start:]), split_lines(new[start:])
    hunks = diff_rows(old_rows, new_rows)
    inserted = deleted = inserted_characters = deleted_characters = 0
    for a0, a1, b0, b1 in hunks:
        before, after = "".join(old_rows[a0:a1]), "".join(new_rows[b0:b1])
        for hunk in diff_sequences(split_tokens(before), split_tokens(after)):
            deleted += hunk.old_end - hunk.old_start
            inserted += hunk.new_end - hunk.new_start
        for edit in diff_text(before, after):
            deleted_characters += edit.span.length
            inserted_characters += len(edit.new_text)
    return ChangeSize(
        inserted_characters=inserted_characters,
        deleted_characters=deleted_characters,
        inserted_tokens=inserted,
        deleted_tokens=deleted,
        inserted_rows=sum(hunk.new_end - hunk.new_start for hunk in hunks),
        deleted_rows=sum(hunk.old_end - hunk.old_start for hunk in hunks),
        places=len(hunks),
    )
