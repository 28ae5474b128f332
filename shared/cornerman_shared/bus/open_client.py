"""Opens redis-py clients: of one server, of the master that sentinels name, or of a cluster.

redis-py 8 retries every command and limits every socket to 5 s by default. Here a retried XADD would write twice, a
retried XREADGROUP would strand the entries of the first one, and a blocking read longer than the timeout would fail.
So retries are off, and a blocking client gets a socket timeout longer than its block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cornerman_shared.bus.client_pool import ClosingPool, closing
from cornerman_shared.bus.cluster_client import ClusterClient
from cornerman_shared.bus.redis_client import Client
from cornerman_shared.bus.sentinel_client import open_sentinel
from cornerman_shared.bus.server_url import is_several, parse_several
from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import credentials_fault, redact_url, remember_url

COMMAND_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0


def open_client(
    url: str,
    *,
    password: str = "",
    sentinel_password: str = "",
    ca_file: str = "",
    block_s: float = 0.0,
    connections: int = 64,
    setting: str = "redis.url",
) -> Client:
    """Makes a client of one server, of the master that sentinels name, or of a cluster; connects at the first command.

    Args:
        url: `redis://`, `rediss://` and `unix://` with user, password and database as redis-py reads them; those of
            several servers as `server_url` does.
        password: used if the URL has none.
        sentinel_password: of the sentinels, used if the URL has none.
        ca_file: authorities of the certificates of TLS servers, used if the URL names none; empty = the system's.
        block_s: longest blocking read of this client, seconds.
        connections: upper bound of sockets to one server; a caller waits for a free one.
        setting: that holds the URL, for errors.

    Raises:
        ConfigError: the URL or the file cannot be read.
    """
    options: dict[str, Any] = {
        "decode_responses": False,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": COMMAND_TIMEOUT_S + block_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "max_connections": connections,
        "timeout": COMMAND_TIMEOUT_S,
    }
    if password:
        options["password"] = password
    if ca_file and url.startswith("rediss"):
        options["ssl_ca_certs"] = _existing(ca_file)
    remember_url(url)
    if fault := credentials_fault(url):
        raise ConfigError(f"{setting} {redact_url(url)!r} {fault}")
    if is_several(url):
        return _open_several(url, options, sentinel_password, setting)
    if fault := database_fault(url):
        raise ConfigError(f"{setting} = {redact_url(url)!r}: {fault}")
    try:
        pool = ClosingPool.from_url(url, **options)
    except ValueError as error:
        raise ConfigError(
            f"{setting} = {redact_url(url)!r} cannot be read ({error}); "
            "give redis://host:port/db, rediss://…, unix:///path/to.sock, redis+sentinel://… or redis+cluster://…"
        ) from None
    pool.connection_class = closing(pool.connection_class)
    return Redis.from_pool(pool)


def _open_several(url: str, options: dict[str, Any], sentinel_password: str, setting: str) -> Client:
    where = parse_several(url, setting)
    if sentinel_password:
        where.sentinel_options.setdefault("password", sentinel_password)
    options = options | where.options
    if where.kind == "sentinel":
        return open_sentinel(where, options)
    kind = closing(SSLConnection if options.pop("ssl") else Connection)

    def open_node(host: str, port: int) -> Client:
        return Redis.from_pool(ClosingPool(connection_class=kind, host=host, port=port, **options))

    return ClusterClient(where.hosts, open_node)


def _existing(ca_file: str) -> str:
    path = Path(ca_file).expanduser()
    if not path.is_file():
        raise ConfigError(f"redis.ca_file = {ca_file!r} is not a file; give one with certificates in PEM form")
    return str(path)


def database_fault(url: str) -> str:
    """The fault of the database in a server's URL, which redis-py would ignore; "" = none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""  # reported by redis-py
    names = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "db"]
    if parts.scheme in ("redis", "rediss") and parts.path.strip("/"):
        names.append(unquote(parts.path).strip("/"))
    for name in names:
        if not (name.isascii() and name.isdecimal()):
            return f"database {name!r} is not a number; give redis://host:port/0, for example"
    return ""
