"""What goes over the wire to a collection server and back (docs/collection.md), as plain records.

A batch is a msgpack map; the body of each of its items is a record as `codec` encodes it, byte for
byte as the spool holds it. Knows nothing of connections, consent or stores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from zeta_context.errors import CaptureError

WIRE_SCHEMA = 1
BATCHES_PATH = "/v1/batches"
DELETIONS_PATH = "/v1/deletions"
CONTENT_TYPE = "application/msgpack"

MAX_ITEMS = 200
MAX_PAPERS = 400
MAX_PAPER = 65_536

_ITEM_KEYS = frozenset(
    ("id", "project", "kind", "consent", "settled_consent", "evidence", "sha256")
)
_FIRST_BYTES: Mapping[type, frozenset[int]] = {
    str: frozenset((*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB)),
    bytes: frozenset((0xC4, 0xC5, 0xC6)),
    int: frozenset((*range(0x80), 0xCC, 0xCD, 0xCE, 0xCF)),
}
"""With which bytes a value of a type begins (the msgpack specification, "Formats")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireItem:
    """One record on its way: under which consents and evidence, and its bytes with their digest."""

    id: str
    project: str
    kind: str
    consent: str
    evidence: str
    sha256: str
    body: bytes
    settled_consent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some records of one installation.

    `papers` are the consents and the licence evidence that the items name, as JSON by identifier;
    `drops` are the records that were captured and dropped since the last batch, by reason.
    """

    installation: str
    items: tuple[WireItem, ...]
    papers: Mapping[str, str] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequest:
    """What an installation wants deleted: all of a project's records under one consent."""

    id: str
    installation: str
    project: str
    consent: str


def encode_batch(batch: Batch) -> bytes:
    """The batch as it is sent."""
    return _pack(
        {
            "schema": WIRE_SCHEMA,
            "installation": batch.installation,
            "items": [
                {
                    "id": item.id,
                    "project": item.project,
                    "kind": item.kind,
                    "consent": item.consent,
                    "settled_consent": item.settled_consent,
                    "evidence": item.evidence,
                    "sha256": item.sha256,
                    "body": item.body,
                }
                for item in batch.items
            ],
            "papers": dict(batch.papers),
            "drops": dict(batch.drops),
        }
    )


def decode_batch(data: bytes) -> Batch:
    """The batch in hostile bytes; raises CaptureError for what is none, or is too large.

    It is read piece by piece, so that nothing is built that does not belong in a batch. Only the
    identifiers of items are checked to be such; the rest of an item is its receiver's to judge.
    """
    reader = _Reader(data)
    fields: dict[str, Any] = {}
    for key in reader.keys(most=16):
        if key in fields:
            raise CaptureError("a key occurs twice")
        match key:
            case "schema":
                fields[key] = reader.number()
            case "installation":
                fields[key] = reader.text(64)
            case "items":
                fields[key] = tuple(reader.item() for _ in range(reader.length(MAX_ITEMS)))
            case "papers":
                fields[key] = {one: reader.text(MAX_PAPER) for one in reader.keys(most=MAX_PAPERS)}
            case "drops":
                fields[key] = {one: reader.number() for one in reader.keys(most=100)}
            case _:
                reader.skip()
    reader.end()
    if fields.get("schema") != WIRE_SCHEMA:
        raise CaptureError(f"the schema of this request is not {WIRE_SCHEMA}")
    if not fields.get("items") or not is_identifier(fields.get("installation", "")):
        raise CaptureError("a batch holds an installation and at least one item")
    ids = [item.id for item in fields["items"]]
    if len(set(ids)) != len(ids) or not all(map(is_identifier, ids)):
        raise CaptureError("each item has an identifier of its own")
    return Batch(
        installation=fields["installation"],
        items=fields["items"],
        papers=fields.get("papers", {}),
        drops=fields.get("drops", {}),
    )


def encode_deletion(request: DeletionRequest) -> bytes:
    """The request as it is sent; it holds identifiers alone."""
    return _pack(
        {
            "schema": WIRE_SCHEMA,
            "id": request.id,
            "installation": request.installation,
            "project": request.project,
            "consent": request.consent,
        }
    )


