"""deltaChrF: how much of the wanted change was made, and how little else, in character n-grams.

The published definition (chrF, M. Popovic 2015, taken of the signed differences of n-gram counts
to the original text, orders 1 to 6, precision and recall averaged over the orders), with the beta
that the score was asked for: 2 in the figures published with Zeta 2, 0.5 in the reference's
present form. Knows nothing of patches, files or cursors: where a change stands does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from zeta_context.text.diff import count_common_prefix, diff_text

ORDERS = 6
BETA = 0.5
"""The reference's present weight: precision counts more than recall."""
PUBLISHED_BETA = 2.0
"""The weight in force when 78.36 and 80.61 were published: recall counts more."""
VERSION = 1

EmptyOrders = Literal["count", "skip"]
"""What orders do for which a text is too short: `count` as right, as the reference does, or `skip`
those that have nothing on either side, as sacrebleu does."""

Whitespace = Literal["collapse", "keep_indentation"]
"""`collapse` makes each run one character, as the reference does; `keep_indentation` leaves the
blanks at the start of a row as they are."""

# What Rust calls white space: Python's \s has four separators more.
_BLANKS = re.compile(r"[^\S\n\x1c-\x1f]+")
_INNER_BLANKS = re.compile(r"(?<=[^\s])[^\S\n\x1c-\x1f]+")
_FEEDS = re.compile(r"\n+")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaChrf:
    """A score in 0 to 100, more is better; precision and recall are in 0 to 1.

    The counts are sums over the orders, of n-grams added and taken away.
    """

    score: float
    precision: float
    recall: float
    true_positives: int
    false_positives: int
    false_negatives: int
    beta: float
    empty_orders: EmptyOrders = "count"
    whitespace: Whitespace = "collapse"

    @property
    def signature(self) -> str:
        """What has to be the same for two scores to be compared."""
        return sign(self.beta, self.empty_orders, self.whitespace)

    def at(self, beta: float) -> DeltaChrf:
        """The same comparison weighted by another beta."""
        score = 100 * _weigh(self.precision, self.recall, beta)
        return replace(self, score=score, beta=beta)


def sign(
    beta: float, empty_orders: EmptyOrders = "count", whitespace: Whitespace = "collapse"
) -> str:
    """The signature of a setting of the metric."""
    return (
        f"deltaChrF|order:{ORDERS}|beta:{beta:g}|empty:{empty_orders}"
        f"|whitespace:{whitespace}|v:{VERSION}"
    )


def score_delta_chrf(
    *,
    original: str,
    expected: str,
    actual: str,
    beta: float = BETA,
    empty_orders: EmptyOrders = "count",
    whitespace: Whitespace = "collapse",
) -> DeltaChrf:
    """How well `actual` makes the change from `original` to `expected`.

    Costs the changed stretches, not the texts: what all have at their ends cancels out, and five
    characters around a change are enough to see every n-gram that it touches.
    """
    if original == expected == actual:
        return _make([(1.0, 1.0)], (0, 0, 0), beta, empty_orders, whitespace)
    wanted, got = (_measure(original, text, whitespace) for text in (expected, actual))
    longest = max(wanted.longest, got.longest)
    rates: list[tuple[float, float]] = []
    matched = surplus = missing = 0
    for order in range(1, ORDERS + 1):
        expected_delta, actual_delta = wanted.deltas[order - 1], got.deltas[order - 1]
        hits = _count_common(expected_delta, actual_delta)
        made, due = got.totals[order - 1], wanted.totals[order - 1]
        matched, surplus, missing = matched + hits, surplus + made - hits, missing + due - hits
        if empty_orders == "skip":
            if made and due:
                rates.append((hits / made, hits / due))
        elif longest < order:
            rates.append((1.0, 1.0))
        else:
            rates.append((hits / made if made else 0.0, hits / due if due else 0.0))
    return _make(rates, (matched, surplus, missing), beta, empty_orders, whitespace)


def best_score(scores: Iterable[DeltaChrf]) -> DeltaChrf:
    """The score against the reference that is met best; raises ValueError without any."""
    return max(scores, key=lambda one: one.score)


