"""Records sources while they are watched: follows their pictures and events on the bus, and writes them to a folder.

It is a viewer like the page: capture makes pictures for it beside its own work, and what the recorder cannot take in
time is lost to it alone, and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cornerman.local.recording import Recording
from cornerman_shared.aio import cancel_all, retry
from cornerman_shared.bus.codec import unpack_map
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import list_sources
from cornerman_shared.bus.streams import FIELD, FIRST_ID, entry_order
from cornerman_shared.errors import FatalError, MalformedError, RetryableError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.settings.tree import RecordSettings

WATCH_TTL_MS: Final = 3_000
TICK_S: Final = 1.0
BLOCK_MS: Final = 250
READ: Final = 32
SETTLE_S: Final = 2.0
"""After the end: time for events that are on the bus already."""

Tell = Callable[[str], None]


class SourceRecorder:
    """Records one source, run after run, until it is closed.

    Args:
        bus: an open bus.
        source_id: the source; it need not be there yet.
        settings: where to, and the bounds.
        tell: called with what people should know.
    """

    def __init__(self, bus: Bus, source_id: str, settings: RecordSettings, tell: Tell) -> None:
        self._bus, self._source_id, self._settings, self._tell = bus, source_id, settings, tell
        self._keys = bus.keys(source_id)
        self._recording: Recording | None = None
        self._folders: deque[Path] = deque()
        self._open: set[Path] = set()  # folders that are still written to
        self._ending: set[asyncio.Task[None]] = set()
        self._counters: dict[str, int] = {}
        self._taken = 0  # pictures of the ring
        self._before: int | None = None  # pictures that were in the ring before ours
        self._missed = 0
        self._drained, self._heard = asyncio.Event(), asyncio.Event()
        self._failed = False
        self._event_id = self._picture_id = FIRST_ID
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Starts to follow from here on; capture sees a viewer at its next picture.

        Raises:
            RetryableError: no answer.
        """
        await self._sign_as_viewer()
        self._event_id = await self._bus.newest_id(self._keys.feedback(self._source_id))
        ring = self._keys.display(self._source_id)
        self._picture_id = await self._newest_picture(ring)
        work = (self._follow_pictures(ring), self._follow_events(), self._tick())
        self._tasks = [asyncio.create_task(item) for item in work]

    async def close(self) -> None:
        """Takes what is on the bus already, and ends the recording."""
        if not self._tasks:
            return
        tasks, self._tasks = self._tasks, []
        with contextlib.suppress(RetryableError, TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                last = await self._bus.newest_id(self._keys.feedback(self._source_id))
                self._drained.clear()
                await self._drained.wait()
                while entry_order(self._event_id) < entry_order(last):
                    self._heard.clear()
                    await self._heard.wait()
                await self._read_counters()
        await cancel_all(*tasks)
        await asyncio.gather(*self._ending)
        await self._end(self._recording)

    async def _follow_pictures(self, ring: str) -> None:
        client = self._bus.blocking_client(BLOCK_MS / 1000, blobs=True)

        async def read() -> Any:
            with redis_errors():
                return await client.xread({ring: self._picture_id}, count=READ, block=BLOCK_MS)

        try:
            while True:
                replies = await retry(read, cap_s=1.0) or ()
                for _stream, entries in replies:
                    for entry_id, fields in entries:
                        self._picture_id = entry_id.decode()
                        self._taken += 1
                        self._on_picture(fields.get(FIELD))
                if not replies:
                    await self._count_missed(ring)
                    self._drained.set()
        finally:
            await self._bus.close_client(client)

    async def _count_missed(self, ring: str) -> None:
        """Asked when no picture waits: all that were ever added, less those taken, were trimmed before."""
        with contextlib.suppress(RetryableError), redis_errors():
            if await self._bus.blobs.exists(ring):
                added = int((await self._bus.blobs.xinfo_stream(ring)).get("entries-added", 0))
                if self._before is None or added < self._before + self._taken:
                    self._before = added - self._taken
                self._missed = added - self._before - self._taken

    def _on_picture(self, body: bytes | None) -> None:
        try:
            item = unpack_map(body or b"")
            run, pts_s, jpeg = item.get("run"), item.get("pts_s"), item.get("jpeg")
        except MalformedError:
            return
        if isinstance(run, str) and isinstance(pts_s, float) and isinstance(jpeg, bytes):
            with self._contained():
                if not self._failed:
                    self._of_run(run).picture(jpeg, pts_s)

    async def _follow_events(self) -> None:
        async for event_id, event in self._bus.subscribe(self._source_id, since=self._event_id):
            with self._contained():
                if event.run and not self._failed:
                    self._of_run(event.run).event(event_id, event)
            self._event_id = event_id
            self._heard.set()

    def _of_run(self, run: str) -> Recording:
        if self._recording is not None and self._recording.run != run:
            ending = asyncio.create_task(self._end(self._recording))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            self._recording = None
        if self._recording is None:
            self._recording = Recording(self._new_folder(), self._source_id, run, self._settings, self._bus.clock)
            self._tell(f"recording {self._source_id} in {self._recording.folder}")
        return self._recording

    def _new_folder(self) -> Path:
        base = Path(self._settings.dir).expanduser() / f"{self._source_id}-{time.strftime('%Y%m%d-%H%M%S')}"
        folder, number = base, 2
        while folder.exists():
            folder, number = base.with_name(f"{base.name}-{number}"), number + 1
        self._folders.append(folder)
        self._open.add(folder)
        self._prune()
        return folder

    def _prune(self) -> None:
        """Removes the oldest recordings above `keep`; one that is still being ended goes when it is."""
        while len(self._folders) > self._settings.keep and self._folders[0] not in self._open:
            shutil.rmtree(self._folders.popleft(), ignore_errors=True)

    async def _tick(self) -> None:
        """Every second: the sign of a viewer, the counters, the files and their bounds."""
        while True:
            with contextlib.suppress(RetryableError):  # the followers wait for a lost server
                await self._sign_as_viewer()
                await self._read_counters()
            recording = self._recording
            if recording is not None and not self._failed:
                with self._contained():
                    if (save := recording.saving(self._counters, self._missed)) is not None:
                        await asyncio.to_thread(save)
                    if recording.error:
                        raise FatalError(recording.error)
                    # Another thread may be ending a recording that was replaced meanwhile.
                    if recording is self._recording and recording.full:
                        self._recording = None
                        await self._end(recording)
            await asyncio.sleep(TICK_S)

    async def _sign_as_viewer(self) -> None:
        with redis_errors():
            await self._bus.redis.set(self._keys.watching(self._source_id), b"1", px=WATCH_TTL_MS)

    async def _newest_picture(self, ring: str) -> str:
        with redis_errors():
            entries = await self._bus.blobs.xrevrange(ring, count=1)
        return str(entries[0][0].decode()) if entries else FIRST_ID

    async def _read_counters(self) -> None:
        with redis_errors():
            raw = await self._bus.redis.hgetall(self._keys.counters(self._source_id))
        self._counters = {name.decode(): int(value) for name, value in raw.items()}

    @contextlib.contextmanager
    def _contained(self) -> Iterator[None]:
        """A disk that is full ends the recording, and nothing else."""
        try:
            yield
        except (OSError, FatalError) as error:
            if not self._failed:
                self._tell(f"{self._source_id} is not recorded any more: {error}")
            self._failed = True

    async def _end(self, recording: Recording | None) -> None:
        if recording is not None:
            with self._contained():
                await asyncio.to_thread(recording.close, dict(self._counters), self._missed)
            self._open.discard(recording.folder)
            self._prune()


async def record_all(bus: Bus, settings: RecordSettings, tell: Tell) -> None:
    """Records every source of the server, as they come and go, until it is cancelled."""
    recorders: dict[str, SourceRecorder] = {}
    try:
        while True:
            with contextlib.suppress(RetryableError):
                known = set(await list_sources(bus))
                for source_id in known - recorders.keys():
                    recorders[source_id] = SourceRecorder(bus, source_id, settings, tell)
                    await recorders[source_id].begin()
                for source_id in recorders.keys() - known:
                    await recorders.pop(source_id).close()
            await asyncio.sleep(TICK_S)
    finally:
        await asyncio.gather(*(recorder.close() for recorder in recorders.values()))
