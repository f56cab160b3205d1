"""One POST to one endpoint: the only module that imports httpx, and only when it is used.

Knows nothing of models or of what bodies say. Every way in which it can fail is a `Fault` with a
short reason to count. Redirects are not followed, so nothing goes where the endpoint does not say;
bodies are bounded, and asked for without compression, so that they cannot grow on arrival.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeta_context.errors import BadAnswer, RunnerError, RunnerGone, RunnerTimeout, SettingsError
from zeta_context.runners.endpoint import Endpoint

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how large an exchange may be.

    `connect_s` is for one connection, `read_s` for the silence between two pieces of the answer,
    `total_s` for all of it.
    """

    connect_s: float = 5.0
    read_s: float = 30.0
    total_s: float = 60.0
    max_bytes: int = 4_000_000


class Fault(Exception):
    """Why there was no answer: a `reason` to count, and the error for whoever asked."""

    def __init__(self, reason: str, error: Exception) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The head of an answer, names of headers in lower case, and its body in pieces."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes, None]


class Exchange:
    """Keeps connections to one endpoint open between requests; belongs to one event loop."""

    def __init__(self, endpoint: Endpoint, limits: Limits) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def post(self, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        """Send a body; raises Fault, also while the pieces of the answer are read.

        Leaving the context before the body has ended closes the connection.
        """
        import httpx

        try:
            async with asyncio.timeout(self._limits.total_s):
                client = self._connected()
                sending = client.stream(
                    "POST", self._endpoint.url, content=body, headers={**headers}
                )
                async with sending as response:
                    if response.is_redirect:
                        raise Fault(
                            "http_redirect",
                            RunnerGone(
                                "the server wants prompts sent to another address: set the "
                                "endpoint that it really has"
                            ),
                        )
                    names = {name.lower(): value for name, value in response.headers.items()}
                    yield Answer(
                        status=response.status_code, headers=names, chunks=self._chunks(response)
                    )
        except TimeoutError:
            late = RunnerTimeout(f"no whole answer within {self._limits.total_s:g} s")
            raise Fault("http_late", late) from None
        except httpx.HTTPError as problem:
            raise _fault(problem, self._endpoint) from None

    async def aclose(self) -> None:
        """Close what is open."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Fault(
                "http_compressed", BadAnswer("the server compressed its answer, unasked for")
            )
        received = 0
        limit = self._limits.max_bytes
        try:
            async for chunk in response.aiter_raw():
                received += len(chunk)
                if received > limit:
                    raise Fault("http_too_large", BadAnswer(f"the answer exceeds {limit:,} bytes"))
                yield chunk
        finally:
            await response.aclose()

    def _connected(self) -> httpx.AsyncClient:
        """The client, made when first needed: then the user's environment is read."""
        if self._client is not None:
            return self._client
        import httpx

        limits = self._limits
        timeout = httpx.Timeout(limits.read_s, connect=limits.connect_s)
        endpoint = self._endpoint
        if endpoint.socket_path:
            transport = httpx.AsyncHTTPTransport(uds=endpoint.socket_path)
            self._client = httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
            return self._client
        needs_tls = endpoint.is_remote or endpoint.scheme == "https"
        try:
            self._client = httpx.AsyncClient(
                # Certificates are the environment's also where its proxy is not wanted; without
                # TLS to this machine there are none to check, and loading them would take time.
                verify=httpx.create_ssl_context(trust_env=True) if needs_tls else False,
                trust_env=endpoint.is_remote,
                timeout=timeout,
                follow_redirects=False,
            )
        except (ImportError, ValueError, httpx.InvalidURL, OSError) as problem:
            raise Fault(
                "http_environment",
                SettingsError(
                    "the proxy or certificate settings of the environment cannot be used "
                    f"({type(problem).__name__}): see HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, "
                    "SSL_CERT_FILE and SSL_CERT_DIR"
                ),
            ) from None
        return self._client


def _fault(problem: httpx.HTTPError, endpoint: Endpoint) -> Fault:
    """What went wrong, without the words of httpx, which may quote what was sent."""
    import httpx

    place = str(endpoint) if endpoint.socket_path else _origin(endpoint)
    is_certificate = isinstance(problem, httpx.ConnectError) and _has_ssl_cause(problem)
    faults: tuple[tuple[bool | type[Exception], str, RunnerError], ...] = (
        (is_certificate, "http_certificate", RunnerGone(f"{place} has no valid certificate")),
        (httpx.ConnectTimeout, "http_no_connection", RunnerTimeout(f"{place} takes no connection")),
        (httpx.TimeoutException, "http_silent", RunnerTimeout(f"{place} fell silent")),
        (httpx.ProxyError, "http_proxy", RunnerGone("the environment's proxy does not connect")),
        (httpx.ConnectError, "http_unreachable", RunnerGone(f"nothing answers at {place}")),
        (httpx.RemoteProtocolError, "http_cut_off", BadAnswer(f"{place} broke off, or is no HTTP")),
        (httpx.NetworkError, "http_cut_off", RunnerGone(f"the connection to {place} broke")),
    )
    for sign, reason, error in faults:
        if sign is True or (isinstance(sign, type) and isinstance(problem, sign)):
            return Fault(reason, error)
    return Fault("http_failed", RunnerGone(f"{place} cannot be asked ({type(problem).__name__})"))


def _origin(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{endpoint.scheme}://{host}:{endpoint.port}"


def _has_ssl_cause(problem: BaseException) -> bool:
    seen: BaseException | None = problem
    while seen is not None and not isinstance(seen, ssl.SSLError):
        seen = seen.__cause__ or seen.__context__
    return seen is not None
