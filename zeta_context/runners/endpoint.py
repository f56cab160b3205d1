"""Where a model server is, and which servers on other machines the user has allowed.

Knows URLs, no network: a name is never looked up, so a name that resolves to this machine is still
another machine's unless it is `localhost`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from zeta_context.errors import RemoteNotAllowed, SettingsError

Scheme = Literal["http", "https", "unix"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address that prompts are posted to.

    `host` is in lower case, an IPv6 address without its brackets. `path` starts with a slash and
    holds the query, if any. For a Unix socket `host` is empty and `socket_path` names the socket.
    """

    scheme: Scheme
    host: str = ""
    port: int = 0
    path: str = "/"
    socket_path: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether it may be another machine: all but Unix sockets and loopback addresses are."""
        return not (self.socket_path or _is_loopback(self.host))

    @property
    def url(self) -> str:
        """What an HTTP client asks for."""
        if self.scheme == "unix":
            return f"http://localhost{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    def __str__(self) -> str:
        return f"unix:{self.socket_path}" if self.socket_path else self.url


def parse_endpoint(url: str, *, default_path: str = "/") -> Endpoint:
    """The endpoint that a URL of `http`, `https` or `unix:/path/of/socket` names.

    `default_path` stands for a URL without one. Raises SettingsError for any other URL, and for
    one with a user name, a password or a fragment: keys belong into the environment.
    """
    if len(url) > _MAX_URL or not url.isprintable() or any(c.isspace() for c in url):
        raise SettingsError("an endpoint is a URL of at most 2048 characters, without blanks")
    if url.startswith("unix:"):
        path = url.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/"):
            raise SettingsError("the endpoint of a Unix socket is unix: and its absolute path")
        return Endpoint(scheme="unix", path=default_path, socket_path=path)
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as problem:
        raise SettingsError(f"an endpoint is no valid URL: {problem}") from None
    if scheme not in ("http", "https") or not host:
        raise SettingsError("an endpoint starts with http://, https:// or unix:/")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise SettingsError(
            "an endpoint holds no user name, password or fragment: name the environment variable "
            "that holds the key in api_key_env"
        )
    path = parts.path if parts.path not in ("", "/") else default_path
    if parts.query:
        path += f"?{parts.query}"
    return Endpoint(
        scheme="https" if scheme == "https" else "http",
        host=_normal_host(host),
        port=_DEFAULT_PORTS[scheme] if port is None else port,
        path=path,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePermission:
    """The endpoints on other machines that the user's own configuration allows, each exactly.

    Nothing in a repository ever adds to it. `max_requests_per_day` and `max_cost_per_day` hold for
    each endpoint; costs are in the currency of the prices, which are for a million tokens.
    `exclude` are globs of files that never leave this machine, on top of the built-in ones.
    """

    allowed: frozenset[Endpoint] = frozenset()
    max_requests_per_day: int = 2000
    max_cost_per_day: float = 1.0
    price_per_million_input_tokens: float = 0.0
    price_per_million_output_tokens: float = 0.0
    exclude: tuple[str, ...] = ()

    @classmethod
    def from_urls(cls, urls: Iterable[str]) -> RemotePermission:
        """The permission for these URLs; raises SettingsError for one that is none."""
        return cls(allowed=frozenset(parse_endpoint(url) for url in urls))

    def allows(self, endpoint: Endpoint) -> bool:
        """Whether prompts may go there: scheme, host, port, path and query are all the same."""
        return not endpoint.is_remote or endpoint in self.allowed

    def check(self, endpoint: Endpoint) -> None:
        """Raise RemoteNotAllowed, which says what the user would have to write, unless allowed."""
        if not self.allows(endpoint):
            raise RemoteNotAllowed(
                f"{endpoint} is not on this machine and not allowed: to send prompts there, add "
                f'"{endpoint}" to `allowed` under [remote] in your own configuration file'
            )


def _normal_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine by definition, not by what some resolver says."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address == ipaddress.IPv6Address("::1") or (
        isinstance(address, ipaddress.IPv4Address) and address.is_loopback
    )
