"""A client of the master that sentinels name: each new connection asks them, so that it follows a fail-over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from cornerman_shared.bus.client_pool import ClosingPool, closing

if TYPE_CHECKING:
    from cornerman_shared.bus.server_url import SeveralServers

ASK_TIMEOUT_S: Final = 1.0
"""A sentinel that does not answer in time is passed over."""


class _MasterPool(SentinelConnectionPool, ClosingPool):  # type: ignore[misc]
    """Connections to the master; a caller waits for a free one."""


class SentinelClient(Redis):  # type: ignore[misc]
    """A client of the master; closes its connections to the sentinels as well."""

    sentinels: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Closes all connections."""
        try:
            await super().aclose(close_connection_pool)
        finally:
            await self.sentinels.aclose()


def open_sentinel(where: SeveralServers, options: dict[str, Any]) -> SentinelClient:
    """Makes the client; it connects at the first command.

    Args:
        where: the sentinels and their service.
        options: of a connection pool to the master.
    """
    encrypted = bool(options.get("ssl"))
    connecting = {name: value for name, value in options.items() if name != "ssl"}
    asking = {
        **{name: value for name, value in connecting.items() if name.startswith("ssl")},
        **where.sentinel_options,
        "retry": options["retry"],
        "protocol": options["protocol"],
        "socket_timeout": ASK_TIMEOUT_S,
        "socket_connect_timeout": ASK_TIMEOUT_S,
    }
    to_sentinel = closing(SSLConnection if encrypted else Connection)
    to_master = closing(SentinelManagedSSLConnection if encrypted else SentinelManagedConnection)
    sentinels = Sentinel([])
    sentinels.sentinels = [
        Redis.from_pool(ClosingPool(connection_class=to_sentinel, host=host, port=port, **asking))
        for host, port in where.hosts
    ]
    pool = _MasterPool(where.service, sentinels, connection_class=to_master, **connecting)
    client: SentinelClient = SentinelClient.from_pool(pool)
    client.sentinels = sentinels
    return client
