"""The encoder on a real server: one `Features` for each `Chunk`, encoded or not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cornerman_encoder.core import EncoderOutput, Pixels
from cornerman_encoder.fake import FakeEncoder
from cornerman_encoder.pose import PoseEncoder
from cornerman_encoder.protocol import Encoder
from cornerman_encoder.service import EncoderWorker
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.wire import unpack_chunk
from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import BlobRef, Chunk, Features, Times
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.clock import SystemClock
from cornerman_shared.errors import PoisonError
from cornerman_shared.process.health import Health
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.tree import Settings, load_settings
from tests.integration.waiting import PATIENCE_S, until, until_true
from tests.unit.pose.bodies import PaintedDetector, PaintedLandmarks, painted

SOURCE = "cam"


def with_batch(settings: Settings, batch: int) -> Settings:
    encoder = settings.encoder.model_copy(update={"batch": batch})
    return settings.model_copy(update={"encoder": encoder})


@contextlib.asynccontextmanager
async def worker(
    bus: Bus, encoder: Encoder | None = None, *, name: str = "e1", batch: int = 4
) -> AsyncIterator[Context]:
    """Runs an encoder in this process; leaving stops it."""
    clock = SystemClock()
    settings = with_batch(bus.settings, batch)
    context = Context(settings, bus, clock, name, Health("encoder", name, clock), Metrics(), get_logger(name))
    task = asyncio.create_task(EncoderWorker(context, encoder or FakeEncoder()).run())
    try:
        yield context
    finally:
        context.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def chunk(bus: Bus, seq: int, *, shape: tuple[int, ...] = (8, 6, 8, 3), **changes: Any) -> Chunk:
    keys = bus.keys(SOURCE)
    pixels = np.random.default_rng(seq).integers(0, 256, shape, np.uint8)
    frames = await bus.put_blob(keys.blob(SOURCE, "r1", seq, "frames"), pixels, 60)
    given: dict[str, Any] = {
        "source_id": SOURCE,
        "run": "r1",
        "seq": seq,
        "pts_s": seq * 0.5,
        "frame_pts_s": tuple(seq * 0.5 + i / 8 for i in range(8)),
        "motion": 0.25,
        "lossless": False,
        "end": False,
        "frames": frames,
        "keep_frames": False,
        "times": Times(captured_at_s=1.0, published_at_s=2.0),
    }
    return Chunk(**{**given, **changes})


async def send(bus: Bus, *chunks: Chunk) -> None:
    for each in chunks:
        await bus.redis.xadd(bus.keys(SOURCE).chunks, {FIELD: pack(each)})


async def features(bus: Bus) -> list[Features]:
    rows = await bus.redis.xrange(bus.keys(SOURCE).features)
    return [unpack(fields[FIELD], Features) for _, fields in rows]


async def has(bus: Bus, count: int) -> list[Features]:
    found = await features(bus)
    return found if len(found) >= count else []


async def nothing_pending(bus: Bus) -> None:
    pending = await bus.redis.xpending(bus.keys(SOURCE).chunks, "encoder")
    assert pending["pending"] == 0


async def test_chunks_become_features(bus: Bus) -> None:
    sent = [await chunk(bus, seq) for seq in range(10)]
    async with worker(bus):
        await send(bus, *sent)
        found = await until(lambda: has(bus, 10))
    await nothing_pending(bus)
    assert sorted(f.seq for f in found) == list(range(10))
    first = next(f for f in found if f.seq == 3)
    assert (first.status, first.model, first.motion, first.frames) == ("ok", "fake", 0.25, None)
    assert first.times.published_at_s == 2.0
    assert first.times.encoded_at_s > 1e9
    pixels = np.random.default_rng(3).integers(0, 256, (8, 6, 8, 3), np.uint8)
    expected = FakeEncoder().encode([sent[3]], [pixels])[0]
    assert first.vector is not None and first.context is not None and expected.context is not None
    np.testing.assert_array_equal(first.vector, expected.vector)
    np.testing.assert_array_equal(await bus.get_blob(first.context), expected.context)
    assert not [key async for key in bus.redis.scan_iter(match="*:frames")]


class Pair(FakeEncoder):
    """Encodes a chunk only while it encodes another one."""

    at_once = 2

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self._both = threading.Barrier(2, timeout=PATIENCE_S)

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        self.batches.append(len(chunks))
        self._both.wait()
        return super().encode(chunks, frames)


async def test_two_chunks_compute_at_once(bus: Bus) -> None:
    sent, encoder = [await chunk(bus, seq) for seq in range(6)], Pair()
    async with worker(bus, encoder):
        await send(bus, *sent)
        found = await until(lambda: has(bus, 6))
    assert sorted(each.seq for each in found) == list(range(6))
    assert encoder.batches == [1] * 6


async def test_landmarks_travel_inline_and_are_counted(bus: Bus) -> None:
    painted_frames = np.stack([painted((100 + 3 * number, 110)) for number in range(12)])
    chunks = []
    for seq, start in enumerate((0, 4)):
        frames = await bus.put_blob(bus.keys(SOURCE).blob(SOURCE, "r1", seq, "frames"), painted_frames[start:][:8], 60)
        chunks.append(await chunk(bus, seq + 10, frames=frames))
    encoder = PoseEncoder(PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted"))
    async with worker(bus, encoder) as context:
        await send(bus, *chunks)
        found = await until(lambda: has(bus, 2))
        await until_true(lambda: context.metrics.poses_total.labels("reused")._value.get())
    assert [f.vector is None and f.video is None for f in found] == [True, True]
    for each in found:
        assert each.people is not None
        assert unpack_chunk(each.people, each.frame_pts_s)[0].people == 1
    assert context.metrics.poses_total.labels("computed")._value.get() == 12


async def test_wanted_frames_are_kept(bus: Bus) -> None:
    async with worker(bus):
        await send(bus, await chunk(bus, 0, keep_frames=True))
        (found,) = await until(lambda: has(bus, 1))
    assert found.frames is not None
    assert (await bus.get_blob(found.frames)).shape == (8, 6, 8, 3)


class ChunksOnly(FakeEncoder):
    """Reads chunks of 8 frames only."""

    def reads(self, frames: int) -> bool:
        return frames == 8


async def test_look_it_cannot_read_passes_with_its_frames(bus: Bus) -> None:
    """A generator that looks at frames needs no tokens; without one, the look is refused with the remedy."""
    ten = {"shape": (10, 6, 8, 3), "look": "stride", "frame_pts_s": tuple(range(10)), "thumbnail": b"small"}
    async with worker(bus, ChunksOnly()):
        await send(bus, await chunk(bus, 0, keep_frames=True, **ten), await chunk(bus, 1, **ten), await chunk(bus, 2))
        found = {one.seq: one for one in await until(lambda: has(bus, 3))}
    assert [found[seq].status for seq in range(3)] == ["ok", "buried", "ok"]
    assert (found[0].vector, found[0].context, found[0].look, found[0].thumbnail) == (None, None, "stride", b"small")
    assert found[0].frames is not None
    assert (await bus.get_blob(found[0].frames)).shape == (10, 6, 8, 3)
    (dead,) = await bus.redis.xrange(bus.keys(SOURCE).dead)
    assert b"reads no looks of 10 frames" in dead[1][FIELD]


async def test_look_of_any_number_is_encoded(bus: Bus) -> None:
    async with worker(bus):
        await send(bus, await chunk(bus, 0, shape=(16, 6, 8, 3), look="poll", frame_pts_s=tuple(range(16))))
        (found,) = await until(lambda: has(bus, 1))
    assert found.context is not None
    assert (found.look, found.context.shape[0]) == ("poll", 16)


async def test_expired_pixels_and_end_markers_pass(bus: Bus) -> None:
    async with worker(bus):
        gone = await chunk(bus, 0)
        await bus.free_blobs([gone.frames])
        await send(bus, gone, await chunk(bus, 1, end=True, frames=None))
        found = await until(lambda: has(bus, 2))
    assert {(f.seq, f.status, f.vector is None) for f in found} == {(0, "expired", True), (1, "end", True)}
    await nothing_pending(bus)
    assert await bus.redis.xlen(bus.keys(SOURCE).dead) == 0


class Recorder:
    """Encoder that records its calls, and fails on some chunks, a given number of times each."""

    model = "recorder"

    def __init__(self, bad: dict[int, int] | None = None, error: type[Exception] = RuntimeError) -> None:
        self.calls: list[list[int]] = []
        self.bad = bad or {}
        self.error = error

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        seqs = [chunk.seq for chunk in chunks]
        self.calls.append(seqs)
        for seq in seqs:
            if self.bad.get(seq, 0) > 0:
                self.bad[seq] -= 1
                raise self.error(f"chunk {seq} is bad")
        return FakeEncoder().encode(chunks, frames)


async def test_waiting_chunks_are_encoded_in_batches(bus: Bus) -> None:
    encoder = Recorder()
    await send(bus, *[await chunk(bus, seq) for seq in range(9)])
    async with worker(bus, encoder, batch=4):
        await until(lambda: has(bus, 9))
    assert max(len(call) for call in encoder.calls) == 4
    assert sum(len(call) for call in encoder.calls) == 9


async def test_only_the_failing_chunk_is_buried(bus: Bus) -> None:
    encoder = Recorder({2: 1000})
    await send(bus, *[await chunk(bus, seq) for seq in range(6)])
    async with worker(bus, encoder):
        found = await until(lambda: has(bus, 6))
    assert {f.seq: f.status for f in found} == {0: "ok", 1: "ok", 2: "buried", 3: "ok", 4: "ok", 5: "ok"}
    assert encoder.calls.count([2]) == bus.settings.bus.max_deliveries
    assert await bus.redis.xlen(bus.keys(SOURCE).dead) == 1
    await nothing_pending(bus)


class SmallMemory(FakeEncoder):
    """Runs out of memory with more than so many chunks at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.sizes: list[int] = []

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        self.sizes.append(len(chunks))
        if len(chunks) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().encode(chunks, frames)


