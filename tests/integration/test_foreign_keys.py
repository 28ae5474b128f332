"""A key that something else has put in the place of ours stops no process, and no more than what needs it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio.client import Pipeline

from cornerman_encoder.fake import FakeEncoder
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.key_types import shared_types
from cornerman_shared.bus.messages import DecisionEvent, ErrorEvent, Event
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.bus.system_health import system_health
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server
from tests.integration import generator_harness, test_encoder_service
from tests.integration.capture_harness import capture
from tests.integration.decider_harness import decider
from tests.integration.gateway_harness import gateway
from tests.integration.service_harness import SOURCE
from tests.integration.waiting import PATIENCE_S, until

OTHER = "other"
KEYS = streams.Keys(0)
SHARED = [*shared_types(KEYS), streams.WORKERS]
OF_SOURCE = [
    *(key(SOURCE) for key in (KEYS.run, KEYS.counters, KEYS.inflight, KEYS.decider_state, KEYS.feedback, KEYS.stills)),
    *(key(SOURCE) for key in (KEYS.display, KEYS.push, KEYS.asked, KEYS.answered, KEYS.watching)),
    KEYS.lease(f"capture:{SOURCE}"),
    KEYS.fence(f"capture:{SOURCE}"),
]
LONG_ENOUGH_S = 0.3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One server is enough: types of keys are the same in Valkey and Redis."""
    own = Server(find_binary(), tmp_path)
    own.start()
    yield own
    own.stop()


LIVE = {"realtime": True, "lossless": False, "loop": True, "sample_fps": 16, "credit": 8}
SPEAKS = {"strategy": "rules", "every_chunks": 4, "min_interval_s": 0}


@contextlib.asynccontextmanager
async def five_roles(settings: Settings, bus: Bus) -> AsyncIterator[str]:
    """Every role, two live sources, and a viewer of the first one; yields the gateway's address."""
    for source_id in (SOURCE, OTHER):
        url = "test://pattern?fps=30&seconds=60&size=64x36"
        await add_source(
            bus, SourceSpec.model_validate({"source_id": source_id, "url": url, "watch": LIVE, "speak": SPEAKS})
        )
    async with (
        capture(settings),
        test_encoder_service.worker(bus, FakeEncoder()),
        decider(bus),
        generator_harness.worker(bus),
        gateway(settings, bus) as (url, _),
    ):
        yield url


async def told(bus: Bus, source_id: str, kind: type[Event]) -> list[Any]:
    """Events of the shard's stream; none while it is damaged."""
    rows = await bus.redis.xrange(KEYS.feedback_all)
    found = [unpack_event(fields[FIELD]) for _, fields in rows]
    return [event for event in found if isinstance(event, kind) and event.source_id == source_id]


async def errors(bus: Bus, source_id: str) -> list[str]:
    return [event.message for event in await told(bus, source_id, ErrorEvent)]


async def goes_on(bus: Bus) -> None:
    """Waits for new decisions of both sources."""
    before = {source_id: len(await told(bus, source_id, DecisionEvent)) for source_id in (SOURCE, OTHER)}
    for source_id, count in before.items():
        await until(lambda name=source_id, n=count: has_more(bus, name, n))


async def has_more(bus: Bus, source_id: str, before: int) -> bool:
    return len(await told(bus, source_id, DecisionEvent)) > before


async def put_foreign(bus: Bus, key: str) -> None:
    wanted = {**shared_types(KEYS), OF_SOURCE[-2]: "string", OF_SOURCE[-1]: "string"}.get(key)
    async with bus.redis.pipeline(transaction=True) as pipe:
        pipe.rename(key, f"{key}:away")
        if wanted == "string":
            pipe.rpush(key, "foreign")
        else:
            pipe.set(key, "foreign")
        await execute(pipe)


async def put_back(bus: Bus, key: str) -> None:
    async with bus.redis.pipeline(transaction=True) as pipe:
        pipe.delete(key)
        pipe.rename(f"{key}:away", key)
        await execute(pipe)


async def execute(pipe: Pipeline) -> None:
    """All at once, since the services come and go on these keys; there may have been nothing to rename."""
    for reply in await pipe.execute(raise_on_error=False):
        if isinstance(reply, Exception) and "no such key" not in str(reply):
            raise reply


async def test_foreign_shared_keys_are_waited_for(bus: Bus, settings: Settings) -> None:
    async with five_roles(settings, bus) as url, httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
        await goes_on(bus)
        for key in SHARED:
            await put_foreign(bus, key)
            told = [one for one in (await system_health(bus)).problems if one.what == f"key {key}"]
            assert len(told) == 1 and key in told[0].reason and "DEL" in told[0].reason
            await asyncio.sleep(LONG_ENOUGH_S)  # every reading loop meets it
            assert (await client.get("/api/status")).json()["health"]["state"] == "degraded"
            await put_back(bus, key)
            await goes_on(bus)
        assert not [one for one in (await system_health(bus)).problems if one.what.startswith("key")]
        assert [await errors(bus, source_id) for source_id in (SOURCE, OTHER)] == [[], []]


async def test_foreign_source_keys_cost_their_source(bus: Bus, settings: Settings) -> None:
    async with five_roles(settings, bus) as url, httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
        await goes_on(bus)
        for key in OF_SOURCE:
            before = len(await errors(bus, SOURCE))
            await put_foreign(bus, key)
            reply = await client.post(f"/api/sources/{SOURCE}/questions", json={"text": "How is it?"})
            assert reply.status_code in (202, 429), (key, reply.text)
            for path in (f"/api/sources/{SOURCE}", f"/api/sources/{SOURCE}/history", "/api/sources", "/api/status"):
                reply = await client.get(path)
                assert reply.status_code in (200, 503), (key, path, reply.text)
            await goes_on(bus)
            assert len(await errors(bus, SOURCE)) <= before + 1, key
        assert await errors(bus, OTHER) == []
