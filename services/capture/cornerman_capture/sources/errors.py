"""FFmpeg's errors as `BrokenError`: cause, source and remedy, without credentials."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import av

from cornerman_capture.broken import BrokenError
from cornerman_media.errors import MediaError
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman_capture.sources.address import Address

REFUSED: Final = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.PermissionError)


def opening_error(
    error: BaseException, address: Address, took_s: float, limit_s: float, verified: bool = False
) -> BrokenError:
    """Error of a source that could not be opened.

    Args:
        error: from FFmpeg or the socket layer.
        address: of the source.
        took_s: how long opening took, seconds.
        limit_s: timeout of opening, seconds.
        verified: whether the server's certificate was checked.
    """
    what, final = _opening(error, address, took_s, limit_s)
    if verified and isinstance(error, OSError) and error.errno == errno.EIO:  # FFmpeg reports a failed handshake as EIO
        what = "no connection, perhaps because no certificate in capture.tls_ca_file signs the server's"
    remote = address.kind in ("http", "rtsp")
    return BrokenError(f"{address.shown}: {what}", final=final, fault="refused" if remote and _refused(error) else None)


def content_error(error: MediaError, address: Address) -> BrokenError:
    """Error of a source that answers with something other than video."""
    remote = address.kind in ("http", "rtsp")
    return BrokenError(str(error), final=True, fault="not_video" if remote else None)


def _refused(error: BaseException) -> bool:
    return isinstance(error, REFUSED)


def error_text(error: BaseException) -> str:
    """Message of an FFmpeg error, without error number and URL credentials."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact_url(str(text))


def _opening(error: BaseException, address: Address, took_s: float, limit_s: float) -> tuple[str, bool]:
    kind = address.kind
    if _refused(error):
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
        return f"the server answers with an error ({error_text(error)})", False
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)) or (kind != "file" and took_s >= 0.95 * limit_s):
        return f"no answer within {limit_s:g} s; check host, port and network (capture.open_timeout_s)", kind == "file"
    if isinstance(error, av.error.ConnectionRefusedError):
        return "the connection was refused; is the server running, and the port right?", False
    # Final: another attempt uses the same build.
    if isinstance(error, (av.error.DemuxerNotFoundError, av.error.ProtocolNotFoundError)):
        return f"this build of FFmpeg cannot read it ({error_text(error)})", True
    if isinstance(error, av.error.InvalidDataError):
        return _unreadable(kind)
    if kind in ("http", "rtsp") and not _resolves(address.target):
        return "the host name is not known; check its spelling and the DNS", False
    if kind in ("http", "rtsp"):
        return f"the server sends no video ({error_text(error)}); check the URL", False
    return f"cannot be opened ({error_text(error)})", kind == "file"


def _unreadable(kind: str) -> tuple[str, bool]:
    if kind == "file":
        return "not a video that can be read: it is damaged, cut short, or no video; try `ffprobe` on it", True
    return "the server sends no readable video; check the URL", False


def _resolves(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
