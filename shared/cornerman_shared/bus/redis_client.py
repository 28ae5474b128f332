"""Maps redis-py's exceptions to ours. `open_client` opens clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import redis.exceptions
from redis.asyncio import Redis

from cornerman_shared.errors import ConfigError, RetryableError

Client: TypeAlias = Redis

# redis-py strips the error code from replies it knows, so those are matched by class and the others by text.
_TRANSIENT = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
    redis.exceptions.AskError,
    redis.exceptions.ClusterDownError,
)
_NO_DATABASE = re.compile(r"DB index|SELECT is not allowed", re.IGNORECASE)
_TRANSIENT_REPLIES = ("BUSY ", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "UNBLOCKED")


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
            f"the server is one node of a cluster ({error}); give the cluster as redis+cluster://host:port,host:port"
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