async def test_batch_without_memory_is_halved(bus: Bus) -> None:
    encoder = SmallMemory(most=2)
    await send(bus, *[await chunk(bus, seq) for seq in range(12)])
    async with worker(bus, encoder, batch=4) as context:
        found = await until(lambda: has(bus, 12))
    assert {f.status for f in found} == {"ok"}
    retried = context.metrics.errors_total.labels("out_of_memory")._value.get()
    assert retried == sum(size > 2 for size in encoder.sizes) > 0
    assert encoder.sizes[-1] <= 2, "later batches are smaller"
    assert context.health.status().detail["batch"] == 2


async def test_failing_once_is_retried(bus: Bus) -> None:
    encoder = Recorder({2: 2})
    await send(bus, *[await chunk(bus, seq) for seq in range(4)])
    async with worker(bus, encoder):
        found = await until(lambda: has(bus, 4))
    assert {f.status for f in found} == {"ok"}


async def test_wrong_shapes_are_buried_at_once(bus: Bus) -> None:
    encoder = Recorder({1: 1000}, PoisonError)
    await send(bus, await chunk(bus, 0, shape=(8, 6, 8, 4)), await chunk(bus, 1), await chunk(bus, 2, frames=None))
    async with worker(bus, encoder):
        found = await until(lambda: has(bus, 3))
    assert {f.seq: f.status for f in found} == {0: "buried", 1: "buried", 2: "buried"}
    assert encoder.calls.count([1]) <= 2


