"""Connections of a process to the server, with blobs and events.

`consumer` reads work entries; `hop` and `publish` write them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from redis.exceptions import ResponseError

from cornerman_shared.aio import retry
from cornerman_shared.bus import streams
from cornerman_shared.bus.address_keys import address_keys
from cornerman_shared.bus.cluster_client import ClusterClient, close_all
from cornerman_shared.bus.codec import array_of, pack, raw_bytes
from cornerman_shared.bus.delivery import M
from cornerman_shared.bus.group_reader import GroupReader, ShardsReader
from cornerman_shared.bus.hand import Hand
from cornerman_shared.bus.key_types import KeyTypes
from cornerman_shared.bus.mending import mend_source
from cornerman_shared.bus.messages import BlobRef, Event, Question
from cornerman_shared.bus.open_client import open_client
from cornerman_shared.bus.redis_client import Client, patient_errors, redis_errors
from cornerman_shared.bus.scripts import Arg, Scripts
from cornerman_shared.bus.server_address import with_server
from cornerman_shared.bus.server_url import is_several
from cornerman_shared.bus.streams import Keys
from cornerman_shared.bus.subscribe import GapFound, Outage, follow, follow_shards
from cornerman_shared.clock import Clock, ServerClock, SystemClock
from cornerman_shared.errors import BlobExpiredError, ConfigError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.settings.tree import Settings

if TYPE_CHECKING:
    from cornerman_shared.bus.tracer import Tracer

MIN_VERSION = (7, 0)
QUESTIONS_MAXLEN = 1_000

JPEG = "jpeg"
"""In place of a dtype in a `BlobRef`: frames as JPEGs; the shape is that of the decoded frames."""

log = get_logger("bus")


class Bus:
    """Connections of one process. `connect` makes it; `close` or `async with` closes it.

    Attributes:
        redis: client of the server that holds streams and state.
        blobs: client of the server that holds bytes with a short life: frames, tokens, pictures. `redis` unless
            `redis.blobs_url` names another server.
        key_types: the shared keys, and which of them hold another type.
        clock: the server's unix time, for times that other processes read; `measure_clock` keeps it right.
        tracer: makes the spans of this process; None = it does not trace (`process.tracing`).
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.url = settings.redis.url
        self.blobs_url = settings.redis.blobs_url or self.url
        self.settings = settings
        self._server_clock = ServerClock(clock)
        self.clock: Clock = self._server_clock
        self.tracer: Tracer | None = None
        self.shards = settings.redis.shards
        self.address_keys = address_keys(settings.redis)
        self.redis = self._open()
        self.blobs = self.redis if self.blobs_url == self.url else self._open(blobs=True)
        self.key_types = KeyTypes(self.redis, self.shards)
        self.scripts = Scripts(self.redis, self.key_types, None if self.blobs is self.redis else self.blobs)
        # Blocking reads use their own clients: XREAD BLOCK would occupy a socket of the pool for its whole block.
        self._blocking: set[Client] = set()

    @classmethod
    def connect(cls, settings: Settings, clock: Clock | None = None) -> Bus:
        """A bus on `settings.redis.url` or on the embedded server's socket. Connects at the first command.

        Raises:
            ConfigError: the URL, or a key for addresses, cannot be read.
        """
        return cls(with_server(settings), clock or SystemClock())

    def _open(self, *, blobs: bool = False, **options: Any) -> Client:
        redis = self.settings.redis
        return open_client(
            self.blobs_url if blobs else self.url,
            password=redis.password,
            sentinel_password=redis.sentinel_password,
            ca_file=redis.ca_file,
            setting="redis.blobs_url" if blobs else "redis.url",
            **options,
        )

    def keys(self, source_id: str) -> Keys:
        """Keys of the source's shard."""
        return Keys.of(source_id, self.shards)

    @property
    def is_cluster(self) -> bool:
        """Whether one command may only read the streams of one shard."""
        return isinstance(self.redis, ClusterClient)

    def all_keys(self) -> list[Keys]:
        """Keys of every shard."""
        return [Keys(shard) for shard in range(self.shards)]

    def blocking_client(self, block_s: float, *, blobs: bool = False) -> Client:
        """A separate client for blocking reads, or for those of blobs; closed by `close_client` or with the bus."""
        # In a cluster one node may hold every shard, and each shard is read on a connection of its own.
        connections = 2 + (self.shards if is_several(self.url) else 0)
        client = self._open(blobs=blobs, block_s=block_s, connections=connections)
        self._blocking.add(client)
        return client

    def group_reader(
        self, keys: Sequence[str], group: str, name: str, slots: int, part_of: Callable[[M], str] | None
    ) -> GroupReader[M]:
        """A member of a consumer group with an empty hand; close its client as a blocking client.

        Args:
            keys: streams to read.
            group: consumer group.
            name: of the consumer.
            slots: bound of the hand; with `part_of`, of each part.
            part_of: see `Hand`.
        """
        block_ms = self.settings.bus.block_ms
        client = self.blocking_client(block_ms / 1000)
        kind = ShardsReader if isinstance(client, ClusterClient) and len(keys) > 1 else GroupReader
        hand = Hand(slots, part_of)
        return kind(client, self.redis, self.scripts, self.key_types, keys, group, name, block_ms, hand)

    async def close_client(self, client: Client) -> None:
        """Closes a blocking client before the bus is closed."""
        self._blocking.discard(client)
        await client.aclose()

    async def ready(self, timeout_s: float = 30.0) -> None:
        """Waits until the server answers, then checks its version and the number of shards of its data.

        Raises:
            RetryableError: no answer within `timeout_s`.
            ConfigError: the server is too old, refuses the credentials, or holds data of another number of shards.
        """
        deadline_s = self.clock.monotonic_s() + timeout_s
        try:
            await retry(self._check_server, keep_trying=lambda: self.clock.monotonic_s() < deadline_s, cap_s=1.0)
        except RetryableError as error:
            raise RetryableError(
                f"no server answered within {timeout_s:g} s ({error}); start one with `cornerman up`, "
                "or give its address with --redis or CORNERMAN_REDIS_URL"
            ) from error

    async def _check_server(self) -> None:
        async with self.key_types.reading(streams.SHARDS):
            info: dict[str, Any] = await self.redis.info("server")
            text = str(info.get("redis_version", "0"))
            version = tuple(int(part) for part in text.split(".")[:2])
            if version < MIN_VERSION:
                raise ConfigError(f"the server is Redis {text}; use Redis 7.0 or later, or Valkey")
            found = await self.redis.get(streams.SHARDS)
            if found is None:  # only then: a full server answers reads, and refuses writes
                # The first process on an empty server sets the number; NX makes concurrent starts agree.
                await self.redis.set(streams.SHARDS, self.shards, nx=True)
                found = await self.redis.get(streams.SHARDS)
            laid_out = int(found or self.shards)
            if self.blobs is not self.redis:
                await self.blobs.ping()
        if laid_out != self.shards:
            raise ConfigError(
                f"redis.shards = {self.shards}, but the data of this server has {laid_out} shards; "
                f"set redis.shards = {laid_out}"
            )
        await self.measure_clock()

    @property
    def clock_skew_s(self) -> float:
        """How far the wall clock of this machine is ahead of the server's, seconds."""
        return self._server_clock.skew_s

    async def measure_clock(self) -> None:
        """Compares the clocks with the server's.

        Raises:
            RetryableError: no answer.
        """
        sent_s = self._server_clock.monotonic_s()
        with redis_errors():
            seconds, microseconds = await self.redis.time()
        self._server_clock.observe(seconds + microseconds / 1e6, sent_s, self._server_clock.monotonic_s())

    async def emit(self, event: Event) -> str:
        """Appends an event to the feedback streams of its source and of its shard; returns its id in the former."""
        keys, body, maxlen = self.keys(event.source_id), pack(event), self.settings.bus.feedback_maxlen
        # MULTI: an event is in both streams or in neither.
        both = keys.feedback(event.source_id), keys.feedback_all
        async with self.key_types.reading(*both), self.redis.pipeline(transaction=True) as pipe:
            for key in both:
                pipe.xadd(key, {streams.FIELD: body}, maxlen=maxlen, approximate=True)
            ids = await pipe.execute()
        return str(ids[0].decode())

    async def mend(self, message: Any, stage: str) -> bool:
        """Deletes damaged keys of a message's source; whether there were any. See `mend_source`."""
        source_id = getattr(message, "source_id", "")
        return bool(source_id and await mend_source(self, source_id, stage))

    def subscribe(
        self,
        source_id: str | None = None,
        *,
        since: str = "$",
        block_ms: int | None = None,
        outage: Outage | None = None,
        gap: GapFound | None = None,
    ) -> AsyncIterator[tuple[str, Event]]:
        """Yields (entry id, event) of one source, or of all sources, in order within a shard. Reconnects by itself.

        Args:
            source_id: None = every source.
            since: id of the last event seen; `0` = from the oldest kept, `$` = from now on.
            block_ms: length of one blocking read; None = `bus.block_ms`.
            outage: called when the server is lost and when it is back; None = both are logged.
            gap: called where events were trimmed before they were read; None = it is logged.
        """
        keys = (
            [k.feedback_all for k in self.all_keys()]
            if source_id is None
            else [self.keys(source_id).feedback(source_id)]
        )
        read = follow_shards if self.is_cluster and len(keys) > 1 else follow
        return read(self, keys, since=since, block_ms=block_ms or self.settings.bus.block_ms, outage=outage, gap=gap)

    async def ask(self, question: Question, most: int = 0) -> int:
        """Sends a question to the decider.

        Args:
            question: the question.
            most: questions about its source that may wait; 0 = any number.

        Returns:
            0, or how many wait if that are too many: then it was not sent.

        Raises:
            RetryableError: no answer; a question that is sent again is taken once.
        """
        source_id, wait_s = question.source_id, self.settings.decider.question_s
        k = self.keys(source_id)
        keys = [k.questions, k.asked(source_id), k.answered(source_id), k.open_requests]
        with self.tracer.sending(question, k.questions) if self.tracer else nullcontext(question) as sent:
            args: list[Arg] = [source_id, question.question_id, QUESTIONS_MAXLEN, pack(sent), most, wait_s]
            try:
                return int(await self.scripts.run("ask", keys, args))
            except ResponseError:
                if not await self.mend(question, "gateway"):
                    raise
                return int(await self.scripts.run("ask", keys, args))

    @contextmanager
    def trace_batch(self, work: str, messages: Sequence[object]) -> Iterator[None]:
        """Traces work on several messages at once, if this process traces."""
        with self.tracer.batch(work, messages) if self.tracer else nullcontext():
            yield

    async def newest_id(self, stream: str) -> str:
        """Id of the newest entry; `0-0` for an empty or missing stream.

        Raises:
            RetryableError: no answer.
        """
        async with self.key_types.reading(stream):
            entries = await self.redis.xrevrange(stream, count=1)
        return str(entries[0][0].decode()) if entries else streams.FIRST_ID

    async def trimmed_behind(self, stream: str, event_id: str) -> bool:
        """Whether an entry behind this id was trimmed; True where the server cannot tell exactly.

        Raises:
            RetryableError: no answer.
        """
        with patient_errors():
            if not await self.redis.exists(stream):
                return False
            info = await self.redis.xinfo_stream(stream)
        if not info["first-entry"] or streams.entry_order(event_id) >= _order(info["first-entry"][0]):
            return False
        deleted = info.get("max-deleted-entry-id", b"0-0")
        # Approximate trimming does not always set max-deleted-entry-id; entries-added counts what ever was.
        gone = int(info.get("entries-added", 0)) > int(info.get("length", 0))
        return gone and (deleted == b"0-0" or _order(deleted) > streams.entry_order(event_id))

    async def put_blob(self, key: str, array: NDArray[Any], ttl_s: int) -> BlobRef:
        """Stores the bytes of an array under `key` for `ttl_s` seconds."""
        with redis_errors():
            await self.blobs.set(key, raw_bytes(array), ex=ttl_s)
        return BlobRef(key, array.dtype.str, tuple(array.shape))

    async def put_frames(self, key: str, frames: NDArray[np.uint8], ttl_s: int) -> BlobRef:
        """Stores the frames of a chunk, [8, H, W, 3], raw or as JPEGs (`bus.frames`)."""
        if self.settings.bus.frames == "raw":
            return await self.put_blob(key, frames, ttl_s)
        from cornerman_shared.bus.frames import frames_to_jpeg

        data = await asyncio.to_thread(frames_to_jpeg, frames, self.settings.bus.frames_quality)
        with redis_errors():
            await self.blobs.set(key, data, ex=ttl_s)
        return BlobRef(key, JPEG, tuple(frames.shape))

    async def get_blob(self, ref: BlobRef) -> NDArray[Any]:
        """Fetches an array: a read-only view of the bytes received, or decoded frames.

        Raises:
            MalformedError: the bytes are another array.
            BlobExpiredError: it was freed or has expired.
        """
        with redis_errors():
            data = await self.blobs.get(ref.key)
        if data is None:
            raise BlobExpiredError(f"blob {ref.key} is gone: it was freed, or has expired (bus.blob_ttl_s)")
        if ref.dtype == JPEG:
            from cornerman_shared.bus.frames import frames_from_jpeg

            # In a thread: eight pictures take milliseconds.
            return await asyncio.to_thread(frames_from_jpeg, data, ref.shape, ref.key)
        return array_of(data, ref.dtype, ref.shape, ref.key)

    async def free_blobs(self, refs: Iterable[BlobRef | None]) -> None:
        """Deletes blobs before they expire; None is skipped."""
        with redis_errors():
            # UNLINK frees the memory in the background; DEL would block the server for large blobs.
            for ref in refs:
                if ref is not None:
                    await self.blobs.unlink(ref.key)

    async def close(self) -> None:
        """Closes every connection."""
        await close_all({*self._blocking, self.redis, self.blobs})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _order(raw_id: bytes | str) -> tuple[int, int]:
    return streams.entry_order(streams.text_of(raw_id))
