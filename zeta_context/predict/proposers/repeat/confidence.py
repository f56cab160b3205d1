"""How probable a proposed edit is, from its features: additive decision trees kept as data.

Knows nothing of what the features mean. `confidence.json` is written by `tests/bench/fit_repeat.py`
from public git histories; it holds nothing but feature names, thresholds and weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp
from typing import Any

Tree = tuple[tuple[int, ...], tuple[float, ...], tuple[int, ...], tuple[int, ...]]
"""By node: feature (-1: a leaf), threshold (or a leaf's weight), next if not above, if above."""


@dataclass(frozen=True, slots=True)
class TreeSum:
    """The logistic function of a sum of trees over one vector of features."""

    features: tuple[str, ...]
    base: float
    trees: tuple[Tree, ...]

    def probability(self, values: Sequence[float]) -> float:
        """The probability, 0..1, for feature values in the order of `features`."""
        total = self.base
        for feature, threshold, low, high in self.trees:
            node = 0
            while (index := feature[node]) >= 0:
                node = low[node] if values[index] <= threshold[node] else high[node]
            total += threshold[node]
        return 1.0 / (1.0 + exp(-total)) if total > -700 else 0.0


@cache
def load_models() -> tuple[TreeSum, TreeSum]:
    """The models for one place and for a group of places; raises ValueError on foreign data."""
    text = files(__package__).joinpath("confidence.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return read_model(data["site"]), read_model(data["group"])


def read_model(data: Mapping[str, Any]) -> TreeSum:
    """A model from its plain data: `features`, `base` and `trees`."""
    trees = tuple(
        (tuple(feature), tuple(threshold), tuple(low), tuple(high))
        for feature, threshold, low, high in data["trees"]
    )
    return TreeSum(tuple(data["features"]), float(data["base"]), trees)
