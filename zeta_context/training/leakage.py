"""Keeps what is trained on apart from what is measured: splits, and near-duplicates.

A split is by repository and by time, so that no project and no day is on both sides. Near-
duplicates are found by minhashing the code tokens around the cursor and of the targets (A. Broder,
1997; one permutation in bins, P. Li and others, 2012). Knows nothing of files.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from zlib import crc32

from zeta_context.training.example import Example, Purpose

BINS = 64
"""Bins of a signature; the share of equal ones estimates the Jaccard index of two token sets."""

BANDS = 16
SHINGLE = 5
SIMILAR = 0.6
"""From this estimated Jaccard index on two examples are near-duplicates."""

MAX_REMEMBERED = 20_000
"""Signatures held against new ones: near-duplicates are near in a history, too."""

_ROWS = 12
_TOKEN = re.compile(r"\w+|[^\w\s]")
_EMPTY = 0xFFFFFFFF

Signature = tuple[int, ...]


def sign_text(text: str) -> Signature:
    """The signature of a text's code tokens; blanks do not count."""
    tokens = _TOKEN.findall(text)
    bins = array("L", [_EMPTY]) * BINS
    for at in range(max(1, len(tokens) - SHINGLE + 1)):
        value = crc32(" ".join(tokens[at : at + SHINGLE]).encode("utf-8", "replace"))
        value = (value * 0x9E3779B1) & 0xFFFFFFFF  # crc alone keeps the order of like texts
        place = value >> 26
        rest = value & 0x3FFFFFF
        bins[place] = min(bins[place], rest)
    return tuple(bins)


def sign_example(example: Example) -> Signature:
    """The signature of the rows around the cursor and of the first target."""
    prompt_input = example.prompt_input
    text, at = prompt_input.cursor_excerpt, prompt_input.cursor_offset
    before = text[:at].split("\n")[-_ROWS:]
    after = text[at:].split("\n")[:_ROWS]
    targets = "\n".join(edit.new_text for one in example.targets[:1] for edit in one.edits)
    return sign_text("\n".join((*before, *after, targets)))


def similarity(one: Signature, other: Signature) -> float:
    """The estimated Jaccard index, from the bins that are not empty in both."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if (a, b) != (_EMPTY, _EMPTY)]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else 1.0


class NearDuplicates:
    """Remembers signatures, the newest so many, and tells whether another is like one of them."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max = max_remembered
        self._signatures: OrderedDict[int, Signature] = OrderedDict()
        self._bands: list[dict[Signature, int]] = [{} for _ in range(BANDS)]
        self._next = 0

    def holds(self, signature: Signature) -> bool:
        """Whether a near-duplicate was added."""
        for number, band in enumerate(_cut(signature)):
            known = self._bands[number].get(band)
            other = None if known is None else self._signatures.get(known)
            if other is not None and similarity(signature, other) >= SIMILAR:
                return True
        return False

    def add(self, signature: Signature) -> None:
        """Remember a signature, and forget the oldest where there are too many."""
        for number, band in enumerate(_cut(signature)):
            self._bands[number][band] = self._next
        self._signatures[self._next] = signature
        self._next += 1
        while len(self._signatures) > self._max:
            oldest, forgotten = self._signatures.popitem(last=False)
            for number, band in enumerate(_cut(forgotten)):
                if self._bands[number].get(band) == oldest:
                    del self._bands[number][band]


def drop_near_duplicates(
    examples: Iterable[Example], *, of: Iterable[Example] = ()
) -> Iterator[Example]:
    """The examples that are like none before them, nor like any in `of`."""
    seen = NearDuplicates()
    held_out = NearDuplicates(max_remembered=10 * MAX_REMEMBERED)
    for example in of:
        held_out.add(sign_example(example))
    for example in examples:
        signature = sign_example(example)
        if held_out.holds(signature) or seen.holds(signature):
            continue
        seen.add(signature)
        yield example


def assign_purpose(
    repository: str,
    at: float,
    *,
    held_out_share: float,
    cutoff: float | None = None,
    salt: str = "",
) -> Purpose:
    """Which side of the split a state is on: its repository decides, then the time.

    A repository is held out as a whole for a stable pseudo-random share; of the others what is not
    before `cutoff` (seconds since the epoch) is evaluation, too.
    """
    digest = hashlib.sha256(f"{salt}\0{repository}".encode()).digest()
    if int.from_bytes(digest[:8]) / 2**64 < held_out_share:
        return "evaluation"
    return "evaluation" if cutoff is not None and at >= cutoff else "training"


def _cut(signature: Signature) -> list[Signature]:
    rows = BINS // BANDS
    return [signature[i : i + rows] for i in range(0, BINS, rows)]
