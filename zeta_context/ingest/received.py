"""What the collection server keeps of a record, and what it says of a deletion: plain records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["accepted", "duplicate", "conflict", "withdrawn"]
"""What an append says of a record: `conflict` is another body under a known identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One record as it came: `body` are the very bytes, `sha256` their digest.

    `tenant` is whose token it came with. `at` is the record's own time, `received_at` the
    server's; seconds since the epoch. `licences` are the SPDX identifiers of its evidence.
    """

    tenant: str
    id: str
    installation: str
    project: str
    kind: str
    consent: str
    settled_consent: str
    evidence: str
    licences: str
    schema: int
    at: float
    received_at: float
    sha256: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What is to be deleted, and never taken again: all records of a project under a consent."""

    tenant: str
    installation: str
    project: str
    consent: str

    def covers(self, record: Received) -> bool:
        """Whether the record is one of those."""
        return (
            record.tenant == self.tenant
            and record.installation == self.installation
            and record.project == self.project
            and self.consent in (record.consent, record.settled_consent)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The proof of a deletion: how many records, and a digest over their identifiers.

    `rewritten` are the files that held them and do not exist any more; `manifest` is a digest over
    the files that there are instead, so that it can be checked that none of them has any.
    """

    deletion: str
    deleted: int
    ids_sha256: str
    rewritten: tuple[str, ...] = ()
    manifest: str = ""
    completed_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records are wanted: all by default."""

    tenant: str = ""
    project: str = ""
    kind: str = ""
    since: float = 0.0
    ids: frozenset[str] = field(default_factory=frozenset)

    def takes(self, record: Received) -> bool:
        """Whether a record is wanted."""
        return (
            (not self.tenant or record.tenant == self.tenant)
            and (not self.project or record.project == self.project)
            and (not self.kind or record.kind == self.kind)
            and record.received_at >= self.since
            and (not self.ids or record.id in self.ids)
        )


ALL = Selection()


def digest_ids(ids: Iterable[str]) -> str:
    """SHA-256 over identifiers, sorted, one a line."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(ids)).encode()).hexdigest()
