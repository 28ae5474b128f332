"""Removed sources leave nothing behind that stays."""

from __future__ import annotations

from functools import partial

from cornerman_encoder.fake import FakeEncoder
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Question
from cornerman_shared.bus.registry import add_source, list_sources, remove_source
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from cornerman_shared.settings.tree import Settings
from tests.integration import test_encoder_service
from tests.integration.capture_harness import capture, spec
from tests.integration.decider_harness import decider
from tests.integration.generator_harness import worker as generator
from tests.integration.waiting import until

SOURCES, AT_ONCE = 120, 15
"""So few at once that a busy machine keeps up: live sources that it cannot follow get no words."""

KEPT_S = 3600


def camera(source_id: str) -> SourceSpec:
    """A small live source that asks for words at every chunk."""
    speak = SpeakSettings(every_chunks=1, min_interval_s=0, gap_s=0.5, deadline_s=0)
    given = spec("test://pattern?fps=8&seconds=0&size=16x16", source_id, lossless=False, realtime=True, credit=2)
    return given.model_copy(update={"speak": speak})


async def has_words(bus: Bus, source_id: str) -> bool:
    return int(await bus.redis.hget(bus.keys(source_id).counters(source_id), "feedback") or 0) > 0


async def keys_that_stay(bus: Bus) -> list[str]:
    """Keys that name a source and never expire, over the whole keyspace."""
    found = [key async for key in bus.redis.scan_iter(count=1000) if b"cam-" in key]
    return [key.decode() for key in found if await bus.redis.ttl(key) == -1]


async def test_removed_sources_leave_no_key(bus: Bus, settings: Settings) -> None:
    """120 sources with chunks, words and questions; each is removed while its pipeline works on it."""
    small = settings.model_copy(
        update={"capture": settings.capture.model_copy(update={"shorter_side": 32, "max_sources": 2 * AT_ONCE})}
    )
    async with (
        capture(small),
        test_encoder_service.worker(bus, FakeEncoder()),
        decider(bus),
        generator(bus),
    ):
        for first in range(0, SOURCES, AT_ONCE):
            names = [f"cam-{number}" for number in range(first, first + AT_ONCE)]
            for name in names:
                await add_source(bus, camera(name))
            for name in names:
                await until(partial(has_words, bus, name))
            for name in names:
                await bus.ask(Question(f"q-{name}", name, "What is it?", 1.0))
                assert await remove_source(bus, name)
        for name in ("cam-0", "cam-never"):
            await bus.ask(Question(f"late-{name}", name, "What is it?", 1.0))
            await until(partial(bus.redis.exists, bus.keys(name).feedback(name)))
        await until(partial(questions_are_settled, bus))
    assert await list_sources(bus) == {}
    assert await keys_that_stay(bus) == []
    keys = bus.keys("cam-0")
    assert not await bus.redis.exists(keys.sources, keys.incarnations, keys.open_requests)
    assert 0 < await bus.redis.ttl(keys.feedback("cam-never")) <= KEPT_S


async def questions_are_settled(bus: Bus) -> bool:
    (group,) = await bus.redis.xinfo_groups(bus.keys("cam-0").questions)
    return bool(group["pending"] == 0 and group["lag"] == 0)
