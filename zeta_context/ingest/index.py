"""The server's index: which records are known, which wait for a file, which may not come again.

Every change of it is one transaction. Knows nothing of files' contents or of HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from zeta_context.ingest.database import Database
from zeta_context.ingest.received import Receipt, Received, Status, Withdrawal

_COLUMNS = (
    "tenant", "id", "installation", "project", "kind", "consent", "settled_consent", "evidence",
    "licences", "schema", "at", "received_at", "sha256", "body",
)  # fmt: skip
_AT_ONCE = 500

_TABLES = """
CREATE TABLE IF NOT EXISTS known (
    tenant TEXT NOT NULL, id TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE TABLE IF NOT EXISTS waiting (
    seq {serial},
    tenant TEXT NOT NULL, id TEXT NOT NULL, installation TEXT NOT NULL, project TEXT NOT NULL,
    kind TEXT NOT NULL, consent TEXT NOT NULL, settled_consent TEXT NOT NULL,
    evidence TEXT NOT NULL, licences TEXT NOT NULL, schema INTEGER NOT NULL,
    at DOUBLE PRECISION NOT NULL, received_at DOUBLE PRECISION NOT NULL, sha256 TEXT NOT NULL,
    body {bytes} NOT NULL
);
CREATE TABLE IF NOT EXISTS shard (
    path TEXT PRIMARY KEY, folder TEXT NOT NULL, n_rows INTEGER NOT NULL, size INTEGER NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS withdrawn (
    tenant TEXT NOT NULL, installation TEXT NOT NULL, project TEXT NOT NULL, consent TEXT NOT NULL,
    PRIMARY KEY (tenant, installation, project, consent)
);
CREATE TABLE IF NOT EXISTS receipt (
    tenant TEXT NOT NULL, deletion TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (tenant, deletion)
);
CREATE TABLE IF NOT EXISTS paper (
    tenant TEXT NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE TABLE IF NOT EXISTS audit (
    tenant TEXT NOT NULL, installation TEXT NOT NULL, event TEXT NOT NULL, n BIGINT NOT NULL,
    PRIMARY KEY (tenant, installation, event)
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file of records, by its path in the store, and what must be true of it."""

    path: str
    folder: str
    n_rows: int
    size: int
    sha256: str


class Index:
    """Over one database; thread-safe as that is."""

    def __init__(self, database: Database) -> None:
        self._db = database
        with database.change():
            for statement in _TABLES.format(
                serial=database.serial_type, bytes=database.bytes_type
            ).split(";"):
                if statement.strip():
                    database.ask(statement)

    def again(self) -> Index:
        """The same index over another connection, for another thread."""
        return Index(self._db.again())

    def forget(self) -> None:
        """Leave no byte of what was deleted."""
        self._db.forget()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    # Records.

    def add(self, records: Sequence[Received]) -> list[Status]:
        """Take records in; one status for each, in order."""
        with self._db.change():
            withdrawn = self._find_withdrawn(records)
            # Of several under one identifier in the same call, the first counts.
            first = {(record.tenant, record.id): record for record in reversed(records)}
            welcome = [
                record
                for record in first.values()
                if not withdrawn.intersection(_withdrawals_of(record))
            ]
            new = self._take_names(welcome)
            self._insert([record for record in welcome if (record.tenant, record.id) in new])
            statuses: list[Status] = []
            for record in records:
                key = (record.tenant, record.id)
                if withdrawn.intersection(_withdrawals_of(record)):
                    statuses.append("withdrawn")
                elif key in new:
                    new.discard(key)  # a second one in the same call is a duplicate
                    statuses.append("accepted")
                else:
                    known = self._db.ask("SELECT sha256 FROM known WHERE tenant=? AND id=?", key)
                    is_same = known[0][0] == record.sha256
                    statuses.append("duplicate" if is_same else "conflict")
        return statuses

    def _find_withdrawn(self, records: Iterable[Received]) -> set[Withdrawal]:
        every = {each for record in records for each in _withdrawals_of(record)}
        return {one for one in every if self.is_withdrawn(one)}

    def _take_names(self, records: Sequence[Received]) -> set[tuple[str, str]]:
        """The names among the records' that were not known, and are now."""
        new: set[tuple[str, str]] = set()
        for start in range(0, len(records), _AT_ONCE):
            part = records[start : start + _AT_ONCE]
            marks = ",".join("(?,?,?)" for _ in part)
            values = [
                value for record in part for value in (record.tenant, record.id, record.sha256)
            ]
            rows = self._db.ask(
                f"INSERT INTO known VALUES {marks} ON CONFLICT DO NOTHING RETURNING tenant, id",
                values,
            )
            new.update((row[0], row[1]) for row in rows)
        return new

    def _insert(self, records: Sequence[Received]) -> None:
        names = ",".join(_COLUMNS)
        one = f"({','.join('?' * len(_COLUMNS))})"
        for start in range(0, len(records), _AT_ONCE):
            part = records[start : start + _AT_ONCE]
            values = [getattr(record, name) for record in part for name in _COLUMNS]
            self._db.ask(
                f"INSERT INTO waiting ({names}) VALUES {','.join([one] * len(part))}", values
            )

    def waiting(self, limit: int, *, after: int = 0) -> list[tuple[int, Received]]:
        """Records that are in no file yet, oldest first, with their numbers."""
        rows = self._db.ask(
            f"SELECT seq, {','.join(_COLUMNS)} FROM waiting WHERE seq>? ORDER BY seq LIMIT ?",
            (after, limit),
        )
        return [
            (
                row[0],
                Received(**{**dict(zip(_COLUMNS, row[1:], strict=True)), "body": bytes(row[-1])}),
            )
            for row in rows
        ]

    def n_waiting(self) -> int:
        """How many they are."""
        return int(self._db.ask("SELECT count(*) FROM waiting")[0][0])

    # Files.

    def shards(self, folder: str = "") -> list[Shard]:
        """The files that there are, of one folder or of all."""
        rows = self._db.ask(
            "SELECT path, folder, n_rows, size, sha256 FROM shard"
            + (" WHERE folder=?" if folder else "")
            + " ORDER BY path",
            (folder,) if folder else (),
        )
        return [
            Shard(path=row[0], folder=row[1], n_rows=row[2], size=row[3], sha256=row[4])
            for row in rows
        ]

    def move(self, numbers: Sequence[int], shards: Iterable[Shard]) -> None:
        """The records with these numbers are in these new files now, and wait no more.

        One by one: another server's record may have got a number between and not be written yet.
        """
        with self._db.change():
            self._add_shards(shards)
            for start in range(0, len(numbers), _AT_ONCE):
                part = numbers[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                self._db.ask(f"DELETE FROM waiting WHERE seq IN ({marks})", part)

    def replace(self, old: Iterable[Shard], new: Iterable[Shard]) -> None:
        """Some files stand in the place of others."""
        with self._db.change():
            self._replace(old, new)

    def _replace(self, old: Iterable[Shard], new: Iterable[Shard]) -> None:
        for shard in old:
            self._db.ask("DELETE FROM shard WHERE path=?", (shard.path,))
        self._add_shards(new)

    def _add_shards(self, shards: Iterable[Shard]) -> None:
        for shard in shards:
            self._db.ask(
                "INSERT INTO shard VALUES (?,?,?,?,?)",
                (shard.path, shard.folder, shard.n_rows, shard.size, shard.sha256),
            )

    # Deletions.

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """From now on nothing that the withdrawal covers is taken or given."""
        with self._db.change():
            self._db.ask(
                "INSERT INTO withdrawn VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                (
                    withdrawal.tenant,
                    withdrawal.installation,
                    withdrawal.project,
                    withdrawal.consent,
                ),
            )

    def is_withdrawn(self, one: Withdrawal) -> bool:
        """Whether this was withdrawn."""
        return bool(
            self._db.ask(
                "SELECT 1 FROM withdrawn WHERE tenant=? AND installation=? AND project=?"
                " AND consent=?",
                (one.tenant, one.installation, one.project, one.consent),
            )
        )

    def withdrawals(self) -> set[Withdrawal]:
        """All that was withdrawn."""
        rows = self._db.ask("SELECT tenant, installation, project, consent FROM withdrawn")
        return {
            Withdrawal(tenant=row[0], installation=row[1], project=row[2], consent=row[3])
            for row in rows
        }

    def waiting_under(self, withdrawal: Withdrawal) -> list[str]:
        """The identifiers of what a withdrawal covers and that is in no file yet."""
        rows = self._db.ask(
            "SELECT id FROM waiting WHERE tenant=? AND installation=? AND project=?"
            " AND (consent=? OR settled_consent=?)",
            (
                withdrawal.tenant,
                withdrawal.installation,
                withdrawal.project,
                withdrawal.consent,
                withdrawal.consent,
            ),
        )
        return [row[0] for row in rows]

    def finish_deletion(
        self,
        withdrawal: Withdrawal,
        ids: Iterable[str],
        old: Iterable[Shard],
        new: Iterable[Shard],
        receipt: Receipt,
    ) -> None:
        """The records with these identifiers are gone from index and files; this is the proof."""
        with self._db.change():
            self._replace(old, new)
            for record_id in ids:
                key = (withdrawal.tenant, record_id)
                self._db.ask("DELETE FROM waiting WHERE tenant=? AND id=?", key)
                self._db.ask("DELETE FROM known WHERE tenant=? AND id=?", key)
            self._db.ask(
                "INSERT INTO receipt VALUES (?,?,?)",
                (withdrawal.tenant, receipt.deletion, json.dumps(asdict(receipt))),
            )

    def receipt(self, tenant: str, deletion: str) -> Receipt | None:
        """The receipt of a deletion that was made."""
        rows = self._db.ask(
            "SELECT content FROM receipt WHERE tenant=? AND deletion=?", (tenant, deletion)
        )
        if not rows:
            return None
        table = json.loads(rows[0][0])
        return Receipt(**{**table, "rewritten": tuple(table["rewritten"])})

    # What came with batches.

    def keep_papers(self, tenant: str, papers: Mapping[str, str]) -> None:
        """Keep consents and evidence; the first under an identifier stays."""
        with self._db.change():
            for key, content in papers.items():
                self._db.ask(
                    "INSERT INTO paper VALUES (?,?,?) ON CONFLICT DO NOTHING",
                    (tenant, key, content),
                )

    def paper(self, tenant: str, key: str) -> str | None:
        """One of them."""
        rows = self._db.ask("SELECT content FROM paper WHERE tenant=? AND id=?", (tenant, key))
        return rows[0][0] if rows else None

    def note(self, tenant: str, installation: str, events: Mapping[str, int]) -> None:
        """Count what happened: `rejected_` and why, `dropped_` and what clients say."""
        with self._db.change():
            for event, n in events.items():
                self._db.ask(
                    "INSERT INTO audit VALUES (?,?,?,?)"
                    " ON CONFLICT (tenant, installation, event) DO UPDATE SET n=audit.n+excluded.n",
                    (tenant, installation, event, n),
                )

    def audit(self) -> dict[str, int]:
        """What happened, over all tenants."""
        rows = self._db.ask("SELECT event, sum(n) FROM audit GROUP BY event ORDER BY event")
        return {row[0]: int(row[1]) for row in rows}


def _withdrawals_of(record: Received) -> list[Withdrawal]:
    """What would have to be withdrawn for the record not to be welcome."""
    return [
        Withdrawal(
            tenant=record.tenant,
            installation=record.installation,
            project=record.project,
            consent=consent,
        )
        for consent in (record.consent, record.settled_consent)
        if consent
    ]
