"""Trace entries to and from plain mappings, with every field checked.

Own code instead of a converter library, because an error may name the field but never quote the
text in it, and because a wrong type must not be coerced. Knows nothing of bytes (`trace_file`).

A mapping holds `kind` and the fields of the entry under their own names; a field that has its
default is left out. Unknown fields are ignored and entries of unknown kinds are passed over by the
caller, so that a newer writer can add both without a new version.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, get_args

from zeta_context.errors import TraceError
from zeta_context.events.event import Cause
from zeta_context.events.trace import (
    CLOCK_UNIT,
    POSITION_UNIT,
    TRACE_VERSION,
    Ended,
    Opened,
    PredictionState,
    TraceEntry,
    TraceHeader,
)
from zeta_context.text.point import Span

HEADER_KEY = "zeta-trace"
"""The key of a header's version, which also tells a trace from other files."""

Record = dict[str, Any]
"""An entry or header as it stands in a file."""

Upgrade = Callable[[Record], Record]
"""Makes a record of one version into one of the next."""

UPGRADES: Mapping[int, Upgrade] = {}
"""For each version before `TRACE_VERSION`, how one of its records becomes one of the next."""

MAX_NUMBER = 2**53
"""The largest number that every JSON reader holds exactly."""

KINDS: Mapping[str, type[TraceEntry]] = {entry.kind: entry for entry in get_args(TraceEntry)}


def encode_header(header: TraceHeader) -> Record:
    """The mapping of a header."""
    record: Record = {HEADER_KEY: TRACE_VERSION, "root": header.root, "editor": header.editor}
    if header.started:
        record["started"] = header.started
    record |= {"clock": CLOCK_UNIT, "positions": POSITION_UNIT}
    if header.metadata:
        record["metadata"] = dict(header.metadata)
    return record


def read_version(record: object) -> int:
    """The version that a header states; raises `TraceError` when this is no header we can read."""
    version = record.get(HEADER_KEY) if isinstance(record, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise TraceError(f"no trace: the first record has no {HEADER_KEY!r} version")
    if version > TRACE_VERSION:
        raise TraceError(
            f"written in trace version {version}, and this library reads up to {TRACE_VERSION}: "
            "update zeta-context"
        )
    return version


def upgrade_record(
    record: Record, version: int, upgrades: Mapping[int, Upgrade] = UPGRADES
) -> Record:
    """A record of an older version as one of `TRACE_VERSION`."""
    for step in range(version, TRACE_VERSION):
        record = upgrades[step](record)
    return record


def decode_header(record: Record) -> TraceHeader:
    """The header in a mapping of `TRACE_VERSION`."""
    for key, unit in (("clock", CLOCK_UNIT), ("positions", POSITION_UNIT)):
        if record.get(key, unit) != unit:
            raise TraceError(f"{key!r} must be {unit!r}")
    root = _read_text(record.get("root"), "root")
    if not root or "/" in root or "\\" in root:
        raise TraceError("'root' must be the name of a folder, not a path")
    metadata = record.get("metadata", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(key, str) and isinstance(value, str | int) for key, value in metadata.items()
    ):
        raise TraceError("'metadata' must map names to texts, numbers or booleans")
    return TraceHeader(
        root=root,
        editor=_read_text(record.get("editor", ""), "editor"),
        started=_read_text(record.get("started", ""), "started"),
        metadata=metadata,
    )


def encode_entry(entry: TraceEntry) -> Record:
    """The mapping of an entry, without the fields that have their default."""
    record: Record = {"kind": entry.kind}
    for field in dataclasses.fields(entry):
        value = getattr(entry, field.name)
        if field.default is not dataclasses.MISSING and value == field.default:
            continue
        if isinstance(value, Span):
            value = [value.start, value.end]
        elif isinstance(value, Mapping):
            value = dict(value)
        record[field.name] = value
    return record


def decode_entry(record: object) -> TraceEntry | None:
    """The entry in a mapping of `TRACE_VERSION`, or None when its kind is not known.

    Raises `TraceError`, which names the field and never its value.
    """
    if not isinstance(record, dict):
        raise TraceError("an entry must be a mapping")
    kind = _read_text(record.get("kind"), "kind")
    entry_type = KINDS.get(kind)
    if entry_type is None:
        return None
    values: dict[str, Any] = {}
    for field in dataclasses.fields(entry_type):
        if field.name in record:
            values[field.name] = _READERS[str(field.type)](record[field.name], field.name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise TraceError(f"{kind!r} entry without {field.name!r}")
    for name in ("path", "new_path"):
        if name in values:
            _check_path(values[name], name)
    entry = entry_type(**values)
    if isinstance(entry, Opened) and (entry.text is None) == (entry.blob is None):
        raise TraceError("'open' entry must have either 'text' or 'blob'")
    return entry


def _check_path(path: str, name: str) -> None:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise TraceError(f"{name!r} must be a path below the root")


def _read_text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TraceError(f"{name!r} must be a text")
    return value


def _read_optional_text(value: object, name: str) -> str | None:
    return None if value is None else _read_text(value, name)


def _read_number(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        raise TraceError(f"{name!r} must be a whole number that is not negative")
    return value


def _read_flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise TraceError(f"{name!r} must be true or false")
    return value


def _read_span(value: object, name: str) -> Span:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise TraceError(f"{name!r} must be a start and an end")
    span = Span(_read_number(value[0], name), _read_number(value[1], name))
    if span.start > span.end:
        raise TraceError(f"{name!r} ends before it starts")
    return span


def _read_digests(value: object, name: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise TraceError(f"{name!r} must map paths to digests")
    return {_read_text(key, name): _read_text(digest, name) for key, digest in value.items()}


def _choose(*choices: str) -> Callable[[object, str], str]:
    def read(value: object, name: str) -> str:
        if value not in choices:
            raise TraceError(f"{name!r} must be one of {', '.join(choices)}")
        return str(value)

    return read


_READERS: Mapping[str, Callable[[object, str], object]] = {
    "str": _read_text,
    "str | None": _read_optional_text,
    "int": _read_number,
    "bool": _read_flag,
    "Span": _read_span,
    "Mapping[str, str]": _read_digests,
    "Cause": _choose(*get_args(Cause)),
    "PredictionState": _choose(*get_args(PredictionState)),
    str(Ended.__dataclass_fields__["reason"].type): _choose("closed", "full"),
}
