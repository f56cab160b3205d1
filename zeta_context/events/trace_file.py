"""Traces as files: JSONL to read, zstd-compressed MessagePack to store.

Both hold the same mappings in the same order; which one a file is shows in its first bytes. Reading
streams: memory holds one record, whatever the length of the trace. Knows the header's version and
the order of times, and nothing else of what entries mean.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Protocol, Self

from zeta_context.counts import Counts
from zeta_context.errors import TraceError
from zeta_context.events.trace import Ended, TraceEntry, TraceHeader
from zeta_context.events.trace_codec import (
    UPGRADES,
    Record,
    Upgrade,
    decode_entry,
    decode_header,
    encode_entry,
    encode_header,
    read_version,
    upgrade_record,
)

MAX_RECORD_BYTES = 64 * 2**20
"""A longer record is taken for a damaged file."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK_BYTES = 2**16
_MAX_WINDOW_BYTES = 2**27
_BLOCK_RECORDS = 128


class TraceReader:
    """Reads one trace from its beginning to its end, entry by entry.

    Iterating raises `TraceError` with the line (or, in a stored trace, the record) counted from 1,
    never with text. An incomplete last record, as a crash leaves it, ends the trace and is counted
    as `trace_truncated`; an entry of a kind not known here as `trace_unknown_entry`.
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        counts: Counts | None = None,
        upgrades: Mapping[int, Upgrade] = UPGRADES,
    ) -> None:
        self._stream = stream
        self._counts = counts if counts is not None else Counts()
        self._upgrades = upgrades
        self._number = 0
        self._records = self._number_records(stream)
        first = next(self._records, None)
        if first is None:
            raise TraceError("no trace: empty, or cut off within its first record")
        try:
            self._version = read_version(first)
            self.header: TraceHeader = decode_header(self._upgrade(first))
        except TraceError as error:
            raise TraceError(f"line 1: {error}") from None
        self.is_complete = False

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, counts: Counts | None = None) -> Self:
        """Open a trace file of either form; close it by using the reader as a context manager."""
        stream = _open_for_reading(path)
        try:
            return cls(stream, counts=counts)
        except BaseException:
            stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[TraceEntry]:
        """The entries; `is_complete` says afterwards whether the recording ended in order."""
        latest_ms = 0
        for record in self._records:
            try:
                entry = decode_entry(self._upgrade(record))
                if entry is None:
                    self._counts.add("trace_unknown_entry")
                    continue
                if entry.at_ms < latest_ms:
                    raise TraceError(f"time goes back from {latest_ms} to {entry.at_ms} ms")
            except TraceError as error:
                raise TraceError(f"line {self._number}: {error}") from None
            latest_ms = entry.at_ms
            self.is_complete = isinstance(entry, Ended)
            yield entry

    def _upgrade(self, record: Record) -> Record:
        return upgrade_record(record, self._version, self._upgrades)

    def _number_records(self, stream: IO[bytes]) -> Iterator[Record]:
        try:
            for number, record in _read_records(stream, self._counts):
                self._number = number
                if not isinstance(record, dict):
                    raise TraceError(f"line {number}: an entry must be a mapping")
                yield record
        except OSError as error:
            raise TraceError(f"trace cannot be read: {error.strerror}") from None


def write_trace(
    path: str | os.PathLike[str], header: TraceHeader, entries: Iterable[TraceEntry]
) -> None:
    """Write a whole trace to a new file: JSONL when it is called `*.jsonl`, else stored form."""
    _write_records(path, encode_header(header), map(encode_entry, entries))


def convert_trace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a trace to a new file in the form that its name asks for, keeping unknown fields too."""
    with _open_for_reading(source) as stream:
        records = (record for _, record in _read_records(stream, Counts()))
        first = next(records, None)
        read_version(first)
        _write_records(target, first, records)


class RecordWriter(Protocol):
    """Where records go, one after the other."""

    @property
    def byte_count(self) -> int:
        """How many bytes of records were written, before compression."""

    def write(self, record: object) -> None: ...

    def close(self) -> None: ...


def open_writer(path: str | os.PathLike[str]) -> RecordWriter:
    """A writer to a new file that only its owner can read; raises `TraceError` if there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    except OSError as error:
        raise TraceError(f"trace cannot be written: {error.strerror}") from None
    stream = os.fdopen(descriptor, "wb", buffering=0)
    return JsonWriter(stream) if str(path).endswith(".jsonl") else StoredWriter(stream)


class JsonWriter:
    """Writes one JSON object a line, each handed to the operating system at once."""

    def __init__(self, stream: BinaryIO | IO[bytes]) -> None:
        self._stream = stream
        self.byte_count = 0

    def write(self, record: object) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        try:
            data = line.encode()
        except UnicodeEncodeError:  # a lone surrogate is no UTF-8, but JSON can escape it
            data = json.dumps(record, separators=(",", ":")).encode()
        self._stream.write(data + b"\n")
        self.byte_count += len(data) + 1

    def close(self) -> None:
        self._stream.close()


class StoredWriter:
    """Writes compressed MessagePack; a crash loses the last block of records at most."""

    def __init__(self, stream: BinaryIO | IO[bytes]) -> None:
        import msgpack
        import zstandard

        self._file = stream
        self._packer = msgpack.Packer(unicode_errors="surrogatepass")
        self._stream = zstandard.ZstdCompressor(level=6).stream_writer(stream)
        self._end_block = zstandard.FLUSH_BLOCK
        self._record_count = 0
        self.byte_count = 0

    def write(self, record: object) -> None:
        data = self._packer.pack(record)
        self._stream.write(data)
        self.byte_count += len(data)
        self._record_count += 1
        if self._record_count % _BLOCK_RECORDS == 0:
            self._stream.flush(self._end_block)

    def close(self) -> None:
        try:
            self._stream.close()  # type: ignore[no-untyped-call]
        finally:
            self._file.close()


def _open_for_reading(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise TraceError(f"trace cannot be read: {error.strerror}") from None


def _write_records(path: str | os.PathLike[str], header: object, records: Iterable[object]) -> None:
    writer = open_writer(path)
    try:
        writer.write(header)
        for record in records:
            writer.write(record)
    finally:
        writer.close()


def _read_records(stream: IO[bytes], counts: Counts) -> Iterator[tuple[int, object]]:
    magic = stream.read(len(ZSTD_MAGIC))
    stream.seek(0)
    return _read_stored(stream, counts) if magic == ZSTD_MAGIC else _read_json(stream, counts)


def _read_json(stream: IO[bytes], counts: Counts) -> Iterator[tuple[int, object]]:
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES):
        number += 1
        if len(line) == MAX_RECORD_BYTES:
            raise TraceError(f"line {number}: longer than {MAX_RECORD_BYTES} bytes")
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            if line.endswith(b"\n"):
                raise TraceError(f"line {number}: no JSON") from None
            counts.add("trace_truncated")
            return
        yield number, record


def _read_stored(stream: IO[bytes], counts: Counts) -> Iterator[tuple[int, object]]:
    import msgpack
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    reader = decompressor.stream_reader(stream, read_across_frames=True, closefd=False)
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_RECORD_BYTES, unicode_errors="surrogatepass")
    number = byte_count = 0
    try:
        while chunk := reader.read(_CHUNK_BYTES):
            byte_count += len(chunk)
            unpacker.feed(chunk)
            for record in unpacker:
                number += 1
                yield number, record
    except (zstandard.ZstdError, msgpack.UnpackException, ValueError):
        raise TraceError(f"line {number + 1}: damaged") from None
    if unpacker.tell() < byte_count:
        counts.add("trace_truncated")
