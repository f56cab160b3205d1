"""Measures whether a prediction takes back what the user did: a metric, not a guard.

For an earlier text of the same document, the share of the predicted change that leads back to it
is (distance from now to then - distance from the prediction to then) / distance from now to the
prediction, where a distance is how many characters must be deleted and inserted. It is 1 when
every character of the change takes something back, 0 when the prediction is no nearer, and below
0 when it leads further away. A prediction is a reversal when more than half of its change leads
back to some earlier text.

Shares no code with the checks that suppress predictions, and knows nothing of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

REVERSAL_SHARE = 0.5
MAX_EARLIER = 200


class EarlierTexts:
    """The texts that one document had, each once, the newest last; the oldest are thinned out."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Take in the text as it is now."""
        self._texts.pop(text, None)
        self._texts[text] = None
        if len(self._texts) > MAX_EARLIER:
            older = list(self._texts)[1 : MAX_EARLIER // 2]
            for text_to_drop in older[::2]:
                del self._texts[text_to_drop]

    def newest_first(self) -> Iterable[str]:
        """The texts, from now back to the first."""
        return reversed(self._texts)


def is_reversal(now: str, predicted: str, earlier: EarlierTexts) -> bool:
    """Whether more than half of the change from `now` to `predicted` takes something back."""
    return any(
        share_taken_back(now, predicted, then) > REVERSAL_SHARE
        for then in earlier.newest_first()
        if then != now
    )


def share_taken_back(now: str, predicted: str, then: str) -> float:
    """How much of the change from `now` to `predicted` leads back to `then`: -1 to 1.

    Where it cannot be more than half, an upper bound may be given instead.
    """
    change = count_edits(now, predicted)
    if not change:
        return 0.0
    back = count_edits(now, then)
    bound = (back - _count_least(predicted, then)) / change
    if bound <= REVERSAL_SHARE:
        return bound
    return (back - count_edits(predicted, then)) / change


def count_edits(one: str, other: str) -> int:
    """How many characters must be deleted and inserted to make one text the other."""
    one, other = _without_common_ends(one, other)
    return len(one) + len(other) - 2 * _count_kept(one, other)


def _count_kept(one: str, other: str) -> int:
    """The length of the longest common subsequence.

    Bit-parallel, after Crochemore, Iliopoulos, Pinzon and Reid (2001): one word of as many bits as
    `one` has characters, and a few operations on it for each character of `other`.
    """
    if not one or not other:
        return 0
    places: dict[str, int] = {}
    for index, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << index
    every = (1 << len(one)) - 1
    row = every
    for character in other:
        hits = row & places.get(character, 0)
        row = ((row + hits) | (row - hits)) & every
    return len(one) - row.bit_count()


def _count_least(one: str, other: str) -> int:
    """A lower bound of `count_edits` that is quick to tell: characters that only one has."""
    one, other = _without_common_ends(one, other)
    first, second = Counter(one), Counter(other)
    return (first - second).total() + (second - first).total()


def _without_common_ends(one: str, other: str) -> tuple[str, str]:
    least = min(len(one), len(other))
    head = _count_common(one, other, least)
    tail = _count_common(one[head:][::-1], other[head:][::-1], least - head)
    return one[head : len(one) - tail], other[head : len(other) - tail]


def _count_common(one: str, other: str, least: int) -> int:
    low, high = 0, least
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
