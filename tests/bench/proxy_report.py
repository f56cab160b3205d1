"""What `make bench-proxy` measured, as a table and as figures; measures nothing itself."""

import os
import statistics
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


def percentile(values: list[int], share: float) -> float:
    """In ms, of times in ns."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """Times by "direct" and "proxied": of messages and stalls in ns, of starts in ms."""

    to_server: dict[str, list[int]]
    to_editor: dict[str, list[int]]
    stalls: dict[str, list[int]]
    starts: dict[str, list[float]]
    memory_mb: float
    counts: dict[str, int]

    def added(self, share: float) -> float:
        """What a percentile is worse by behind the proxy, in ms, the worse way of the two."""
        return max(
            percentile(way["proxied"], share) - percentile(way["direct"], share)
            for way in (self.to_server, self.to_editor)
        )

    def figures(self) -> dict[str, float]:
        """What is compared between versions."""
        medians = {name: statistics.median(values) for name, values in self.starts.items()}
        return {
            "added_p50_ms": round(self.added(0.5), 3),
            "added_p99_ms": round(self.added(0.99), 3),
            "stall_behind_5mb_ms": round(max(self.stalls["proxied"]) / 1e6, 2),
            "rss_mb": round(self.memory_mb, 1),
            "added_start_ms": round(medians["proxied"] - medians["direct"], 1),
        }

    def table(self) -> Table:
        """Both ways beside each other, the machine's own noise among them."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("ms", "direct", "behind the proxy"):
            table.add_column(name, justify="left" if name == "ms" else "right")
        for title, way in (("to the server", self.to_server), ("to the editor", self.to_editor)):
            for share in (0.5, 0.99):
                values = (f"{percentile(way[name], share):.3f}" for name in ("direct", "proxied"))
                table.add_row(f"{title}, p{share * 100:.0f}", *values)
        for title, pick in (("median", statistics.median), ("worst", max)):
            values = (f"{pick(self.stalls[name]) / 1e6:.2f}" for name in ("direct", "proxied"))
            table.add_row(f"a keystroke behind 5 MB, {title}", *values)
        values = (f"{statistics.median(self.starts[name]):.0f}" for name in ("direct", "proxied"))
        table.add_row("start, median", *values)
        return table


def print_report(console: Console, measured: Measured) -> None:
    """For people; the JSON comes after it."""
    console.print(measured.table())
    console.print(
        f"{len(measured.to_editor['proxied'])} messages of the server and"
        f" {len(measured.to_server['proxied'])} keystrokes behind the proxy,"
        f" {measured.counts.get('predicted', 0)} predictions made,"
        f" {measured.counts.get('canceled', 0)} given up for newer ones;"
        f" load average {os.getloadavg()[0]:.1f}"
    )