def mean_score(scores: Sequence[DeltaChrf]) -> float:
    """The mean over several references; raises ValueError without any."""
    if not scores:
        raise ValueError("no score to take the mean of")
    return sum(one.score for one in scores) / len(scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the references come to when each is scored against the others: best and mean.

    A model that scores as the teachers do among themselves cannot be told from one of them.
    """

    best: float
    mean: float
    references: int


def score_ceiling(
    original: str, references: Sequence[str], *, beta: float = BETA
) -> Ceiling | None:
    """The teacher-against-teacher ceiling of one example; None with fewer than two references."""
    if len(references) < 2:
        return None
    bests: list[float] = []
    means: list[float] = []
    for number, actual in enumerate(references):
        scores = [
            score_delta_chrf(original=original, expected=other, actual=actual, beta=beta)
            for place, other in enumerate(references)
            if place != number
        ]
        bests.append(best_score(scores).score)
        means.append(mean_score(scores))
    count = len(references)
    return Ceiling(best=sum(bests) / count, mean=sum(means) / count, references=count)


@dataclass(frozen=True, slots=True)
class _Change:
    """The n-grams that a change brings in and takes away, by order, and how many those are;
    `longest` is the length of the longer text, or less where that is more than any order."""

    deltas: tuple[Mapping[str, int], ...]
    totals: tuple[int, ...]
    longest: int


@lru_cache(maxsize=32)
def _measure(original: str, text: str, whitespace: Whitespace) -> _Change:
    """Kept for a while: one change is held against many others."""
    old, new = (_normalize(one, whitespace) for one in _cut_shared_ends(original, text))
    pieces = _cut(old, new)
    deltas = tuple(_delta(pieces, order) for order in range(1, ORDERS + 1))
    totals = tuple(sum(map(abs, one.values())) for one in deltas)
    return _Change(deltas, totals, max(len(old), len(new)))


def _cut_shared_ends(original: str, text: str) -> tuple[str, str]:
    """The texts without what both share at their ends, but for what n-grams need of it.

    Cuts only between two characters that are no white space, and leaves six such characters, so
    that what is left is collapsed, and has n-grams of every order, as before.
    """
    head = count_common_prefix(original, text)
    backwards = original[::-1]
    tail = count_common_prefix(backwards, text[::-1])
    tail = min(tail, len(original) - head, len(text) - head)
    start, end = _find_cut(original, head), _find_cut(backwards, tail)
    return original[start : len(original) - end], text[start : len(text) - end]


def _find_cut(text: str, shared: int) -> int:
    """How much of the first `shared` characters can be cut off."""
    left = ORDERS
    for at in range(shared - 1, 0, -1):
        if not text[at].isspace():
            left -= 1
            if left <= 0 and not text[at - 1].isspace():
                return at
    return 0


def _normalize(text: str, whitespace: Whitespace) -> str:
    blanks = _BLANKS if whitespace == "collapse" else _INNER_BLANKS
    return _FEEDS.sub("\n", blanks.sub(" ", text))


def _cut(old: str, new: str) -> list[tuple[str, str]]:
    """Both texts cut to where they differ, with the n-grams that touch it.

    Where more than ten characters between two differences are the same, what lies between cancels
    out, so that each is a piece of its own.
    """
    around = ORDERS - 1
    pieces: list[tuple[str, str]] = []
    start = end = new_start = growth = 0
    for edit in diff_text(old, new):
        if pieces and edit.span.start - end <= 2 * around:
            pieces.pop()
        else:
            start, new_start = edit.span.start, edit.span.start + growth
        end = edit.span.end
        growth += edit.growth
        first = max(start - around, 0)
        new_first = new_start - (start - first)
        pieces.append((old[first : end + around], new[new_first : end + growth + around]))
    return pieces


def _delta(pieces: Sequence[tuple[str, str]], order: int) -> dict[str, int]:
    """How often each n-gram came in (positive) or went away (negative); none that did neither."""
    delta: dict[str, int] = {}
    for old, new in pieces:
        for text, step in ((new, 1), (old, -1)):
            for at in range(len(text) - order + 1):
                gram = text[at : at + order]
                delta[gram] = delta.get(gram, 0) + step
    return {gram: count for gram, count in delta.items() if count}


def _count_common(one: Mapping[str, int], other: Mapping[str, int]) -> int:
    """Changes that both make: those of one n-gram in one direction."""
    total = 0
    for gram in one.keys() & other.keys():
        count, others = one[gram], other[gram]
        if (count > 0) == (others > 0):
            total += min(abs(count), abs(others))
    return total


def _weigh(precision: float, recall: float, beta: float) -> float:
    weight = beta * beta
    total = weight * precision + recall
    return (1 + weight) * precision * recall / total if total else 0.0


def _make(
    rates: Sequence[tuple[float, float]],
    counts: tuple[int, int, int],
    beta: float,
    empty_orders: EmptyOrders,
    whitespace: Whitespace,
) -> DeltaChrf:
    precision = sum(one for one, _ in rates) / len(rates) if rates else 0.0
    recall = sum(other for _, other in rates) / len(rates) if rates else 0.0
    return DeltaChrf(
        score=100 * _weigh(precision, recall, beta),
        precision=precision,
        recall=recall,
        true_positives=counts[0],
        false_positives=counts[1],
        false_negatives=counts[2],
        beta=beta,
        empty_orders=empty_orders,
        whitespace=whitespace,
    )
