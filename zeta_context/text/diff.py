"""What changed between two texts: by rows, and by the smallest edits.

Knows nothing of how a difference is written down (see `patch`) or of what the text means.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import accumulate

from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.sequence import Hunk, diff_sequences
from zeta_context.text.snapshot import TextSnapshot

MAX_CHARACTERS = 100_000
"""A changed stretch longer than this is replaced as a whole, not word by word."""

_TOKEN = re.compile(r"\w+|\r\n|[^\S\r\n]+|.", re.DOTALL)
_FIRST_WORD = re.compile(r"\w*")
_LONGEST_WORD = 200
_PROBE = 512


def split_lines(text: str) -> list[str]:
    """The lines of a text as git and unified diffs see them: each ends at a line feed.

    The last has none when the text has none there; an empty text has no lines.
    """
    return io.StringIO(text, newline="\n").readlines()


def diff_rows(old_rows: Sequence[str], new_rows: Sequence[str]) -> list[Hunk]:
    """The runs of rows that changed, in order; rows are equal with their endings or not at all."""
    return diff_sequences(old_rows, new_rows)


def diff_text(old: str, new: str) -> tuple[TextEdit, ...]:
    """Small edits that take `old` to `new`: by lines, then words, trimmed.

    Sorted, disjoint, never with an end inside a CRLF (no protocol could say it). Time is bounded
    as in `sequence`.
    """
    prefix = count_common_prefix(old, new)
    if prefix == len(old) == len(new):
        return ()
    start = old.rfind("\n", 0, prefix) + 1
    suffix = _common_suffix(old, new, min(len(old), len(new)) - start)
    # Whole lines at the end, too: from the first line feed that both share.
    shared_lines = old.find("\n", len(old) - suffix) + 1 if suffix else 0
    suffix = len(old) - shared_lines if shared_lines else 0
    old_lines = split_lines(old[start : len(old) - suffix])
    new_lines = split_lines(new[start : len(new) - suffix])
    old_offsets = list(accumulate(map(len, old_lines), initial=start))
    new_offsets = list(accumulate(map(len, new_lines), initial=start))
    edits: list[TextEdit] = []
    for a0, a1, b0, b1 in diff_sequences(old_lines, new_lines):
        changed = Hunk(old_offsets[a0], old_offsets[a1], new_offsets[b0], new_offsets[b1])
        edits += _diff_words(old, new, changed)
    return tuple(edits)


def trim_edit(text: str | TextSnapshot, edit: TextEdit) -> TextEdit:
    """The edit without what its two sides share at either end; `text` is what it was made against.

    Costs the edit, not the text.
    """
    start, end = edit.span
    # One more character on either side tells whether a cut would part a CRLF.
    before, after = min(start, 1), min(len(text) - end, 1)
    around = Span(start - before, end + after)
    old = text.slice(around) if isinstance(text, TextSnapshot) else text[slice(*around)]
    new = old[:before] + edit.new_text + old[len(old) - after :]
    hunk = _trim(old, new, Hunk(before, len(old) - after, before, len(new) - after))
    shift = start - before
    span = Span(hunk.old_start + shift, hunk.old_end + shift)
    return TextEdit(span, new[hunk.new_start : hunk.new_end])


def _diff_words(old: str, new: str, hunk: Hunk) -> list[TextEdit]:
    hunk = _trim(old, new, hunk)
    if hunk.old_start == hunk.old_end and hunk.new_start == hunk.new_end:
        return []
    a0, a1, b0, b1 = _with_whole_words(old, new, hunk)
    if a0 == a1 or b0 == b1 or max(a1 - a0, b1 - b0) > MAX_CHARACTERS:
        return [_edit(new, hunk)]
    old_tokens = _TOKEN.findall(old, a0, a1)
    new_tokens = _TOKEN.findall(new, b0, b1)
    old_offsets = list(accumulate(map(len, old_tokens), initial=a0))
    new_offsets = list(accumulate(map(len, new_tokens), initial=b0))
    edits: list[TextEdit] = []
    for i0, i1, j0, j1 in diff_sequences(old_tokens, new_tokens):
        changed = Hunk(old_offsets[i0], old_offsets[i1], new_offsets[j0], new_offsets[j1])
        edits.append(_edit(new, _trim(old, new, changed)))
    return edits


def _edit(new: str, hunk: Hunk) -> TextEdit:
    return TextEdit(Span(hunk.old_start, hunk.old_end), new[hunk.new_start : hunk.new_end])


def _trim(old: str, new: str, hunk: Hunk) -> Hunk:
    """A hunk of offsets without what both sides share at its ends; never cut inside a CRLF."""
    a0, a1, b0, b1 = hunk
    a, b = old[a0:a1], new[b0:b1]
    prefix = count_common_prefix(a, b)
    a0, b0 = a0 + prefix, b0 + prefix
    if prefix and old[a0 - 1] == "\r" and "\n" in (old[a0 : a0 + 1], new[b0 : b0 + 1]):
        a0, b0, prefix = a0 - 1, b0 - 1, prefix - 1
    suffix = _common_suffix(a, b, min(len(a), len(b)) - prefix)
    a1, b1 = a1 - suffix, b1 - suffix
    if suffix and old[a1] == "\n" and "\r" in (old[a1 - 1 : a1], new[b1 - 1 : b1]):
        a1, b1 = a1 + 1, b1 + 1
    return Hunk(a0, a1, b0, b1)


def _with_whole_words(old: str, new: str, hunk: Hunk) -> Hunk:
    """The hunk with the words it cuts, as far as both sides share the rest of the word."""
    a0, a1, b0, b1 = hunk
    word = _FIRST_WORD.match(old[max(a0 - _LONGEST_WORD, 0) : a0][::-1])
    before = len(word.group()) if word else 0
    before = _common_suffix(old[a0 - before : a0], new[max(b0 - before, 0) : b0], before)
    word = _FIRST_WORD.match(old, a1, a1 + _LONGEST_WORD)
    after = len(word.group()) if word else 0
    after = count_common_prefix(old[a1 : a1 + after], new[b1 : b1 + after])
    return Hunk(a0 - before, a1 + after, b0 - before, b1 + after)


def count_common_prefix(a: str, b: str) -> int:
    """How many code points both start with; compares ever larger pieces, not one by one."""
    limit = min(len(a), len(b))
    done, size = 0, _PROBE
    while done < limit and a[done : done + size] == b[done : done + size]:
        done, size = done + size, size * 2
    low, high = min(done, limit), min(done + size, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(a: str, b: str, limit: int) -> int:
    """How many code points, at most `limit`, both end with."""
    limit = min(limit, len(a), len(b))
    n, m = len(a), len(b)
    done, size = 0, _PROBE
    while done < limit:
        size = min(size, limit - done)
        if a[n - done - size : n - done] != b[m - done - size : m - done]:
            break
        done, size = done + size, size * 2
    low, high = done, min(done + size, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if a[n - middle : n - low] == b[m - middle : m - low]:
            low = middle
        else:
            high = middle - 1
    return low