def decode_deletion(data: bytes) -> DeletionRequest:
    """The request in hostile bytes; raises CaptureError for what is none."""
    reader = _Reader(data)
    table: dict[str, Any] = {}
    for key in reader.keys(most=16):
        table[key] = reader.number() if key == "schema" else reader.text(64)
    reader.end()
    if table.get("schema") != WIRE_SCHEMA:
        raise CaptureError(f"the schema of this request is not {WIRE_SCHEMA}")
    return DeletionRequest(
        id=_word(table, "id"),
        installation=_word(table, "installation"),
        project=_word(table, "project"),
        consent=_word(table, "consent"),
    )


def encode_results(results: Mapping[str, str]) -> bytes:
    """What became of each item, by identifier: `accepted`, `duplicate`, or `rejected:` and why."""
    return json.dumps({"results": dict(results)}).encode()


def decode_results(data: bytes, asked: Sequence[str]) -> dict[str, str] | None:
    """What a server says became of the items that it was `asked` about; None when it says nothing.

    Identifiers that nobody asked about are ignored.
    """
    try:
        results = json.loads(data)["results"]
        told = {one: results[one] for one in asked if one in results}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    known = {one: said for one, said in told.items() if _is_result(said)}
    return known or None


def _is_result(said: object) -> bool:
    return isinstance(said, str) and (
        said in ("accepted", "duplicate") or (said.startswith("rejected:") and len(said) < 100)
    )


def is_identifier(value: str) -> bool:
    """Whether it is short, of letters, digits, `-` and `_`: so it can name no other place."""
    return (
        0 < len(value) <= 64
        and value.isascii()
        and value.replace("-", "").replace("_", "").isalnum()
    )


def _word(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not is_identifier(value):
        raise CaptureError(f"{key} is no identifier")
    return str(value)


class _Reader:
    """Reads msgpack piece by piece; every piece has to be of the type that is asked for."""

    def __init__(self, data: bytes) -> None:
        import msgpack

        size = len(data)
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=max(size, 1), max_str_len=size, max_bin_len=size
        )
        self._unpacker.feed(data)
        self._data = data
        self._size = size

    def keys(self, *, most: int) -> Iterator[str]:
        n = self._read(self._unpacker.read_map_header)
        if n > most:
            raise CaptureError(f"a map of more than {most} keys")
        for _ in range(n):
            yield self.text(200)

    def length(self, most: int) -> int:
        n: int = self._read(self._unpacker.read_array_header)
        if n > most:
            raise CaptureError(f"a list of more than {most}")
        return n

    def item(self) -> WireItem:
        fields: dict[str, Any] = {}
        for key in self.keys(most=16):
            if key in fields:
                raise CaptureError("a key occurs twice")
            if key == "body":
                fields[key] = self._typed(bytes)
            elif key in _ITEM_KEYS:
                fields[key] = self.text(200)
            else:
                self.skip()
        if fields.keys() != _ITEM_KEYS | {"body"}:
            raise CaptureError("an item lacks a key")
        return WireItem(**fields)

    def text(self, longest: int) -> str:
        value: str = self._typed(str)
        if len(value) > longest:
            raise CaptureError(f"a text of more than {longest} characters")
        return value

    def number(self) -> int:
        value: int = self._typed(int)
        if not 0 <= value < 2**40:
            raise CaptureError("a number that is no count")
        return value

    def skip(self) -> None:
        self._read(self._unpacker.skip)

    def end(self) -> None:
        if self._unpacker.tell() != self._size:
            raise CaptureError("more than one message")

    def _typed(self, kind: type) -> Any:
        at = self._unpacker.tell()
        if at >= self._size or self._data[at] not in _FIRST_BYTES[kind]:
            raise CaptureError("a value of another type than belongs there")
        return self._read(self._unpacker.unpack)

    def _read(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception:
            raise CaptureError("bytes that are no msgpack of ours") from None


def _pack(table: dict[str, Any]) -> bytes:
    import msgpack

    return cast("bytes", msgpack.packb(table))
