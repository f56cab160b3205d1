"""Generated edit sequences under a prediction, and a reference that judges each from scratch.

The reference knows the text that the prediction was made from and the text as it is now, nothing
of what lies between; it shares no code with `zeta_context.predict.interpolation`. A text is on the
way when it is the old one with every place that the prediction changes holding the old text but
for an end that was deleted, or a beginning of the new text followed by what an editor adds by
itself and by an end of the old text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from zeta_context.events.change import Change
from zeta_context.predict.cache import OpenPrediction, PredictionCache
from zeta_context.predict.prediction import Prediction
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

KEY = ("shop", "a.py")
PAIRS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}
WORDS = ["ab", "a", "b", "x = ", "(", ")", "[", "]", "{", "}", '"', "'", ", ", "\n", "\n    ", " "]


def change_of(base: str, *edits: TextEdit) -> Change:
    """The edits one after the other, as one change."""
    whole: Change | None = None
    now = TextSnapshot(base)
    for edit in edits:
        new_span = Span(edit.span.start, edit.span.start + len(edit.new_text))
        change = Change(now, now.edit(edit.span, edit.new_text), edit.span, new_span)
        now = change.new
        whole = change if whole is None else whole.followed_by(change)
    assert whole is not None
    return whole


def is_on_way(base: str, edits: Sequence[TextEdit], now: str) -> bool:
    """The reference: whether `now` lies between `base` and what the edits make of it."""
    starts = {0}
    reached = 0
    for old_span, new in _places(edits):
        gap, old = base[reached : old_span.start], base[slice(*old_span)]
        reached = old_span.end
        starts = {
            end
            for start in starts
            if now.startswith(gap, start)
            for end in range(start + len(gap), len(now) + 1)
            if _is_between(old, new, now[start + len(gap) : end])
        }
    return any(now[start:] == base[reached:] for start in starts)


def _places(edits: Sequence[TextEdit]) -> Iterator[tuple[Span, str]]:
    """The edits, those that touch as one."""
    span, new = edits[0].span, edits[0].new_text
    for edit in edits[1:]:
        if edit.span.start > span.end:
            yield span, new
            span, new = edit.span, ""
        span, new = Span(span.start, edit.span.end), new + edit.new_text
    yield span, new


def _is_between(old: str, new: str, state: str) -> bool:
    if state == new or old.startswith(state):
        return True
    return any(
        new.startswith(state[:typed])
        and old.endswith(state[kept:])
        and _is_automatic(new, typed, state[typed:kept])
        for typed in range(len(state) + 1)
        for kept in range(typed, len(state) + 1)
    )


def _is_automatic(new: str, typed: int, added: str) -> bool:
    """Whether an editor may have added a text after `new[:typed]` was typed."""
    if not added:
        return True
    rows = new[:typed].split("\n")
    if len(rows) > 1 and not rows[-1].strip(" \t") and not added.strip(" \t"):
        return True
    closers = "".join(new[end] for start, end in _pairs(new) if start < typed <= end)
    bare = "".join(added.split())
    return bool(bare) and closers.startswith(bare)


def _pairs(text: str) -> list[tuple[int, int]]:
    """Where brackets and quotes open and close, by where they close."""
    found: list[tuple[int, int]] = []
    open_at: list[int] = []
    for at, character in enumerate(text):
        opened = text[open_at[-1]] if open_at else ""
        if opened in "\"'`" and opened:
            if character == opened:
                found.append((open_at.pop(), at))
        elif opened and PAIRS[opened] == character:
            found.append((open_at.pop(), at))
        elif character in PAIRS:
            open_at.append(at)
    return found


@dataclass(frozen=True, slots=True)
class GeneratedEdits:
    """A prediction, and the texts that the document had from its making on, step by step."""

    base: str
    edits: tuple[TextEdit, ...]
    changes: tuple[Change, ...]


def make_sequence(seed: int) -> GeneratedEdits:
    """A random prediction and what a user and an editor do under it, the same for a seed."""
    rng = random.Random(seed)
    base = _words(rng, 2, 12)
    edits = _random_edits(rng, base)
    text = base
    past: list[Change] = []
    undone = 0
    for _ in range(rng.randint(1, 14)):
        snapshot = past[-1].new if past else TextSnapshot(base)
        kind = rng.random()
        if kind < 0.12 and len(past) > undone:
            last = past[-1 - undone]
            change = Change(snapshot, last.old, last.new_span, last.old_span)
            if not snapshot.is_same(last.new):
                change = _replace(snapshot, Span(0, len(snapshot)), last.old.text)
            undone += 2
        else:
            undone = 0
            change = _type_on(rng, snapshot, base, edits, is_off_way=kind > 0.93)
        past.append(change)
        text = change.new.text
        if len(text) > 400:
            break
    return GeneratedEdits(base, edits, tuple(past))


def _words(rng: random.Random, least: int, most: int) -> str:
    return "".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


def _random_edits(rng: random.Random, base: str) -> tuple[TextEdit, ...]:
    cuts = sorted(rng.sample(range(len(base) + 1), min(len(base) + 1, 2 * rng.randint(1, 3))))
    if rng.random() < 0.3:
        cuts = [cuts[0], cuts[0], *cuts[2:]]
    edits = [
        TextEdit(Span(start, end), _words(rng, 0, 6))
        for start, end in list(pairwise([*cuts, len(base)]))[::2]
    ]
    edits = [edit for edit in edits if base[slice(*edit.span)] != edit.new_text]
    return tuple(edits) or (TextEdit(Span(len(base), len(base)), "ab(x)"),)


def _replace(snapshot: TextSnapshot, span: Span, new_text: str) -> Change:
    new_span = Span(span.start, span.start + len(new_text))
    return Change(snapshot, snapshot.edit(span, new_text), span, new_span)


def _type_on(
    rng: random.Random,
    snapshot: TextSnapshot,
    base: str,
    edits: Sequence[TextEdit],
    *,
    is_off_way: bool,
) -> Change:
    """One keystroke: on towards the predicted text where that is plain, else anywhere."""
    now, target = snapshot.text, apply_edits(base, edits)
    at = next((i for i, (a, b) in enumerate(zip(now, target, strict=False)) if a != b), None)
    at = min(len(now), len(target)) if at is None else at
    if is_off_way or (at == len(now) == len(target)):
        start = rng.randint(0, len(now))
        end = min(len(now), start + rng.choice([0, 0, 1, 3]))
        return _replace(snapshot, Span(start, end), rng.choice(WORDS))
    if rng.random() < 0.3 and at < len(now):
        return _replace(snapshot, Span(at, min(len(now), at + rng.randint(1, 3))), "")
    typed = target[at : at + rng.choice([1, 1, 1, 2, 5])]
    if typed and typed[-1] in PAIRS and rng.random() < 0.7:
        typed += PAIRS[typed[-1]]
    elif typed.endswith("\n") and rng.random() < 0.7:
        typed += rng.choice(["    ", "        ", "\t", "  "])
    return _replace(snapshot, Span(at, at), typed)


def count_mismatches(sequence: GeneratedEdits) -> tuple[int, int]:
    """How many steps of a sequence the cache judges otherwise than the reference, and of how many.

    Judged are whether the prediction stands, whether anything of it is left, and whether what is
    left makes the predicted text.
    """
    cache = PredictionCache()
    project, path = KEY
    prediction = Prediction(
        id="p",
        project=project,
        path=path,
        version=0,
        edits=sequence.edits,
        proposer="scripted",
        why="",
    )
    base = TextSnapshot(sequence.base)
    first = sequence.changes[0].old
    cache.make_current(_kept(cache.add(prediction, first, first)))
    target = apply_edits(sequence.base, sequence.edits)
    wrong = 0
    for change in sequence.changes:
        cache.follow(KEY, (change,))
        entry = _kept(cache.find(KEY, "p"))
        now = change.new.text
        remaining = entry.remaining
        if remaining is None:
            is_right = not is_on_way(base.text, sequence.edits, now)
        else:
            is_right = is_on_way(base.text, sequence.edits, now)
            is_right = is_right and apply_edits(now, remaining) == target
            is_right = is_right and (not remaining) == (now == target)
            if now == sequence.base:
                is_right = is_right and remaining == sequence.edits
        wrong += not is_right
    return wrong, len(sequence.changes)


def _kept(entry: OpenPrediction | None) -> OpenPrediction:
    assert entry is not None
    return entry
