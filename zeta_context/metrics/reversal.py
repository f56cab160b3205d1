"""Reversal: how much of a prediction undoes what the user has just done.

`score_reversal` is the published ratio: of the characters that a prediction changes, those that
take away what the last edit put in, and those that put back what it took away. It sees one edit
back; `score_reversal_window` looks at several, and `leads_back` asks whether the prediction is
nearer to an earlier text than the text is. Measures only: what is suppressed is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from zeta_context.errors import PatchError
from zeta_context.metrics.subsequence import count_common
from zeta_context.metrics.tokens import split_units
from zeta_context.text.diff import count_common_prefix, split_lines
from zeta_context.text.patch import PatchHunk, apply_hunks, parse_patch, reverse_hunks
from zeta_context.text.sequence import diff_sequences
from zeta_context.text.unified import HunkLine

REVERSED_ABOVE = 0.9
"""The ratio above which the reference takes a prediction for a reversal."""
MAX_TOKEN_DIFF_BYTES = 512
MAX_TOKEN_DIFF_ROWS = 8
VERSION = 1
SIGNATURE = (
    f"reversal|tokens:{MAX_TOKEN_DIFF_BYTES}B,{MAX_TOKEN_DIFF_ROWS}rows|events:1|v:{VERSION}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """`reversed_characters` of the `total` that a prediction adds and takes away.

    The ratio is 0 and more, less is better; it can pass 1, since what is put back counts once for
    each deletion that it touches.
    """

    reversed_characters: int
    total: int

    @property
    def ratio(self) -> float:
        """The share that is a reversal; 0 where nothing is predicted."""
        return self.reversed_characters / self.total if self.total else 0.0

    @property
    def is_reversal(self) -> bool:
        """Whether the reference would call it one."""
        return self.ratio > REVERSED_ABOVE


NO_REVERSAL = Reversal(reversed_characters=0, total=0)


def score_reversal(*, before: str, current: str, predicted: str) -> Reversal:
    """How much of the change from `current` to `predicted` undoes that from `before` to it."""
    shared = min(count_common_prefix(current, other) for other in (before, predicted))
    start = current.rfind("\n", 0, shared) + 1  # lines that all begin with change nothing
    before, current, predicted = before[start:], current[start:], predicted[start:]
    history = _find_edits(before, current)
    prediction = _find_edits(current, predicted)
    total = sum(len(edit.old) + len(edit.new) for edit in prediction)
    inserted = [edit for edit in history if edit.new]
    deleted = [edit for edit in history if edit.old]
    undone = 0
    for edit in prediction:
        end = edit.start + len(edit.old)
        for own in inserted:
            overlap = min(end, own.new_start + len(own.new)) - max(edit.start, own.new_start)
            undone += max(overlap, 0)
        for own in deleted if edit.new else ():
            if edit.start <= own.new_start < end or own.new_start == edit.start:
                undone += count_common(own.old, edit.new)
    return Reversal(reversed_characters=undone, total=total)


def score_reversal_window(*, earlier: Sequence[str], current: str, predicted: str) -> Reversal:
    """The worst reversal of all that has happened since each of the `earlier` texts."""
    scores = [
        score_reversal(before=before, current=current, predicted=predicted) for before in earlier
    ]
    return max(scores, key=lambda one: one.ratio, default=NO_REVERSAL)


def leads_back(*, earlier: Sequence[str], current: str, predicted: str) -> bool:
    """Whether the predicted text is nearer to some earlier text than the current one is.

    The teacher prompt's own test. A distance is the characters to delete and insert.
    """
    return any(
        _distance(predicted, before) < _distance(current, before)
        for before in earlier
        if before != current
    )


def undo_in_excerpt(excerpt: str, diff: str, *, start_row: int = 0) -> str:
    """The excerpt as it was before the last edit of its file.

    `excerpt` is the file from its row `start_row` on and `diff` that edit's unified diff, with the
    rows of the whole file. What lies outside the excerpt does not change it, and of a hunk that
    reaches over its ends only the rows inside count. A hunk that does not fit is left alone.
    """
    end = start_row + len(split_lines(excerpt))
    hunks = [
        cut
        for file in parse_patch(diff).files
        for hunk in file.hunks
        if (cut := _cut_hunk(hunk, start_row, end)) is not None
    ]
    try:
        return apply_hunks(excerpt, reverse_hunks(hunks))
    except PatchError:
        text = excerpt
        for hunk in reversed(hunks):
            with suppress(PatchError):
                text = apply_hunks(text, reverse_hunks((hunk,)), search=True)
        return text


@dataclass(frozen=True, slots=True)
class _Edit:
    """`old` at `start` of the old text became `new` at `new_start` of the new one."""

    start: int
    old: str
    new_start: int
    new: str


def _find_edits(old: str, new: str) -> list[_Edit]:
    """Changes by lines, then tokens, with what is only put in or taken out told apart."""
    edits: list[_Edit] = []
    for line_edit in _diff(split_lines(old), split_lines(new), 0, 0):
        for edit in _by_tokens(line_edit):
            edits += _as_extension(edit)
    return edits


def _by_tokens(edit: _Edit) -> list[_Edit]:
    is_small = all(
        len(text.encode("utf-8", "surrogatepass")) <= MAX_TOKEN_DIFF_BYTES
        and len(split_lines(text)) <= MAX_TOKEN_DIFF_ROWS
        for text in (edit.old, edit.new)
    )
    if not (edit.old and edit.new and is_small):
        return [edit]
    return _diff(split_units(edit.old), split_units(edit.new), edit.start, edit.new_start)


def _as_extension(edit: _Edit) -> list[_Edit]:
    """The pieces of a replacement that only inserts or only deletes characters; else itself."""
    if edit.old and edit.new:
        common = count_common(edit.old, edit.new)
        if common == len(edit.old):
            return _pieces(edit, edit.old, edit.new, inserts=True)
        if common == len(edit.new):
            return _pieces(edit, edit.new, edit.old, inserts=False)
    return [edit]


def _pieces(edit: _Edit, short: str, long: str, *, inserts: bool) -> list[_Edit]:
    """What `long` has more than its subsequence `short`."""
    pieces: list[_Edit] = []
    at = 0
    for index, character in enumerate([*short, ""]):
        place = long.find(character, at) if character else len(long)
        if place > at:
            extra = long[at:place]
            if inserts:
                pieces.append(_Edit(edit.start + index, "", edit.new_start + at, extra))
            else:
                pieces.append(_Edit(edit.start + at, extra, edit.new_start + index, ""))
        at = place + 1
    return pieces


def _diff(old: Sequence[str], new: Sequence[str], start: int, new_start: int) -> list[_Edit]:
    edits: list[_Edit] = []
    a = b = 0
    at, new_at = start, new_start
    for hunk in diff_sequences(old, new):
        at += sum(map(len, old[a : hunk.old_start]))
        new_at += sum(map(len, new[b : hunk.new_start]))
        removed = "".join(old[hunk.old_start : hunk.old_end])
        added = "".join(new[hunk.new_start : hunk.new_end])
        edits.append(_Edit(at, removed, new_at, added))
        at, new_at = at + len(removed), new_at + len(added)
        a, b = hunk.old_end, hunk.new_end
    return edits


def _distance(one: str, other: str) -> int:
    """Characters to delete and insert, within the lines that differ."""
    start = one.rfind("\n", 0, count_common_prefix(one, other)) + 1
    rows, others = split_lines(one[start:]), split_lines(other[start:])
    total = 0
    for a0, a1, b0, b1 in diff_sequences(rows, others):
        old, new = "".join(rows[a0:a1]), "".join(others[b0:b1])
        total += len(old) + len(new) - 2 * count_common(old, new)
    return total


def _cut_hunk(hunk: PatchHunk, first: int, end: int) -> PatchHunk | None:
    """The part of a hunk on the new rows `first:end`, counted from there; None if there is none."""
    row = hunk.new_start
    lines: list[HunkLine] = []
    start = first
    for line in hunk.lines:
        if first <= row < end:
            start = row if not lines else start
            lines.append(line)
        row += line.op != "-"
    if all(line.op == " " for line in lines):
        return None
    return replace(hunk, new_start=start - first, lines=tuple(lines))
