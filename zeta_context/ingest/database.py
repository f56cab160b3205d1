"""One way to ask SQLite and PostgreSQL; knows neither tables nor records.

Statements are written with `?`, and in what both understand. A database belongs to one thread at a
time: calls from several wait for one another.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from zeta_context.errors import IngestError

Row = tuple[Any, ...]

_PAGES_AT_ONCE = 2_000


class Database(Protocol):
    """A connection to one of them."""

    bytes_type: str
    """What a column of bytes is called."""

    serial_type: str
    """What a column is called that numbers its rows."""

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a statement, none for one that gives none."""
        ...

    @contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing; durable once it is left."""
        ...

    def again(self) -> Database:
        """Another connection to the same database, for another thread."""
        ...

    def forget(self) -> None:
        """Leave no byte of what was deleted, as far as the database does not do so by itself."""
        ...

    def close(self) -> None: ...


INDEX_SCHEMA = 1
"""Of the index in a file; one without a number is from before there was one, and the same."""


class Sqlite:
    """A database in a file."""

    bytes_type = "BLOB"
    serial_type = "INTEGER PRIMARY KEY AUTOINCREMENT"

    def __init__(self, path: Path) -> None:
        """Raises IngestError for a file that is no database of ours."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            for pragma in (
                "trusted_schema=OFF",
                "auto_vacuum=INCREMENTAL",
                "secure_delete=FAST",  # pages that become free are given back by `forget`
                "journal_mode=WAL",
                "synchronous=FULL",
                "cache_size=-32000",
                "wal_autocheckpoint=4000",
            ):
                self._db.execute(f"PRAGMA {pragma}").fetchall()
            ((version,),) = self._db.execute("PRAGMA user_version").fetchall()
            if version > INDEX_SCHEMA:
                raise IngestError(f"the index is of a newer version ({version}): update the server")
            if not version:
                self._db.execute(f"PRAGMA user_version={INDEX_SCHEMA}")
        except sqlite3.DatabaseError:
            raise IngestError("the index file is damaged, or no index") from None

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def again(self) -> Sqlite:
        return Sqlite(self._path)

    def forget(self) -> None:
        """Give the pages of deleted rows back, a few at a time, and empty the log."""
        while self.ask("PRAGMA freelist_count")[0][0]:
            with self._lock:
                # Only a script goes through all the steps of this statement.
                self._db.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
        self.ask("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            self._db.close()


class Postgres:
    """A PostgreSQL database, by its connection string."""

    bytes_type = "BYTEA"
    serial_type = "BIGSERIAL PRIMARY KEY"

    def __init__(self, conninfo: str) -> None:
        """Raises IngestError when it cannot be reached; the string may hold a password, so the
        message does not quote it."""
        import psycopg

        self._conninfo = conninfo
        self._lock = threading.RLock()
        try:
            self._db = psycopg.connect(conninfo, autocommit=True)
        except psycopg.Error:
            raise IngestError("the PostgreSQL server cannot be reached, or refuses") from None

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._lock, self._db.cursor() as cursor:
            cursor.execute(statement.replace("%", "%%").replace("?", "%s"), values)
            return [] if cursor.description is None else cursor.fetchall()

    @contextmanager
    def change(self) -> Iterator[None]:
        with self._lock, self._db.transaction():
            yield

    def again(self) -> Postgres:
        return Postgres(self._conninfo)

    def forget(self) -> None:
        """PostgreSQL overwrites the space of deleted rows when it is vacuumed and used again."""
        self.ask("VACUUM waiting")

    def close(self) -> None:
        with self._lock:
            self._db.close()


def open_database(url: str) -> Database:
    """The database that a URL names: `postgresql://...`, or the path of a SQLite file."""
    if url.startswith(("postgresql://", "postgres://")):
        return Postgres(url)
    return Sqlite(Path(url))
