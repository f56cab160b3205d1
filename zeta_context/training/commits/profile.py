"""How a person types: the figures that the model of typing takes from recorded sessions.

`measure_habits` takes them from any trace, recorded or made; `Habits` made from all recordings is
what typed-out commits are fitted to, and what the realism report compares. Knows nothing of git.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from math import exp, log
from pathlib import Path
from statistics import fmean, median, pstdev

from zeta_context.errors import SettingsError
from zeta_context.events.trace import CursorMoved, Edited, Opened, TraceEntry

BURST_MS = 1_000
"""A pause this long ends a burst."""

VISIT_ROWS = 8
"""An edit further away than this many rows is another visit."""

SLIP_LENGTH = 3
"""Up to so many backspaces in a row correct a slip; more are a false start taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What one or many sessions show.

    `slip_rate` and `false_start_rate` are per typed character and per visit; `backspace_share` and
    `block_delete_share` are shares of all edits and of all deletions, `paste_share` that of edits
    that insert 20 characters or more at once. `revisit_rate` is the share of visits to rows that
    were visited before. `interval_ms` is the median within bursts, `pause_log_mean` and
    `pause_log_sd` those of the logarithm of longer pauses; `burst_length` is the mean number of
    edits between two pauses.
    """

    slip_rate: float
    false_start_rate: float
    backspace_share: float
    block_delete_share: float
    paste_share: float
    revisit_rate: float
    interval_ms: float
    pause_log_mean: float
    pause_log_sd: float
    burst_length: float


FEATURES = (
    "backspace_share",
    "block_delete_share",
    "paste_share",
    "revisit_rate",
    "burst_length",
    "interval_ms",
    "slip_rate",
    "false_start_rate",
)
"""The habits that the realism report compares and its discriminator sees."""


def measure_habits(sessions: Iterable[Sequence[TraceEntry]]) -> Habits:
    """The habits that sessions show together; raises SettingsError when nothing was typed."""
    tally = _Tally()
    for entries in sessions:
        tally.add(entries)
    return tally.habits()


@cache
def recorded_habits() -> Habits:
    """Those of the recorded sessions that this version was fitted to."""
    text = files("zeta_context.training.commits").joinpath("habits.json").read_text("utf-8")
    return Habits(**json.loads(text))


def write_habits(habits: Habits, path: Path) -> None:
    """Keep habits as the file that `recorded_habits` reads."""
    rounded = {name: round(value, 5) for name, value in asdict(habits).items()}
    path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


class _Tally:
    """Adds up what sessions show."""

    def __init__(self) -> None:
        self._edits = self._typed = self._backspaces = self._deletions = self._blocks = 0
        self._pastes = self._slips = self._false_starts = self._visits = self._revisits = 0
        self._intervals: list[int] = []
        self._pauses: list[int] = []
        self._bursts: list[int] = []

    def add(self, entries: Sequence[TraceEntry]) -> None:
        """Take in a session."""
        rows = _Rows()
        burst, run, last_at = 0, 0, None
        for entry in entries:
            if isinstance(entry, CursorMoved | Opened):
                rows.follow(entry)
                continue
            if not isinstance(entry, Edited):
                continue
            if last_at is not None:
                wait = entry.at_ms - last_at
                if wait >= BURST_MS:
                    self._pauses.append(wait)
                    self._bursts.append(burst)
                    burst = 0
                else:
                    self._intervals.append(wait)
            last_at = entry.at_ms
            burst += 1
            visit = rows.follow(entry)
            self._visits += visit != "same"
            self._revisits += visit == "again"
            run = self._count(entry, run)
        self._end_run(run)
        if burst:
            self._bursts.append(burst)

    def _count(self, entry: Edited, run: int) -> int:
        self._edits += 1
        removed, added = entry.span.length, len(entry.new_text)
        if removed and not added:
            self._deletions += 1
            if removed == 1:
                self._backspaces += 1
                return run + 1
            self._blocks += 1
            return run
        self._end_run(run)
        if added == 1:
            self._typed += 1
        elif added >= 20 and entry.new_text.strip():
            self._pastes += 1
        return 0

    def _end_run(self, run: int) -> None:
        self._slips += 0 < run <= SLIP_LENGTH
        self._false_starts += run > SLIP_LENGTH

    def habits(self) -> Habits:
        """What has been taken in, as rates."""
        if not self._edits or not self._intervals:
            raise SettingsError("nothing was typed in these sessions: there are no habits to see")
        logs = [log(pause) for pause in self._pauses] or [log(BURST_MS)]
        return Habits(
            slip_rate=self._slips / max(1, self._typed),
            false_start_rate=self._false_starts / max(1, self._visits),
            backspace_share=self._backspaces / self._edits,
            block_delete_share=self._blocks / max(1, self._deletions),
            paste_share=self._pastes / self._edits,
            revisit_rate=self._revisits / max(1, self._visits),
            interval_ms=float(median(self._intervals)),
            pause_log_mean=fmean(logs),
            pause_log_sd=pstdev(logs),
            burst_length=fmean(self._bursts),
        )


class _Rows:
    """Tells visits apart, by counting line feeds of what is typed: no text is kept."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._latest: tuple[str, int] | None = None
        self._visited: set[tuple[str, int]] = set()

    def follow(self, entry: Opened | Edited | CursorMoved) -> str:
        """`same`, `new` or `again`: which visit an edit belongs to."""
        if isinstance(entry, Opened):
            self._texts[entry.path] = entry.text or ""
            return "same"
        if isinstance(entry, CursorMoved):
            return "same"
        text = self._texts.get(entry.path, "")
        row = text.count("\n", 0, entry.span.start)
        self._texts[entry.path] = text[: entry.span.start] + entry.new_text + text[entry.span.end :]
        latest, self._latest = self._latest, (entry.path, row)
        band = (entry.path, row // VISIT_ROWS)
        if latest and latest[0] == entry.path and abs(latest[1] - row) <= VISIT_ROWS:
            self._visited.add(band)
            return "same"
        is_again = band in self._visited
        self._visited.add(band)
        return "again" if is_again else "new"


def typical_pause_ms(habits: Habits) -> float:
    """The pause that is as often longer as shorter."""
    return exp(habits.pause_log_mean)
