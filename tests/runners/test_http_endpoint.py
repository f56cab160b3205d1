"""Which addresses are this machine, and which of the others the user has allowed."""

from __future__ import annotations

import pytest

from zeta_context.errors import RemoteNotAllowed, SettingsError
from zeta_context.runners.endpoint import Endpoint, RemotePermission, parse_endpoint
from zeta_context.runners.retry_after import parse_retry_after

HERE = [
    "http://localhost:8080/v1/completions",
    "http://LOCALHOST/",
    "http://127.0.0.1:1",
    "https://127.8.9.10/x",
    "http://[::1]:8000/v1/completions",
    "unix:/run/user/1000/model.sock",
    "unix:///run/user/1000/model.sock",
]
ELSEWHERE = [
    "http://localhost.:8080/",
    "http://localhost.example.com/",
    "http://127.0.0.1.nip.io/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0.0.0.0:8080/",
    "http://[::]:8080/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest",
    "https://api.example.com/v1/completions",
    "http://my-own-machine/",
]


@pytest.mark.parametrize("url", HERE)
def test_loopback_addresses_and_unix_sockets_are_this_machine(url: str) -> None:
    assert not parse_endpoint(url).is_remote
    RemotePermission().check(parse_endpoint(url))


@pytest.mark.parametrize("url", ELSEWHERE)
def test_every_other_address_is_another_machine_whatever_it_resolves_to(url: str) -> None:
    endpoint = parse_endpoint(url)
    assert endpoint.is_remote
    with pytest.raises(RemoteNotAllowed, match="not allowed"):
        RemotePermission().check(endpoint)
    RemotePermission.from_urls([url]).check(endpoint)


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example.com/v1/completions",
        "https://api.example.com:8443/v1/completions",
        "https://api.example.com/v1/completion",
        "https://api.example.com/v1/completions/",
        "https://api.example.com/v1/completions?key=1",
        "https://example.com/v1/completions",
        "https://api.example.com.evil.net/v1/completions",
        "https://api.example.com/V1/completions",
    ],
)
def test_a_permission_is_for_that_very_endpoint(other: str) -> None:
    permission = RemotePermission.from_urls(["https://API.example.com:443/v1/completions"])
    assert permission.allows(parse_endpoint("https://api.example.com/v1/completions"))
    assert not permission.allows(parse_endpoint(other))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://localhost/",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "http://localhost:99999/",
        "http://localhost:http/",
        "http://user:secret@localhost/",
        "http://localhost@evil.example/",
        "http://localhost/#part",
        "http://local host/",
        "http://localhost/\n",
        "http://[::1/",
        "unix:relative.sock",
        "http://localhost/" + "x" * 3000,
    ],
)
def test_what_is_no_plain_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_endpoint(url)
    assert "secret" not in str(caught.value)


def test_a_url_without_a_path_gets_the_default_one() -> None:
    endpoint = parse_endpoint("http://localhost:8080", default_path="/v1/completions")
    assert endpoint == Endpoint(scheme="http", host="localhost", port=8080, path="/v1/completions")
    assert endpoint.url == str(endpoint) == "http://localhost:8080/v1/completions"
    assert parse_endpoint("https://[::2]/a?b=c").url == "https://[::2]/a?b=c"


def test_a_refusal_names_what_to_write_into_the_configuration() -> None:
    endpoint = parse_endpoint("https://api.example.com", default_path="/v1/completions")
    with pytest.raises(RemoteNotAllowed, match=r'"https://api\.example\.com/v1/completions"'):
        RemotePermission().check(endpoint)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("0", 1.0),
        ("1000000000000", 600.0),
        ("9" * 64, 600.0),
        ("Thu, 01 Jan 1970 00:01:30 GMT", 30.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600.0),
        ("Thursday, 01-Jan-70 00:01:30 GMT", 30.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_kept_in_bounds(
    value: str, seconds: float
) -> None:
    assert parse_retry_after(value, clock=lambda: 60.0) == seconds


@pytest.mark.parametrize("value", ["", "-5", "soon", "1.5", "1e12", "٣", "9" * 65, "Thu, 99 Jan"])
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    assert parse_retry_after(value) is None
