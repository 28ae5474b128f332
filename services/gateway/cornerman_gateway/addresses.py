"""Which addresses a source may have, decided before anything is opened. Resolves names; opens nothing.

A URL comes from any client that may write to the API, and capture opens it from inside the network: schemes are allow-
listed, files stay in allowed folders after links are resolved, and link-local and metadata addresses are refused unless
the settings allow them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from cornerman_gateway.problems import Problem, wrong_field
from cornerman_shared.redact import HIDDEN, credentials_fault, remember_url
from cornerman_shared.text import clean_text

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA: Final = tuple(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)
"""Where clouds serve credentials (AWS, GCP and Azure; AWS over IPv6; Alibaba; Oracle)."""

_EMBEDDING: Final = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address (RFC 6052, RFC 8215, RFC 4291)."""

NETWORK = frozenset({"rtsp", "rtsps", "http", "https"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DEVICE = re.compile(r"(device:\d{1,3}|(device:)?/dev/video\d{1,3})(\?[\w=&.-]*)?")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Rules for source addresses, from the settings."""

    schemes: frozenset[str]
    folders: tuple[Path, ...]
    allow_files: bool
    allow_private_hosts: bool
    allow_loopback: bool


def refused(address: Address, rules: AddressRules) -> str:
    """Why this address may not be opened; empty when it may. An IPv4 address inside an IPv6 one counts too."""
    if rules.allow_private_hosts:
        return ""
    reasons = (_refused(each, rules) for each in (*_inner(address), address))
    return next((reason for reason in reasons if reason), "")


def _inner(address: Address) -> list[Address]:
    """IPv4 addresses that a gateway or the kernel would read out of an IPv6 address: mapped, NAT64, 6to4, Teredo."""
    if address.version == 4 or int(address) in (0, 1):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _EMBEDDING):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _refused(address: Address, rules: AddressRules) -> str:
    if address in METADATA:
        return "a cloud metadata address"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast or address.is_unspecified or (address.version == 4 and int(address) == 2**32 - 1):
        return "not the address of one host"
    if address.is_loopback and not rules.allow_loopback:
        return "this machine itself"
    return ""


async def check_url(url: str, source_id: str, rules: AddressRules) -> str:
    """The URL as capture should get it.

    Raises:
        Problem: 422 naming `url` and the allowed values.
    """
    url = remember_url(url.strip())
    if url != clean_text(url) or "\n" in url or "\t" in url:
        raise wrong_field("url", "url has control characters in it, or is not Unicode; give it on one line")
    if fault := credentials_fault(url):
        raise wrong_field("url", f"url {fault}")
    if f"{HIDDEN}@" in url or f"={HIDDEN}" in url:
        raise wrong_field("url", f"url still has {HIDDEN} where its credentials were; give it whole, or leave it out")
    if _DEVICE.fullmatch(url):
        return _scheme_allowed("device", url, rules)
    match = _SCHEME.match(url)
    scheme = match.group(1).lower() if match else "file"
    _scheme_allowed(scheme, url, rules)
    if scheme in NETWORK:
        await _check_host(url, rules)
    elif scheme == "file":
        return str(await asyncio.to_thread(allowed_file, _path_of(url), rules))
    elif scheme == "push" and url != f"push://{source_id}":
        raise wrong_field("url", f"url {url!r}: a browser's camera pushes to its own source; give push://{source_id}")
    elif scheme == "device":
        raise wrong_field("url", f"url {url!r} names no camera; give device:0 or /dev/video0")
    return url


async def check_name_again(url: str, rules: AddressRules) -> None:
    """Checks before a source is reopened that its host name still resolves to an allowed address.

    Only names are looked at: an address in figures cannot change, and who wrote it into the settings meant it. A name
    that cannot be found is left to capture, which waits for it.

    Raises:
        Problem: 422 naming `url`.
    """
    match = _SCHEME.match(url)
    if match is None or match.group(1).lower() not in NETWORK:
        return
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        await _check_host(url, rules, again=True)


def _scheme_allowed(scheme: str, url: str, rules: AddressRules) -> str:
    if scheme not in rules.schemes:
        raise wrong_field(
            "url",
            f"url scheme {scheme!r} is not allowed; allowed are {', '.join(sorted(rules.schemes))} (gateway.schemes)",
        )
    return url


def _path_of(url: str) -> Path:
    if url.lower().startswith("file:"):
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise wrong_field("url", f"url {url!r} names a file of another host; give file:///path or a path")
        return Path(unquote(parts.path))
    return Path(url)


def allowed_file(path: Path, rules: AddressRules) -> Path:
    """The file with every link resolved.

    Raises:
        Problem: files are off, it lies outside the allowed folders, or it is not a file. Outside, the
            message does not tell whether it exists.
    """
    if not rules.allow_files:
        raise wrong_field("url", "file sources are switched off (capture.allow_files)")
    folders = [folder.resolve() for folder in rules.folders]
    try:
        if not path.is_absolute():
            tries = [folder / path for folder in folders]
            path = next((item for item in tries if item.is_file()), path)
        whole = path.resolve()
    except (OSError, RuntimeError, ValueError):
        raise wrong_field("url", f"url {str(path)!r} is not a path of this machine") from None
    if not any(whole.is_relative_to(folder) for folder in folders):
        allowed = ", ".join(str(folder) for folder in rules.folders) or "none"
        raise wrong_field(
            "url", f"url {str(path)!r} lies outside the folders allowed ({allowed}); add its folder to gateway.files"
        )
    if not whole.is_file():
        raise wrong_field("url", f"url {str(path)!r}: there is no such file")
    return whole


async def _check_host(url: str, rules: AddressRules, *, again: bool = False) -> None:
    if "\\" in url or " " in url:
        # What one parser takes for a host another takes for a password; such URLs are not needed.
        raise wrong_field("url", "url has a space or a backslash in it; write %20 or %5C")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise wrong_field("url", f"url cannot be read ({error}); give scheme://host:port/path") from None
    if not host:
        raise wrong_field("url", "url names no host; give scheme://host:port/path")
    found = await _resolve(host, port)
    if not found and not again:
        raise Problem(422, "url is not usable", f"url host {host!r} cannot be found; check its spelling")
    for address in found:
        why = refused(address, rules)
        if why:
            raise wrong_field(
                "url", f"url host {host!r} is {address}, {why}; if that is meant, set gateway.allow_private_hosts"
            )


async def _resolve(host: str, port: int | None) -> Sequence[Address]:
    """Its addresses; none when it cannot be found."""
    try:
        async with asyncio.timeout(5.0):
            rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
