"""Records as a server keeps them, and batches as clients send them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace

from tests.capture.records import make_example
from tests.consent.consent_cases import ACCEPTED, make_grant
from zeta_context.capture.admission import papers_for
from zeta_context.capture.batch import Batch, WireItem
from zeta_context.capture.codec import encode_record, kind_of
from zeta_context.capture.example import Record, make_record_id
from zeta_context.consent.consent_text import Purpose
from zeta_context.consent.evidence import Evidence
from zeta_context.consent.gate import Claims, Facts
from zeta_context.ingest.received import Received, Withdrawal

PROJECT = "p" * 32
NOW = 1_800_000_500.0
CLAIMS = Claims(
    consent_id="id-of-starting_state",
    evidence_digest=ACCEPTED.digest,
    settled_consent_id="id-of-settled_text",
)


def make_received(
    record_id: str = "",
    *,
    tenant: str = "t1",
    project: str = PROJECT,
    consent: str = "c-1",
    installation: str = "i-1",
    text: str = "x = 1\n",
) -> Received:
    record_id = record_id or make_record_id()
    body = encode_record(make_example(text, record_id=record_id))
    return Received(
        tenant=tenant,
        id=record_id,
        installation=installation,
        project=project,
        kind="example",
        consent=consent,
        settled_consent="",
        evidence="e" * 64,
        licences="MIT",
        schema=1,
        at=1_800_000_000.0,
        received_at=NOW,
        sha256=hashlib.sha256(body).hexdigest(),
        body=body,
    )


WITHDRAWAL = Withdrawal(tenant="t1", installation="i-1", project=PROJECT, consent="c-1")


async def collect(records: AsyncIterator[Received]) -> list[Received]:
    """All of them, by identifier."""
    return sorted([one async for one in records], key=lambda one: (one.tenant, one.id))


def consent_paper(given: Purpose = "starting_state", **changes: object) -> str:
    """A consent as a client shows it."""
    facts = Facts(now=0.0, **{given: make_grant(given)})  # type: ignore[arg-type]
    (content,) = papers_for(CLAIMS, facts).values()
    return json.dumps({**json.loads(content), **changes})


def evidence_paper(evidence: Evidence = ACCEPTED) -> str:
    """Licence evidence as a client shows it."""
    return json.dumps(asdict(evidence))


def to_item(record: Record, **changes: object) -> WireItem:
    """A record as it travels."""
    body = encode_record(record)
    item = WireItem(
        id=record.id,
        project=PROJECT,
        kind=kind_of(record),
        consent=CLAIMS.consent_id,
        evidence=CLAIMS.evidence_digest,
        sha256=hashlib.sha256(body).hexdigest(),
        body=body,
    )
    return replace(item, **changes)  # type: ignore[arg-type]


def make_batch(*items: WireItem, **changes: object) -> Batch:
    """A batch with the papers that its items need."""
    batch = Batch(
        installation="i-1",
        items=items or (to_item(make_example()),),
        papers={
            CLAIMS.consent_id: consent_paper(),
            CLAIMS.settled_consent_id: consent_paper("settled_text"),
            CLAIMS.evidence_digest: evidence_paper(),
        },
    )
    return replace(batch, **changes)  # type: ignore[arg-type]
