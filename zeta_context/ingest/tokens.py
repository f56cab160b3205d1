"""Who may send: tenants and their tokens, of which only digests are kept.

A token is compared with every known one in constant time. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from zeta_context.capture.batch import is_identifier
from zeta_context.errors import IngestError


class Tokens:
    """The digests of tokens, by tenant."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = dict(digests)

    def tenant(self, token: str) -> str | None:
        """Whose token it is; None when it is nobody's."""
        told = _digest(token)
        found = None
        for tenant, digest in self._digests.items():
            if hmac.compare_digest(told, digest):
                found = tenant
        return found


def load_tokens(path: Path) -> Tokens:
    """The tokens in a file that `add_token` wrote; raises IngestError when there are none."""
    return Tokens(_read(path))


def add_token(path: Path, tenant: str) -> str:
    """Make a token for a tenant and write its digest down; the token is told only now."""
    if not is_identifier(tenant):
        raise IngestError("a tenant is named by letters, digits, - and _")
    token = secrets.token_urlsafe(32)
    digests = _read(path) if path.exists() else {}
    digests[tenant] = _digest(token)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(digests, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    return token


def _read(path: Path) -> dict[str, str]:
    try:
        table = json.loads(path.read_bytes())
    except OSError:
        raise IngestError(
            "nobody may send yet: `zeta-context ingest token NAME` makes a token"
        ) from None
    except ValueError:
        raise IngestError("the file of tokens is damaged") from None
    if not isinstance(table, dict) or not all(isinstance(one, str) for one in table.values()):
        raise IngestError("the file of tokens is damaged")
    return table


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
