"""The record of one consent: who, to what words, for which project, until when.

Its encoding is JSON that the user can read; whatever is not exactly a record of this schema is no
record. Knows nothing of where it is kept (see `grant_store`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from zeta_context.consent.consent_text import Purpose

GRANT_SCHEMA = 1
LIFETIME_S = 180 * 86_400.0
"""How long a consent holds before the user is asked again."""

MAX_BYTES = 65_536


class UnreadableGrant(ValueError):
    """Bytes that are no consent record of a schema that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One consent, or its withdrawal; times are seconds since the epoch.

    `project` is the keyed digest of the project's real root, `binding` that of this installation:
    a copied record holds nowhere else. `anchor_commit` was HEAD when consent was given: a project
    that does not hold it is another one. `actor` is what asked the user (`command_line`, or an
    editor's name). `text_digest` is that of the words shown; `withdrawn_at` is 0 until withdrawn.
    """

    consent_id: str
    purpose: Purpose
    project: str
    binding: str
    anchor_commit: str
    root: str
    text_version: int
    text_digest: str
    server: str
    operator: str
    teacher: str
    actor: str
    granted_at: float
    expires_at: float
    withdrawn_at: float = 0.0
    schema: int = GRANT_SCHEMA

    @property
    def is_withdrawn(self) -> bool:
        """Whether the user took it back: what is left is a mark that it once was."""
        return self.withdrawn_at > 0


def encode_grant(grant: Grant) -> bytes:
    """The record as JSON, one key a line."""
    return json.dumps(asdict(grant), indent=1, sort_keys=True).encode() + b"\n"


def decode_grant(content: bytes) -> Grant:
    """The record that bytes are; raises UnreadableGrant for anything else, newer schemas too."""
    if len(content) > MAX_BYTES:
        raise UnreadableGrant("it is too long")
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        raise UnreadableGrant("it is no JSON") from None
    if not isinstance(table, dict) or table.get("schema") != GRANT_SCHEMA:
        raise UnreadableGrant("its schema is not known here")
    if set(table) != {field.name for field in fields(Grant)}:
        raise UnreadableGrant("a key is missing, or not known here")
    for field in fields(Grant):
        if not _fits(str(field.type), table[field.name]):
            raise UnreadableGrant(f"{field.name} is not what it should be")
    return Grant(**table)


def _fits(kind: str, value: Any) -> bool:
    if kind == "Purpose":
        return isinstance(value, str) and value in get_args(Purpose)
    if kind == "str":
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    if kind == "int":
        return isinstance(value, int)
    return isinstance(value, int | float) and 0 <= value < 1e12
