"""Events over SSE and WebSocket: every one once, in order, with its stream id; resuming; slow clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import websockets

from cornerman_gateway.app_state import AppState
from cornerman_gateway.fanout import EventFeed
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, Times
from cornerman_shared.bus.registry import put_source
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server, fast_settings
from tests.integration.gateway_harness import caller, gateway
from tests.integration.test_gateway_api import with_web
from tests.integration.waiting import PATIENCE_S, until_true


@dataclass
class Heard:
    """One server-sent event as a client reads it."""

    id: str
    name: str
    data: dict[str, object]


async def read_sse(
    client: httpx.AsyncClient,
    path: str,
    count: int,
    last_id: str = "",
    ready: asyncio.Event | None = None,
    heard: list[Heard] | None = None,
) -> list[Heard]:
    """The first `count` events, also in `heard` as they come; ends the connection then."""
    out: list[Heard] = [] if heard is None else heard
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with asyncio.timeout(PATIENCE_S), client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line == ": following" and ready is not None:
                ready.set()
            name, _, value = line.partition(": ")
            if line == "" and "data" in fields:
                out.append(Heard(fields.get("id", ""), fields["event"], json.loads(fields["data"])))
                fields = {}
                if len(out) == count:
                    break
            elif line and not line.startswith(":"):
                fields[name] = value
    return out


async def say(bus: Bus, text: str, source_id: str = "cam") -> str:
    return await bus.emit(DeltaEvent(source_id, "r", f"{source_id}:r:0", 1, text, Times()))


@pytest.fixture
async def web(settings: Settings, bus: Bus) -> AsyncIterator[tuple[str, httpx.AsyncClient, AppState]]:
    await put_source(bus, SourceSpec(source_id="cam", url="test://pattern"))
    few = with_web(settings, client_queue=64)
    async with gateway(few, bus) as (url, state), caller(url) as client:
        yield url, client, state


@pytest.fixture
async def roomy(settings: Settings, bus: Bus) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway whose queues hold everything, however far a client is behind."""
    await put_source(bus, SourceSpec(source_id="cam", url="test://pattern"))
    async with gateway(with_web(settings, client_queue=2000), bus) as (url, state), caller(url) as client:
        yield client
        await until_true(lambda: state.hub.clients == 0)


