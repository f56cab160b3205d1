"""Hits, false alarms and misses, and what they come to.

Knows nothing of what was counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """True positives, false positives and false negatives; they add up over examples (micro)."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: Hits) -> Hits:
        return Hits(
            true_positives=self.true_positives + other.true_positives,
            false_positives=self.false_positives + other.false_positives,
            false_negatives=self.false_negatives + other.false_negatives,
        )

    @property
    def precision(self) -> float:
        """The share of what was predicted that is right; 1 where nothing was."""
        return _share(self.true_positives, self.false_positives)

    @property
    def recall(self) -> float:
        """The share of what was wanted that was predicted; 1 where nothing was."""
        return _share(self.true_positives, self.false_negatives)

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def match_counts(expected: Iterable[Hashable], actual: Iterable[Hashable]) -> Hits:
    """Hits and misses of two multisets."""
    wanted, found = Counter(expected), Counter(actual)
    hits = (wanted & found).total()
    return Hits(
        true_positives=hits,
        false_positives=found.total() - hits,
        false_negatives=wanted.total() - hits,
    )


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else 1.0
