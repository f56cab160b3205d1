"""What goes over the wire to a collection server and back (docs/collection.md), as plain records.

A batch is a msgpack map; the body of each of its items is a record as `codec` encodes it, byte for
byte as the spool holds it. Knows nothing of connections, consent or stores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from zeta_context.capture.codec import unpack
from zeta_context.errors import CaptureError

WIRE_SCHEMA = 1
BATCHES_PATH = "/v1/batches"
DELETIONS_PATH = "/v1/deletions"
CONTENT_TYPE = "application/msgpack"

MAX_ITEMS = 200
MAX_PAPERS = 400
MAX_PAPER = 65_536


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
    """The batch in hostile bytes; raises CaptureError for what is none, or is too large."""
    table = _open(data)
    items, papers, drops = table.get("items"), table.get("papers"), table.get("drops")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ITEMS:
        raise CaptureError(f"a batch holds 1 to {MAX_ITEMS} items")
    if not isinstance(papers, dict) or len(papers) > MAX_PAPERS:
        raise CaptureError(f"a batch holds at most {MAX_PAPERS} papers")
    if not all(isinstance(one, str) and len(one) <= MAX_PAPER for one in papers.values()):
        raise CaptureError("a paper is a text, and not longer than consents and evidence are")
    if not isinstance(drops, dict) or len(drops) > 100:
        raise CaptureError("the drops of a batch are counts by reason")
    if not all(type(n) is int and 0 <= n < 2**40 for n in drops.values()):
        raise CaptureError("the drops of a batch are counts by reason")
    return Batch(
        installation=_word(table, "installation"),
        items=tuple(_decode_item(one) for one in items),
        papers=papers,
        drops=drops,
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
    table = _open(data)
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


def _decode_item(table: Any) -> WireItem:
    if not isinstance(table, dict) or not isinstance(table.get("body"), bytes):
        raise CaptureError("an item is a map with a body of bytes")
    settled = table.get("settled_consent", "")
    return WireItem(
        id=_word(table, "id"),
        project=_word(table, "project"),
        kind=_word(table, "kind"),
        consent=_word(table, "consent"),
        settled_consent=_word(table, "settled_consent") if settled else "",
        evidence=_word(table, "evidence"),
        sha256=_word(table, "sha256"),
        body=table["body"],
    )


def _word(table: Mapping[str, Any], key: str) -> str:
    """An identifier: short, of letters, digits, `-` and `_`, so that it can name no other place."""
    value = table.get(key)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= 64
        or not value.isascii()
        or not value.replace("-", "").replace("_", "").isalnum()
    ):
        raise CaptureError(f"{key} is no identifier")
    return value


def _open(data: bytes) -> dict[str, Any]:
    table = unpack(data)
    if table.get("schema") != WIRE_SCHEMA:
        raise CaptureError(f"the schema of this request is not {WIRE_SCHEMA}")
    return table


def _pack(table: dict[str, Any]) -> bytes:
    import msgpack

    return cast("bytes", msgpack.packb(table))
