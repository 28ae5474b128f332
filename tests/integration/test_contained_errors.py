"""An unexpected error that one source causes in capture or in an encoder ends neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cornerman_capture import service as capture_service
from cornerman_capture.publisher import Publisher
from cornerman_encoder.fake import FakeEncoder
from cornerman_shared.bus.codec import pack, unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk, ErrorEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.tree import Settings
from tests.integration.capture_harness import CHUNKS, capture, has_chunks, is_state, spec, state
from tests.integration.test_encoder_service import chunk, has, send, worker
from tests.integration.waiting import until


async def errors_of(bus: Bus, source_id: str) -> list[ErrorEvent]:
    rows = await bus.redis.xrange(bus.keys(source_id).feedback(source_id))
    return [event for _, fields in rows if isinstance(event := unpack_event(fields[FIELD]), ErrorEvent)]


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_service, "PAUSE_S", 0.3)


@pytest.mark.usefixtures("short_pause")
async def test_defect_at_one_source_pauses_it(bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    good, failures = Publisher._publish, 2

    async def bad(self: Publisher, pending: Any) -> None:
        nonlocal failures
        if self._source_id == "bad" and failures and pending.index == 3:
            failures -= 1
            raise ZeroDivisionError("oops")
        await good(self, pending)

    monkeypatch.setattr(Publisher, "_publish", bad)
    await add_source(bus, spec(source_id="bad"))
    await add_source(bus, spec(source_id="good"))
    async with capture(settings) as context:
        await until(is_state(bus, "ended", source_id="good"))
        await until(is_state(bus, "ended", source_id="bad"))
        assert not context.stopping.is_set()
    assert await has_chunks(bus, CHUNKS, "bad")() and await has_chunks(bus, CHUNKS, "good")()
    messages = [event.message for event in await errors_of(bus, "bad")]
    assert len(messages) == 2 and all("capturing pauses for 0.3 s: ZeroDivisionError: oops" in m for m in messages)
    assert await errors_of(bus, "good") == []


@pytest.mark.usefixtures("short_pause")
async def test_damaged_lease_ends_no_capture(bus: Bus, settings: Settings) -> None:
    """The server refuses the script of the lease, because its key has another type."""
    await add_source(bus, spec(source_id="bad"))
    await add_source(bus, spec(source_id="good"))
    await bus.redis.hset(bus.keys("bad").lease("capture:bad"), "x", "y")
    async with capture(settings):
        await until(lambda: errors_of(bus, "bad"))
        await until(is_state(bus, "ended", source_id="good"))
        await bus.redis.delete(bus.keys("bad").lease("capture:bad"))
        await until(is_state(bus, "ended", source_id="bad"))
    assert await state(bus, "bad") == "ended"


async def test_damaged_pixels_end_no_encoder(bus: Bus) -> None:
    damaged = await chunk(bus, 0)
    assert damaged.frames is not None
    await bus.redis.delete(damaged.frames.key)
    await bus.redis.hset(damaged.frames.key, "not", "bytes")
    async with worker(bus) as context:
        await send(bus, damaged, await chunk(bus, 1))
        found = await until(lambda: has(bus, 2))
        assert not context.stopping.is_set()
    assert {one.seq: one.status for one in found} == {0: "buried", 1: "ok"}


class OneSource(FakeEncoder):
    """Fails on every chunk of the source `bad`."""

    def encode(self, chunks: Any, frames: Any) -> Any:
        if any(each.source_id == "bad" for each in chunks):
            raise RuntimeError("no kernel for this shape")
        return super().encode(chunks, frames)


class Short(FakeEncoder):
    """Gives too few results for a batch."""

    def encode(self, chunks: Any, frames: Any) -> Any:
        results = super().encode(chunks, frames)
        return results[:1]


async def test_bad_source_does_not_end_its_encoder(bus: Bus) -> None:
    """Eight failures in a row ended the process, also when they all were of one source among others."""

    async def add(source_id: str, seq: int) -> None:
        made: Chunk = replace(await chunk(bus, seq), source_id=source_id)
        await bus.redis.xadd(bus.keys(source_id).chunks, {FIELD: pack(made)})

    async with worker(bus, OneSource(), batch=1) as context:
        await add("good", 0)
        await until(lambda: has(bus, 1))
        for seq in range(12):
            await add("bad", seq)
        await add("good", 100)
        found = await until(lambda: has(bus, 14))
        assert not context.stopping.is_set()
    assert [one.status for one in found if one.source_id == "good"] == ["ok", "ok"]
    assert {one.status for one in found if one.source_id == "bad"} == {"buried"}


async def test_short_batch_is_encoded_one_by_one(bus: Bus) -> None:
    await send(bus, *[await chunk(bus, seq) for seq in range(4)])
    async with worker(bus, Short()):
        found = await until(lambda: has(bus, 4))
    assert {one.status for one in found} == {"ok"}


@pytest.mark.parametrize("is_damaged", [False, True])
async def test_jpeg_frames_are_encoded(bus: Bus, settings: Settings, is_damaged: bool) -> None:
    """Pixels travel as JPEGs (`bus.frames`); a picture that cannot be decoded costs its chunk."""
    jpeg = settings.model_copy(update={"bus": settings.bus.model_copy(update={"frames": "jpeg"})})
    raw = await chunk(bus, 0)
    assert raw.frames is not None
    pixels = await bus.get_blob(raw.frames)
    async with Bus.connect(jpeg) as sender:
        frames = await sender.put_frames(raw.frames.key, pixels, 60)
    assert (frames.dtype, frames.shape) == ("jpeg", pixels.shape)
    if is_damaged:
        await bus.blobs.set(frames.key, b"no picture")
    await send(bus, replace(raw, frames=frames))
    async with worker(bus):
        (found,) = await until(lambda: has(bus, 1))
    assert found.status == ("buried" if is_damaged else "ok")
