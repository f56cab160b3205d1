"""Tells what the benchmark of the local runner measured: ratios, a table by kind, the machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.bench.runner_cases import KINDS

Row = dict[str, Any]

KEYS = (
    "cold_vs_lookup",
    "worst_kind_cold_vs_lookup",
    "decode_vs_lookup",
    "successor_vs_lookup",
    "cold_vs_llamacpp",
    "successor_vs_llamacpp",
    "passes_no_edit",
    "passes_one_edit",
    "passes_rename",
    "cancel_p99_ms",
    "flips_bf16",
)
"""What the last row of the output has, in this order."""


def print_table(table: Sequence[Row]) -> None:
    """What each side took, by phase and kind: medians and 95th percentiles in milliseconds."""
    print(
        f"{'phase':9} {'kind':9} {'side':34} {'n':>3} {'p50':>7} {'p95':>7} {'decode':>7}", end=""
    )
    print(f" {'passes':>6} {'drafted':>8} {'accepted':>8}")
    for row in table:
        decode = "" if row["decode_p50_ms"] is None else row["decode_p50_ms"]
        print(
            f"{row['phase']:9} {row['kind']:9} {row['side']:34} {row['n']:3} {row['p50_ms']:7} "
            f"{row['p95_ms']:7} {decode:>7} {row['passes']:6g} {row['drafted']:8} "
            f"{row['accepted']:8}"
        )


def print_by_kind(table: Sequence[Row]) -> None:
    """Ours against the best of each of the others, and where our time goes; a Markdown table."""
    print("| | kind | n | ours | passes | lookup | llama.cpp | vs lookup | vs llama.cpp", end="")
    print(" | reading, ours | asking | drafting |\n|" + "---|" * 12)
    for row in table:
        cells = [
            *(row["phase"], row["kind"], row["n"]),
            _ms(row["ours_ms"]),
            f"{row['passes']:g}",
            *(_ms(row[name]) for name in ("lookup_ms", "llamacpp_ms")),
            *(_times(row[name]) for name in ("vs_lookup", "vs_llamacpp")),
            *(_ms(row[name]) for name in ("read_ms", "asking_ms", "drafting_ms")),
        ]
        print("| " + " | ".join(str(cell) for cell in cells) + " |")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def summarize(rows: Sequence[Row]) -> Row:
    """The ratios that the bars are set for, and the table by kind."""
    cold = [row for row in rows if row["phase"] == "cold"]
    next_ones = [row for row in rows if row["phase"] == "successor"]
    report: Row = {
        "cold_vs_lookup": _ratio(cold, "generate", _total),
        "worst_kind_cold_vs_lookup": min(
            (
                found
                for kind in {row["kind"] for row in cold}
                if (found := _ratio(_of_kind(cold, kind), "generate", _total)) is not None
            ),
            default=None,
        ),
        "decode_vs_lookup": _ratio(cold, "generate", _decode_part),
        "successor_vs_lookup": _ratio(next_ones, "generate", _total),
        "cold_vs_llamacpp": _ratio(cold, "llama.cpp", _total),
        "successor_vs_llamacpp": _ratio(next_ones, "llama.cpp", _total),
    }
    report["table"] = [
        _table_row(rows, phase, kind, side)
        for phase in ("cold", "successor")
        for kind in KINDS
        for side in sorted({row["side"] for row in rows if row["phase"] == phase})
        if any((row["phase"], row["kind"], row["side"]) == (phase, kind, side) for row in rows)
    ]
    report["by_kind"] = [
        _kind_row(found, phase, kind)
        for phase, of_phase in (("cold", cold), ("successor", next_ones))
        for kind in KINDS
        if (found := _of_kind(of_phase, kind))
    ]
    return report


def _kind_row(rows: Sequence[Row], phase: str, kind: str) -> Row:
    ours = [row for row in rows if row["side"] == "ours"]
    return {
        "phase": phase,
        "kind": kind,
        "n": len(ours),
        "ours_ms": _median(row["total_ms"] for row in ours),
        "passes": statistics.median(row["passes"] for row in ours),
        "lookup_ms": _median(_best_totals(rows, "generate")),
        "llamacpp_ms": _median(_best_totals(rows, "llama.cpp")),
        "vs_lookup": _ratio(rows, "generate", _total),
        "vs_llamacpp": _ratio(rows, "llama.cpp", _total),
        "read_ms": _median(row["read_ms"] for row in ours if row.get("read_ms")),
        "asking_ms": _median(row["asking_ms"] for row in ours),
        "drafting_ms": _median(row["drafting_ms"] for row in ours),
    }


def _best_totals(rows: Sequence[Row], side: str) -> list[float]:
    """The best time of these sides for each question."""
    best: dict[str, float] = {}
    for row in rows:
        if row["side"].startswith(side):
            best[row["question"]] = min(best.get(row["question"], float("inf")), row["total_ms"])
    return list(best.values())


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(statistics.median(found), 1) if found else None


def _of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def _table_row(rows: Sequence[Row], phase: str, kind: str, side: str) -> Row:
    found = [row for row in rows if (row["phase"], row["kind"], row["side"]) == (phase, kind, side)]
    totals = sorted(row["total_ms"] for row in found)
    decodes = [_decode_part(row) for row in found]
    return {
        "phase": phase,
        "kind": kind,
        "side": side,
        "n": len(found),
        "p50_ms": round(statistics.median(totals)),
        "p95_ms": round(totals[min(len(totals) - 1, int(0.95 * len(totals)))]),
        "decode_p50_ms": round(statistics.median(decodes)) if found[0].get("read_ms") else None,
        "passes": statistics.median(row["passes"] for row in found),
        "drafted": sum(row["drafted"] for row in found),
        "accepted": sum(row["accepted"] for row in found),
    }


def _ratio(rows: Sequence[Row], other: str, value: Callable[[Row], float]) -> float | None:
    """The median, over prompts, of the best of the others over ours; None without any."""
    ratios: list[float] = []
    for question in {row["question"] for row in rows}:
        here = [row for row in rows if row["question"] == question]
        others = [value(row) for row in here if row["side"].startswith(other)]
        mine = [value(row) for row in here if row["side"] == "ours"]
        if others and mine:
            ratios.append(min(others) / max(mine[0], 1e-3))
    return round(statistics.median(ratios), 3) if ratios else None


def _total(row: Row) -> float:
    return float(row["total_ms"])


def _decode_part(row: Row) -> float:
    """What is left of the time when reading the prompt is taken off; at least one millisecond."""
    return max(1.0, row["total_ms"] - (row.get("read_ms") or 0.0))
