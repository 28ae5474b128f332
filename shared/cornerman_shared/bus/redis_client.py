"""Opens redis-py clients and maps redis-py's exceptions to ours.

redis-py 8 retries every command and limits every socket to 5 s by default. Here a retried XADD would write twice, a
retried XREADGROUP would strand the entries of the first one, and a blocking read longer than the timeout would fail.
So retries are off, and a blocking client gets a socket timeout longer than its block.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import redis.exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cornerman_shared.errors import ConfigError, RetryableError
from cornerman_shared.redact import credentials_fault, redact_url, remember_url

Client: TypeAlias = Redis

COMMAND_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
# redis-py strips the error code from replies it knows, so those are matched by class and the others by text.
_TRANSIENT = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)
_NO_DATABASE = re.compile(r"DB index|SELECT is not allowed", re.IGNORECASE)
_TRANSIENT_REPLIES = ("BUSY ", "MISCONF", "NOREPLICAS", "UNBLOCKED")


def open_client(url: str, *, password: str = "", block_s: float = 0.0, connections: int = 64) -> Client:
    """Makes a client for `redis://`, `rediss://` or `unix://`; it connects at the first command.

    Args:
        url: with user, password and database as redis-py reads them.
        password: used if the URL has none.
        block_s: longest blocking read of this client, seconds.
        connections: upper bound of sockets; a caller waits for a free one.

    Raises:
        ConfigError: the URL cannot be read.
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
    remember_url(url)
    if fault := credentials_fault(url):
        raise ConfigError(f"redis.url {redact_url(url)!r} {fault}")
    if fault := database_fault(url):
        raise ConfigError(f"redis.url = {redact_url(url)!r}: {fault}")
    try:
        # ConnectionPool raises when all sockets are in use; BlockingConnectionPool waits.
        pool = BlockingConnectionPool.from_url(url, **options)
    except ValueError as error:
        raise ConfigError(
            f"redis.url = {redact_url(url)!r} cannot be read ({error}); "
            "give redis://host:port/db, rediss://… or unix:///path/to.sock"
        ) from None
    pool.connection_class = _cancellable(pool.connection_class)
    return Redis.from_pool(pool)


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


@cache
def _cancellable(kind: Any) -> Any:
    """Subclass of a connection class that sends without `asyncio.wait_for`.

    On Python 3.11 `wait_for` loses a cancellation that arrives when the command has just been sent, and the task would
    never end.
    """

    class Cancellable(kind):  # type: ignore[misc]
        socket_timeout: float | None

        async def send_packed_command(self, command: object, check_health: bool = True) -> None:
            limit_s = self.socket_timeout
            self.socket_timeout = None
            try:
                async with asyncio.timeout(limit_s):
                    await super().send_packed_command(command, check_health)
            except TimeoutError:
                raise redis.exceptions.TimeoutError(f"not sent within {limit_s} s") from None
            finally:
                self.socket_timeout = limit_s

    return Cancellable


@contextmanager
def redis_errors() -> Iterator[None]:
    """Maps redis-py's exceptions: transient ones to `RetryableError`, wrong access or topology to `ConfigError`."""
    try:
        yield
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        # Errors while connecting are wrapped, also a wrong password.
        if isinstance(error.__cause__ or error, redis.exceptions.AuthenticationError):
            raise ConfigError(
                f"the server refuses the credentials: {error}; check user and password in redis.url and redis.password"
            ) from error
        if _NO_DATABASE.search(str(error)):
            raise _no_database(error) from error
        raise RetryableError(f"the server is not reachable: {error or type(error).__name__}") from error
    except redis.exceptions.NoPermissionError as error:
        raise ConfigError(f"the server denies this user a command: {error}; grant it in the ACL") from error
    except redis.exceptions.MovedError as error:
        raise ConfigError(
            f"the server is one node of a cluster of several ({error}); give the address of a server that holds "
            "all slots, or one without cluster mode"
        ) from error
    except redis.exceptions.OutOfMemoryError as error:
        raise RetryableError(
            "the server is full: it has reached its maxmemory; raise it, or watch fewer sources"
        ) from error
    except redis.exceptions.ResponseError as error:
        # Some servers say so at the first command, others while connecting.
        if _NO_DATABASE.search(str(error)):
            raise _no_database(error) from error
        if isinstance(error, _TRANSIENT) or str(error).startswith(_TRANSIENT_REPLIES):
            raise RetryableError(f"the server is not ready: {error}") from error
        raise


def _no_database(error: BaseException) -> ConfigError:
    return ConfigError(
        f"redis.url names a database that the server does not have ({error}); give one of those it has, "
        "mostly 0 to 15, or leave it out"
    )


def is_wrong_type(error: BaseException) -> bool:
    """Whether the server refused a command because of the type of a key."""
    return isinstance(error, redis.exceptions.ResponseError) and "WRONGTYPE" in str(error)


@contextmanager
def patient_errors() -> Iterator[None]:
    """As `redis_errors`; a key of another type is `RetryableError`, too: it is mended, or told, by who writes it."""
    try:
        with redis_errors():
            yield
    except redis.exceptions.ResponseError as error:
        if is_wrong_type(error):
            raise RetryableError(f"a key holds another type than it should: {error}") from error
        raise
