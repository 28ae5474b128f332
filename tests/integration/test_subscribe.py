"""Subscriptions deliver every later event in order, through restarts of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cornerman.commands.watch import _watch
from cornerman.local.run_output import RunOutput
from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, ErrorEvent, Event, Times
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD, shard_of
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server, fast_settings
from tests.integration.waiting import until, until_reading

pytestmark = pytest.mark.topologies("cluster")


def delta(source_id: str, n: int) -> DeltaEvent:
    return DeltaEvent(source_id, "r1", f"{source_id}:r1:0", 1, str(n), Times())


async def collect(events: AsyncIterator[tuple[str, Event]], count: int) -> list[tuple[str, str, str]]:
    """(entry id, source, text) of the next events."""
    found = []
    async with asyncio.timeout(60):
        async for entry_id, event in events:
            assert isinstance(event, DeltaEvent)
            found.append((entry_id, event.source_id, event.text))
            if len(found) == count:
                break
    return found


async def test_since_zero_gives_every_kept_event(bus: Bus) -> None:
    ids = [await bus.emit(delta("cam", n)) for n in range(600)]
    found = await collect(bus.subscribe("cam", since="0"), 600)
    assert [entry_id for entry_id, _, _ in found] == ids
    assert [text for _, _, text in found] == [str(n) for n in range(600)]


async def test_since_id_gives_later_events(bus: Bus) -> None:
    ids = [await bus.emit(delta("cam", n)) for n in range(5)]
    assert [text for _, _, text in await collect(bus.subscribe("cam", since=ids[2]), 2)] == ["3", "4"]


async def test_since_now_skips_older_events(bus: Bus) -> None:
    await bus.emit(delta("cam", 0))
    events = bus.subscribe("cam")
    first = asyncio.ensure_future(anext(events))
    await until_reading(bus)
    assert not first.done()
    await bus.emit(delta("cam", 1))
    assert (await asyncio.wait_for(first, 60))[1] == delta("cam", 1)


async def test_other_sources_are_not_delivered(bus: Bus) -> None:
    for n in range(3):
        await bus.emit(delta("other", n))
        await bus.emit(delta("cam", n))
    assert {source for _, source, _ in await collect(bus.subscribe("cam", since="0"), 3)} == {"cam"}


async def test_all_sources_keep_their_order(server: Server, settings: Settings) -> None:
    sharded = settings.model_copy(update={"redis": settings.redis.model_copy(update={"shards": 3})})
    names = [f"cam{n}" for n in range(12)]
    assert {shard_of(name, 3) for name in names} == {0, 1, 2}
    async with Bus.connect(sharded) as bus:
        await bus.ready(60)
        for n in range(10):
            for name in names:
                await bus.emit(delta(name, n))
        found = await collect(bus.subscribe(since="0"), 120)
    for name in names:
        assert [text for _, source, text in found if source == name] == [str(n) for n in range(10)]


async def test_subscription_resumes_after_server_restart(own_bus: Bus, own_server: Server) -> None:
    events = own_bus.subscribe("cam", since="0")
    for n in range(3):
        await own_bus.emit(delta("cam", n))
    found = await collect(events, 3)
    rest = asyncio.ensure_future(collect(events, 2))
    await until_reading(own_bus)
    own_server.kill()
    await asyncio.sleep(0.3)
    own_server.start()
    await own_bus.ready(60)
    for n in (3, 4):
        await own_bus.emit(delta("cam", n))
    found += await rest
    assert [text for _, _, text in found] == ["0", "1", "2", "3", "4"]


async def test_since_now_survives_a_restart(own_bus: Bus, own_server: Server) -> None:
    """`$` resolved again after a reconnect would skip the events in between."""
    await own_bus.emit(delta("cam", 0))
    waiting = asyncio.ensure_future(collect(own_bus.subscribe("cam"), 1))
    await until_reading(own_bus)
    own_server.kill()
    own_server.start()
    await own_bus.ready(60)
    await own_bus.emit(delta("cam", 1))
    assert [text for _, _, text in await waiting] == ["1"]


async def test_malformed_entry_is_skipped(bus: Bus) -> None:
    stream = bus.keys("cam").feedback("cam")
    await bus.redis.xadd(stream, {FIELD: b"\xc1"})
    await bus.redis.xadd(stream, {"other": b"field"})
    await bus.emit(delta("cam", 1))
    assert [text for _, _, text in await collect(bus.subscribe("cam", since="0"), 1)] == ["1"]


async def test_event_streams_are_bounded(server: Server, settings: Settings) -> None:
    bounded = settings.model_copy(update={"bus": settings.bus.model_copy(update={"feedback_maxlen": 100})})
    async with Bus.connect(bounded) as bus:
        k = bus.keys("cam")
        for n in range(500):
            await bus.emit(delta("cam", n))
        for stream in (k.feedback("cam"), k.feedback_all):
            assert 100 <= await bus.redis.xlen(stream) < 300


async def test_leaving_closes_the_connection(bus: Bus) -> None:
    await bus.emit(delta("cam", 0))
    before = len(await bus.redis.client_list())
    for _ in range(5):
        events = bus.subscribe("cam", since="0")
        await collect(events, 1)
        await events.aclose()  # type: ignore[attr-defined]
    assert len(bus._blocking) == 0

    async def noticed() -> bool:  # the server notices a little later
        return len(await bus.redis.client_list()) <= before

    await until(noticed)


@pytest.mark.parametrize("since", ["0", "$"])
async def test_missing_stream_is_awaited(server: Server, tmp_path: object, since: str) -> None:
    async with Bus.connect(fast_settings(server.url, tmp_path)) as bus:  # type: ignore[arg-type]
        waiting = asyncio.ensure_future(collect(bus.subscribe("new", since=since), 1))
        await until_reading(bus)
        await bus.emit(delta("new", 1))
        assert [text for _, _, text in await waiting] == ["1"]


async def trim(bus: Bus, *, to: int) -> None:
    """Drops all but the newest entries, as many more events would."""
    await bus.redis.xtrim(bus.keys("cam").feedback("cam"), maxlen=to, approximate=False)


@pytest.mark.parametrize(("since", "kept", "told"), [(2, 3, 0), (2, 1, 1), ("0", 1, 0)])
async def test_resuming_behind_trimmed_events_is_told(bus: Bus, since: int | str, kept: int, told: int) -> None:
    ids = [await bus.emit(delta("cam", n)) for n in range(5)]
    await trim(bus, to=kept)
    since_id = ids[since] if isinstance(since, int) else since
    gaps: list[str] = []
    found = await collect(bus.subscribe("cam", since=since_id, gap=gaps.append), min(kept, 2))
    assert gaps == [since_id] * told
    assert found[-1][2] == "4"


async def test_slow_reader_is_told_of_a_gap(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerman_shared.bus.subscribe.SLOW_S", 0.0)
    gaps: list[str] = []
    events = bus.subscribe("cam", since="0", gap=gaps.append)
    first = await bus.emit(delta("cam", 0))
    await collect_one(events)
    for n in range(1, 5):
        await bus.emit(delta("cam", n))
    await trim(bus, to=1)
    assert await collect_one(events) == "4"
    assert gaps == [first]


@pytest.mark.parametrize("as_json", [True, False])
async def test_watch_tells_of_a_gap(bus: Bus, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    await add_source(bus, SourceSpec(source_id="cam", url="test://"))
    ids = [await bus.emit(ErrorEvent("cam", "r1", "capture", str(n), 1.0)) for n in range(5)]
    await trim(bus, to=1)
    lines: list[str] = []
    watching = asyncio.create_task(_watch(bus.settings, "cam", ids[0], RunOutput(as_json=as_json, progress=False)))

    async def shown() -> bool:
        captured = capsys.readouterr()
        lines.append(captured.out + captured.err)
        return "capture  4" in "".join(lines) or '"message": "4"' in "".join(lines)

    await until(shown)
    await cancel_all(watching)
    assert "words may be missing here" in "".join(lines)
    assert (f'{{"type": "lagged", "count": null, "after": "{ids[0]}"}}' in "".join(lines)) is as_json


async def collect_one(events: AsyncIterator[tuple[str, Event]]) -> str:
    event = (await asyncio.wait_for(anext(events), 60))[1]
    assert isinstance(event, DeltaEvent)
    return event.text
