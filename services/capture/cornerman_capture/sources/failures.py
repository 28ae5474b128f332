"""FFmpeg's errors as sentences for people: what happened, which source, what to do. Never with credentials."""

from __future__ import annotations

import errno
import socket
from typing import Final
from urllib.parse import urlsplit

import av

from cornerman_capture.source_state import BrokenError
from cornerman_capture.sources.address import Address
from cornerman_shared.redact import redact_url

REFUSED: Final = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.PermissionError)


def opening(
    error: BaseException, address: Address, took_s: float, limit_s: float, verified: bool = False
) -> BrokenError:
    """Why a source could not be opened; `verified`: its certificate was asked for."""
    what, final = _opening(error, address, took_s, limit_s)
    if verified and isinstance(error, OSError) and error.errno == errno.EIO:  # all that FFmpeg says of a bad handshake
        what = "no connection, perhaps because no certificate in capture.tls_ca_file signs the one that is shown"
    return BrokenError(f"{address.shown}: {what}", final=final)


def reading(error: BaseException, address: Address, limit_s: float) -> BrokenError:
    """Why an open source broke off."""
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
        return BrokenError(f"{address.shown}: nothing came for {limit_s:g} s", final=False)
    return BrokenError(f"{address.shown}: broke off ({plain(error)})", final=False)


def plain(error: BaseException) -> str:
    """FFmpeg's own words, without error number and URL."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact_url(str(text))


def _opening(error: BaseException, address: Address, took_s: float, limit_s: float) -> tuple[str, bool]:
    kind = address.kind
    if isinstance(error, REFUSED):
        if kind in ("http", "rtsp"):
            return "the server refuses our credentials; put user and password into the URL", True
        return "permission denied; let the user that runs capture read it", kind == "file"
    if isinstance(error, av.error.FileNotFoundError):
        if kind == "device":
            return "there is no such camera; plug it in, or see `ls /dev/video*`", False
        return "there is no such file; give the path as capture sees it", kind == "file"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "the server says 404: nothing is there; check the path", False
    if isinstance(error, av.error.HTTPError):
        return f"the server answers with an error ({plain(error)})", False
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)) or (kind != "file" and took_s >= 0.95 * limit_s):
        return f"no answer within {limit_s:g} s; check host, port and network (capture.open_timeout_s)", kind == "file"
    if isinstance(error, av.error.ConnectionRefusedError):
        return "the connection was refused; is the server running, and the port right?", False
    if isinstance(error, (av.error.DemuxerNotFoundError, av.error.ProtocolNotFoundError)):
        return f"this build of FFmpeg cannot read it ({plain(error)})", True
    if isinstance(error, av.error.InvalidDataError):
        return _unreadable(kind)
    if kind in ("http", "rtsp") and not _resolves(address.target):
        return "the host name is not known; check its spelling and the DNS", False
    if kind in ("http", "rtsp"):
        return f"no video comes from there ({plain(error)}); check the URL", False
    return f"cannot be opened ({plain(error)})", kind == "file"


def _unreadable(kind: str) -> tuple[str, bool]:
    if kind == "file":
        return "not a video that can be read: it is damaged, cut short, or no video; try `ffprobe` on it", True
    return "what comes from there is no video that can be read; check the URL", False


def _resolves(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
