"""Tokens, cookies, origins."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from cornerman_gateway.security import COOKIE, Auth, cookie_of, same_origin
from cornerman_gateway.serving import is_loopback
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import GatewaySettings

TOKEN = "a-token-of-some-length"


def test_public_host_requires_a_token() -> None:
    with pytest.raises(ConfigError, match=r"gateway\.host = '0\.0\.0\.0'.*CORNERMAN_GATEWAY__TOKEN"):
        Auth.of(GatewaySettings(host="0.0.0.0"))
    assert not Auth.of(GatewaySettings()).needed
    assert Auth.of(GatewaySettings(host="0.0.0.0", token=TOKEN)).needed


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 16"):
        Auth.of(GatewaySettings(host="0.0.0.0", token="short"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("[::1]", True),
        ("127.8.9.1", True),
        ("0.0.0.0", False),
        ("evil.com", False),
    ],
)
def test_loopback_is_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_token_works_as_bearer_or_cookie() -> None:
    auth = Auth(TOKEN, "0.0.0.0", False)
    assert auth.admits(Headers({"authorization": f"Bearer {TOKEN}"}))
    assert auth.admits(Headers({"cookie": f"x=1; {COOKIE}={auth.new_session()}"}))
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer \xff\xfe"},
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": f"{COOKIE}={auth.new_session()}x"},
    ):
        assert not auth.admits(Headers(headers)), headers


def test_a_new_token_ends_old_sessions() -> None:
    old = Auth(TOKEN, "0.0.0.0", False).new_session()
    assert not Auth(TOKEN + "2", "0.0.0.0", False).is_session(old)


def test_unreadable_cookie_is_ignored() -> None:
    assert cookie_of(Headers({"cookie": 'a="\\;=;;'})) == ""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "a:1"}, True),
        ({"host": "a:1", "origin": "http://a:1"}, True),
        ({"host": "a:1", "origin": "https://a:1"}, True),
        ({"host": "a:1", "origin": "http://b:1"}, False),
        ({"host": "a:1", "origin": "http://a:2"}, False),
        ({"host": "a:1", "origin": "null"}, False),
        ({"host": "a:1", "sec-fetch-site": "cross-site"}, False),
        ({"host": "a:1", "sec-fetch-site": "same-site"}, False),
        ({"host": "a:1", "sec-fetch-site": "same-origin"}, True),
    ],
)
def test_only_this_origin_may_write(headers: dict[str, str], expected: bool) -> None:
    assert same_origin(Headers(headers)) is expected