async def test_constant_failure_ends_the_process(bus: Bus) -> None:
    from cornerman_shared.errors import FatalError

    encoder = Recorder(dict.fromkeys(range(100), 1000))
    await send(bus, *[await chunk(bus, seq) for seq in range(60)])
    clock = SystemClock()
    context = Context(bus.settings, bus, clock, "e", Health("encoder", "e", clock), Metrics(), get_logger("e"))
    try:
        await asyncio.wait_for(EncoderWorker(context, encoder).run(), PATIENCE_S)
    except* FatalError as group:
        assert "in a row" in str(group.exceptions[0])
    else:
        raise AssertionError("the worker continued")
    assert await bus.redis.xlen(bus.keys(SOURCE).dead) < 60


async def test_workers_share_chunks_without_duplicates(bus: Bus) -> None:
    async with worker(bus, name="e1", batch=1), worker(bus, name="e2", batch=1), worker(bus, name="e3", batch=1):
        await send(bus, *[await chunk(bus, seq) for seq in range(60)])
        found = await until(lambda: has(bus, 60))
        await asyncio.sleep(0.1)
    assert sorted(f.seq for f in found) == list(range(60))
    assert len(await features(bus)) == 60


class Gated(FakeEncoder):
    """Encoder that computes some batches at once, and the next ones only once the gate is open. The test opens it."""

    def __init__(self, free_batches: int = 0) -> None:
        super().__init__()
        self.gate, self.computing = threading.Event(), threading.Event()
        self.free_batches = free_batches
        self.held_too_long = False

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        self.free_batches -= 1
        if self.free_batches < 0:
            self.computing.set()
            self.held_too_long |= not self.gate.wait(PATIENCE_S)
        return super().encode(chunks, frames)


