"""The document under the cursor, whose outline need not be made anew for every keystroke.

What was worked out of a recent text of the document (its base) is used for the text of now: places
are carried over in both directions as long as the two differ in one small stretch. Knows nothing
of language servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zeta_context.context.assemble import Rows
from zeta_context.context.files import SourceFile
from zeta_context.context.syntax import SyntaxTree
from zeta_context.lsp.documents import Change, change_between
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_CHANGED_LENGTH = 4096
"""A base that differs in more code points than this is not used any more."""


_NOTHING = Change(Span(0, 0), Span(0, 0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurrentDocument:
    """A document now, and the `base` file whose syntax stands in for it; `change` leads here.

    `changed_rows` are the first and the last row of the change in the base, and by how many rows
    it moves what follows.
    """

    base: SourceFile
    snapshot: TextSnapshot
    change: Change
    changed_rows: tuple[int, int, int]
    tree: SyntaxTree | None

    @property
    def path(self) -> Path:
        """Where it lies on disk."""
        return self.base.path

    def as_file(self) -> SourceFile:
        """The document now as a file of its own, to be the next base."""
        return SourceFile(
            path=self.base.path,
            language=self.base.language,
            snapshot=self.snapshot,
            tree=self.tree,
        )

    def base_offset(self, offset: int) -> int:
        """Where an offset of now is in the base; inside of what was typed, where that was put."""
        old, new = self.change.old, self.change.new
        if offset <= new.start:
            return offset
        return offset + old.end - new.end if offset >= new.end else old.start

    def rows_now(self, rows: Rows) -> Rows:
        """Where rows of the base are now; what was changed belongs to the rows around it."""
        if self.change.is_empty:
            return rows
        first, last, shift = self.changed_rows
        start, end = rows
        if start > first:
            start = start + shift if start > last else first
        if end > first + 1:
            end = end + shift if end > last else first + 1
        end = min(max(end, start), self.snapshot.row_count)
        return min(start, end), end

    def span_now(self, span: Span) -> Span | None:
        """Where a span of the base is now; None when it was changed."""
        return self.change.map_span(span)


def continue_document(
    base: SourceFile | None,
    path: Path,
    language: str,
    snapshot: TextSnapshot,
    tree: SyntaxTree | None,
) -> CurrentDocument:
    """The document with its base if that is near enough, else with itself as the base."""
    if base is not None and base.language == language:
        change = _NOTHING
        if not base.snapshot.is_same(snapshot):
            change = change_between(base.snapshot.text, snapshot.text)
        if max(change.old.length, change.new.length) <= MAX_CHANGED_LENGTH:
            rows = (
                base.snapshot.point(change.old.start).row,
                base.snapshot.point(change.old.end).row,
                snapshot.row_count - base.snapshot.row_count,
            )
            return CurrentDocument(
                base=base, snapshot=snapshot, change=change, changed_rows=rows, tree=tree
            )
    base = SourceFile(path=path, language=language, snapshot=snapshot, tree=tree)
    return CurrentDocument(
        base=base, snapshot=snapshot, change=_NOTHING, changed_rows=(0, 0, 0), tree=tree
    )
