"""Removes credentials from text for logs, error messages, states and pages.

Two rules: the form of a URL, and every secret that this process parsed or was given. The second holds where a library
quotes a password without its URL, or where a password has characters that end it for a parser.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
MIN_SECRET: Final = 4
"""Shorter secrets are hidden in URLs only: replaced everywhere, they would tear words apart."""
MAX_SECRETS: Final = 4096

# People write an unescaped "@", "/", "?" or "#" in a password, so credentials reach to the last "@" of the word.
# Every repetition has a bound: without one, a long text of another program costs the square of its length.
_CREDENTIALS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,31}://)(?P<userinfo>[^/\s@:?#]{0,512}:\S{0,512}|[^/\s?#]{0,512})@"
)
# The same in what is known to be one address: it may hold spaces, and lack its scheme.
_ADDRESS = re.compile(
    r"\s*(?:[A-Za-z][A-Za-z0-9+.-]{0,31}://(?P<userinfo>[^/@:?#]{0,512}:.{0,512})"
    r"|(?P<bare>[^/\\@:?#\s]{1,512}:[^/\\@\s][^/\\\s]{0,512}))@",
    re.DOTALL,
)
_QUERY = re.compile(
    # Also part of a name: `client_secret`, `loginpas`, `X-Amz-Signature`, `auth[pass]`.
    r"(?P<name>[?&;#](?:[\w.%\[-]{0,40}(?:[_.\[-]|%5B|access|admin|api|auth|client|login|stream|user|usr))?"
    r"(?:auth|credentials?|jwt|key|pas|pass|passphrase|passwd|password|psk|psw|pswd|pwd|secret|sig|signature|token)"
    r"(?:%5D|\])?=)"
    r"(?P<value>[^&;\s#\"']*)",
    re.IGNORECASE,
)
_WORDS: Final = frozenset({"auto", "basic", "digest", "false", "none", "null", "true"})
"""Values of such parameters that are no secrets: hidden in their URL only."""
SEALED: Final = "sealed:"
"""How an encrypted address begins, see `cornerman_shared.bus.address_keys`: no secret, but of no use to a reader."""
_SEALED = re.compile(rf"\b{SEALED}[A-Za-z0-9_=-]{{16,}}")
# Names of log fields whose value is a secret.
_SECRET_FIELD = re.compile(r"(?:^|_)(?:token|api_key|password|secret|authorization)$", re.IGNORECASE)


_secrets: OrderedDict[str, None] = OrderedDict()
_pattern: re.Pattern[str] | None = None


def remember_secret(secret: str) -> None:
    """Hides this text from now on, plain or %-encoded, wherever this process writes it.

    Of more than `MAX_SECRETS` secrets the one not given for longest is forgotten.
    """
    global _pattern
    forms = {secret, unquote(secret), quote(secret, safe="", errors="replace"), quote(secret, errors="replace")}
    for form in forms:
        if len(form) >= MIN_SECRET and form != HIDDEN:
            if form not in _secrets:
                _pattern = None
            _secrets[form] = None
            _secrets.move_to_end(form)
    while len(_secrets) > MAX_SECRETS:
        _secrets.popitem(last=False)
        _pattern = None


def is_sealed(url: str) -> bool:
    """Whether this is an encrypted address that no key of this process has opened."""
    return url.startswith(SEALED)


def remember_url(url: str) -> str:
    """Remembers the secrets in a URL, also where they are not encoded as they should be; returns the URL."""
    whole = _ADDRESS.match(url)
    credentials = [found["userinfo"] for found in _CREDENTIALS.finditer(url)]
    for userinfo in [*credentials, whole["userinfo"] or whole["bare"]] if whole else credentials:
        user, colon, password = userinfo.partition(":")
        if colon:
            remember_secret(userinfo)
        remember_secret(password or user)
        for piece in re.split(r"[/?#@\s]", password):  # parsers quote what they took for a port or a host
            remember_secret(piece)
    for found in _QUERY.finditer(url):
        rest = url[found.start("value") :]
        # Unencoded, a secret may hold what ends it for a reader: ; # and quotes.
        for value in {
            found["value"],
            re.split(r"[&\s]", rest, maxsplit=1)[0],
            re.split(r"[&;#\s]", rest, maxsplit=1)[0],
        }:
            if value.lower() not in _WORDS:
                remember_secret(value)
    return url


def hide_known(text: str) -> str:
    """Hides every remembered secret in `text`."""
    global _pattern
    if not _secrets:
        return text
    if _pattern is None:
        # Longest first, so that no password is left half shown. Whole words only: "pass" must not tear "password".
        longest_first = "|".join(map(re.escape, sorted(_secrets, key=len, reverse=True)))
        _pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{longest_first})(?![A-Za-z0-9])")
    return _pattern.sub(HIDDEN, text)


def credentials_fault(url: str) -> str:
    """Why the credentials of this URL are ambiguous; empty when they are not.

    What one parser takes for a password another takes for a host: `rtsp://admin:12345/x@camera` names the host admin.
    """
    _, sign, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if sign and ":" in authority and "@" in rest[len(authority) :]:
        return (
            "has an @ behind its host; in a user name or password write / as %2F, # as %23, ? as %3F and @ as %40, "
            "and in a path write @ as %40"
        )
    return ""


def redact_url(text: str) -> str:
    """Hides remembered secrets, and user, password and secret query parameters of every URL in `text`.

    >>> redact_url("rtsp://admin:pa@ss@cam:554/live?token=abc&w=1 failed")
    'rtsp://***@cam:554/live?token=***&w=1 failed'
    """
    text = _CREDENTIALS.sub(rf"\g<scheme>{HIDDEN}@", hide_known(_SEALED.sub(f"{SEALED}{HIDDEN}", text)))
    return _QUERY.sub(rf"\g<name>{HIDDEN}", text)


def redact_value(name: str, value: object) -> object:
    """What may be logged of a field called `name`: secrets hidden, text printable, containers gone through."""
    if isinstance(value, str):
        return HIDDEN if value and _SECRET_FIELD.search(name) else redact_url(value)
    if isinstance(value, BaseException):
        return redact_url(str(value))
    if isinstance(value, Mapping):
        return {key: redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value(name, item) for item in value]
    return value