async def test_stopping_releases_waiting_chunks(bus: Bus) -> None:
    await send(bus, *[await chunk(bus, seq) for seq in range(12)])
    encoder = Gated(free_batches=1)
    async with worker(bus, encoder, name="e1", batch=2) as context:
        await until(lambda: has(bus, 2))
        await until_true(encoder.computing.is_set)
        context.stopping.set()
        encoder.gate.set()
    before = len(await features(bus))
    assert 4 <= before < 12
    async with worker(bus, name="e2"):
        found = await until(lambda: has(bus, 12))
    assert sorted(f.seq for f in found) == list(range(12))


async def test_next_batch_is_fetched_during_computing(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    get_blob, fetched = Bus.get_blob, []

    async def recording(self: Bus, ref: BlobRef) -> NDArray[Any]:
        pixels = await get_blob(self, ref)
        fetched.append(ref.key)
        return pixels

    monkeypatch.setattr(Bus, "get_blob", recording)
    await send(bus, *[await chunk(bus, seq) for seq in range(8)])
    encoder = Gated()
    async with worker(bus, encoder, batch=2):
        await until_true(encoder.computing.is_set)
        await until_true(lambda: len(fetched) >= 4)
        assert await features(bus) == []
        encoder.gate.set()
        await until(lambda: has(bus, 8))


async def test_every_shard_is_served(settings: Settings) -> None:
    sharded = load_settings({**settings.model_dump(), "redis": {"url": settings.redis.url, "shards": 3}})
    async with Bus.connect(sharded) as bus, worker(bus):
        for i in range(6):
            source = f"cam{i}"
            keys = bus.keys(source)
            blob = await bus.put_blob(keys.blob(source, "r1", 0, "frames"), np.zeros((8, 4, 4, 3), np.uint8), 60)
            one = await chunk(bus, 0, source_id=source, frames=blob)
            await bus.redis.xadd(keys.chunks, {FIELD: pack(one)})

        async def all_shards() -> bool:
            lengths = [await bus.redis.xlen(keys.features) for keys in bus.all_keys()]
            return sum(lengths) == 6 and min(lengths) > 0

        await until(all_shards)


async def test_event_loop_runs_during_computing(bus: Bus) -> None:
    """A blocked loop would heartbeat too late, and another worker would reclaim the entry."""

    encoder = Gated()
    async with worker(bus, encoder, batch=1):
        await send(bus, await chunk(bus, 0))
        await until_true(encoder.computing.is_set)
        for _ in range(20):
            await asyncio.sleep(0.005)
        encoder.gate.set()  # a blocked loop could not reach this line
        await until(lambda: has(bus, 1))
    assert not encoder.held_too_long
