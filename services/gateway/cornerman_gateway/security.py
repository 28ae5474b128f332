"""Who may come in: host check, token or cookie, same-origin writes, security headers, write limits, body limits. One
ASGI layer.

On loopback no token is needed, but the Host header must name this machine (a name that an attacker points at 127.0.0.1
does not). Elsewhere a token is required: as `Authorization: Bearer`, or as the cookie that the login page gets for it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cornerman_gateway.connections import client_key
from cornerman_gateway.limits import RateLimit
from cornerman_gateway.problems import Problem
from cornerman_gateway.serving import check_token, is_loopback
from cornerman_shared.clock import Clock
from cornerman_shared.settings.tree import GatewaySettings

COOKIE: Final = "cornerman_session"
SESSION_S: Final = 30 * 24 * 3600
MAX_JSON_BYTES: Final = 256 * 1024
LOGINS_PER_MINUTE: Final = 10

OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/login", "/api/session", "/favicon.ico", "/favicon.svg"})
OPEN_PREFIXES: Final = ("/static/",)
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_LIMIT: Final = frozenset({"/api/uploads"})
"""Bodies here are counted by their own route."""

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "media-src 'self' blob:; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Auth:
    """The token, and the cookies that stand for it."""

    token: str
    host: str
    tls: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> Auth:
        """From the settings.

        Raises:
            ConfigError: not on loopback and no token, or a token that is easy to guess.
        """
        check_token(settings)
        return cls(settings.token, settings.host, bool(settings.tls_cert))

    @property
    def needed(self) -> bool:
        return bool(self.token)

    def is_token(self, given: str) -> bool:
        """Compares in a time that does not tell how much of it was right."""
        digests = (hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, self.token))
        return bool(self.token) and hmac.compare_digest(*digests)

    def _signer(self) -> TimestampSigner:
        return TimestampSigner(hashlib.sha256(b"cornerman-session\0" + self.token.encode()).digest(), salt="session")

    def new_session(self) -> str:
        """A cookie value. It ends when the token is changed."""
        return self._signer().sign(secrets.token_urlsafe(16)).decode()

    def is_session(self, value: str) -> bool:
        try:
            self._signer().unsign(value, max_age=SESSION_S)
        except BadSignature:
            return False
        return bool(self.token)

    def admits(self, headers: Headers) -> bool:
        """Does this request carry the token or a session?"""
        if not self.needed:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_token(given.strip())
        return self.is_session(cookie_of(headers))


def cookie_of(headers: Headers) -> str:
    """Our cookie's value; empty when there is none."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def host_of(headers: Headers) -> str:
    """The host that the client asked for, without its port; empty when it cannot be read."""
    try:
        return urlsplit("//" + headers.get("host", "")).hostname or ""
    except ValueError:
        return ""


def same_origin(headers: Headers) -> bool:
    """Whether this request may write: browsers send their origin, other programs send none."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2].lower() == headers.get("host", "").lower()
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


class Guard:
    """The ASGI layer round the app."""

    def __init__(self, app: ASGIApp, auth: Auth, settings: GatewaySettings, clock: Clock) -> None:
        self.app = app
        self.auth = auth
        self._clock = clock
        self._writes = RateLimit(settings.writes_per_minute)
        self._logins = RateLimit(LOGINS_PER_MINUTE)
        self._guesses = RateLimit(settings.guesses_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            await self._refuse(problem, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        if scope["path"] not in OWN_LIMIT:
            receive = _limited(receive, MAX_JSON_BYTES)
        await self.app(scope, receive, self._with_headers(scope, send))

    def _check(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        host = host_of(headers)
        if not self.auth.needed and not is_loopback(host):
            raise Problem(
                403,
                "this host name is not ours",
                f"Host {host!r}: without a token only localhost is answered; open http://127.0.0.1, or set a token",
            )
        open_path = path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)
        if not open_path and not self._admits(scope, headers):
            raise Problem(
                401,
                "log in first",
                "send the token as `Authorization: Bearer …`, or log in at /login",
                headers={"WWW-Authenticate": "Bearer"},
            )
        writes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if writes and not same_origin(headers):
            raise Problem(
                403, "another site asks for this", "writes and sockets are open to this page's own origin only"
            )
        if scope["type"] == "http" and writes:
            self._limit(scope, path)
            length = headers.get("content-length", "0")
            if path not in OWN_LIMIT and length.isdigit() and int(length) > MAX_JSON_BYTES:
                raise Problem(413, "the body is too large", f"{length} bytes; at most {MAX_JSON_BYTES} are read here")

    def _admits(self, scope: Scope, headers: Headers) -> bool:
        """Checks the token or the session. After too many wrong tokens a client's tokens are not looked at."""
        if not self.auth.needed or "authorization" not in headers:
            return self.auth.admits(headers)  # a session is signed with 256 bits: there is nothing to guess
        client, now_s = client_of(scope), self._clock.monotonic_s()
        _refuse_for(self._guesses.blocked_s(client, now_s))
        if self.auth.admits(headers):
            return True
        self._guesses.wait_s(client, now_s)
        return False

    def _limit(self, scope: Scope, path: str) -> None:
        limit = self._logins if path == "/api/session" else self._writes
        _refuse_for(limit.wait_s(client_of(scope), self._clock.monotonic_s()))

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # A refusal before the handshake: the browser sees a failed connection, a program the status.
            await send({"type": "websocket.close", "code": 4000 + problem.body.status, "reason": problem.body.title})
            return
        headers, wrapped = Headers(scope=scope), self._with_headers(scope, send)
        if problem.body.status == 401 and "text/html" in headers.get("accept", "") and scope["method"] == "GET":
            target = quote(scope["path"], safe="/")
            await _redirect(f"/login?next={target}", wrapped)
            return
        await problem.response()(scope, receive, wrapped)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
                if self.auth.tls:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        return wrapped


def client_of(scope: Scope) -> str:
    """The client as limits count it."""
    return client_key((scope.get("client") or ("unix",))[0])


def _refuse_for(wait_s: float) -> None:
    if wait_s > 0:
        seconds = str(int(wait_s) + 1)
        raise Problem(429, "too many requests", f"try again in {seconds} s", headers={"Retry-After": seconds})


async def _redirect(target: str, send: Send) -> None:
    await send({"type": "http.response.start", "status": 303, "headers": [(b"location", target.encode())]})
    await send({"type": "http.response.body", "body": b""})


def _limited(receive: Receive, most: int) -> Receive:
    """Counts the body's bytes, also in chunked transfer without a length."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > most:
                raise Problem(413, "the body is too large", f"more than {most} bytes")
        return message

    return counted
