"""A recorder in a process that may write, or open, almost nothing: run by test_limits."""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from pathlib import Path

from tests.capture.test_recorder import Place
from zeta_context.capture.settings import CaptureSettings


def main(limit: str, folder: str) -> None:
    """Offer records under the limit, then without it; print what was counted."""
    place = Place(Path(folder), CaptureSettings(sample_rate=1.0, max_per_hour=10_000))
    place.offer()
    wait(place, "captured", 1)
    if limit == "disk":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        kind, low = resource.RLIMIT_FSIZE, 4096
    else:
        kind, low = resource.RLIMIT_NOFILE, 3
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (low, before[1]))
    slowest_s = 0.0
    for _ in range(5):
        started = time.perf_counter()
        place.offer()
        slowest_s = max(slowest_s, time.perf_counter() - started)
    if limit == "disk":
        wait(place, "capture_disk_full", 5)
    else:
        wait(place, "captured", 6)
    resource.setrlimit(kind, before)
    place.offer()
    n_kept = len(place.records())
    print(json.dumps({"kept": n_kept, "dropped": place.dropped(), "slowest_s": slowest_s}))


def wait(place: Place, name: str, n: int) -> None:
    ends = time.monotonic() + 20
    while place.counts.total(name) < n:
        if time.monotonic() > ends:
            raise SystemExit(f"{name}: {place.counts.totals()}")
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