async def test_event_comes_once_with_id(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    _, client, _ = web
    ready = asyncio.Event()
    reading = asyncio.create_task(read_sse(client, "/api/sources/cam/events", 5, ready=ready))
    await ready.wait()
    ids = [await say(bus, f"line\n{n}") for n in range(5)]
    heard = await reading
    assert [item.id for item in heard] == ids
    assert [item.data["text"] for item in heard] == [f"line\n{n}" for n in range(5)]
    assert {item.name for item in heard} == {"delta"}


async def test_resuming_loses_nothing_and_repeats_nothing(
    web: tuple[str, httpx.AsyncClient, AppState], bus: Bus
) -> None:
    _, client, _ = web
    ids = [await say(bus, str(n)) for n in range(700)]  # more than a page, more than the queue
    heard = await read_sse(client, "/api/sources/cam/events", 300, last_id=ids[99])
    assert [item.id for item in heard] == ids[100:400]
    rest = await read_sse(client, "/api/sources/cam/events", 300, last_id=heard[-1].id)
    assert [item.id for item in rest] == ids[400:]


async def test_events_during_catch_up_come_once(roomy: httpx.AsyncClient, bus: Bus) -> None:
    ids = [await say(bus, str(n)) for n in range(400)]

    async def write() -> None:
        for n in range(400, 520):
            ids.append(await say(bus, str(n)))
            await asyncio.sleep(0.001)

    reading = asyncio.create_task(read_sse(roomy, "/api/sources/cam/events?since=0", 520))
    await write()
    assert [item.id for item in await reading] == ids


async def test_events_before_feed_start_come(
    web: tuple[str, httpx.AsyncClient, AppState], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh feed asks for the stream's end a moment after its first client came: what fell between was lost."""
    _, client, _ = web
    quick, joined, begin = EventFeed.run, asyncio.Event(), asyncio.Event()

    async def held(feed: EventFeed) -> None:
        joined.set()
        await begin.wait()
        await quick(feed)

    monkeypatch.setattr(EventFeed, "run", held)
    await say(bus, "before")
    reading = asyncio.create_task(read_sse(client, "/api/sources/cam/events", 3))
    await joined.wait()
    ids = [await say(bus, "1"), await say(bus, "2")]
    begin.set()
    ids.append(await say(bus, "3"))
    assert [item.id for item in await reading] == ids


async def test_client_reconnects_repeatedly_without_loss(roomy: httpx.AsyncClient, bus: Bus) -> None:
    ids: list[str] = []

    async def write() -> None:
        for n in range(150):
            ids.append(await say(bus, str(n)))
            await asyncio.sleep(0.004)

    writing = asyncio.create_task(write())
    heard = await read_sse(roomy, "/api/sources/cam/events?since=0", 7)
    while len(heard) < 150:
        heard += await read_sse(roomy, "/api/sources/cam/events", min(13, 150 - len(heard)), last_id=heard[-1].id)
    await writing
    assert [item.id for item in heard] == ids


async def test_websocket_sends_the_same_events(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, _, _ = web
    ids = [await say(bus, str(n)) for n in range(10)]
    address = url.replace("http", "ws") + f"/api/sources/cam/events.ws?since={ids[3]}"
    async with websockets.connect(address) as socket:
        ids.append(await say(bus, "live"))
        heard = [json.loads(await socket.recv()) for _ in range(7)]
    assert [item["id"] for item in heard] == ids[4:]
    assert heard[-1]["text"] == "live"


@pytest.mark.parametrize(("path", "code"), [("none/events.ws", 4404), ("cam/events.ws?since=abc", 4422)])
async def test_refused_socket_names_its_reason(
    web: tuple[str, httpx.AsyncClient, AppState], path: str, code: int
) -> None:
    url, _, _ = web
    async with websockets.connect(url.replace("http", "ws") + f"/api/sources/{path}") as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == code
        assert socket.close_reason


async def test_socket_of_other_site_refused(web: tuple[str, httpx.AsyncClient, AppState]) -> None:
    url, _, _ = web
    with pytest.raises(websockets.InvalidStatus, match="403"):
        async with websockets.connect(url.replace("http", "ws") + "/api/events.ws", origin="https://evil.example"):  # type: ignore[arg-type]
            pass


async def test_invalid_event_id_names_field(web: tuple[str, httpx.AsyncClient, AppState]) -> None:
    _, client, _ = web
    answer = await client.get("/api/sources/cam/events", headers={"Last-Event-ID": "1-0; drop"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"
    assert (await client.get("/api/sources/cam/events?since=5")).status_code == 422
    assert (await client.get("/api/sources/none/events")).status_code == 404


async def test_all_sources_resume_over_shards(server: Server, tmp_path) -> None:  # type: ignore[no-untyped-def]
    base = fast_settings(server.url, tmp_path)
    settings = base.model_copy(update={"redis": base.redis.model_copy(update={"shards": 3})})
    async with Bus.connect(settings) as bus:
        await bus.ready(60)
        async with gateway(with_web(settings), bus) as (url, _), caller(url) as client:
            names = [f"cam{n}" for n in range(6)]
            assert len({bus.keys(name).shard for name in names}) == 3
            for round_ in range(20):
                for name in names:
                    await say(bus, f"{name}:{round_}", name)
            heard = await read_sse(client, "/api/events?since=0", 50)
            heard += await read_sse(client, "/api/events", 70, last_id=heard[-1].id)
            texts = [str(item.data["text"]) for item in heard]
            assert sorted(texts) == sorted(f"{name}:{n}" for name in names for n in range(20))
            for name in names:
                assert [text for text in texts if text.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(20)]


async def test_trimmed_events_are_reported(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    _, client, _ = web
    ids = [await say(bus, str(n)) for n in range(50)]
    await bus.redis.xtrim(bus.keys("cam").feedback("cam"), maxlen=10, approximate=False)
    heard = await read_sse(client, "/api/sources/cam/events", 11, last_id=ids[5])
    assert (heard[0].name, heard[0].data["count"]) == ("lagged", None)
    assert [item.id for item in heard[1:]] == ids[40:]
    whole = await read_sse(client, "/api/sources/cam/events", 5, last_id=ids[44])
    assert [item.id for item in whole] == ids[45:]


async def test_stalled_client_harms_no_other(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, client, state = web
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**12)
    writer.write(b"GET /api/sources/cam/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await writer.drain()
    ready = asyncio.Event()
    heard: list[Heard] = []
    reading = asyncio.create_task(read_sse(client, "/api/sources/cam/events", 400, ready=ready, heard=heard))
    await ready.wait()
    await until_true(lambda: state.hub.clients == 2)
    ids = []
    for n in range(400):
        ids.append(await bus.emit(DeltaEvent("cam", "r", "cam:r:1", 1, f"{n} " + "x" * 40_000, Times())))
        await until_true(lambda sent=n: len(heard) > sent - 20)  # the one that reads is never far behind
    await reading
    assert [item.id for item in heard] == ids  # the other client got everything
    raw = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while b"event: lagged" not in raw:
                raw += await reader.read(1 << 20)
    writer.close()
    assert b"event: lagged" in raw
    told = json.loads(raw.split(b"event: lagged\ndata: ")[1].split(b"\n")[0])
    assert told["count"] > 0
    assert told["after"] in ids
    sent = await read_sse(client, "/api/sources/cam/events", 1, last_id=told["after"])
    assert sent[0].id == ids[ids.index(told["after"]) + 1]


async def test_lost_server_loses_no_event(own_server: Server, own_bus: Bus) -> None:
    await put_source(own_bus, SourceSpec(source_id="cam", url="test://pattern"))
    async with gateway(with_web(own_bus.settings), own_bus) as (url, _), caller(url) as client:
        ready = asyncio.Event()
        reading = asyncio.create_task(read_sse(client, "/api/sources/cam/events", 6, ready=ready))
        await ready.wait()
        ids = [await say(own_bus, str(n)) for n in range(3)]
        own_server.kill()
        own_server.start()
        for n in range(3, 6):
            while True:
                try:
                    ids.append(await say(own_bus, str(n)))
                    break
                except Exception as error:  # the first command on a dead connection
                    assert "reach" in str(error)
        assert [item.id for item in await reading] == ids


async def test_history_is_short_and_resumable(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    _, client, _ = web
    ids = [await say(bus, str(n)) for n in range(30)]
    body = (await client.get("/api/sources/cam/history?limit=10")).json()
    assert [event["id"] for event in body["events"]] == ids[20:]
    assert (body["last_id"], body["complete"]) == (ids[-1], False)
    assert (await client.get("/api/sources/cam/history")).json()["complete"] is True
