"""One kind of secret: how its text is recognised.

The record that the rule lists are made of. Knows nothing of how texts are searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["issuer", "context"]
"""`issuer`: by a format that its issuer publishes; `context`: by what it is assigned to."""

CheckName = Literal[
    "", "github_checksum", "jwt_header", "assigned", "long_assigned", "url_password"
]
"""What else must hold of the secret's text, see `secret_checks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRule:
    """A rule: `pattern` is RE2 over Latin-1 bytes, and its first group, if any, is the secret.

    Texts without any of the `keywords` (lower case, matched without regard to case) are not
    searched. A secret with less than `min_entropy` bits a character is a placeholder.
    """

    rule_id: str
    keywords: tuple[str, ...]
    pattern: str
    min_entropy: float = 0.0
    confidence: Confidence = "issuer"
    check: CheckName = ""


def issuer_rule(
    rule_id: str, keywords: str, pattern: str, min_entropy: float = 2.0, check: CheckName = ""
) -> SecretRule:
    """A rule for an issuer's format; `keywords` are separated by spaces."""
    return SecretRule(
        rule_id=rule_id,
        keywords=tuple(keywords.split()),
        pattern=pattern,
        min_entropy=min_entropy,
        check=check,
    )


def context_rule(
    rule_id: str, keywords: str, pattern: str, check: CheckName = "", min_entropy: float = 0.0
) -> SecretRule:
    """A rule for what stands beside a name that tells it; `keywords` are separated by spaces."""
    return SecretRule(
        rule_id=rule_id,
        keywords=tuple(keywords.split()),
        pattern=pattern,
        min_entropy=min_entropy,
        confidence="context",
        check=check,
    )
