"""Facts under which everything is allowed, for tests to take something away from."""

from __future__ import annotations

from zeta_context.consent.consent_text import TEXTS, Purpose
from zeta_context.consent.evidence import Evidence, LicenceFile
from zeta_context.consent.gate import Collection, Facts
from zeta_context.consent.grant import Grant
from zeta_context.consent.policy import NO_POLICY

NOW = 1_800_000_000.0
HEAD = "a" * 40
COLLECTION = Collection(
    server="https://collect.example.org", operator="Example Org", teacher="Example Models"
)
ACCEPTED = Evidence(
    is_accepted=True,
    reason="accepted",
    licences=("MIT",),
    files=(LicenceFile(path="LICENSE", sha256="0" * 64, size=1068, licence="MIT"),),
    head_commit=HEAD,
    detector="test",
)


def make_grant(purpose: Purpose = "starting_state", **changes: object) -> Grant:
    """A consent that holds at NOW."""
    fields: dict[str, object] = {
        "consent_id": f"id-of-{purpose}",
        "purpose": purpose,
        "project": "p" * 32,
        "binding": "b" * 64,
        "anchor_commit": HEAD,
        "root": "/home/somebody/project",
        "text_version": TEXTS[purpose].version,
        "text_digest": TEXTS[purpose].digest,
        "server": COLLECTION.server,
        "operator": COLLECTION.operator,
        "teacher": COLLECTION.teacher,
        "actor": "command_line",
        "granted_at": NOW - 3600,
        "expires_at": NOW + 86_400,
    }
    return Grant(**{**fields, **changes})  # type: ignore[arg-type]


def make_facts(**changes: object) -> Facts:
    """Facts that allow both purposes."""
    fields: dict[str, object] = {
        "now": NOW,
        "project": "p" * 32,
        "binding": "b" * 64,
        "starting_state": make_grant(),
        "settled_text": make_grant("settled_text"),
        "collection": COLLECTION,
        "policy": NO_POLICY,
        "licence": ACCEPTED,
        "head_commit": HEAD,
        "has_anchor": True,
    }
    return Facts(**{**fields, **changes})  # type: ignore[arg-type]
