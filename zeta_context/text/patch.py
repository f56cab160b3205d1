"""Unified diffs: making them from texts, applying them to texts, turning them round.

Knows nothing of files on disk. Reading the format is in `unified_parser`, its records and writing
it in `unified`; both are offered here, too. Error messages name hunks and rows, never text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

from zeta_context.errors import PatchError
from zeta_context.text.diff import diff_rows, split_lines
from zeta_context.text.edit import AnyText, TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.sequence import Hunk
from zeta_context.text.snapshot import TextSnapshot
from zeta_context.text.unified import (
    FilePatch,
    HunkLine,
    Patch,
    PatchHunk,
    render_hunks,
    render_line,
    render_names,
    render_patch,
)
from zeta_context.text.unified_parser import parse_patch

__all__ = [
    "FilePatch",
    "HunkLine",
    "Patch",
    "PatchHunk",
    "apply_hunks",
    "apply_patch",
    "edits_from_hunks",
    "make_hunks",
    "parse_patch",
    "render_hunks",
    "render_patch",
    "render_region_diff",
    "render_unified",
    "reverse_hunks",
    "reverse_patch",
]

CONTEXT_ROWS = 3
"""How many unchanged rows a hunk shows before and after, unless told otherwise."""


def make_hunks(
    old_lines: Sequence[str], new_lines: Sequence[str], context: int = CONTEXT_ROWS
) -> tuple[PatchHunk, ...]:
    """The hunks that take one list of lines to another; changes share a hunk when contexts meet."""
    groups: list[list[Hunk]] = []
    for change in diff_rows(old_lines, new_lines):
        if groups and change.old_start - groups[-1][-1].old_end <= 2 * context:
            groups[-1].append(change)
        else:
            groups.append([change])
    hunks: list[PatchHunk] = []
    for group in groups:
        start = at = max(group[0].old_start - context, 0)
        new_start = group[0].new_start - (group[0].old_start - start)
        end = min(group[-1].old_end + context, len(old_lines))
        lines: list[HunkLine] = []
        for a0, a1, b0, b1 in group:
            lines += [HunkLine(" ", line) for line in old_lines[at:a0]]
            lines += [HunkLine("-", line) for line in old_lines[a0:a1]]
            lines += [HunkLine("+", line) for line in new_lines[b0:b1]]
            at = a1
        lines += [HunkLine(" ", line) for line in old_lines[at:end]]
        hunks.append(PatchHunk(old_start=start, new_start=new_start, lines=tuple(lines)))
    return tuple(hunks)


def render_unified(
    old: str | TextSnapshot,
    new: str | TextSnapshot,
    context: int = CONTEXT_ROWS,
    paths: tuple[str | None, str | None] | None = None,
) -> str:
    """The unified diff of two texts, empty when they are equal.

    With `paths`, old and new (None: no such file), it has the `---` and `+++` lines.
    """
    old, new = _string(old), _string(new)
    hunks = make_hunks(split_lines(old), split_lines(new), context)
    if not hunks or paths is None:
        return render_hunks(hunks)
    return render_names(*paths) + render_hunks(hunks)


def render_region_diff(
    old: TextSnapshot,
    new: TextSnapshot,
    old_span: Span,
    new_span: Span,
    context: int = CONTEXT_ROWS,
    *,
    marks_missing_newline: bool = False,
) -> str:
    """The unified diff of the rows around two spans outside of which both texts are equal.

    Its headers have the real rows; its cost is the region's, not the texts'. As the reference
    client does it for the edit history, a final row without a line feed is shown as if it had one
    (so that adding one is no difference), unless `marks_missing_newline`; and the side of an
    empty document is `-1,0` rather than git's `-0,0`.
    """
    start = min(old_span.start, new_span.start)
    same = min(len(old) - old_span.end, len(new) - new_span.end)
    start, first_row = _region_start(old, start, context)
    end = _region_end(old, len(old) - same, context)
    old_text = old.slice(Span(start, end))
    new_text = new.slice(Span(start, end + len(new) - len(old)))
    old_lines, new_lines = split_lines(old_text), split_lines(new_text)
    if not marks_missing_newline:
        for lines in (old_lines, new_lines):
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
    pieces: list[str] = []
    for hunk in make_hunks(old_lines, new_lines, context):
        old_row, new_row = first_row + hunk.old_start + 1, first_row + hunk.new_start + 1
        header = f"@@ -{old_row},{len(hunk.old_lines)} +{new_row},{len(hunk.new_lines)} @@\n"
        pieces += [header, *map(render_line, hunk.lines)]
    return "".join(pieces)


def edits_from_hunks(
    text: str | TextSnapshot, hunks: Sequence[PatchHunk], *, search: bool = False
) -> tuple[TextEdit, ...]:
    """The edits of whole lines that hunks make in a text.

    Every hunk must fit at its own rows. With `search` it may fit elsewhere, after the one before:
    the place nearest to where it should be; and a last line without a line feed fits one with.
    Raises `PatchError` with the number of the hunk, from 1, that does not fit, and why.
    """
    lines, offsets = _split(_string(text))
    edits: list[TextEdit] = []
    reached = drift = 0
    for number, hunk in enumerate(hunks, 1):
        wanted = min(hunk.old_start, len(lines)) if not hunk.old_lines else hunk.old_start
        if search:
            expected = wanted + drift if hunk.has_place else reached
            row = _find(lines, hunk, expected, reached, number)
            drift = row - wanted if hunk.has_place else drift
        else:
            row = _check(lines, hunk, wanted, reached, number)
        edits += _edits_at(hunk, row, lines, offsets, number)
        reached = row + len(hunk.old_lines)
    return tuple(edits)


@lru_cache(maxsize=4)
def _split(text: str) -> tuple[list[str], list[int]]:
    """A text's lines, and where each starts and the last ends; several patches may be tried on it.

    Neither list is ever changed.
    """
    lines = split_lines(text)
    return lines, list(accumulate(map(len, lines), initial=0))


def apply_hunks(text: AnyText, hunks: Sequence[PatchHunk], *, search: bool = False) -> AnyText:
    """A text with hunks applied; see `edits_from_hunks` for what fits and what is raised."""
    return apply_edits(text, edits_from_hunks(text, hunks, search=search))


def apply_patch(texts: Mapping[str, str], patch: Patch, *, search: bool = False) -> dict[str, str]:
    """Texts by path with a whole patch applied: files made, renamed, copied, deleted and changed.

    Raises `PatchError` with the number of the file, from 1, that is missing, in the way, binary or
    that a hunk does not fit; nothing is changed in `texts`.
    """
    result = dict(texts)
    for number, file in enumerate(patch.files, 1):
        if file.is_binary:
            raise PatchError(f"file {number}: binary changes cannot be applied to text")
        if file.old_path is not None and file.old_path not in result:
            raise PatchError(f"file {number}: there is no such file to change")
        if file.new_path is not None and file.new_path != file.old_path and file.new_path in result:
            raise PatchError(f"file {number}: there is already a file of the new name")
        source = "" if file.old_path is None else result[file.old_path]
        try:
            text = apply_hunks(source, file.hunks, search=search)
        except PatchError as error:
            raise PatchError(f"file {number}, {error}") from None
        if file.old_path is not None and file.old_path != file.new_path and not file.is_copy:
            del result[file.old_path]
        if file.new_path is not None:
            result[file.new_path] = text
        elif text:
            raise PatchError(f"file {number}: the file to delete holds more than the patch says")
    return result


def reverse_hunks(hunks: Sequence[PatchHunk]) -> tuple[PatchHunk, ...]:
    """The hunks that undo the given ones."""
    return tuple(
        replace(
            hunk,
            old_start=hunk.new_start,
            new_start=hunk.old_start,
            lines=tuple(_reversed_lines(hunk.lines)),
        )
        for hunk in hunks
    )


def reverse_patch(patch: Patch) -> Patch:
    """The patch that undoes the given one: its files in reverse order, each reversed.

    Raises `PatchError` for a copy.
    """
    if any(file.is_copy for file in patch.files):
        raise PatchError("a copy cannot be undone without the text that it copied")
    files = [
        replace(
            file,
            old_path=file.new_path,
            new_path=file.old_path,
            old_mode=file.new_mode,
            new_mode=file.old_mode,
            hunks=reverse_hunks(file.hunks),
        )
        for file in reversed(patch.files)
    ]
    return replace(patch, files=tuple(files))


def _reversed_lines(lines: Sequence[HunkLine]) -> list[HunkLine]:
    """With signs swapped, and what is taken away still before what is added."""
    result: list[HunkLine] = []
    added: list[HunkLine] = []
    for op, text in lines:
        if op == " ":
            result += [*added, HunkLine(op, text)]
            added = []
        elif op == "-":
            added.append(HunkLine("+", text))
        else:
            result.append(HunkLine("-", text))
    return result + added


def _string(text: str | TextSnapshot) -> str:
    """The text as a string."""
    return text.text if isinstance(text, TextSnapshot) else text


def _region_start(text: TextSnapshot, offset: int, lines_up: int) -> tuple[int, int]:
    """Where the line `lines_up` above that of `offset` starts, and its number from 0."""
    row = text.point(offset).row
    while (start := text.row_start(row)) > 0:
        if text.slice(Span(start - 1, start)) == "\n":
            if lines_up == 0:
                break
            lines_up -= 1
        row -= 1
    # Rows are lines unless some end at a carriage return alone, which is as good as never.
    return start, text.text.count("\n", 0, start) if text.has_lone_returns else row


def _region_end(text: TextSnapshot, offset: int, lines_down: int) -> int:
    """Where the line `lines_down` below that of `offset` ends, after its line feed."""
    for row in range(text.point(offset).row + 1, text.row_count):
        start = text.row_start(row)
        if start > offset and text.slice(Span(start - 1, start)) == "\n":
            if lines_down == 0:
                return start
            lines_down -= 1
    return len(text)


def _check(lines: list[str], hunk: PatchHunk, row: int, reached: int, number: int) -> int:
    """The row of a hunk that must stand where it says."""
    where = f"hunk {number} (line {row + 1})"
    if not hunk.has_place:
        raise PatchError(f"hunk {number} does not say where it belongs")
    if row < reached:
        raise PatchError(f"{where} overlaps the one before it")
    for at, line in enumerate(hunk.old_lines, row):
        if at >= len(lines):
            raise PatchError(f"{where} reaches past the end of the text, which has {len(lines)}")
        if lines[at] != line:
            raise PatchError(f"{where} does not fit: line {at + 1} is not what it expects")
    return row


def _find(lines: list[str], hunk: PatchHunk, expected: int, reached: int, number: int) -> int:
    """The row nearest to the expected one at which a hunk fits, the lower of two."""
    wanted = hunk.old_lines
    last = len(lines) - len(wanted)
    if not wanted:
        if not hunk.has_place and lines:
            raise PatchError(f"hunk {number} does not say where it belongs")
        return max(min(expected, last), reached)
    expected = max(min(expected, last), reached)
    for distance in range(max(last - expected, expected - reached) + 1):
        for row in (expected + distance, expected - distance):
            if reached <= row <= last and _fits(lines, wanted, row):
                return row
    raise PatchError(f"hunk {number} (line {hunk.old_start + 1}) fits nowhere in the text")


def _fits(lines: list[str], wanted: list[str], row: int) -> bool:
    found = lines[row : row + len(wanted)]
    if found[0] != wanted[0] and len(found) > 1:
        return False
    return found == wanted or (
        row + len(found) == len(lines) and [*found[:-1], found[-1] + "\n"] == wanted
    )


def _edits_at(
    hunk: PatchHunk, row: int, lines: list[str], offsets: list[int], number: int
) -> list[TextEdit]:
    """The edits of a hunk whose old lines are those from `row` on."""
    end = row + len(hunk.old_lines)
    unfinished = [line for line in hunk.new_lines if not line.endswith("\n")]
    if unfinished and (end < len(lines) or unfinished != hunk.new_lines[-1:]):
        raise PatchError(f"hunk {number} ends the text before its end")
    # The text's last line has no line feed although the hunk thinks so: keep it that way.
    is_open = end == len(lines) > 0 and not lines[-1].endswith("\n")
    is_open = is_open and hunk.old_lines[-1:] != lines[-1:]
    edits: list[TextEdit] = []
    start, new = row, ""
    for op, text in [*hunk.lines, HunkLine(" ", "")]:
        if op == "+":
            new += text
        elif op == "-":
            row += 1
        else:
            if is_open and row == len(lines):
                new = ("\n" if start == row and new else "") + new.removesuffix("\n")
            edit = TextEdit(Span(offsets[start], offsets[row]), new)
            if not edit.is_empty:
                edits.append(edit)
            row = start = min(row + 1, len(lines))
            new = ""
    return edits
