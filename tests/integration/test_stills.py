"""Stills of feedback without viewers: capture stores the frame, the gateway encodes it on request."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from cornerman_capture import stills
from cornerman_capture.core import PendingChunk, SampledFrame
from cornerman_gateway.stills import still
from cornerman_shared.bus.codec import pack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Action, Chunk, DecisionEvent, StartEvent, Times
from cornerman_shared.bus.registry import add_source, remove_source
from cornerman_shared.bus.streams import moment_ms, still_field, still_order
from cornerman_shared.settings.tree import Settings
from tests.integration.capture_harness import PATTERN, capture, chunks, has_chunks, spec
from tests.integration.gateway_harness import caller, gateway
from tests.integration.test_gateway_api import with_web
from tests.integration.waiting import until


def decision(chunk: Chunk, action: Action) -> DecisionEvent:
    return DecisionEvent(
        chunk.source_id, chunk.run, chunk.seq, chunk.pts_s, action, 0.9, "test", "head", 0.1, "ok", Times(1.0)
    )


async def fields(bus: Bus, source_id: str = "cam1") -> list[bytes]:
    return sorted(await bus.redis.hkeys(bus.keys(source_id).stills(source_id)), key=still_order)


async def test_feedback_has_a_still_without_viewers(settings: Settings, bus: Bus) -> None:
    watching = spec("test://pattern?fps=30&seconds=0&size=128x72", realtime=True, lossless=False, credit=64)
    async with capture(settings):
        await add_source(bus, watching)
        await until(has_chunks(bus, 4))
        silent, spoken, asked = (await chunks(bus))[1:4]
        await bus.emit(decision(silent, "next"))
        await bus.emit(decision(spoken, "correct"))
        await bus.emit(decision(asked, "next"))
        question = StartEvent(
            "cam1", asked.run, "cam1:q:1", 1, "question", "feedback", asked.pts_s, "why?", "m", Times(1.0)
        )
        await bus.emit(question)

        async def two() -> bool:
            return len(await fields(bus)) == 2

        await until(two)
        wanted = [still_field(item.run, moment_ms(item.pts_s)).encode() for item in (spoken, asked)]
        assert await fields(bus) == wanted
        assert not await bus.redis.exists(bus.keys("cam1").display("cam1"))  # no preview was encoded
        async with gateway(with_web(settings), bus) as (url, _), caller(url) as client:
            address = f"/api/sources/cam1/frame.jpg?run={spoken.run}&pts_s="
            answer = await client.get(f"{address}{spoken.pts_s}")
            assert answer.status_code == 200 and answer.headers["x-kept"] == "still"
            with Image.open(io.BytesIO(answer.content)) as image:
                colours = image.convert("RGB").getcolors(2**18)
            assert colours is not None and len(colours) > 16
            gone = await client.get(f"{address}{silent.pts_s}")
            assert gone.status_code == 404
            assert "only while a viewer is connected" in gone.json()["detail"]
        await remove_source(bus, "cam1")
        assert await bus.redis.ttl(bus.keys("cam1").stills("cam1")) > 0


async def test_last_undecided_chunks_are_kept(settings: Settings, bus: Bus) -> None:
    async with capture(settings):
        await add_source(bus, spec())

        async def kept() -> bool:
            return len(await fields(bus)) == len(await chunks(bus)) - 1 > 0

        await until(kept)  # all but the end marker: no decider runs here
        run = (await chunks(bus))[0].run
        assert (await fields(bus))[0].startswith(f"{run}:".encode())


async def test_display_off_keeps_no_stills(settings: Settings, bus: Bus) -> None:
    watching = spec(PATTERN.replace("seconds=6", "seconds=0"), realtime=True, lossless=False, display=False)
    async with capture(settings):
        await add_source(bus, watching)
        await until(has_chunks(bus, 2))
        for chunk in await chunks(bus):
            await bus.emit(decision(chunk, "correct"))
        await until(has_chunks(bus, 4))
        assert await fields(bus) == []


async def test_only_the_newest_are_kept(settings: Settings, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "KEPT", 3)
    async with capture(settings):
        await add_source(bus, spec())

        async def three() -> bool:
            last = (await chunks(bus))[-1:]
            return bool(last and last[0].end) and len(await fields(bus)) == 3

        await until(three)
        newest = [still_field(item.run, moment_ms(item.pts_s)).encode() for item in (await chunks(bus))[-4:-1]]
        assert await fields(bus) == newest


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", pack_map({"height": 2, "width": 2, "rgb": b"12"}), pack_map({"rgb": 1})]
)
async def test_malformed_still_is_not_found(bus: Bus, body: bytes) -> None:
    await bus.redis.hset(bus.keys("cam1").stills("cam1"), still_field("r", 1500), body)
    assert await still(bus, "cam1", "r", 1.5) is None


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_stopped_store_leaves_no_lasting_key(bus: Bus, steps: int) -> None:
    """A run that is stopped at any moment of storing: what is on the server expires."""
    chunk = PendingChunk(0, (SampledFrame(1.0, np.zeros((8, 8, 3), np.uint8)),))
    kept = stills.Stills(bus, "run-1", spec)
    kept.hold(chunk)
    storing = asyncio.create_task(kept.flush())
    for _ in range(steps):
        await asyncio.sleep(0)
    storing.cancel()
    await asyncio.wait([storing])
    assert await bus.redis.ttl(bus.keys("cam1").stills("cam1")) != -1
