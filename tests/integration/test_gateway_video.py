"""Pictures: only while a viewer is connected, in step, shared; and a browser's camera coming in."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets

from cornerman_gateway.app_state import AppState
from cornerman_gateway.delay import Estimate
from cornerman_shared.bus.codec import unpack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import put_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.gateway_harness import Actor, caller, draw, gateway
from tests.integration.test_gateway_api import with_web
from tests.integration.waiting import PATIENCE_S, until, until_true


@contextlib.asynccontextmanager
async def playing(actor: Actor) -> AsyncIterator[Actor]:
    await actor.begin()
    task = asyncio.create_task(actor.play())
    try:
        yield actor
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def web(settings: Settings, bus: Bus) -> AsyncIterator[tuple[str, httpx.AsyncClient, AppState]]:
    async with gateway(with_web(settings), bus) as (url, state), caller(url) as client:
        yield url, client, state


def read_message(message: bytes) -> tuple[dict[str, float], bytes]:
    (length,) = struct.unpack_from("<H", message)
    return json.loads(message[2 : 2 + length]), message[2 + length :]


async def test_no_viewer_means_no_jpeg(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    _, client, state = web
    async with playing(Actor(bus, "demo")) as actor:
        await asyncio.sleep(0.5)
        assert (await client.get("/api/sources/demo")).status_code == 200
        assert actor.jpegs == 0
        assert not await bus.redis.exists(bus.keys("demo").watching("demo"))
        assert state.previews.viewers == 0


async def test_viewer_sets_the_watching_key(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, _, state = web
    async with playing(Actor(bus, "demo")) as actor:
        async with websockets.connect(url.replace("http", "ws") + "/api/sources/demo/video.ws?delay=0") as socket:
            await socket.recv()
            key = bus.keys("demo").watching("demo")

            async def set_for_a_while() -> bool:
                return bool(0 < await bus.redis.pttl(key) <= 3000)

            async def gone() -> bool:
                return not await bus.redis.exists(key)

            await until(set_for_a_while)
        await until_true(lambda: state.previews.viewers == 0)
        await until(gone)
        looked = actor.looked
        await until_true(lambda: actor.looked > looked + 1)  # what it had begun to make is made
        made, looked = actor.jpegs, actor.looked
        await until_true(lambda: actor.looked > looked + 7)
        assert actor.jpegs == made
        assert await gone()


async def test_mjpeg_shows_the_sources_own_rate(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    _, client, _ = web
    async with playing(Actor(bus, "demo", fps=20.0)):
        body, mark = b"", b"--cornerman-frame\r\n"
        async with (
            asyncio.timeout(PATIENCE_S),
            client.stream("GET", "/api/sources/demo/video.mjpeg?delay=0") as response,
        ):
            assert response.headers["content-type"].startswith("multipart/x-mixed-replace; boundary=")
            async for piece in response.aiter_bytes():
                body += piece
                if body.count(mark) > 40:
                    break
    times: list[float] = []
    for part in body.split(mark)[1:-1]:
        head, _, jpeg = part.partition(b"\r\n\r\n")
        assert jpeg[:3] == b"\xff\xd8\xff"
        times.append(float(head.split(b"X-Pts: ")[1].split(b"\r\n")[0]))
    # Every picture once, in order; and where nothing holds them up, none is left out.
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(steps) == pytest.approx(1 / 20, abs=0.001)


async def test_single_frame_wakes_capture(
    web: tuple[str, httpx.AsyncClient, AppState], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client, _ = web
    monkeypatch.setattr("cornerman_gateway.routes.video.FRAME_WAIT_S", PATIENCE_S)
    async with playing(Actor(bus, "demo")):
        answer = await client.get("/api/sources/demo/frame.jpg")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["x-run"] == "run-1"
        assert answer.content[:3] == b"\xff\xd8\xff"


async def test_a_source_without_pictures_says_so(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    _, client, _ = web
    await put_source(bus, SourceSpec(source_id="dark", url="test://pattern"))
    answer = await client.get("/api/sources/dark/frame.jpg")
    assert answer.status_code == 404
    assert "watch.display" in answer.json()["detail"]
    assert (await client.get("/api/sources/dark/frame.jpg?pts_s=3")).status_code == 404
    assert (await client.get("/api/sources/dark/video.mjpeg?delay=soon")).status_code == 422


async def test_picture_lags_and_never_reverses(
    web: tuple[str, httpx.AsyncClient, AppState], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, _ = web
    samples: list[float] = []
    observe = Estimate.observe

    def noted(estimate: Estimate, sample_s: float, now_s: float) -> None:
        samples.append(sample_s)
        observe(estimate, sample_s, now_s)

    monkeypatch.setattr(Estimate, "observe", noted)
    actor = Actor(bus, "demo", chunk_s=0.2, say_every=3, latency_s=0.4, jitter_s=0.02, word_s=0.01)
    heads: list[tuple[float, dict[str, float]]] = []
    async with playing(actor):
        await until_true(lambda: len(actor.said) >= 4)
        async with websockets.connect(url.replace("http", "ws") + "/api/sources/demo/video.ws") as socket:
            while sum(head["rate"] > 0 for _, head in heads) < 60:
                head, _ = read_message(await socket.recv())  # type: ignore[arg-type]
                heads.append((time.time(), head))
    assert [head["pts_s"] for _, head in heads] == sorted(head["pts_s"] for _, head in heads)
    moving = [(at, head) for at, head in heads if head["rate"] > 0]
    least, most = min(samples), max(samples)  # what words really took, on this machine, now
    assert least >= 0.35
    for at, head in moving:
        assert least - 0.001 <= head["target_s"] <= most + 2.5 * max(most / 8, most - least) + 0.001
        assert at - head["at_s"] >= head["delay_s"] - 0.005
        assert 0.9 <= head["rate"] <= 1.1
    assert min(abs(head["delay_s"] - head["target_s"]) for _, head in moving) < 0.05
    assert min(at - head["at_s"] - head["delay_s"] for at, head in moving) < 0.15


async def test_viewers_of_one_delay_share(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, _, state = web
    address = url.replace("http", "ws") + "/api/sources/demo/video.ws?delay=0.5"
    async with playing(Actor(bus, "demo")):
        async with websockets.connect(address) as one, websockets.connect(address) as two:
            await asyncio.gather(one.recv(), two.recv())
            assert state.previews.viewers == 2
            assert list(state.previews.preview("demo").groups) == ["0.5"]
            seen = [{read_message(await socket.recv())[0]["pts_s"] for _ in range(15)} for socket in (one, two)]  # type: ignore[arg-type]
        assert len(seen[0] & seen[1]) >= 1 or max(seen[0]) < min(seen[1])


async def test_lower_rate_is_honoured(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, _, _ = web
    async with playing(Actor(bus, "demo", fps=25.0)):
        async with websockets.connect(url.replace("http", "ws") + "/api/sources/demo/video.ws?delay=0&fps=5") as socket:
            taken = [read_message(await socket.recv())[0]["at_s"] for _ in range(8)]  # type: ignore[arg-type]
        steps = [later - earlier for earlier, later in itertools.pairwise(taken)]
        assert 0.9 / 5 - 1e-5 <= min(steps) < 0.3


async def test_viewed_decisions_keep_their_picture(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, client, state = web
    actor = Actor(bus, "demo", chunk_s=0.2, say_every=3, latency_s=0.2, jitter_s=0.0, word_s=0.01, encode_s=0.5)
    async with playing(actor):
        async with websockets.connect(url.replace("http", "ws") + "/api/sources/demo/video.ws") as socket:
            first, _ = read_message(await socket.recv())  # type: ignore[arg-type]
            enough = len(actor.said) + 4
            while len(actor.said) < enough:
                await socket.recv()
            rows = (await client.get("/api/sources/demo/history")).json()["events"]
            watched = [row for row in rows if row.get("pts_s", 0.0) > first["pts_s"] + 0.5]
            decisions = [row for row in watched if row["type"] == "decision"]
            said = [row for row in watched if row["type"] == "end"]
            wanted = [row["pts_s"] for row in decisions[-8:-2] + said[-2:]]
            await until_true(lambda: all(state.previews.cache.at("demo", "run-1", pts_s) for pts_s in wanted))
        await until_true(lambda: state.previews.viewers == 0)
        state.previews.sweep()
        await asyncio.sleep(0.1)
        state.previews.sweep()  # nobody watches now: the last seconds are freed, moments stay
        answers = {}
        for pts_s in wanted:
            answers[pts_s] = await client.get(f"/api/sources/demo/frame.jpg?pts_s={pts_s}&run=run-1")
        for pts_s, answer in answers.items():
            assert answer.status_code == 200, pts_s
            assert answer.headers["x-kept"] == "picture"
            assert float(answer.headers["x-pts"]) == pytest.approx(pts_s, abs=0.5)
        pts_s = said[-1]["pts_s"]
        assert (await client.get(f"/api/sources/demo/frame.jpg?pts_s={pts_s}&run=other")).status_code == 404


async def push(url: str, source_id: str = "phone") -> websockets.ClientConnection:
    return await websockets.connect(url.replace("http", "ws") + f"/api/sources/{source_id}/camera.ws")


async def test_browser_pictures_reach_push_stream(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, client, _ = web
    new = {"source_id": "phone", "url": "push://phone"}
    assert (await client.post("/api/sources", json=new)).status_code == 201
    socket = await push(url)
    jpeg = draw(1.0)
    for n in range(3):
        await socket.send(struct.pack("<d", n / 10) + jpeg)
        assert await socket.recv() == str(n + 1)
    rows = await bus.redis.xrange(bus.keys("phone").push("phone"))
    found = [unpack_map(fields[FIELD]) for _, fields in rows]
    assert [item["pts_s"] for item in found] == [0.0, 0.1, 0.2]
    assert all(item["jpeg"] == jpeg for item in found)
    second = await push(url)
    with pytest.raises(websockets.ConnectionClosed):
        await second.recv()
    assert second.close_code == 4409
    await socket.close()


@pytest.mark.parametrize("bad", [b"x" * 30, "text", struct.pack("<d", 1.0) + b"GIF89a" + b"\0" * 20])
async def test_invalid_picture_closes_the_camera(
    web: tuple[str, httpx.AsyncClient, AppState], bus: Bus, bad: bytes | str
) -> None:
    url, _, state = web
    await put_source(bus, SourceSpec(source_id="phone", url="push://phone"))
    socket = await push(url)
    await socket.send(bad)
    with pytest.raises(websockets.ConnectionClosed):
        await socket.recv()
    assert socket.close_code == 1003
    assert socket.close_reason
    await until_true(lambda: not state.pushing)


async def test_a_camera_that_floods_is_stopped(
    web: tuple[str, httpx.AsyncClient, AppState], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, _ = web
    monkeypatch.setattr("cornerman_gateway.routes.video.MAX_FPS", 4.0)  # a flood on any machine
    await put_source(bus, SourceSpec(source_id="phone", url="push://phone"))
    socket = await push(url)
    jpeg = draw(0.0, (64, 36))

    async def flood() -> None:
        for n in range(2000):
            await socket.send(struct.pack("<d", n / 1000) + jpeg)

    with pytest.raises(websockets.ConnectionClosed):
        await asyncio.gather(flood(), asyncio.sleep(0))
        while True:
            await socket.recv()
    assert socket.close_code == 1003
    assert "pictures a second" in str(socket.close_reason)
    assert await bus.redis.xlen(bus.keys("phone").push("phone")) < 400


async def test_only_push_sources_take_a_camera(web: tuple[str, httpx.AsyncClient, AppState], bus: Bus) -> None:
    url, _, _ = web
    await put_source(bus, SourceSpec(source_id="file", url="test://pattern"))
    for name, code in (("file", 4409), ("none", 4404)):
        socket = await push(url, name)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == code
