"""Whether the server may keep one item: its bytes, its consents, its licence evidence.

Nothing that a client says is taken for true that can be computed: digests, kinds, what a record
holds. Pure; the papers come from the batch itself, or were seen before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from zeta_context.capture.admission import paths_of
from zeta_context.capture.batch import WireItem, is_identifier
from zeta_context.capture.codec import MAX_BODY_BYTES, decode_record, kind_of
from zeta_context.capture.example import Example, Record
from zeta_context.consent.consent_text import TEXTS, Purpose
from zeta_context.consent.evidence import Evidence, LicenceFile
from zeta_context.consent.licenses import accepted_licences
from zeta_context.errors import CaptureError
from zeta_context.ingest.received import Received

_SLACK_S = 3600.0

LICENCES = frozenset(accepted_licences())
"""The licences under which the server takes records; an operator can only narrow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sent a batch: the tenant whose token it was, and which installation it says it is."""

    tenant: str
    installation: str


def check_item(
    item: WireItem,
    papers: Mapping[str, str],
    sender: Sender,
    *,
    now: float,
    licences: frozenset[str] = LICENCES,
) -> Received | str:
    """The item as it is kept, or why it is not: a word."""
    try:
        record = _read_record(item)
        _check_content(record, item)
        _check_consents(record, item, papers, now)
        evidence = _check_evidence(item, papers, licences)
    except _Refused as refusal:
        return str(refusal)
    return Received(
        tenant=sender.tenant,
        id=item.id,
        installation=sender.installation,
        project=item.project,
        kind=item.kind,
        consent=item.consent,
        settled_consent=item.settled_consent,
        evidence=item.evidence,
        licences=" ".join(sorted(evidence.licences)),
        schema=record.schema,
        at=record.at,
        received_at=now,
        sha256=item.sha256,
        body=item.body,
    )


class _Refused(Exception):
    """Why an item is not kept, in a word."""


def _read_record(item: WireItem) -> Record:
    words = (item.project, item.kind, item.consent, item.evidence, item.sha256)
    if not all(map(is_identifier, words)) or not _is_word_or_empty(item.settled_consent):
        raise _Refused("identifier")
    if len(item.body) > MAX_BODY_BYTES:
        raise _Refused("too_large")
    if hashlib.sha256(item.body).hexdigest() != item.sha256:
        raise _Refused("digest")
    try:
        record = decode_record(item.body)
    except CaptureError:
        raise _Refused("unreadable") from None
    if (record.id, kind_of(record)) != (item.id, item.kind):
        raise _Refused("identity")
    return record


def _check_content(record: Record, item: WireItem) -> None:
    if not all(map(_is_inside, paths_of(record))):
        raise _Refused("path")
    if isinstance(record, Example):
        if record.outcome is not None or item.settled_consent:
            raise _Refused("not_a_starting_state")
        if any(file.is_outside_project for file in record.prompt_input.related_files):
            raise _Refused("outside_project")
    elif (record.following is not None) != bool(item.settled_consent):
        raise _Refused("settled_text_without_consent")


def _check_consents(record: Record, item: WireItem, papers: Mapping[str, str], now: float) -> None:
    wanted: list[tuple[Purpose, str]] = [("starting_state", item.consent)]
    if item.settled_consent:
        wanted.append(("settled_text", item.settled_consent))
    for purpose, consent in wanted:
        refusal = check_consent(
            papers.get(consent, ""), consent, item.project, purpose, at=record.at, now=now
        )
        if refusal:
            raise _Refused(refusal)


def check_consent(
    content: str, consent: str, project: str, purpose: Purpose, *, at: float, now: float
) -> str:
    """Why a consent's paper does not allow what was made `at` a time; empty when it does."""
    paper = _read(content) or {}
    text = TEXTS[purpose]
    said = (paper.get("purpose"), paper.get("text_version"), paper.get("text_digest"))
    granted, expires = paper.get("granted_at"), paper.get("expires_at")
    if not isinstance(granted, int | float) or not isinstance(expires, int | float):
        return "consent_unknown"
    checks = (
        (paper.get("consent_id") != consent, "consent_unknown"),
        (said != (purpose, text.version, text.digest), "consent_text"),
        (paper.get("project") != project, "consent_of_another_project"),
        (bool(paper.get("withdrawn_at")), "consent_withdrawn"),
        (not granted - _SLACK_S <= at <= min(now + _SLACK_S, expires), "consent_time"),
    )
    return next((reason for holds, reason in checks if holds), "")


def _check_evidence(
    item: WireItem, papers: Mapping[str, str], licences: frozenset[str]
) -> Evidence:
    evidence = _read_evidence(papers.get(item.evidence, ""))
    if evidence is None or evidence.digest != item.evidence:
        raise _Refused("evidence_unknown")
    named = frozenset(evidence.licences)
    if not evidence.is_accepted or not named or not named <= licences:
        raise _Refused("licence")
    return evidence


def _read_evidence(content: str) -> Evidence | None:
    table = _read(content)
    if table is None:
        return None
    try:
        files = tuple(
            LicenceFile(**{field.name: file[field.name] for field in fields(LicenceFile)})
            for file in table["files"]
        )
        return Evidence(
            is_accepted=table["is_accepted"] is True,
            reason=str(table["reason"]),
            licences=tuple(str(one) for one in table["licences"]),
            files=files,
            head_commit=str(table["head_commit"]),
            detector=str(table["detector"]),
        )
    except (KeyError, TypeError):
        return None


def _read(content: str) -> dict[str, Any] | None:
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _is_inside(path: str) -> bool:
    """Whether a path stays below its project's root, on every system."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return (
        bool(path)
        and "\0" not in path
        and ".." not in parts
        and not (path.startswith(("/", "\\", "~")) or path[1:2] == ":")
    )


def _is_word_or_empty(value: str) -> bool:
    return not value or is_identifier(value)
