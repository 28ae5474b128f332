"""Bounds on connections: how many there may be, and how long a request may take to arrive.

A half-sent request costs its sender nothing and us a socket. It is closed at its deadline, or earlier when a new
connection needs the place; so is a connection that waits idly between two requests.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from cornerman_shared.settings.tree import GatewaySettings

SLOWEST_BYTES_PER_S: Final = 1024
"""A body that comes slower than this on the whole, after its first `body_timeout_s`, is given up."""

SMALL_BYTES: Final = 64 * 1024
"""A body that is still awaited and of which no more has come may give up its place; an upload in progress may not."""

FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 21\r\n"
    b"retry-after: 5\r\nconnection: close\r\n\r\ntoo many connections\n"
)
LATE: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def proxy_networks(names: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of `gateway.trusted_proxies`.

    Raises:
        ConfigError: one is neither an address nor a network.
    """
    try:
        return [ipaddress.ip_network(name, strict=False) for name in names]
    except ValueError as error:
        raise ConfigError(
            f"gateway.trusted_proxies: {error}; give addresses or networks, for example 10.0.0.7 or 10.0.0.0/24"
        ) from None


def client_key(address: str) -> str:
    """The address that bounds count by: of IPv6 the /64, of which one host may use every address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(getattr(found, "ipv4_mapped", None) or found)


class ConnectionLimits:
    """The open connections, each with its address, oldest first."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._most = settings.max_connections
        self._most_per_client = settings.max_connections_per_client
        self._proxies = proxy_networks(settings.trusted_proxies)
        self.head_s = settings.head_timeout_s
        self.body_s = settings.body_timeout_s
        self._open: dict[BoundedHttp, str] = {}
        self.refused = 0

    def enter(self, connection: BoundedHttp, address: str) -> bool:
        """Counts a new connection; False = refused. When full, one that does no work gives up its place."""
        self._sweep()
        key = client_key(address)
        beside = [other for other, its in self._open.items() if its == key]
        for others, most in ((beside, self._bound_of(address)), (list(self._open), self._most)):
            if len(others) < most:
                continue
            # The oldest of the least wanted kind.
            spare = min((other for other in others if other.spare), key=lambda other: other.spare, default=None)
            if spare is None:
                self.refused += 1
                return False
            spare.give_up()
            self._open.pop(spare, None)
        self._open[connection] = key
        return True

    def leave(self, connection: BoundedHttp) -> None:
        """Forgets a connection."""
        self._open.pop(connection, None)

    def _bound_of(self, address: str) -> int:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return self._most
        return self._most if any(found in network for network in self._proxies) else self._most_per_client

    def _sweep(self) -> None:
        # A connection that became a WebSocket has another protocol, which tells us nothing of its end.
        for connection in [each for each in self._open if each.transport.is_closing()]:
            self.leave(connection)


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with deadlines for the head and the body of a request."""

    limits: ConnectionLimits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._body_since_s = 0.0
        self._body_bytes = 0
        self.waits_for_head = True
        self._upgraded = False
        if self.limits.enter(self, self.client[0] if self.client else ""):
            self._wait(self.limits.head_s)
        else:
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear()
        self.limits.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        idle = self._deadline is None and (self.cycle is None or not self.cycle.more_body)
        if idle:  # the next request of a kept connection begins
            self.waits_for_head = True
            self._wait(self.limits.head_s)
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        self._clear()
        self.waits_for_head = False
        self._upgraded = True
        super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        self.waits_for_head = False
        self._body_since_s, self._body_bytes = self.loop.time(), 0
        self._wait(self.limits.body_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._clear()
        super().on_message_complete()

    @property
    def spare(self) -> int:
        """How little is lost if this connection closes: 1 most expendable … 4; 0 = it does work."""
        if self._upgraded:
            return 0
        if self.waits_for_head:
            return 1
        answered = self.cycle is None or self.cycle.response_complete
        if self._deadline is None:
            return 2 if answered else 0  # idle between two requests, or a request that is being answered
        if answered:
            return 3  # refused before its body came
        return 4 if self._body_bytes < SMALL_BYTES else 0

    def give_up(self) -> None:
        """Closes the connection; its request has not arrived."""
        was_idle = self._deadline is None
        self._clear()
        if not self.transport.is_closing():
            if not was_idle and (self.cycle is None or not self.cycle.response_started):
                self.transport.write(LATE)
            self.transport.close()

    def _wait(self, seconds: float) -> None:
        self._clear()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _clear(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        allowed_s = self.limits.body_s + self._body_bytes / SLOWEST_BYTES_PER_S
        left_s = self._body_since_s + allowed_s - self.loop.time()
        if not self.waits_for_head and left_s > 0:
            self._wait(left_s)
        else:
            self.give_up()


def bounded_http(settings: GatewaySettings) -> type[BoundedHttp]:
    """The protocol class of one gateway, with its own count."""
    fields: dict[str, Any] = {"limits": ConnectionLimits(settings)}
    return type("GatewayHttp", (BoundedHttp,), fields)
