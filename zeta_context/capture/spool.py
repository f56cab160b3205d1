"""The spool: what was captured and not yet acknowledged. Every change of it is in this file.

Processes share one spool: each change is a transaction, and what is being sent is leased. It is
bounded; what gives way is counted by reason, so that at any moment
captured = acknowledged + kept + dropped. Decides nothing about consent (see `recorder`, `upload`).
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zeta_context.capture.example import make_record_id
from zeta_context.capture.spool_clock import Reading, SpoolClock
from zeta_context.capture.spool_file import open_file, spool_path
from zeta_context.capture.spool_records import (
    Account,
    Deletion,
    DropReason,
    Item,
    Lease,
    NewItem,
    SpoolLimits,
)
from zeta_context.consent.gate import Claims
from zeta_context.errors import CaptureError

LEASE_S = 120.0
DEAD_S = 7 * 86_400.0
"""How long a record that the server cannot take is kept to be looked at."""

_WIPE_TRIES = 40
_WIPE_PAUSE_S = 0.05


class Spool:
    """One user's spool; thread-safe. Methods raise sqlite3.Error when the disk fails them."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        limits: SpoolLimits | None = None,
        clock: SpoolClock | None = None,
    ) -> None:
        self.path = path or spool_path()
        self._limits = limits or SpoolLimits()
        self._clock = clock or SpoolClock()
        self._lock = threading.RLock()
        self._db = open_file(self.path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # What comes in.

    def add(self, items: Sequence[NewItem], dropped: Mapping[DropReason, int] | None = None) -> int:
        """Keep records, durably once this returns; gives how many older ones gave way.

        `dropped` are captured records that did not get this far, by reason.
        """
        with self._change() as now:
            for reason, n in (dropped or {}).items():
                self._count("captured", n)
                self._count_drop(reason, n)
            for item in items:
                self._insert(item, now)
            self._expire(now)
            return self._make_room()

    def _insert(self, item: NewItem, now: float) -> None:
        self._db.execute(
            "INSERT INTO record (id, project, kind, server, consent_id, evidence_digest,"
            " settled_consent_id, rules_version, created, not_before, expires, sha256, size, body)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                item.id,
                item.project,
                item.kind,
                item.server,
                item.claims.consent_id,
                item.claims.evidence_digest,
                item.claims.settled_consent_id,
                item.rules_version,
                now,
                now + item.hold_back_s,
                now + item.retention_s,
                hashlib.sha256(item.body).hexdigest(),
                len(item.body),
                item.body,
            ),
        )
        self._count("captured", 1)
        for key, content in item.papers.items():
            self._db.execute("INSERT OR IGNORE INTO paper VALUES (?,?)", (key, content))

    def _make_room(self) -> int:
        """Let the oldest record of whichever project keeps most give way, until all fits."""
        kept = {
            row[0]: [row[1], row[2]]
            for row in self._db.execute(
                "SELECT project, sum(size), count(*) FROM record GROUP BY project"
            )
        }
        evicted: list[str] = []
        limits = self._limits
        while (
            sum(each[0] for each in kept.values()) > limits.max_bytes
            or sum(each[1] for each in kept.values()) > limits.max_records
        ):
            largest = max(kept, key=lambda project: kept[project])
            # What is being sent gives way last.
            record_id, size = self._db.execute(
                "SELECT id, size FROM record WHERE project=? ORDER BY lease<>'', seq LIMIT 1",
                (largest,),
            ).fetchone()
            self._remove([record_id], "overflow")
            kept[largest][0] -= size
            kept[largest][1] -= 1
            evicted.append(record_id)
        return len(evicted)

    # What goes out.

    def lease(
        self, projects: Iterable[str], *, max_records: int = 100, max_bytes: int = 1_000_000
    ) -> Lease:
        """Take records of these projects that are due, oldest first, all for one server."""
        token = make_record_id()
        names = list(projects)
        with self._change() as now:
            self._expire(now)
            marks = ",".join("?" * len(names))
            rows = self._db.execute(
                f"SELECT id, server, size FROM record WHERE project IN ({marks})"
                " AND state='waiting' AND not_before<=? AND (lease='' OR lease_until<=?)"
                " ORDER BY seq LIMIT ?",
                (*names, now, now, max_records),
            ).fetchall()
            ids: list[str] = []
            n_bytes = 0
            for record_id, server, size in rows:
                if server != rows[0][1] or (ids and n_bytes + size > max_bytes):
                    continue
                ids.append(record_id)
                n_bytes += size
            self._db.executemany(
                "UPDATE record SET lease=?, lease_until=? WHERE id=?",
                [(token, now + LEASE_S, one) for one in ids],
            )
            items = tuple(self._items(now, "lease=? ORDER BY seq", (token,)))
        return Lease(token=token, items=items)

    def mark_sent(self, lease: Lease, ids: Sequence[str]) -> bool:
        """Note that these are about to leave; False, and nothing may leave, if one is gone."""
        with self._change() as now:
            if not self.still_holds(lease, ids):
                return False
            for record_id in ids:
                self._db.execute(
                    "UPDATE record SET was_sent=1, lease_until=? WHERE id=?",
                    (now + LEASE_S, record_id),
                )
                for consent in ("consent_id", "settled_consent_id"):
                    self._db.execute(
                        f"INSERT OR IGNORE INTO sent SELECT server, project, {consent}"
                        f" FROM record WHERE id=? AND {consent}<>''",
                        (record_id,),
                    )
        return True

    def still_holds(self, lease: Lease, ids: Sequence[str]) -> bool:
        """Whether all these leased records are still there: none was withdrawn or purged."""
        marks = ",".join("?" * len(ids))
        with self._lock:
            (n,) = self._db.execute(
                f"SELECT count(*) FROM record WHERE lease=? AND id IN ({marks})",
                (lease.token, *ids),
            ).fetchone()
        return bool(n == len(ids))

    def acknowledge(self, lease: Lease, ids: Iterable[str]) -> int:
        """The server has these for good: forget them."""
        with self._change():
            n = 0
            for record_id in ids:
                n += self._db.execute(
                    "DELETE FROM record WHERE id=? AND lease=?", (record_id, lease.token)
                ).rowcount
            self._count("acknowledged", n)
        return n

    def release(self, lease: Lease) -> None:
        """Let others send what is left of a lease."""
        with self._change():
            self._db.execute(
                "UPDATE record SET lease='', lease_until=0 WHERE lease=?", (lease.token,)
            )

    def fail(self, lease: Lease, record_id: str, error: str, *, max_attempts: int = 3) -> None:
        """The server cannot take this record; after the third time it is set aside."""
        with self._change() as now:
            self._db.execute(
                "UPDATE record SET attempts=attempts+1, last_error=?, lease='', lease_until=0,"
                " state=CASE WHEN attempts+1>=? THEN 'dead' ELSE state END,"
                " expires=CASE WHEN attempts+1>=? THEN ? ELSE expires END"
                " WHERE id=? AND lease=?",
                (error, max_attempts, max_attempts, now + DEAD_S, record_id, lease.token),
            )

    def drop(self, lease: Lease, ids: Iterable[str], reason: DropReason) -> int:
        """Forget leased records that may not or cannot be sent."""
        with self._change():
            held = [
                one
                for record_id in ids
                for one in self._ids("id=? AND lease=?", (record_id, lease.token))
            ]
            self._remove(held, reason)
        return len(held)

    def papers(self, ids: Iterable[str]) -> dict[str, str]:
        """Consents and evidence by identifier, as they were kept with the records."""
        with self._lock:
            found = {
                one: self._db.execute("SELECT content FROM paper WHERE id=?", (one,)).fetchone()
                for one in set(ids)
            }
        return {one: row[0] for one, row in found.items() if row is not None}

    # What the user decides.

    def withdraw(self, project: str, consent_ids: Sequence[str] = ()) -> int:
        """Wipe a project's records, or those under these consents; gives how many there were.

        Each server that any such record was ever sent to will be asked to delete them.
        """
        marks = ",".join("?" * len(consent_ids))
        clause = (
            f" AND (consent_id IN ({marks}) OR settled_consent_id IN ({marks}))"
            if consent_ids
            else ""
        )
        with self._change() as now:
            ids = self._ids(f"project=?{clause}", (project, *consent_ids, *consent_ids))
            self._remove(ids, "withdrawn")
            for server, consent_id in self._db.execute(
                "SELECT server, consent_id FROM sent WHERE project=?", (project,)
            ).fetchall():
                if consent_ids and consent_id not in consent_ids:
                    continue
                self._db.execute(
                    "INSERT INTO deletion VALUES (?,?,?,?,?,'')",
                    (make_record_id(), server, project, consent_id, now),
                )
                self._db.execute(
                    "DELETE FROM sent WHERE server=? AND project=? AND consent_id=?",
                    (server, project, consent_id),
                )
        self.wipe()
        return len(ids)

    def purge(self, ids: Sequence[str] | None = None) -> int:
        """Wipe these records, or all of them."""
        with self._change():
            found = (
                self._ids("1", ())
                if ids is None
                else [one for each in ids for one in self._ids("id=?", (each,))]
            )
            self._remove(found, "purged")
        self.wipe()
        return len(found)

    def redact(self, record_id: str, rewrite: Callable[[bytes], bytes]) -> Item:
        """Put another body in the place of a record's; raises CaptureError if it may have left."""
        with self._change() as now:
            item = next(self._items(now, "id=?", (record_id,)), None)
            if item is None:
                raise CaptureError(f"no record {record_id} is kept")
            if item.was_sent:
                raise CaptureError(
                    "the record may already have been sent: purge it, or withdraw consent to have "
                    "the server delete it"
                )
            body = rewrite(item.body)
            self._db.execute(
                "UPDATE record SET body=?, size=?, sha256=? WHERE id=?",
                (body, len(body), hashlib.sha256(body).hexdigest(), record_id),
            )
            item = next(self._items(now, "id=?", (record_id,)))
        self.wipe()
        return item

    def wipe(self) -> bool:
        """Take what was deleted out of the file and its log; False when readers are in the way."""
        with self._lock:
            # Only a script goes through all the steps of this statement.
            self._db.executescript("PRAGMA incremental_vacuum")
            for _ in range(_WIPE_TRIES):
                busy, _log, _done = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return True
                time.sleep(_WIPE_PAUSE_S)
        return False

    # What servers are told, and tell.

    def deletions(self, *, with_receipts: bool = False) -> tuple[Deletion, ...]:
        """What servers are still to be told to delete, oldest first."""
        clause = "" if with_receipts else "WHERE receipt=''"
        with self._lock:
            rows = self._db.execute(
                f"SELECT id, server, project, consent_id, receipt FROM deletion {clause}"
                " ORDER BY asked_at, id"
            ).fetchall()
        return tuple(
            Deletion(id=row[0], server=row[1], project=row[2], consent_id=row[3], receipt=row[4])
            for row in rows
        )

    def note_sent(self, server: str, project: str, consent_id: str) -> None:
        """Something else than a record goes to a server under a consent: its end ends that, too."""
        with self._change():
            self._db.execute(
                "INSERT OR IGNORE INTO sent VALUES (?,?,?)", (server, project, consent_id)
            )

    def sent_consents(self) -> dict[str, set[str]]:
        """The consents under which anything was ever sent and not called back, by project."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for project, consent_id in self._db.execute("SELECT project, consent_id FROM sent"):
                found.setdefault(project, set()).add(consent_id)
        return found

    def keep_receipt(self, deletion_id: str, receipt: str) -> None:
        """The server has deleted, and this is what it says of it."""
        with self._change():
            self._db.execute("UPDATE deletion SET receipt=? WHERE id=?", (receipt, deletion_id))

    def drop_server(self, server: str) -> int:
        """The server wants nothing more: wipe what was for it."""
        with self._change():
            ids = self._ids("server=?", (server,))
            self._remove(ids, "server_stopped")
        self.wipe()
        return len(ids)

    # What there is.

    def items(self, project: str | None = None) -> tuple[Item, ...]:
        """All records that are kept, oldest first."""
        clause, values = ("1", ()) if project is None else ("project=?", (project,))
        with self._lock:
            return tuple(self._items(self._read_clock().now, f"{clause} ORDER BY seq", values))

    def account(self) -> Account:
        """What became of everything."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                counts = dict(self._db.execute("SELECT name, n FROM count").fetchall())
                (kept,) = self._db.execute("SELECT count(*) FROM record").fetchone()
            finally:
                self._db.execute("COMMIT")
        return Account(
            captured=counts.get("captured", 0),
            acknowledged=counts.get("acknowledged", 0),
            kept=kept,
            dropped={
                name.removeprefix("dropped_"): n
                for name, n in sorted(counts.items())
                if name.startswith("dropped_")
            },
        )

    def unreported_drops(self) -> dict[str, int]:
        """Drops that the server has not been told of, by reason."""
        with self._lock:
            rows = self._db.execute(
                "SELECT name, n-reported FROM count WHERE name LIKE 'dropped_%' AND n>reported"
            ).fetchall()
        return {name.removeprefix("dropped_"): n for name, n in rows}

    def report_drops(self, drops: Mapping[str, int]) -> None:
        """The server was told of these."""
        with self._change():
            for reason, n in drops.items():
                self._db.execute(
                    "UPDATE count SET reported=min(n, reported+?) WHERE name=?",
                    (n, f"dropped_{reason}"),
                )

    # The one way to change anything.

    @contextmanager
    def _change(self) -> Iterator[float]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                reading = self._read_clock()
                self._db.execute(
                    "INSERT OR REPLACE INTO clock VALUES (1,?,?,?)",
                    (reading.now, reading.steady, reading.calendar),
                )
                yield reading.now
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _read_clock(self) -> Reading:
        row = self._db.execute("SELECT now, steady, calendar FROM clock").fetchone()
        last = None if row is None else Reading(now=row[0], steady=row[1], calendar=row[2])
        return self._clock.go_on(last)

    def _expire(self, now: float) -> None:
        for state, reason in (("waiting", "expired"), ("dead", "poison")):
            # What is being sent is let be: its lease ends, too.
            ids = self._ids(
                "state=? AND expires<=? AND (lease='' OR lease_until<=?)", (state, now, now)
            )
            self._remove(ids, "expired" if reason == "expired" else "poison")

    def _remove(self, ids: Sequence[str], reason: DropReason) -> None:
        self._db.executemany("DELETE FROM record WHERE id=?", [(one,) for one in ids])
        self._count_drop(reason, len(ids))

    def _count_drop(self, reason: DropReason, n: int) -> None:
        self._count(f"dropped_{reason}", n)

    def _count(self, name: str, n: int) -> None:
        if n:
            self._db.execute(
                "INSERT INTO count (name, n) VALUES (?,?)"
                " ON CONFLICT (name) DO UPDATE SET n=n+excluded.n",
                (name, n),
            )

    def _ids(self, clause: str, values: Sequence[Any]) -> list[str]:
        rows = self._db.execute(f"SELECT id FROM record WHERE {clause}", values).fetchall()
        return [row[0] for row in rows]

    def _items(self, now: float, clause: str, values: Sequence[Any]) -> Iterator[Item]:
        rows: list[sqlite3.Row] = self._db.execute(
            "SELECT id, project, kind, server, consent_id, evidence_digest, settled_consent_id,"
            " rules_version, state, lease, lease_until, was_sent, attempts, last_error, not_before,"
            f" expires, sha256, body FROM record WHERE {clause}",
            values,
        ).fetchall()
        for row in rows:
            yield Item(
                id=row[0],
                project=row[1],
                kind=row[2],
                server=row[3],
                claims=Claims(consent_id=row[4], evidence_digest=row[5], settled_consent_id=row[6]),
                rules_version=row[7],
                state=row[8],
                is_leased=bool(row[9]) and row[10] > now,
                was_sent=bool(row[11]),
                attempts=row[12],
                last_error=row[13],
                due_s=max(0.0, row[14] - now),
                left_s=max(0.0, row[15] - now),
                sha256=row[16],
                body=bytes(row[17]),
            )
