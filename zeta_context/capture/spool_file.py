"""The spool's file: a SQLite database that only this user can read, and its tables.

Deleted records are overwritten, and nothing is written beside the file but SQLite's own log. Knows
nothing of what the tables mean (see `spool`).
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from zeta_context.errors import SpoolUnusable

SPOOL_SCHEMA = 1
_APPLICATION_ID = 0x7A657461  # "zeta"
_BUSY_MS = 5_000

_TABLES = """
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    server TEXT NOT NULL,
    consent_id TEXT NOT NULL,
    evidence_digest TEXT NOT NULL,
    settled_consent_id TEXT NOT NULL,
    rules_version INTEGER NOT NULL,
    created REAL NOT NULL,
    not_before REAL NOT NULL,
    expires REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    lease TEXT NOT NULL DEFAULT '',
    lease_until REAL NOT NULL DEFAULT 0,
    was_sent INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX record_by_project ON record (project, state, size);
CREATE INDEX record_by_state ON record (state, lease, not_before);
CREATE TABLE paper (id TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE sent (
    server TEXT NOT NULL, project TEXT NOT NULL, consent_id TEXT NOT NULL,
    PRIMARY KEY (server, project, consent_id)
);
CREATE TABLE deletion (
    id TEXT PRIMARY KEY,
    server TEXT NOT NULL,
    project TEXT NOT NULL,
    consent_id TEXT NOT NULL,
    asked_at REAL NOT NULL,
    receipt TEXT NOT NULL DEFAULT ''
);
CREATE TABLE count (
    name TEXT PRIMARY KEY, n INTEGER NOT NULL, reported INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1), now REAL NOT NULL, steady REAL NOT NULL,
    calendar REAL NOT NULL
);
"""


def spool_path() -> Path:
    """Where this user's spool is kept."""
    from platformdirs import user_state_path

    return user_state_path("zeta-context", appauthor=False) / "spool" / "spool.sqlite"


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the spool at `path`, made there if there is none.

    Raises SpoolUnusable for a file that is not ours, is damaged or is newer, and for a folder that
    others can use; OSError and sqlite3.OperationalError when the disk does not allow it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = path.parent.lstat()
    if os.name == "posix" and (
        not stat.S_ISDIR(facts.st_mode)
        or facts.st_uid != os.geteuid()
        or stat.S_IMODE(facts.st_mode) & 0o077
    ):
        raise SpoolUnusable("the spool's folder is not yours alone (chmod 700)")
    no_link = getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | no_link, 0o600))
    connection = sqlite3.connect(
        path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except (sqlite3.DatabaseError, SpoolUnusable) as problem:
        connection.close()
        if isinstance(problem, SpoolUnusable):
            raise
        raise SpoolUnusable(
            "the spool is damaged; `zeta-context spool purge --all` starts a new one"
        ) from None
    return connection


def remove_file(path: Path) -> None:
    """Take the file away with SQLite's log beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    ask = connection.execute
    ask("PRAGMA trusted_schema=OFF")
    ask("PRAGMA secure_delete=ON")
    ask("PRAGMA temp_store=MEMORY")
    ask("PRAGMA auto_vacuum=INCREMENTAL")
    ask("PRAGMA journal_mode=WAL")
    ask("PRAGMA synchronous=FULL")
    ask("BEGIN IMMEDIATE")
    try:
        (version,) = ask("PRAGMA user_version").fetchone()
        (application,) = ask("PRAGMA application_id").fetchone()
        (tables,) = ask("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            for statement in _TABLES.split(";"):
                ask(statement)
            ask(f"PRAGMA user_version={SPOOL_SCHEMA}")
            ask(f"PRAGMA application_id={_APPLICATION_ID}")
        elif application != _APPLICATION_ID:
            raise SpoolUnusable("the spool's file is not a spool")
        elif version > SPOOL_SCHEMA:
            raise SpoolUnusable(f"the spool is of a newer version ({version})")
    except BaseException:
        ask("ROLLBACK")
        raise
    ask("COMMIT")
