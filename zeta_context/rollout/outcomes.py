"""What became of predictions, counted by install and variant: the rows that are compared.

A row holds counts, no text: requests, shown, accepted, characters accepted and kept, errors,
reversals, and how many answers took how long. Knows nothing of statistics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from zeta_context.errors import RolloutError
from zeta_context.rollout.assignment import Ring
from zeta_context.rollout.kept_files import set_full_aside

LATENCY_EDGES_MS = (25, 50, 100, 150, 200, 300, 400, 600, 1000, 2000)
"""Upper edges of the classes that latencies are counted in; the last class has none."""
BUDGET_MS = 300
"""An answer that takes longer is slow."""
NO_LATENCIES = (0,) * (len(LATENCY_EDGES_MS) + 1)
MAX_WORD = 100
"""Characters of a name in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounts:
    """Counts of one install with one variant at one stage; rows of the same three add up.

    `id` is the row's own: one that comes twice counts once. `experiment` is empty where it was not
    told. `reversals` are answers that were held back since they would have undone the user's edits.
    """

    install: str
    variant: str
    id: str = ""
    experiment: str = ""
    stage: int = 0
    ring: Ring = "public"
    requests: int = 0
    shown: int = 0
    accepted: int = 0
    kept_characters: int = 0
    errors: int = 0
    reversals: int = 0
    latencies: tuple[int, ...] = NO_LATENCIES

    @property
    def slow(self) -> int:
        """Answers that took longer than the budget."""
        return sum(self.latencies[LATENCY_EDGES_MS.index(BUDGET_MS) + 1 :])

    def __add__(self, other: OutcomeCounts) -> OutcomeCounts:
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTED}
        latencies = tuple(map(sum, zip(self.latencies, other.latencies, strict=True)))
        return OutcomeCounts(
            install=self.install,
            variant=self.variant,
            experiment=self.experiment,
            stage=self.stage,
            ring=self.ring,
            latencies=latencies,
            **sums,
        )


_COUNTED = ("requests", "shown", "accepted", "kept_characters", "errors", "reversals")
_FIELDS = frozenset(field.name for field in fields(OutcomeCounts))


def count_latency(ms: float) -> tuple[int, ...]:
    """One latency, in its class."""
    place = sum(ms > edge for edge in LATENCY_EDGES_MS)
    return tuple(int(place == number) for number in range(len(LATENCY_EDGES_MS) + 1))


def estimate_percentile(latencies: Sequence[int], share: float) -> float | None:
    """The latency in ms below which `share` of the counted ones are, interpolated in its class.

    None without any; in the last class its lower edge.
    """
    total = sum(latencies)
    if not total:
        return None
    wanted, reached, low = share * total, 0, 0
    for count, edge in zip(latencies, (*LATENCY_EDGES_MS, LATENCY_EDGES_MS[-1]), strict=True):
        if count and reached + count >= wanted:
            return low + (edge - low) * (wanted - reached) / count
        reached, low = reached + count, edge
    return float(LATENCY_EDGES_MS[-1])


def decode_row(table: Mapping[str, Any]) -> OutcomeCounts:
    """The row that a table is, unknown keys left out; raises ValueError for what can be none."""
    row = {key: value for key, value in table.items() if key in _FIELDS}
    row["latencies"] = tuple(row.get("latencies", NO_LATENCIES))
    counts = OutcomeCounts(**row)
    words = (counts.install, counts.variant, counts.id, counts.experiment)
    if not all(isinstance(word, str) and len(word) <= MAX_WORD for word in words):
        raise ValueError("no word")
    numbers = [getattr(counts, name) for name in _COUNTED] + [*counts.latencies, counts.stage]
    if len(counts.latencies) != len(NO_LATENCIES) or not all(
        type(one) is int and 0 <= one < 2**40 for one in numbers
    ):
        raise ValueError("no count")
    if counts.ring not in get_args(Ring):
        raise ValueError("no ring")
    # What was shown before a row was written may be accepted in the next one.
    if counts.shown > counts.requests:
        raise ValueError("more shown than asked for")
    return counts


def read_outcomes(path: Path) -> Iterator[OutcomeCounts]:
    """The rows of a file of JSON lines; raises RolloutError with the line's number."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decode_row(json.loads(line))
            except (ValueError, TypeError, AttributeError):
                raise RolloutError(f"{path.name}:{number} is no row of outcomes") from None


def write_outcomes(path: Path, rows: Iterable[OutcomeCounts]) -> None:
    """Add rows to a file of JSON lines; a file that is full gives way to a new one, and is kept."""
    set_full_aside(path)
    with path.open("ab") as file:
        if file.tell() and path.read_bytes()[-1:] != b"\n":
            file.write(b"\n")  # the line before was cut off by a kill: end it
        for row in rows:
            file.write(json.dumps(asdict(row)).encode() + b"\n")


def sum_by_install(
    rows: Iterable[OutcomeCounts], variant: str, *, stage: int | None = None, experiment: str = ""
) -> list[OutcomeCounts]:
    """One row for each install of the public ring with a variant, of one stage if given.

    Rows that tell another `experiment` than the given one are left out.
    """
    found: dict[str, OutcomeCounts] = {}
    for row in rows:
        if row.variant != variant or row.ring != "public":
            continue
        if stage is not None and row.stage != stage:
            continue
        if experiment and row.experiment and row.experiment != experiment:
            continue
        found[row.install] = found[row.install] + row if row.install in found else row
    return list(found.values())
