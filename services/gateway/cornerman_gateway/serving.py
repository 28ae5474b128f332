"""Whether the gateway can serve with its settings: token, certificate, address. Imports no web framework.

The commands check it before they start a process; the gateway itself checks again.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from typing import TYPE_CHECKING, Final

from cornerman_gateway.tls import check_tls
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import GatewaySettings

MIN_TOKEN: Final = 16
STALLED_MS: Final = 60_000


def check_serving(web: GatewaySettings) -> None:
    """Checks everything that would end the gateway at its start; leaves nothing open.

    Raises:
        ConfigError: no token beyond loopback, a certificate that is not there, or an address that is taken.
    """
    check_token(web)
    check_tls(web.tls_cert, web.tls_key)
    listen(web).close()


def is_loopback(host: str) -> bool:
    """True for localhost, *.localhost and loopback addresses."""
    host = host.strip("[]").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(web: GatewaySettings) -> None:
    """Checks that nobody but this machine comes in without a token.

    Raises:
        ConfigError: not on loopback and no token, or a token that is easy to guess.
    """
    if not web.token and not is_loopback(web.host):
        raise ConfigError(
            f"gateway.host = {web.host!r}: others can reach this, so a token is needed; set "
            f"CORNERMAN_GATEWAY__TOKEN, "
            f"for example to {secrets.token_urlsafe(24)}, or gateway.host to 127.0.0.1"
        )
    if web.token and len(web.token) < MIN_TOKEN:
        raise ConfigError(f"gateway.token has {len(web.token)} characters; give at least {MIN_TOKEN}")


def listen(web: GatewaySettings) -> socket.socket:
    """Opens the listening socket.

    Raises:
        ConfigError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted sockets inherit it. Without it a client that stopped reading keeps its buffers until it disconnects.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
    try:
        listener.bind((web.host, web.port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"gateway.host = {web.host!r}, gateway.port = {web.port}: {error.strerror or error}; "
            "choose another port (0 = any that is free), or end what listens there"
        ) from None
    listener.setblocking(False)
    return listener
