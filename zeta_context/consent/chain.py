"""An append-only file of JSON lines, each of which holds the digest of the one before it.

A changed, removed, reordered or added line breaks the chain, and a missing end is told by the note
of the last line beside it. This guards against accident and afterthought, not against whoever owns
the files. Processes share it. Knows nothing of what is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.consent.state_folder import (
    locked,
    make_private_folder,
    open_private,
    state_folder,
    write_private_file,
)

FIRST = "0" * 64
MAX_LINE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: `number` counts from 1, `at` is seconds since the epoch."""

    number: int
    at: float
    kind: str
    fields: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where the chain is broken (0: at its end), and how."""

    number: int
    detail: str


def ledger_path() -> Path:
    """The user's ledger, one chain for all that is sent; it need not exist."""
    return state_folder() / "ledger" / "ledger.jsonl"


class Chain:
    """One such file; an entry is on the disk when `append` returns."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    @property
    def path(self) -> Path:
        """The file, which need not exist."""
        return self._path

    def append(self, kind: str, fields: Mapping[str, Any]) -> Entry:
        """Write an entry; raises OSError when it cannot be, and then nothing was written.

        A last line that a crash left unfinished is taken away first: it was never told as written.
        """
        make_private_folder(self._path.parent)
        with locked(self._path), open(self._path, "a+b", opener=open_private) as file:
            number, digest = self._find_end(file)
            at = round(self._clock(), 3)
            entry = _make(number + 1, at, kind, fields, digest)
            start = file.tell()
            try:
                file.write(_encode(entry, digest))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(start)
                raise
            note = json.dumps({"number": entry.number, "digest": entry.digest})
            write_private_file(self._end_path(), note.encode())
        return entry

    def entries(self) -> Iterator[Entry]:
        """The entries that can be read, oldest first; check them with `verify`."""
        for line in self._lines():
            table = _decode(line)
            if table is not None:
                yield _entry(table)

    def verify(self) -> tuple[int, tuple[Fault, ...]]:
        """How many entries there are, and what is wrong with them; at most one fault a line."""
        faults: list[Fault] = []
        digest, number = FIRST, 0
        for line in self._lines():
            number += 1
            table = _decode(line)
            if table is None:
                faults.append(Fault(number=number, detail="the line cannot be read"))
                continue
            entry = _entry(table)
            expected = _make(entry.number, entry.at, entry.kind, entry.fields, table["previous"])
            if entry.digest != expected.digest:
                faults.append(Fault(number=number, detail="the line was changed"))
            elif table["previous"] != digest or entry.number != number:
                faults.append(Fault(number=number, detail="a line before it is missing or moved"))
                number = entry.number
            digest = entry.digest
        told = self._told_end()
        if told is None and number:
            faults.append(Fault(number=0, detail="the note of the last line is missing"))
        elif told is not None and told[0] > number:
            faults.append(Fault(number=0, detail=f"lines are missing at the end: {told[0]} known"))
        elif told is not None and told[0] == number and told[1] != digest:
            faults.append(Fault(number=0, detail="the last line is not the one that was written"))
        return number, tuple(faults)

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                while line := file.readline(MAX_LINE_BYTES + 1):
                    if not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                        return  # unfinished: never told as written
                    yield line
        except FileNotFoundError:
            return

    def _find_end(self, file: Any) -> tuple[int, str]:
        """The number and digest of the last whole line; leaves the file at its end."""
        size = file.seek(0, os.SEEK_END)
        at = max(0, size - MAX_LINE_BYTES)
        file.seek(at)
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            file.truncate(at + whole)
        file.seek(0, os.SEEK_END)
        line = tail[:whole].rstrip(b"\n").rpartition(b"\n")[2]
        if not line:
            return 0, FIRST
        table = _decode(line)
        if table is None:
            # Go on from what is there: the fault stays visible, and nothing more is lost.
            return self._told_end() or (0, FIRST)
        return int(table["number"]), str(table["digest"])

    def _told_end(self) -> tuple[int, str] | None:
        try:
            table = json.loads(self._end_path().read_bytes())
            return int(table["number"]), str(table["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _end_path(self) -> Path:
        return self._path.with_suffix(".end")


def _make(number: int, at: float, kind: str, fields: Mapping[str, Any], previous: str) -> Entry:
    content = json.dumps([number, at, kind, dict(fields), previous], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Entry(number=number, at=at, kind=kind, fields=fields, digest=digest)


def _encode(entry: Entry, previous: str) -> bytes:
    table = {
        "number": entry.number,
        "at": entry.at,
        "kind": entry.kind,
        "fields": dict(entry.fields),
        "previous": previous,
        "digest": entry.digest,
    }
    line = json.dumps(table, ensure_ascii=True).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise OSError("an entry is longer than a line may be")
    return line


def _decode(line: bytes) -> dict[str, Any] | None:
    try:
        table = json.loads(line)
        is_whole = (
            isinstance(table["number"], int)
            and isinstance(table["at"], int | float)
            and isinstance(table["kind"], str)
            and isinstance(table["fields"], dict)
            and isinstance(table["previous"], str)
            and isinstance(table["digest"], str)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return table if is_whole else None


def _entry(table: Mapping[str, Any]) -> Entry:
    return Entry(
        number=table["number"],
        at=table["at"],
        kind=table["kind"],
        fields=table["fields"],
        digest=table["digest"],
    )
