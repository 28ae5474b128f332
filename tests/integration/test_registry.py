"""The registry: concurrent changes, validation, removal and watching."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cornerman_shared.bus.codec import pack_map, unpack_event
from cornerman_shared.bus.commit import retry_forever
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import EndEvent
from cornerman_shared.bus.registry import (
    KEEP_REMOVED_S,
    RegistryWatcher,
    add_source,
    get_source,
    list_sources,
    put_source,
    remove_source,
    update_source,
)
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import ConfigError, RetryableError
from cornerman_shared.settings.source import SourceSpec
from tests.conftest import Server, fast_settings

CAM = SourceSpec(source_id="cam", url="test://bars")


async def revision(bus: Bus) -> int:
    return int(await bus.redis.get(bus.keys("cam").sources_revision) or 0)


async def test_added_sources_are_listed_by_id(bus: Bus) -> None:
    specs = [SourceSpec(source_id=name, url="test://bars") for name in ("b", "a", "c")]
    for spec in specs:
        await add_source(bus, spec)
    assert list(await list_sources(bus)) == ["a", "b", "c"]
    assert await get_source(bus, "b") == specs[0]
    assert await get_source(bus, "nobody") is None


async def test_taken_id_is_refused(bus: Bus) -> None:
    await add_source(bus, CAM)
    with pytest.raises(ConfigError, match="source_id 'cam' is taken; remove that source first"):
        await add_source(bus, CAM.model_copy(update={"url": "test://other"}))
    assert await get_source(bus, "cam") == CAM
    await put_source(bus, CAM.model_copy(update={"url": "test://other"}))
    assert (await list_sources(bus))["cam"].url == "test://other"


async def test_change_is_merged_and_counted(bus: Bus) -> None:
    await add_source(bus, CAM)
    after = await update_source(bus, "cam", {"speak": {"strategy": "interval"}, "paused": True})
    assert after.revision == 1
    assert (after.speak.strategy, after.speak.min_interval_s, after.paused) == ("interval", 3.0, True)
    assert await get_source(bus, "cam") == after


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speak": {"confidence_threshold": 2}}, r"speak.confidence_threshold = 2: .*less than or equal to 1"),
        ({"speak": {"strategy": "dice"}}, r"speak.strategy = 'dice': .*'interval', 'rules'"),
        ({"speak": {"volume": 1}}, "speak.volume: unknown setting"),
        ({"colour": "red"}, "colour: unknown setting"),
        ({"speak": 3}, "speak = 3"),
        ({"source_id": "other"}, "source_id cannot be changed"),
        ({"revision": 7}, "revision cannot be changed"),
    ],
)
async def test_invalid_change_is_named(bus: Bus, changes: dict[str, Any], message: str) -> None:
    await add_source(bus, CAM)
    before = await revision(bus)
    with pytest.raises(ConfigError, match=message):
        await update_source(bus, "cam", changes)
    assert await get_source(bus, "cam") == CAM
    assert await revision(bus) == before


async def test_unknown_source_cannot_be_changed(bus: Bus) -> None:
    with pytest.raises(ConfigError, match="there is no source 'cam'; see `cornerman sources list`"):
        await update_source(bus, "cam", {"paused": True})


async def test_concurrent_changes_are_all_kept(bus: Bus) -> None:
    await add_source(bus, CAM)
    changes: list[dict[str, Any]] = [
        {"paused": True},
        {"speak": {"every_chunks": 2}},
        {"speak": {"interval_s": 9.0}},
        {"say": {"prompt": "And now?"}},
        {"watch": {"credit": 2}},
    ]
    await asyncio.gather(*(update_source(bus, "cam", change) for change in changes))
    after = await get_source(bus, "cam")
    assert after is not None
    assert (after.paused, after.speak.every_chunks, after.speak.interval_s) == (True, 2, 9.0)
    assert (after.say.prompt, after.watch.credit, after.revision) == ("And now?", 2, 5)


async def test_contended_source_gives_up(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_source(bus, CAM)
    run = bus.scripts.run

    async def interrupted(name: str, keys: list[str], args: list[Any]) -> Any:
        await bus.redis.hset(keys[0], "cam", pack_map({**CAM.model_dump(mode="json"), "url": f"test://{args[1]!r}"}))
        return await run(name, keys, args)

    monkeypatch.setattr(bus.scripts, "run", interrupted)
    with pytest.raises(RetryableError, match="changed by others 8 times in a row"):
        await update_source(bus, "cam", {"paused": True})


async def test_unreadable_settings_do_not_hide_others(bus: Bus) -> None:
    await add_source(bus, CAM)
    keys = bus.keys("cam")
    await bus.redis.hset(keys.sources, mapping={"broken": b"\xc1", "odd": pack_map({"source_id": "odd", "size": 3})})
    assert list(await list_sources(bus)) == ["cam"]


async def test_removing_cancels_its_open_requests_once(bus: Bus) -> None:
    k = bus.keys("cam")
    await add_source(bus, CAM)
    await bus.redis.hset(k.run("cam"), "run", "r1")
    await bus.redis.hset(k.open_requests, mapping={"cam:r1:3": 1, "cam:q:x": 0, "cam2:r1:3": 0})
    assert await remove_source(bus, "cam")
    assert await bus.redis.hkeys(k.open_requests) == [b"cam2:r1:3"]
    ends = [unpack_event(fields[FIELD]) for _, fields in await bus.redis.xrange(k.feedback("cam"))]
    assert all(isinstance(end, EndEvent) and (end.status, end.run) == ("cancelled", "r1") for end in ends)
    assert sorted((end.request_id, end.kind) for end in ends if isinstance(end, EndEvent)) == [
        ("cam:q:x", "question"),
        ("cam:r1:3", "feedback"),
    ]
    assert await bus.redis.hget(k.counters("cam"), "cancelled") == b"2"
    assert not await remove_source(bus, "cam")
    assert await bus.redis.xlen(k.feedback("cam")) == 2


async def test_removed_data_expires_unless_readded(bus: Bus) -> None:
    k = bus.keys("cam")
    await add_source(bus, CAM)
    stored = [k.run("cam"), k.counters("cam"), k.decider_state("cam")]
    for key in stored:
        await bus.redis.hset(key, "a", 1)
    await remove_source(bus, "cam")
    for key in stored:
        assert 0 < await bus.redis.ttl(key) <= KEEP_REMOVED_S
    await add_source(bus, CAM)
    for key in stored:
        assert await bus.redis.ttl(key) == -1


async def test_watcher_reloads_only_after_changes(bus: Bus) -> None:
    watch = RegistryWatcher(bus)
    assert await watch.refresh()
    assert watch.specs == {}
    assert not await watch.refresh()
    await add_source(bus, CAM)
    assert await watch.refresh()
    assert watch.specs == {"cam": CAM}
    assert not await watch.refresh()
    await remove_source(bus, "cam")
    assert await watch.refresh()
    assert watch.specs == {}


async def test_watcher_survives_a_server_restart(own_bus: Bus, own_server: Server) -> None:
    watch = RegistryWatcher(own_bus)
    assert await watch.refresh()
    await add_source(own_bus, CAM)
    own_server.kill()
    waiting = asyncio.ensure_future(retry_forever(watch.refresh))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    own_server.start()
    assert await asyncio.wait_for(waiting, 60)
    await update_source(own_bus, "cam", {"paused": True})
    assert await retry_forever(watch.refresh)
    assert watch.specs["cam"].paused


async def test_watcher_of_a_shard_reads_it_alone(server: Server, tmp_path: Path) -> None:
    settings = fast_settings(server.url, tmp_path)
    settings = settings.model_copy(update={"redis": settings.redis.model_copy(update={"shards": 8})})
    async with Bus.connect(settings) as bus:
        await bus.ready(60)
        keys = bus.keys("cam")
        other = next(name for name in map(str, range(100)) if bus.keys(name).shard != keys.shard)
        await add_source(bus, CAM)
        await add_source(bus, CAM.model_copy(update={"source_id": other}))
        watch = RegistryWatcher(bus, [keys])
        assert await watch.refresh()
        assert list(watch.specs) == ["cam"]
        await bus.redis.config_resetstat()
        assert not await watch.refresh()
        assert (await bus.redis.info("commandstats"))["cmdstat_get"]["calls"] == 1
        await update_source(bus, other, {"paused": True})
        assert not await watch.refresh()
        await update_source(bus, "cam", {"paused": True})
        assert await watch.refresh()
