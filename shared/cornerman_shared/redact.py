"""Removes credentials from text for logs, error messages, states and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

HIDDEN: Final = "***"

# Userinfo ends at the last "@" of the authority, so a password that contains "@" is hidden completely.
_AUTHORITY = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s?#]*@")
# A password may contain an unescaped "/", "?" or "#"; "host:8080/…" must not match.
_UNESCAPED = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@:*?#]*:(?!\d{1,5}(?:[/?#]|\s|$))[^\s@]*@")
_QUERY = re.compile(
    r"(?P<name>[?&;](?:access_?token|api_?key|auth|key|pass|passwd|password|pwd|secret|sig|signature|token)=)"
    r"[^&;\s#\"']*",
    re.IGNORECASE,
)
# Names of log fields whose value is a secret.
_SECRET_FIELD = re.compile(r"(?:^|_)(?:token|api_key|password|secret|authorization)$", re.IGNORECASE)


def redact_url(text: str) -> str:
    """Hides user, password and secret query parameters of every URL in `text`; other text is unchanged.

    >>> redact_url("rtsp://admin:pa@ss@cam:554/live?token=abc&w=1 failed")
    'rtsp://***@cam:554/live?token=***&w=1 failed'
    """
    text = _AUTHORITY.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _UNESCAPED.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _QUERY.sub(rf"\g<name>{HIDDEN}", text)


def redact_value(name: str, value: object) -> object:
    """The value of a log field with secrets hidden and URLs redacted, also inside containers."""
    if isinstance(value, str):
        return HIDDEN if value and _SECRET_FIELD.search(name) else redact_url(value)
    if isinstance(value, BaseException):
        return redact_url(str(value))
    if isinstance(value, Mapping):
        return {key: redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value(name, item) for item in value]
    return value
