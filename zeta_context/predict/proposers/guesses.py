"""What an answer of a model will probably be, told from the answer before and from recent edits.

Pure text. A wrong guess costs a runner a little time and changes no answer. Knows nothing of
models or formats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from zeta_context.events.event import Event
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import apply_edits, rebase

_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)
_WORD = re.compile(r"[^\W\d]\w*")
_MAX_EVENTS = 8
_LEAST_SHARED = 0.5
"""How much of the longer region must be common ends for both to be the same place."""


def carry_over(old_region: str, predicted: str, region: str) -> str | None:
    """What a region would become if the user's typing since left the prediction standing.

    `predicted` was made of `old_region`, which is `region` by now. Typing towards the prediction
    leaves the prediction; typing elsewhere moves it; None when this is another place.
    """
    if not _is_same_place(old_region, region):
        return None
    typed = diff_text(old_region, region)
    moved = rebase(diff_text(old_region, predicted), typed)
    return predicted if moved is None else apply_edits(region, moved)


def find_substitutions(events: Sequence[Event]) -> tuple[tuple[str, str], ...]:
    """Words that the latest edits replaced by other words, oldest first.

    Only where a row differs by words and nothing else; a word that was put back is left out.
    """
    found: dict[str, str] = {}
    for event in events[-_MAX_EVENTS:]:
        for old, new in _changed_rows(event.diff):
            for before, after in _replaced_words(old, new):
                found.pop(after, None)
                found.pop(before, None)
                found[before] = after
    return tuple(found.items())


def find_first_finished(unchanged: str, output: str) -> str | None:
    """A whole answer with the first change of an unfinished output in it, once that is certain.

    `unchanged` is the answer that changes nothing. The change is finished when a whole row with
    something in it follows that is a row of `unchanged` again; the rest is taken from there.
    """
    rows_end = output.rfind("\n") + 1
    agreed = _common_prefix(unchanged, output[:rows_end])
    row_start = unchanged.rfind("\n", 0, agreed) + 1
    for start, end in pairwise(_row_starts(output[:rows_end], row_start)):
        row = output[start:end]
        if start <= row_start or len(row.strip()) < _LEAST_ROW:
            continue
        at = f"\n{unchanged}".find(f"\n{row}", row_start)
        if at >= 0:
            return output[:end] + unchanged[at + len(row) :]
    return None


_LEAST_ROW = 4
"""Characters that a row must have to tell where in a text one is: a bracket stands anywhere."""


def _row_starts(text: str, start: int) -> list[int]:
    starts = [start]
    while (at := text.find("\n", starts[-1])) >= 0:
        starts.append(at + 1)
    return starts


def _is_same_place(old: str, new: str) -> bool:
    shorter = min(len(old), len(new))
    prefix = _common_prefix(old, new)
    suffix = _common_prefix(old[prefix:][::-1], new[prefix:][::-1])
    return prefix + suffix >= _LEAST_SHARED * max(len(old), len(new)) and shorter > 0


def _changed_rows(diff: str) -> list[tuple[str, str]]:
    """Removed rows and the added rows that stand for them, where a hunk has as many of both."""
    pairs: list[tuple[str, str]] = []
    removed: list[str] = []
    added: list[str] = []
    for row in [*diff.splitlines(), "@@"]:
        if row.startswith("-"):
            if added:
                removed, added = [], []
            removed.append(row[1:])
        elif row.startswith("+"):
            added.append(row[1:])
        else:
            if len(removed) == len(added):
                pairs += zip(removed, added, strict=True)
            removed, added = [], []
    return pairs


def _replaced_words(old: str, new: str) -> list[tuple[str, str]]:
    old_tokens, new_tokens = _TOKEN.findall(old), _TOKEN.findall(new)
    if len(old_tokens) != len(new_tokens):
        return []
    changed = [(a, b) for a, b in zip(old_tokens, new_tokens, strict=True) if a != b]
    if all(_WORD.fullmatch(a) and _WORD.fullmatch(b) for a, b in changed):
        return changed
    return []


def _common_prefix(one: str, other: str) -> int:
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))
