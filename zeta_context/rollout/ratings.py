"""What the people of the dogfood ring say of predictions, one by one, in a file of their own.

A rating names a prediction by its id and the variant that made it; the note is the user's own words
and leaves the machine only if they send the file. Knows nothing of how predictions are shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from zeta_context.errors import RolloutError
from zeta_context.metrics.rates import Rate, measure_rate

Value = Literal["good", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One verdict; `at` in seconds since the epoch."""

    prediction: str
    variant: str
    value: Value
    at: float
    note: str = ""


def add_rating(path: Path, rating: Rating) -> None:
    """Write a rating down; raises RolloutError for another value."""
    if rating.value not in get_args(Value):
        raise RolloutError(f"a rating is {' or '.join(get_args(Value))}, not {rating.value!r}")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(rating)) + "\n")


def read_ratings(path: Path) -> list[Rating]:
    """All ratings, none where there is no file; of several of one prediction the last counts."""
    if not path.exists():
        return []
    names = {field.name for field in fields(Rating)}
    found: dict[str, Rating] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            rating = Rating(**{key: row[key] for key in row if key in names})
        except (ValueError, TypeError):
            raise RolloutError(f"{path.name}:{number} is no rating") from None
        found[rating.prediction] = rating
    return list(found.values())


def rate_variants(ratings: Iterable[Rating]) -> Mapping[str, Rate]:
    """The share of good ones of each variant, with Wilson's interval."""
    groups: dict[str, list[Rating]] = {}
    for one in ratings:
        groups.setdefault(one.variant, []).append(one)
    return {
        name: measure_rate(sum(one.value == "good" for one in group), len(group))
        for name, group in sorted(groups.items())
    }
