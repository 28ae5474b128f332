"""The type of each key, and the keys in whose place another program, or a mistake, has put something else.

A key of one source that holds another type is deleted (`mending`). A key that a whole shard shares is not: what it held
concerns every source. What needs it waits, and goes on when the key is right again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from cornerman_shared.bus import streams
from cornerman_shared.bus.redis_client import is_wrong_type, redis_errors
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.redis_client import Client
    from cornerman_shared.bus.streams import Keys

log = get_logger("key_types")


def shared_types(keys: Keys) -> dict[str, str]:
    """The keys that all sources of a shard share, with their types."""
    return {
        **dict.fromkeys((keys.chunks, keys.features, keys.questions, keys.requests), "stream"),
        **dict.fromkeys((keys.feedback_all, keys.dead, keys.wakeups), "stream"),
        **dict.fromkeys((keys.sources, keys.incarnations, keys.open_requests, keys.retired), "hash"),
        keys.sources_declared: "set",
        **dict.fromkeys((keys.sources_revision, keys.generations), "string"),
        **dict.fromkeys((keys.lease("decider"), keys.fence("decider")), "string"),
    }


class KeyTypes:
    """The shared keys of one server. A key of another type is told once, and again when it is right.

    Args:
        client: of the server.
        shards: number of its shards.
    """

    def __init__(self, client: Client, shards: int) -> None:
        self._client = client
        self._wanted = {streams.WORKERS: "zset", streams.SHARDS: "string"}
        for shard in range(shards):
            self._wanted |= shared_types(streams.Keys(shard))
        self._told: set[str] = set()

    async def faults(self, keys: Sequence[str] | None = None) -> dict[str, str]:
        """The shared keys among `keys` (None = all) that hold another type, each with a sentence.

        Raises:
            RetryableError: no answer.
        """
        asked = [key for key in (self._wanted if keys is None else dict.fromkeys(keys)) if key in self._wanted]
        found: list[str] = []
        for key in asked:  # one by one: the keys of a cluster are on several servers
            with redis_errors():
                found.append(streams.text_of(await self._client.type(key)))
        wrong: dict[str, str] = {}
        for key, kind in zip(asked, found, strict=True):
            if kind in ("none", self._wanted[key]):
                if key in self._told:
                    self._told.discard(key)
                    log.info("key_is_right_again", key=key)
                continue
            wrong[key] = (
                f"the key {key} holds a {kind} instead of a {self._wanted[key]}: something else than Cornerman wrote "
                "it. Move it away with RENAME, or delete it with DEL"
            )
            if key not in self._told:
                self._told.add(key)
                log.error("key_of_another_type", key=key, message=wrong[key])
        return wrong

    async def explained(self, error: Exception, keys: Sequence[str]) -> Exception:
        """What to raise for an error of a command on `keys`: to be tried again if a shared key is at fault."""
        if not is_wrong_type(error):
            return error
        if wrong := await self.faults(keys):
            return RetryableError("; ".join(wrong.values()))
        # Without another key it was one of these, and is right again by now.
        only_shared = all(key in self._wanted for key in keys)
        return RetryableError(f"a key held another type: {error}") if only_shared else error

    @asynccontextmanager
    async def tolerating(self, *keys: str) -> AsyncIterator[None]:
        """As `reading`, but a shared key of another type ends the block without an error: what it reads stays unread.

        Raises:
            RetryableError: no answer.
        """
        try:
            with redis_errors():
                yield
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            await self.faults(keys)  # tells it; none if the key is right again by now

    @asynccontextmanager
    async def reading(self, *keys: str) -> AsyncIterator[None]:
        """Maps the errors of commands on `keys`, as `redis_errors` and `explained` do.

        Raises:
            RetryableError: no answer, or a shared key holds another type; names the key and the remedy.
        """
        try:
            with redis_errors():
                yield
        except ResponseError as error:
            raise await self.explained(error, keys) from error
