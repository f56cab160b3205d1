"""Who may ask a model server on this machine: decided from the head of a request alone.

Any web page can make a browser send requests to this machine, and with a rebound name even read
the answers; so a request over TCP has to name this machine, carry the token, and come from no
page. Knows nothing of models or of bodies.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zeta_context.errors import SettingsError

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, in the order of the request."""

TOKEN_BYTES = 32

_FROM_A_PAGE = (b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"upgrade")
"""Headers that browsers send, and programs do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not answered: an HTTP status and a reason to count."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """What a request needs. Over a Unix socket the socket itself says who asks, so no token.

    `hosts` are the values of `Host` that name this server; None lets any pass.
    """

    token: str | None = None
    hosts: frozenset[bytes] | None = None

    def __repr__(self) -> str:
        return f"AccessRules(token={'set' if self.token else None}, hosts={self.hosts})"

    def refuse(self, method: bytes, target: bytes, headers: Headers) -> Refusal | None:
        """Why the request is refused, or None."""
        if self.hosts is not None and _values(headers, b"host") not in [
            [host] for host in self.hosts
        ]:
            return Refusal(status=403, reason="serve_wrong_host")
        if any(name in _FROM_A_PAGE for name, _ in headers):
            return Refusal(status=403, reason="serve_from_a_page")
        if b"?" in target or b"#" in target:
            return Refusal(status=403, reason="serve_query")  # tokens in a URL end up in logs
        if self.token is not None and not _has_token(headers, self.token):
            return Refusal(status=403, reason="serve_wrong_token")
        if method == b"POST" and _media_type(headers) != b"application/json":
            return Refusal(status=415, reason="serve_wrong_type")  # what a form cannot send
        return None


def loopback_rules(port: int, token: str) -> AccessRules:
    """The rules of a TCP port on the loopback interface."""
    names = (b"localhost", b"127.0.0.1", b"[::1]")
    hosts = {b"%s:%d" % (name, port) for name in names}
    return AccessRules(token=token, hosts=frozenset(hosts | (set(names) if port == 80 else set())))


def keep_token(path: Path) -> str:
    """The token in a file, made with 256 random bits when there is none yet.

    Raises SettingsError unless the file is the user's own, readable by nobody else.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = secrets.token_hex(TOKEN_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
    except FileExistsError:
        return _read_token(path)
    except OSError as problem:
        raise SettingsError(f"no token can be kept at {path.name}: {problem.strerror}") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def _read_token(path: Path) -> str:
    refused = SettingsError(
        f"{path.name} is no token file of this user alone: remove it, a new one is made"
    )
    try:
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        raise refused from None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        is_own = not hasattr(os, "geteuid") or facts.st_uid == os.geteuid()
        is_shared = os.name == "posix" and stat.S_IMODE(facts.st_mode) & 0o077
        if not stat.S_ISREG(facts.st_mode) or not is_own or is_shared:
            raise refused
        token = file.read(200).strip().decode("ascii", "replace")
    if len(token) != 2 * TOKEN_BYTES or not set(token) <= set("0123456789abcdef"):
        raise refused
    return token


def _has_token(headers: Headers, token: str) -> bool:
    """Compared in a time that does not depend on where they differ."""
    values = _values(headers, b"authorization")
    scheme, _, given = (values[0] if len(values) == 1 else b"").partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), token.encode())


def _media_type(headers: Headers) -> bytes:
    values = _values(headers, b"content-type")
    return values[0].partition(b";")[0].strip().lower() if len(values) == 1 else b""


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value.lower() if name == b"host" else value for one, value in headers if one == name]
