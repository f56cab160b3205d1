"""Kept rate: how much of what was predicted is still there in a later or wanted text.

The published definition: texts are compared by whole identifiers, blanks and operators; what is
new in the prediction and in the reference is compared again, and what both take away counts as
kept, too. Offline the reference is the expected text, online the text as it settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress
from typing import Literal

from zeta_context.metrics.subsequence import mask_common
from zeta_context.metrics.tokens import split_units
from zeta_context.text.diff import count_common_prefix

MAX_GROWTH_DIFFERENCE = 512
"""Where prediction and reference differ in growth by more, something else has changed the text."""
VERSION = 1

Size = Literal["characters", "bytes"]
"""How much a token counts: its code points, or its UTF-8 bytes as the reference has it."""

Label = Literal["context", "kept", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRate:
    """How much of a prediction was kept, and how much of the reference it foresaw; sizes add up.

    `kept_rate` is of what the prediction changed, `recall_rate` of what the reference changed,
    both in 0 to 1. `is_dirty` says that the texts were too different to tell.
    """

    kept: int
    discarded: int
    correctly_deleted: int
    predicted_new: int
    predicted_deleted: int
    reference_new: int
    reference_deleted: int
    size: Size = "characters"
    is_dirty: bool = False

    @property
    def kept_rate(self) -> float:
        """The share of the predicted change that was kept; 1 where nothing was predicted."""
        return _share(self._right, self.predicted_new + self.predicted_deleted, self.is_dirty)

    @property
    def recall_rate(self) -> float:
        """The share of the reference's change that was predicted; 1 where there is none."""
        return _share(self._right, self.reference_new + self.reference_deleted, self.is_dirty)

    @property
    def signature(self) -> str:
        """What has to be the same for two rates to be compared."""
        return sign(self.size)

    @property
    def _right(self) -> int:
        return self.kept + self.correctly_deleted


def sign(size: Size = "characters") -> str:
    """The signature of a setting of the metric."""
    return f"keptRate|unit:identifier|size:{size}|dirty:{MAX_GROWTH_DIFFERENCE}|v:{VERSION}"


def score_kept_rate(
    *, base: str, predicted: str, reference: str, size: Size = "characters"
) -> KeptRate:
    """What of the change from `base` to `predicted` is in `reference`."""
    units = [split_units(text) for text in _cut_shared_lines(base, predicted, reference)]
    old, guess, final = units
    guess_kept, final_kept = mask_common(guess, old), mask_common(final, old)
    old_in_guess, old_in_final = mask_common(old, guess), mask_common(old, final)
    new_guess = [unit for unit, kept in zip(guess, guess_kept, strict=True) if not kept]
    new_final = [unit for unit, kept in zip(final, final_kept, strict=True) if not kept]
    is_dirty = abs(len(predicted) - len(reference)) > MAX_GROWTH_DIFFERENCE
    kept = 0 if is_dirty else _size(compress(new_guess, mask_common(new_guess, new_final)), size)
    gone = [not one for one in old_in_guess]
    also_gone = [not one for one in old_in_final]
    both = [one and other for one, other in zip(gone, also_gone, strict=True)]
    predicted_new = _size(new_guess, size)
    return KeptRate(
        kept=kept,
        discarded=predicted_new - kept,
        correctly_deleted=0 if is_dirty else _size(compress(old, both), size),
        predicted_new=predicted_new,
        predicted_deleted=_size(compress(old, gone), size),
        reference_new=_size(new_final, size),
        reference_deleted=_size(compress(old, also_gone), size),
        size=size,
        is_dirty=is_dirty,
    )


def label_predicted(*, base: str, predicted: str, reference: str) -> list[tuple[str, Label]]:
    """The predicted text token by token: what was there before, what was kept, what was not."""
    old, guess, final = (split_units(text) for text in (base, predicted, reference))
    guess_kept, final_kept = mask_common(guess, old), mask_common(final, old)
    new_guess = [unit for unit, kept in zip(guess, guess_kept, strict=True) if not kept]
    new_final = [unit for unit, kept in zip(final, final_kept, strict=True) if not kept]
    stayed = iter(mask_common(new_guess, new_final))
    labels: list[tuple[str, Label]] = []
    for unit, is_context in zip(guess, guess_kept, strict=True):
        label: Label = "context" if is_context else "kept" if next(stayed) else "discarded"
        labels.append((unit, label))
    return labels


def _cut_shared_lines(base: str, predicted: str, reference: str) -> list[str]:
    """The texts without the lines that all share at their ends: they are kept whatever happens.

    Cuts only where a line ends and the next is not empty, which no token spans; and at the end
    only what a comparison of two texts would not take for their common beginning.
    """
    texts = [base, predicted, reference]
    heads = [count_common_prefix(base, other) for other in texts[1:]]
    start = _line_start(base, min(heads))
    backwards = base[::-1]
    tail = min(count_common_prefix(backwards, other[::-1]) for other in texts[1:])
    for other, head in zip(texts[1:], heads, strict=True):
        tail = min(tail, min(len(base), len(other)) - head)
    end = len(base) - tail + 1  # the line feed before the first shared line is shared, too
    while end < len(base) and not (base[end - 1] == "\n" and base[end] not in "\r\n"):
        end += 1
    cut = max(len(base) - end, 0)
    return [text[start : len(text) - cut] for text in texts]


def _line_start(text: str, reached: int) -> int:
    """The last start of a line that is not empty, at or before `reached`."""
    while reached:
        at = text.rfind("\n", 0, reached) + 1
        if at < reached and text[at] not in "\r\n":
            return at
        reached = at - 1 if at else 0
    return 0


def _size(units: Iterable[str], size: Size) -> int:
    if size == "bytes":
        return sum(len(unit.encode("utf-8", "surrogatepass")) for unit in units)
    return sum(map(len, units))


def _share(part: int, whole: int, is_dirty: bool) -> float:
    if is_dirty:
        return 0.0
    return part / whole if whole else 1.0
