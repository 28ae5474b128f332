"""Asks an RTSP server whether it redirects, before FFmpeg does: FFmpeg follows, and has no switch for it.

Sends OPTIONS and DESCRIBE without credentials (RFC 2326, 10.1 and 10.2). Every other answer or failure is left to
FFmpeg, which explains it. A server that answers the second time otherwise is not held back: docs/security.md.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cornerman_capture.broken import BrokenError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_capture.sources.address import Address

PORTS: Final = {"rtsp": 554, "rtsps": 322}
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_SHOWN: Final = 200


def refuse_redirect(address: Address, timeout_s: float, ca_file: str) -> None:
    """Blocks for `timeout_s` at most.

    Args:
        address: rtsp:// or rtsps://.
        timeout_s: for the connection and both answers, seconds.
        ca_file: PEM file that an rtsps:// server's certificate is checked with; "" = unchecked.

    Raises:
        BrokenError: the server answers with another address.
    """
    with contextlib.suppress(OSError, ValueError):
        target = _redirect(address.target, time.monotonic() + timeout_s, ca_file)
        if target is not None:
            raise BrokenError(
                f"{address.shown}: the server redirects to {clean_text(redact_url(target), MAX_SHOWN) or 'nowhere'}; "
                "give the address that it leads to, or set capture.follow_links, if all clients that may add sources "
                "are trusted",
                final=True,
            )


def _redirect(url: str, deadline_s: float, ca_file: str) -> str | None:
    """The address that the server leads to; None if it leads nowhere else."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme.lower()]
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((host, port), _left_s(deadline_s)))
        if parts.scheme.lower() == "rtsps":
            tls = ssl.create_default_context(cafile=str(Path(ca_file).expanduser()) if ca_file else None)
            if not ca_file:  # the same as FFmpeg's rule; nothing secret is sent here
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            connection = stack.enter_context(tls.wrap_socket(connection, server_hostname=host))
        for number, method in enumerate(("OPTIONS", "DESCRIBE"), 1):
            request = f"{method} {plain} RTSP/1.0\r\nCSeq: {number}\r\nAccept: application/sdp\r\n\r\n"
            connection.sendall(request.encode("utf-8", "replace"))
            status, headers = _answer(connection, deadline_s)
            if 300 <= status < 400:
                return headers.get("location", "")
    return None


def _answer(connection: socket.socket, deadline_s: float) -> tuple[int, dict[str, str]]:
    """Status and headers of one answer; its body is read and dropped."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection, deadline_s, len(data))
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    missing = int(headers.get("content-length", "0")) - len(body)
    while missing > 0:
        missing -= len(_received(connection, deadline_s, len(head) + len(body)))
    return int(first.split()[1]), headers


def _received(connection: socket.socket, deadline_s: float, so_far: int) -> bytes:
    connection.settimeout(_left_s(deadline_s))
    piece = connection.recv(65536)
    if not piece or so_far > MAX_ANSWER_BYTES:
        raise ValueError("the answer ends early, or never")
    return piece


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
