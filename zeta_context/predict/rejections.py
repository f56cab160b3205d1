"""Remembers what the user has rejected, so that it does not come back at that place.

A rejection is kept as hashes of what was to be replaced by what, of the rows that this would have
made, and of the rows around; no text can be read from it. One file for each project, in the user's
own state folder and never in the repository. Knows nothing of editors or proposers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.counts import Counts
from zeta_context.events.document import OpenDocument
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_REJECTIONS = 500
MAX_AGE_S = 30 * 24 * 3600.0
MAX_FILE_BYTES = 1_048_576
NEAR_ROWS = 10
"""A place at most so many rows off, or beside the same rows, is the same neighbourhood."""

SCHEMA = 1
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD_BEFORE = re.compile(r"\w*\Z")
_WORD_AFTER = re.compile(r"\w*")
_HASH_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An edit that was rejected at `row` of a file, `at` seconds since the epoch; all else hashed.

    `change` is what was to be replaced by what, and `words` the same with the whole words that it
    cuts; `result` the rows that it would have made (empty where they say too little), `around`
    the rows next to them.
    """

    at: float
    path: str
    row: int
    change: str
    words: str
    result: str
    around: tuple[str, ...]


class RejectionMemory:
    """The rejections of one project; kept in `file` where there is one. Thread-safe.

    What is wrong with the file is counted (`rejections_unreadable`, `rejections_unwritable`) and
    else ignored; one of a newer version stays as it is (`rejections_of_newer_version`).
    """

    def __init__(
        self,
        file: Path | None = None,
        *,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._counts = counts if counts is not None else Counts()
        self._clock = clock
        self._lock = threading.Lock()
        self._salt = secrets.token_bytes(16)
        self._kept: list[Rejection] = []
        self._is_read = file is None
        self._is_newer = False

    def __len__(self) -> int:
        with self._lock:
            self._read()
            return len(self._kept)

    def add(self, path: str, snapshot: TextSnapshot, edits: Sequence[TextEdit]) -> None:
        """Remember that the user rejected `edits` of a text."""
        with self._lock:
            self._is_read = True
            if self._file is not None:
                # Another process may have written since.
                self._merge(self._load(self._file))
            for edit in edits:
                rejection = self._describe(path, snapshot, edit)
                self._kept = [one for one in self._kept if not _is_same(one, rejection)]
                self._kept.append(rejection)
            self._forget_old()
            self._write()

    def has(self, path: str, snapshot: TextSnapshot, edits: Sequence[TextEdit]) -> bool:
        """Whether one of the edits was rejected in that neighbourhood."""
        with self._lock:
            self._read()
            oldest = self._clock() - MAX_AGE_S
            kept = [one for one in self._kept if one.at >= oldest]
            return bool(kept) and any(
                _is_same(known, new)
                for new in (self._describe(path, snapshot, edit) for edit in edits)
                for known in kept
            )

    def _describe(self, path: str, snapshot: TextSnapshot, edit: TextEdit) -> Rejection:
        first, last = snapshot.point(edit.span.start).row, snapshot.point(edit.span.end).row
        start, end = snapshot.row_start(first), snapshot.row_end(last)
        head = snapshot.slice(Span(start, edit.span.start))
        tail = snapshot.slice(Span(edit.span.end, max(end, edit.span.end)))
        removed = snapshot.slice(edit.span)
        before, after = _WORD_BEFORE.search(head), _WORD_AFTER.match(tail)
        left, right = before.group() if before else "", after.group() if after else ""
        old, new = _tokens(left + removed + right), _tokens(left + edit.new_text + right)
        made = _tokens(head + edit.new_text + tail)
        says_much = sum(len(token) for token in made if token[0].isalnum() or token[0] == "_") >= 4
        return Rejection(
            at=float(round(self._clock())),
            path=self._hash(path),
            row=first,
            change=self._hash("\0".join((removed.strip(), "\1", edit.new_text.strip()))),
            words=self._hash("\0".join((*old, "\1", *new))),
            result=self._hash("\0".join(made)) if says_much else "",
            around=tuple(self._hash("\0".join(row)) for row in _rows_around(snapshot, first, last)),
        )

    def _hash(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=_HASH_BYTES, key=self._salt).hexdigest()

    def _forget_old(self) -> None:
        now = self._clock()
        self._kept = [one for one in self._kept if now - one.at <= MAX_AGE_S][-MAX_REJECTIONS:]

    def _read(self) -> None:
        if self._is_read or self._file is None:
            return
        self._is_read = True
        self._merge(self._load(self._file))

    def _load(self, file: Path) -> tuple[bytes, list[Rejection]] | None:
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise ValueError
            table = json.loads(data)
            if isinstance(table, dict) and _is_newer(table.get("schema")):
                self._is_newer = True
                self._counts.note("rejections_of_newer_version")
                return None
            return _decode(table)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._counts.note("rejections_unreadable")
            return None

    def _merge(self, loaded: tuple[bytes, list[Rejection]] | None) -> None:
        if loaded is None:
            return
        salt, known = loaded
        if salt != self._salt:
            # Hashes of another salt say nothing: the file's own goes on.
            self._salt, self._kept = salt, []
        own = set(self._kept)
        self._kept = sorted([*self._kept, *(one for one in known if one not in own)], key=_time)
        self._forget_old()

    def _write(self) -> None:
        if self._file is None or self._is_newer:
            return
        data = json.dumps(_encode(self._salt, self._kept), separators=(",", ":"))
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A new file is 0600 from the start, and takes the old one's place as a whole.
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=".rejections-")
            try:
                with os.fdopen(handle, "w", encoding="ascii") as stream:
                    stream.write(data)
                os.replace(name, self._file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError:
            self._counts.note("rejections_unwritable")


class Rejections:
    """The rejection memory of a session: one `RejectionMemory` for each project.

    `folder` is where they are kept; None keeps them for the session alone. `roots` gives each
    project's root folder by its name.
    """

    def __init__(
        self,
        roots: Callable[[str], Path],
        *,
        folder: Path | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roots = roots
        self._folder = folder
        self._counts = counts
        self._clock = clock
        self._memories: dict[str, RejectionMemory] = {}
        self._lock = threading.Lock()

    def add(
        self, project: str, path: str, snapshot: TextSnapshot, edits: Sequence[TextEdit]
    ) -> None:
        """Remember that the user rejected edits of a text."""
        self._memory(project).add(path, snapshot, edits)

    def has(
        self, project: str, path: str, snapshot: TextSnapshot, edits: Sequence[TextEdit]
    ) -> bool:
        """Whether one of the edits of a text was rejected near there."""
        return self._memory(project).has(path, snapshot, edits)

    def has_in(self, document: OpenDocument, edits: Sequence[TextEdit]) -> bool:
        """The same for edits of an open document."""
        return self.has(document.project, document.path, document.snapshot, edits)

    def _memory(self, project: str) -> RejectionMemory:
        with self._lock:
            memory = self._memories.get(project)
            if memory is None:
                file = None
                if self._folder is not None:
                    root = os.fsencode(self._roots(project))
                    file = self._folder / f"{hashlib.sha256(root).hexdigest()[:32]}.json"
                memory = RejectionMemory(file, counts=self._counts, clock=self._clock)
                self._memories[project] = memory
            return memory


def rejections_folder() -> Path:
    """Where this user's rejections are kept."""
    from platformdirs import user_state_path

    return Path(user_state_path("zeta-context", appauthor=False)) / "rejections"


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _rows_around(snapshot: TextSnapshot, first: int, last: int) -> Iterator[list[str]]:
    """The tokens of the nearest row before and after that says something."""
    for rows in (range(first - 1, max(-1, first - 6), -1), range(last + 1, last + 6)):
        for row in rows:
            if row >= snapshot.row_count:
                break
            tokens = _tokens(snapshot.row(row))
            if sum(map(len, tokens)) >= 4:
                yield tokens
                break


def _is_same(known: Rejection, new: Rejection) -> bool:
    if known.path != new.path:
        return False
    is_near = abs(known.row - new.row) <= NEAR_ROWS or bool(set(known.around) & set(new.around))
    is_same = known.change == new.change or known.words == new.words
    return is_near and (is_same or (bool(known.result) and known.result == new.result))


def _time(rejection: Rejection) -> float:
    return rejection.at


def _encode(salt: bytes, kept: Sequence[Rejection]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "salt": salt.hex(),
        "rejections": [
            [int(one.at), one.path, one.row, one.change, one.words, one.result, list(one.around)]
            for one in kept
        ],
    }


def _is_newer(schema: object) -> bool:
    return isinstance(schema, int) and schema > SCHEMA


def _decode(data: Any) -> tuple[bytes, list[Rejection]]:
    """Raises ValueError, KeyError or TypeError for what is no such file."""
    if data["schema"] != SCHEMA:
        raise ValueError("written by another version")
    kept = []
    for at, path, row, change, words, result, around in data["rejections"]:
        hashes = (path, change, words, result, *around)
        if not all(isinstance(one, str) for one in hashes) or not isinstance(row, int):
            raise ValueError("no rejection")
        kept.append(
            Rejection(
                at=float(at),
                path=path,
                row=row,
                change=change,
                words=words,
                result=result,
                around=tuple(around),
            )
        )
    return bytes.fromhex(data["salt"]), kept
