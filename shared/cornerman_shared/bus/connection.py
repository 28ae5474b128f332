"""One process's way to the server: connections, blobs, events.

Reading work is `consumer`, writing it is `hop` and `publish`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from cornerman_shared.backoff import Backoff
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import array_of, pack, raw_bytes
from cornerman_shared.bus.embedded import socket_url
from cornerman_shared.bus.messages import BlobRef, Event, Question
from cornerman_shared.bus.redis_client import Client, open_client, redis_errors
from cornerman_shared.bus.scripts import Scripts
from cornerman_shared.bus.streams import Keys
from cornerman_shared.bus.subscribe import follow
from cornerman_shared.clock import Clock, SystemClock
from cornerman_shared.errors import BlobExpiredError, ConfigError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.settings.tree import Settings

MIN_VERSION = (7, 0)
QUESTIONS_MAXLEN = 1_000

log = get_logger("bus")


class Bus:
    """Connections of one process. Opened by `connect`, closed by `close` or `async with`."""

    def __init__(self, url: str, settings: Settings, clock: Clock) -> None:
        self.url = url
        self.settings = settings
        self.clock = clock
        self.shards = settings.redis.shards
        self.redis = open_client(url)
        self.scripts = Scripts(self.redis)
        self._blocking: set[Client] = set()

    @classmethod
    def connect(cls, settings: Settings, clock: Clock | None = None) -> Bus:
        """A bus on `settings.redis.url`, or on the embedded server's socket. Connects when first used.

        Raises:
            ConfigError: the URL cannot be read.
        """
        return cls(settings.redis.url or socket_url(settings), settings, clock or SystemClock())

    def keys(self, source_id: str) -> Keys:
        """Keys of the shard that the source belongs to."""
        return Keys.of(source_id, self.shards)

    def all_keys(self) -> list[Keys]:
        """Keys of every shard."""
        return [Keys(shard) for shard in range(self.shards)]

    def blocking_client(self, block_s: float) -> Client:
        """A client of its own for blocking reads; closed by `close_client`, or with the bus."""
        client = open_client(self.url, block_s=block_s, connections=2)
        self._blocking.add(client)
        return client

    async def close_client(self, client: Client) -> None:
        """Closes and forgets a blocking client before the bus ends."""
        self._blocking.discard(client)
        await client.aclose()

    async def ready(self, timeout_s: float = 30.0) -> None:
        """Waits for the server, then checks its version and that its data was laid out for our number of shards.

        Raises:
            RetryableError: no server within `timeout_s`.
            ConfigError: the server is too old, refuses us, or was laid out for another number of shards.
        """
        backoff = Backoff(base_s=0.05, cap_s=1.0)
        give_up_at_s = self.clock.monotonic_s() + timeout_s
        while True:
            try:
                await self._check_server()
                return
            except RetryableError as error:
                if self.clock.monotonic_s() >= give_up_at_s:
                    raise RetryableError(
                        f"no server answered within {timeout_s:g} s ({error}); start one with `cornerman up`, "
                        "or give its address with --redis or CORNERMAN_REDIS_URL"
                    ) from error
                await asyncio.sleep(backoff.next_s())

    async def _check_server(self) -> None:
        with redis_errors():
            info: dict[str, Any] = await self.redis.info("server")
            text = str(info.get("redis_version", "0"))
            version = tuple(int(part) for part in text.split(".")[:2])
            if version < MIN_VERSION:
                raise ConfigError(f"the server speaks Redis {text}; Cornerman needs Redis 7.0 or later, or Valkey")
            await self.redis.set(streams.SHARDS, self.shards, nx=True)
            laid_out = int(await self.redis.get(streams.SHARDS) or self.shards)
        if laid_out != self.shards:
            raise ConfigError(
                f"redis.shards = {self.shards}, but this server's data was laid out for {laid_out}; set that"
            )

    async def emit(self, event: Event) -> str:
        """Appends an event to its source's feedback stream and to everybody's; returns its id in the source's."""
        keys, body, maxlen = self.keys(event.source_id), pack(event), self.settings.bus.feedback_maxlen
        with redis_errors():
            async with self.redis.pipeline(transaction=True) as pipe:
                for key in (keys.feedback(event.source_id), keys.feedback_all):
                    pipe.xadd(key, {streams.FIELD: body}, maxlen=maxlen, approximate=True)
                ids = await pipe.execute()
        return str(ids[0].decode())

    def subscribe(
        self, source_id: str | None = None, *, since: str = "$", block_ms: int | None = None
    ) -> AsyncIterator[tuple[str, Event]]:
        """Events of one source, or of all in order within each shard, for ever; survives a lost server.

        Args:
            since: id of the last event already seen; `0` = from the oldest kept, `$` = from now on.
        """
        keys = (
            [k.feedback_all for k in self.all_keys()]
            if source_id is None
            else [self.keys(source_id).feedback(source_id)]
        )
        return follow(self, keys, since=since, block_ms=block_ms or self.settings.bus.block_ms)

    async def ask(self, question: Question) -> None:
        """Hands a person's question to the decider."""
        with redis_errors():
            await self.redis.xadd(
                self.keys(question.source_id).questions,
                {streams.FIELD: pack(question)},
                maxlen=QUESTIONS_MAXLEN,
                approximate=True,
            )

    async def newest_id(self, stream: str) -> str:
        """Id of the newest entry; `0-0` for an empty or missing stream.

        Raises:
            RetryableError: no answer.
        """
        with redis_errors():
            entries = await self.redis.xrevrange(stream, count=1)
        return str(entries[0][0].decode()) if entries else streams.FIRST_ID

    async def put_blob(self, key: str, array: NDArray[Any], ttl_s: int) -> BlobRef:
        """Stores an array's bytes under `key` for `ttl_s` seconds."""
        with redis_errors():
            await self.redis.set(key, raw_bytes(array), ex=ttl_s)
        return BlobRef(key, array.dtype.str, tuple(array.shape))

    async def get_blob(self, ref: BlobRef) -> NDArray[Any]:
        """The array; a read-only view of the bytes received.

        Raises:
            BlobExpiredError: it is gone.
        """
        with redis_errors():
            data = await self.redis.get(ref.key)
        if data is None:
            raise BlobExpiredError(f"blob {ref.key} is gone: it was freed, or waited longer than its time to live")
        return array_of(data, ref.dtype, ref.shape, ref.key)

    async def free_blobs(self, refs: Iterable[BlobRef | None]) -> None:
        """Frees blobs before their time."""
        with redis_errors():
            for ref in refs:
                if ref is not None:
                    await self.redis.unlink(ref.key)

    async def close(self) -> None:
        """Closes every connection."""
        for client in [*self._blocking, self.redis]:
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
