"""Spools with clocks that tests set, and items to put into them."""

from __future__ import annotations

from pathlib import Path

from zeta_context.capture.codec import encode_record
from zeta_context.capture.example import make_record_id
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_clock import SpoolClock
from zeta_context.capture.spool_records import NewItem, SpoolLimits
from zeta_context.consent.gate import Claims

from .records import make_example

SERVER = "https://collect.example.org/v1"
CLAIMS = Claims(consent_id="c-1", evidence_digest="e" * 64)
DAY = 86_400.0


class Clock:
    """Both clocks of a machine, as a test wants them."""

    def __init__(self) -> None:
        self.steady, self.calendar = 1000.0, 1_800_000_000.0

    def pass_time(self, seconds: float) -> None:
        self.steady += seconds
        self.calendar += seconds

    def restart_machine(self, off_for: float = 0.0) -> None:
        self.steady = 5.0
        self.calendar += off_for

    def make(self) -> SpoolClock:
        return SpoolClock(steady=lambda: self.steady, calendar=lambda: self.calendar)


def open_spool(folder: Path, clock: Clock | None = None, **limits: int) -> Spool:
    return Spool(
        folder / "spool" / "spool.sqlite",
        limits=SpoolLimits(**limits) if limits else None,
        clock=(clock or Clock()).make(),
    )


def make_item(
    text: str = "x = 1\n",
    *,
    project: str = "p1",
    record_id: str = "",
    claims: Claims = CLAIMS,
    hold_back_s: float = 0.0,
    retention_s: float = 14 * DAY,
    server: str = SERVER,
    body: bytes | None = None,
    rules_version: int = 1,
) -> NewItem:
    record_id = record_id or make_record_id()
    return NewItem(
        id=record_id,
        project=project,
        kind="example",
        server=server,
        claims=claims,
        body=body if body is not None else encode_record(make_example(text, record_id=record_id)),
        rules_version=rules_version,
        hold_back_s=hold_back_s,
        retention_s=retention_s,
        papers={claims.consent_id: "{}", claims.evidence_digest: "{}"},
    )
