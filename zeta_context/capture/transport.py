"""Carries bytes to a collection server over HTTPS, and back: the only way out of `capture`.

Certificates are checked, redirects are not followed, bodies are bounded (see
`runners.http.exchange`). Knows nothing of what it carries.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from zeta_context.capture.batch import CONTENT_TYPE
from zeta_context.errors import SettingsError
from zeta_context.runners.endpoint import parse_endpoint
from zeta_context.runners.http.exchange import Exchange, Fault, Limits

_LIMITS = Limits(connect_s=10.0, read_s=30.0, total_s=60.0, max_bytes=1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: its status, its headers with names in lower case, its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReply(Exception):
    """There was none; `reason` is a word to count, `is_final` when trying again is no use."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Transport(Protocol):
    """Whatever carries a body to a path of a server; raises NoReply."""

    async def post(self, server: str, path: str, body: bytes) -> Reply: ...

    async def aclose(self) -> None: ...


class HttpTransport:
    """Posts over HTTPS, or over HTTP to this machine itself; belongs to one event loop."""

    def __init__(self, *, token_env: str, limits: Limits = _LIMITS) -> None:
        """`token_env` names the variable of the environment that holds the server's token."""
        self._token_env = token_env
        self._limits = limits
        self._exchanges: dict[str, Exchange] = {}

    async def post(self, server: str, path: str, body: bytes) -> Reply:
        """The server's reply to one POST."""
        url = server.rstrip("/") + path
        exchange = self._exchanges.get(url)
        if exchange is None:
            try:
                endpoint = parse_endpoint(url)
            except SettingsError:
                raise NoReply("wrong_url", is_final=True) from None
            if endpoint.is_remote and endpoint.scheme != "https":
                raise NoReply("no_tls", is_final=True)
            exchange = self._exchanges[url] = Exchange(endpoint, self._limits)
        headers = {"content-type": CONTENT_TYPE}
        token = os.environ.get(self._token_env, "")
        if token:
            headers["authorization"] = f"Bearer {token}"
        try:
            async with exchange.post(body, headers) as answer:
                received = b"".join([chunk async for chunk in answer.chunks])
                return Reply(status=answer.status, headers=answer.headers, body=received)
        except Fault as fault:
            raise NoReply(fault.reason, is_final=fault.reason == "http_redirect") from None

    async def aclose(self) -> None:
        """Close the connections."""
        for exchange in self._exchanges.values():
            await exchange.aclose()
        self._exchanges.clear()
