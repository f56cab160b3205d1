"""What the spool holds and what it tells: plain records, without any access to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from zeta_context.consent.gate import Claims

DropReason = Literal[
    "overflow",
    "expired",
    "secret",
    "excluded",
    "licence",
    "withdrawn",
    "not_allowed",
    "poison",
    "too_large",
    "disk_full",
    "rejected",
    "server_stopped",
    "purged",
]
"""Why a captured record was not acknowledged and is not kept."""

State = Literal["waiting", "dead"]
"""`dead`: the server could not take it, kept for a while to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much is kept at most: bytes of bodies, records."""

    max_bytes: int = 64 * 1024 * 1024
    max_records: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """A record to be kept: `body` is what will be sent, byte for byte.

    It may be sent after `hold_back_s` and is kept for `retention_s` at most. `papers` are what the
    server will want to see: consents and licence evidence by identifier.
    """

    id: str
    project: str
    kind: str
    server: str
    claims: Claims
    body: bytes
    rules_version: int
    hold_back_s: float
    retention_s: float
    papers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A record that is kept; times are on the spool's own clock, `due_s` and `left_s` from now."""

    id: str
    project: str
    kind: str
    server: str
    claims: Claims
    rules_version: int
    state: State
    is_leased: bool
    was_sent: bool
    attempts: int
    last_error: str
    due_s: float
    left_s: float
    sha256: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Records that only the holder sends, until the lease ends."""

    token: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What a server is to be told to delete; `receipt` is its answer, empty until there is one."""

    id: str
    server: str
    project: str
    consent_id: str
    receipt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of everything that was ever captured."""

    captured: int
    acknowledged: int
    kept: int
    dropped: Mapping[str, int]

    @property
    def unaccounted(self) -> int:
        """0, or something is wrong."""
        return self.captured - self.acknowledged - self.kept - sum(self.dropped.values())
