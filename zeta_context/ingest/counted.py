"""The rows of counts that installs sent: kept once each, given to whoever judges a rollout.

One table beside the index, in the same database. Knows nothing of consent or HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from zeta_context.ingest.database import Database
from zeta_context.rollout.outcomes import OutcomeCounts, decode_row

_TABLE = """
CREATE TABLE IF NOT EXISTS counted (
    tenant TEXT NOT NULL, id TEXT NOT NULL, installation TEXT NOT NULL, experiment TEXT NOT NULL,
    received_at DOUBLE PRECISION NOT NULL, content TEXT NOT NULL, PRIMARY KEY (tenant, id)
)
"""


class Counted:
    """Over one database; thread-safe as that is."""

    def __init__(self, database: Database) -> None:
        self._db = database
        with database.change():
            database.ask(_TABLE)

    def take(self, tenant: str, rows: Sequence[OutcomeCounts], *, now: float) -> None:
        """Keep rows for good; one that is known already stays as it was."""
        with self._db.change():
            for row in rows:
                content = json.dumps(asdict(row))
                self._db.ask(
                    "INSERT INTO counted VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                    (tenant, row.id, row.install, row.experiment, now, content),
                )

    def rows(self, *, experiment: str = "", since: float = 0.0) -> Iterator[OutcomeCounts]:
        """The rows received since a time, of one experiment or of all, oldest first."""
        found = self._db.ask(
            "SELECT content FROM counted WHERE received_at>=?"
            + (" AND experiment=?" if experiment else "")
            + " ORDER BY received_at, id",
            (since, experiment) if experiment else (since,),
        )
        for (content,) in found:
            yield decode_row(json.loads(content))

    def n_rows(self) -> int:
        """How many rows are kept."""
        return int(self._db.ask("SELECT count(*) FROM counted")[0][0])

    def forget(self, tenant: str, installation: str) -> None:
        """Delete every row of an installation."""
        with self._db.change():
            self._db.ask(
                "DELETE FROM counted WHERE tenant=? AND installation=?", (tenant, installation)
            )

    def close(self) -> None:
        """Close the database."""
        self._db.close()
