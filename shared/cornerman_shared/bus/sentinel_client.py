"""A client of the master that sentinels name: each new connection asks them, so that it follows a fail-over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

if TYPE_CHECKING:
    from cornerman_shared.bus.server_url import SeveralServers

ASK_TIMEOUT_S: Final = 1.0
"""A sentinel that does not answer in time is passed over."""


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):  # type: ignore[misc]
    """Connections to the master; a caller waits for a free one."""


class SentinelClient(Redis):  # type: ignore[misc]
    """A client of the master; closes its connections to the sentinels as well."""

    sentinels: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Closes all connections."""
        await super().aclose(close_connection_pool)
        await self.sentinels.aclose()


def open_sentinel(where: SeveralServers, options: dict[str, Any], cancellable: Callable[[Any], Any]) -> SentinelClient:
    """Makes the client; it connects at the first command.

    Args:
        where: the sentinels and their service.
        options: of a connection pool to the master.
        cancellable: makes a connection class whose commands can be cancelled.
    """
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    asking = {
        **tls,
        **where.sentinel_options,
        "retry": options["retry"],
        "protocol": options["protocol"],
        "socket_timeout": ASK_TIMEOUT_S,
        "socket_connect_timeout": ASK_TIMEOUT_S,
    }
    kind = SentinelManagedSSLConnection if options.get("ssl") else SentinelManagedConnection
    connecting = {name: value for name, value in options.items() if name != "ssl"}
    sentinels = Sentinel(where.hosts, sentinel_kwargs=asking)
    pool = _MasterPool(where.service, sentinels, connection_class=cancellable(kind), **connecting)
    client: SentinelClient = SentinelClient.from_pool(pool)
    client.sentinels = sentinels
    return client
