"""Records a session into a trace file while it happens.

Append-only; never raises into the session it records: what goes wrong is counted and the recording
stops. Knows nothing of the documents' texts, and nothing of consent: a trace holds whatever was
typed, so it is made only when the user asks for one, and stays where it was asked for.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Literal, Self

from zeta_context.counts import Counts
from zeta_context.events.event import Cause
from zeta_context.events.trace import (
    Closed,
    CursorMoved,
    Edited,
    Ended,
    Focused,
    Opened,
    PredictionState,
    Reloaded,
    Renamed,
    Reported,
    Saved,
    TraceEntry,
    TraceHeader,
    digest_text,
)
from zeta_context.events.trace_codec import encode_entry, encode_header
from zeta_context.events.trace_file import MAX_RECORD_BYTES, RecordWriter, open_writer
from zeta_context.text.point import Span

MAX_TRACE_BYTES = 64 * 2**20
"""What a recording may hold before compression, unless the caller says otherwise."""


class TraceRecorder:
    """Writes what happens to a new trace file, with times from `clock` (seconds, any origin).

    Raises `TraceError` only when the file cannot be created. Afterwards a failing disk is counted
    as `trace_write_failed`, an entry over `max_bytes` as `trace_full` (the trace then ends with
    that reason), each once.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: TraceHeader,
        *,
        clock: Callable[[], float] = time.monotonic,
        counts: Counts | None = None,
        max_bytes: int = MAX_TRACE_BYTES,
    ) -> None:
        self._clock = clock
        self._counts = counts if counts is not None else Counts()
        self._max_bytes = max_bytes
        self._started = clock()
        self._latest_ms = 0
        self._versions: dict[str, int] = {}
        self._writer: RecordWriter | None = open_writer(path)
        self._write(encode_header(header))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self._stop()

    @property
    def is_recording(self) -> bool:
        """Whether further entries are written."""
        return self._writer is not None

    def open(self, path: str, text: str, *, language: str = "", blob: str | None = None) -> None:
        """A document was opened; with `blob`, only its object id and the text's digest are kept."""
        self._versions[path] = 0
        self._add(
            Opened(
                at_ms=self._now_ms(),
                path=path,
                language=language,
                text=text if blob is None else None,
                blob=blob,
                sha256=None if blob is None else digest_text(text),
            )
        )

    def edit(
        self,
        path: str,
        span: Span,
        new_text: str,
        *,
        predicted: bool = False,
        cause: Cause = "edit",
        version: int | None = None,
    ) -> None:
        """A span was replaced; without `version`, versions count up by one from the opening."""
        if version is None:
            version = self._versions.get(path, 0) + 1
        self._versions[path] = version
        self._add(
            Edited(
                at_ms=self._now_ms(),
                path=path,
                span=span,
                new_text=new_text,
                version=version,
                predicted=predicted,
                cause=cause,
            )
        )

    def close(self, path: str) -> None:
        """A document was closed; the recording itself ends with `finish`."""
        self._versions.pop(path, None)
        self._add(Closed(at_ms=self._now_ms(), path=path))

    def cursor(self, path: str, offset: int) -> None:
        """The cursor moved; not needed where it only follows what was typed."""
        self._add(CursorMoved(at_ms=self._now_ms(), path=path, offset=offset))

    def focus(self, path: str) -> None:
        """The user went to an open document."""
        self._add(Focused(at_ms=self._now_ms(), path=path))

    def save(self, path: str) -> None:
        """A document was written to disk."""
        self._add(Saved(at_ms=self._now_ms(), path=path))

    def reload(self, path: str, text: str) -> None:
        """A change from outside replaced a document's text."""
        self._versions[path] = self._versions.get(path, 0) + 1
        self._add(Reloaded(at_ms=self._now_ms(), path=path, text=text))

    def rename(self, path: str, new_path: str) -> None:
        """A file got another name."""
        if path in self._versions:
            self._versions[new_path] = self._versions.pop(path)
        self._add(Renamed(at_ms=self._now_ms(), path=path, new_path=new_path))

    def report(self, prediction: str, state: PredictionState, *, reason: str | None = None) -> None:
        """A prediction was shown, accepted or rejected."""
        self._add(Reported(at_ms=self._now_ms(), prediction=prediction, state=state, reason=reason))

    def finish(self, texts: Mapping[str, str] | None = None) -> None:
        """End the trace; `texts` are the open documents' final texts, of which digests are kept."""
        digests = {path: digest_text(text) for path, text in sorted((texts or {}).items())}
        self._end("closed", digests)

    def _now_ms(self) -> int:
        # A clock that jumps back must not make a trace that cannot be read.
        elapsed_ms = math.floor((self._clock() - self._started) * 1000 + 0.5)
        self._latest_ms = max(self._latest_ms, elapsed_ms)
        return self._latest_ms

    def _add(self, entry: TraceEntry) -> None:
        if self._writer is None:
            return
        record = encode_entry(entry)
        size = sum(len(value) for value in record.values() if isinstance(value, str))
        if self._writer.byte_count + size > self._max_bytes or size * 6 > MAX_RECORD_BYTES:
            self._counts.note("trace_full")
            self._end("full", {})
            return
        self._write(record)

    def _end(self, reason: Literal["closed", "full"], digests: Mapping[str, str]) -> None:
        self._write(encode_entry(Ended(at_ms=self._now_ms(), texts=digests, reason=reason)))
        self._stop()

    def _write(self, record: object) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(record)
        except OSError:
            self._counts.note("trace_write_failed")
            writer, self._writer = self._writer, None
            with contextlib.suppress(OSError):  # the same failure again, already counted
                writer.close()

    def _stop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except OSError:
            self._counts.note("trace_write_failed")
