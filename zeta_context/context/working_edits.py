"""What the user did lately, as the working tree tells it when nobody watched.

The uncommitted changes become edits in the order in which they were probably made: files by their
time of change, the file under the cursor last; within that file the place nearest to the cursor
last, within others from the top down. Knows nothing of sessions or of how edits become events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from zeta_context.errors import Unreadable
from zeta_context.repository.state import Change
from zeta_context.repository.worktree import Worktree
from zeta_context.text.decoding import decode
from zeta_context.text.diff import diff_rows, split_lines, trim_edit
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.sequence import Hunk

MAX_EDITS = 64
"""As many edits as an edit history keeps; older ones are taken as made long ago."""

MAX_NEW_FILE_BYTES = 6_144
"""A new file longer than this tells no event, as no event may be longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedFile:
    """One file's edits: `edits` are made one after another, each against what the last one left.

    They take `text_before` to `text_after`, the file as it is. `is_new` files began empty.
    """

    path: str
    text_before: str
    text_after: str
    edits: tuple[TextEdit, ...]
    modified_at: float
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingEdits:
    """The edited files, the least recent first, and counted reasons for what was left out."""

    files: tuple[EditedFile, ...]
    skipped: Mapping[str, int]

    @property
    def edit_count(self) -> int:
        """How many edits there are in all files."""
        return sum(len(file.edits) for file in self.files)


def read_working_edits(
    worktree: Worktree, *, focus: str, focus_row: int, max_edits: int = MAX_EDITS
) -> WorkingEdits:
    """The uncommitted edits as seen from row `focus_row` (0-based) of the file at path `focus`.

    Left out and counted are deleted and merely renamed files, and what is no text. A new file at
    the cursor gives no edit: all of it is one insertion. Raises RepositoryError.
    """
    uncommitted = worktree.uncommitted()
    skipped = Counter(uncommitted.skipped)
    gone = {change.old for change in uncommitted.changes if change.new is None}
    files: list[EditedFile] = []
    for change in uncommitted.changes:
        if change.new is None:
            skipped["deleted_file"] += 1
        elif change.old is None and change.new in gone and change.new:
            skipped["renamed_file"] += 1
        else:
            try:
                row = focus_row if change.path == focus else None
                files.append(_read_edits(change, row))
            except Unreadable:
                skipped["not_text"] += 1
    told = []
    for file in files:
        if file.is_new and (file.path == focus or len(file.text_after) > MAX_NEW_FILE_BYTES):
            skipped["new_file"] += 1
        elif file.edits:
            told.append(file)
    told.sort(key=lambda file: (file.path == focus, file.modified_at, file.path))
    return WorkingEdits(files=_keep_newest(told, max_edits, skipped), skipped=dict(skipped))


def order_edits(before: str, after: str, focus_row: int | None = None) -> tuple[TextEdit, ...]:
    """The edits that take one text to another, each against the text that those before it left.

    One for each run of changed rows, trimmed; from the top down, or with the nearest to the row
    `focus_row` of the later text last.
    """
    old_rows, new_rows = split_lines(before), split_lines(after)
    hunks = diff_rows(old_rows, new_rows)
    offsets = list(accumulate(map(len, old_rows), initial=0))
    made: list[tuple[int, int]] = []
    edits = []
    # A stable sort: hunks equally far away, and all where there is no cursor, stay top down.
    for hunk in sorted(hunks, key=lambda hunk: -_distance(hunk, focus_row)):
        span = Span(offsets[hunk.old_start], offsets[hunk.old_end])
        new_text = "".join(new_rows[hunk.new_start : hunk.new_end])
        edit = trim_edit(before, TextEdit(span, new_text))
        shift = sum(grown for start, grown in made if start < span.start)
        made.append((span.start, len(new_text) - span.length))
        edits.append(TextEdit(Span(edit.span.start + shift, edit.span.end + shift), edit.new_text))
    return tuple(edits)


def _read_edits(change: Change, focus_row: int | None) -> EditedFile:
    after = decode(change.new or b"").text
    before = decode(change.old).text if change.old is not None else ""
    return EditedFile(
        path=change.path,
        text_before=before,
        text_after=after,
        edits=order_edits(before, after, focus_row),
        modified_at=change.modified_at,
        is_new=change.old is None,
    )


def _distance(hunk: Hunk, focus_row: int | None) -> int:
    """How many rows lie between a hunk in the new text and the row of the cursor."""
    if focus_row is None:
        return 0
    return max(hunk.new_start - focus_row, focus_row - max(hunk.new_end - 1, hunk.new_start), 0)


def _keep_newest(
    files: Sequence[EditedFile], max_edits: int, skipped: Counter[str]
) -> tuple[EditedFile, ...]:
    """The last `max_edits` edits of all; older ones are folded into the text they start from."""
    kept: list[EditedFile] = []
    left = max_edits
    for file in reversed(files):
        older = file.edits[: max(len(file.edits) - left, 0)]
        skipped["older_edits"] += len(older)
        left -= len(file.edits) - len(older)
        if len(older) == len(file.edits):
            continue
        text = file.text_before
        for edit in older:
            text = text[: edit.span.start] + edit.new_text + text[edit.span.end :]
        kept.append(
            EditedFile(
                path=file.path,
                text_before=text,
                text_after=file.text_after,
                edits=file.edits[len(older) :],
                modified_at=file.modified_at,
                is_new=file.is_new,
            )
        )
    return tuple(reversed(kept))
