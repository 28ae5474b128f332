"""Parses the URL of a source. Uses neither network nor disk."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from cornerman_capture.broken import BrokenError
from cornerman_shared.redact import is_sealed, redact_url

Kind = Literal["file", "http", "rtsp", "device", "test", "push"]

KNOWN: Final = "a file, rtsp://, rtsps://, http://, https://, device:0, /dev/video0, test://pattern or push://ID"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=//|/)")
_DEVICE_NODE = re.compile(r"/dev/video\d+")


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed source URL.

    Attributes:
        kind: which kind of source opens it.
        target: path, URL with credentials, or device.
        shown: the URL without credentials, for messages.
        options: query parameters of device: and test:.
    """

    kind: Kind
    target: str = field(repr=False)
    shown: str
    options: dict[str, str] = field(default_factory=dict)


def parse(url: str) -> Address:
    """Parses a URL.

    Raises:
        BrokenError: final; names the allowed forms.
    """
    shown = redact_url(url)
    if any(ord(char) < 32 for char in url):
        raise BrokenError(f"source {shown!r} contains control characters; give the URL on one line", final=True)
    if is_sealed(url):
        raise BrokenError(
            "the address of this source is encrypted, and this capture process has no key that opens it; give it the "
            "one that wrote it, in redis.encryption_keys, and start it again",
            final=True,
        )
    if url.startswith("device:") or _DEVICE_NODE.match(url):
        return _device(url, shown)
    match = _SCHEME.match(url)
    scheme = match.group(1).lower() if match else ""
    # Anything without a scheme is a path, also `a:b.mp4`.
    if scheme == "":
        return Address("file", str(Path(url).expanduser()), shown)
    if scheme == "file":
        return _file(url, shown)
    if scheme in ("http", "https", "rtsp", "rtsps"):
        return _network("http" if scheme.startswith("http") else "rtsp", url, shown)
    if scheme in ("test", "push"):
        parts = urlsplit(url)
        name = parts.netloc or parts.path.strip("/")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Address("test" if scheme == "test" else "push", name, shown, options)
    raise BrokenError(f"source {shown!r}: {scheme}:// is not known; give {KNOWN}", final=True)


def _network(kind: Kind, url: str, shown: str) -> Address:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise BrokenError(f"source {shown!r} is not a URL ({error}); give {_form_of(kind)}", final=True) from None
    if not host:
        raise BrokenError(f"source {shown!r} names no host; give {_form_of(kind)}", final=True)
    return Address(kind, url, shown)


def _form_of(kind: Kind) -> str:
    return "http://host:port/path" if kind == "http" else "rtsp://user:password@host:port/path"


def _file(url: str, shown: str) -> Address:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BrokenError(f"source {shown!r} is not a URL ({error}); give file:///path", final=True) from None
    if parts.netloc not in ("", "localhost"):
        raise BrokenError(f"source {shown!r} names a file of another host; give file:///path or a path", final=True)
    return Address("file", unquote(parts.path), shown)


def _device(url: str, shown: str) -> Address:
    name, _, query = url.partition("?")
    name = name.removeprefix("device:")
    if not (name.isdigit() or _DEVICE_NODE.fullmatch(name)):
        raise BrokenError(f"source {shown!r} names no camera; give device:0 or /dev/video0", final=True)
    return Address("device", name, shown, dict(parse_qsl(query, keep_blank_values=True)))
