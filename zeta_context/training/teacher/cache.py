"""Answers of teachers, kept by what was asked: nothing that was paid for is asked for again.

A SQLite file. The key is the SHA-256 of everything that changes the answer. A question is written
down as sent before it is sent, so that after a crash it is known which answers are in doubt: those
were perhaps billed, and are not asked for again unless somebody says so. Safe for several writers.
Knows nothing of prompts or endpoints.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zeta_context.errors import DatasetError

State = Literal["sent", "batched", "answered", "failed"]
MAX_ATTEMPTS = 4

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    text TEXT, reason TEXT, input_tokens INTEGER, output_tokens INTEGER, cost REAL, batch TEXT
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: tokens as billed, `cost` in the price list's currency."""

    text: str
    input_tokens: int
    output_tokens: int
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a question."""

    state: State
    attempts: int
    answer: Answer | None
    reason: str = ""
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What all answers took together."""

    answers: int
    failed: int
    in_doubt: int
    input_tokens: int
    output_tokens: int
    cost: float


def make_key(question: Mapping[str, Any]) -> str:
    """The key of a question: SHA-256 over its canonical JSON, in hexadecimal digits."""
    text = json.dumps(question, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


CACHE_SCHEMA = 0
"""Of the file of answers, in SQLite's `user_version`: the first shape has no number."""


class AnswerCache:
    """The file of answers. One object serves one thread."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            ((version,),) = self._db.execute("PRAGMA user_version").fetchall()
            if version > CACHE_SCHEMA:
                raise DatasetError(f"{path.name} is of a newer version ({version})")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_TABLE)
        except sqlite3.Error as error:
            raise DatasetError(f"{path.name} is no cache of answers: {error}") from None

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def find(self, key: str) -> Known | None:
        """What is known of a question, None if it was never sent."""
        row = self._db.execute(
            "SELECT state, attempts, text, reason, input_tokens, output_tokens, cost, batch "
            "FROM answers WHERE key = ?",
            (key,),
        ).fetchone()
        if row is None:
            return None
        state, attempts, text, reason, n_in, n_out, cost, batch = row
        answer = None
        if state == "answered":
            answer = Answer(text=text, input_tokens=n_in, output_tokens=n_out, cost=cost)
        return Known(
            state=state, attempts=attempts, answer=answer, reason=reason or "", batch=batch or ""
        )

    def note_sent(self, key: str, *, again: bool = False) -> bool:
        """Write down that a question is being sent; False when another writer has it already.

        A failed one may be sent again; one that is in doubt only `again`.
        """
        states = "('failed', 'sent')" if again else "('failed')"
        changed = self._db.execute(
            "INSERT INTO answers (key, state, attempts) VALUES (?, 'sent', 1) "
            "ON CONFLICT (key) DO UPDATE SET state = 'sent', attempts = attempts + 1 "
            f"WHERE state IN {states}",
            (key,),
        ).rowcount
        return changed == 1

    def note_batched(self, keys: list[str], batch: str) -> None:
        """Write down which batch questions went with."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "UPDATE answers SET state = 'batched', batch = ? WHERE key = ?",
            [(batch, key) for key in keys],
        )
        self._db.execute("COMMIT")

    def note_answer(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        self._db.execute(
            "UPDATE answers SET state = 'answered', text = ?, input_tokens = ?, output_tokens = ?, "
            "cost = ?, reason = NULL WHERE key = ?",
            (answer.text, answer.input_tokens, answer.output_tokens, answer.cost, key),
        )

    def note_failure(self, key: str, reason: str) -> None:
        """Write down that there is no answer: it may be asked for again, so many times."""
        self._db.execute(
            "UPDATE answers SET state = 'failed', reason = ?, batch = NULL WHERE key = ?",
            (reason, key),
        )

    def batches(self) -> tuple[str, ...]:
        """The batches whose answers have not come."""
        rows = self._db.execute("SELECT DISTINCT batch FROM answers WHERE state = 'batched'")
        return tuple(row[0] for row in rows)

    def keys_of(self, batch: str) -> Iterator[str]:
        """The questions that went with a batch and have no answer."""
        rows = self._db.execute(
            "SELECT key FROM answers WHERE batch = ? AND state = 'batched'", (batch,)
        ).fetchall()
        return (row[0] for row in rows)

    def bill(self) -> Bill:
        """What all of it came to."""
        row = self._db.execute(
            "SELECT sum(state = 'answered'), sum(state = 'failed'), sum(state = 'sent'), "
            "total(input_tokens), total(output_tokens), total(cost) FROM answers"
        ).fetchone()
        answers, failed, in_doubt, n_in, n_out, cost = row
        return Bill(
            answers=answers or 0,
            failed=failed or 0,
            in_doubt=in_doubt or 0,
            input_tokens=int(n_in),
            output_tokens=int(n_out),
            cost=float(cost),
        )
