"""What no client of ours sends and no version of ours stores: each is refused, or costs its own source alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from cornerman_gateway.app_state import AppState
from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.integration.gateway_harness import caller, gateway, problem, with_web


@pytest.fixture
async def web(settings: Settings, bus: Bus) -> AsyncIterator[tuple[httpx.AsyncClient, AppState]]:
    async with gateway(with_web(settings), bus) as (url, state), caller(url) as client:
        yield client, state


async def test_damaged_run_hides_no_source(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, _ = web
    for source_id in ("cam", "other"):
        await client.post("/api/sources", json={"source_id": source_id, "url": "test://pattern"})
    for name, value in (("state", "weird"), ("published", "1e3"), (b"\xff", b"\xff"), ("ended", b"\xff")):
        await bus.redis.hset(bus.keys("cam").run("cam"), mapping={"run": "r1", name: value})
        await bus.redis.hset(bus.keys("cam").counters("cam"), b"\xff", "1")
        listed = (await client.get("/api/sources")).json()["sources"]
        assert [source["source_id"] for source in listed] == ["cam", "other"]
        await bus.redis.delete(bus.keys("cam").run("cam"))


@pytest.mark.parametrize("body", [b"\xc1", b"\x80", b""])
async def test_unreadable_source_is_told_and_removable(
    web: tuple[httpx.AsyncClient, AppState], bus: Bus, body: bytes
) -> None:
    client, _ = web
    source = {"source_id": "cam", "url": "test://pattern"}
    await client.post("/api/sources", json=source)
    await bus.redis.hset(bus.keys("cam").sources, "cam", body)
    problems = (await client.get("/api/health")).json()["problems"]
    (told,) = [each["reason"] for each in problems if each["what"] == "source cam"]
    assert "cannot be read" in told and "remove the source" in told
    for method, path in (("GET", ""), ("POST", "/pause"), ("PATCH", ""), ("POST", "/questions")):
        answer = await client.request(method, f"/api/sources/cam{path}", json={"text": "?"} if "q" in path else {})
        assert "remove the source" in str(problem(answer, 409)["detail"])
    problem(await client.post("/api/sources", json=source), 409)
    assert (await client.delete("/api/sources/cam")).status_code == 204
    problem(await client.delete("/api/sources/cam"), 404)
    assert (await client.post("/api/sources", json=source)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        b'{"speak":{"min_interval_s":1e999}}',
        b'{"speak":{"interval_s":Infinity}}',
        b'{"watch":{"give_up_s":NaN}}',
        b'{"speak":{"every_chunks":1000000000000000000000000000000}}',
    ],
)
async def test_numbers_without_bound_are_refused(web: tuple[httpx.AsyncClient, AppState], change: bytes) -> None:
    client, _ = web
    await client.post("/api/sources", json={"source_id": "cam", "url": "test://pattern"})
    headers = {"Content-Type": "application/json"}
    problem(await client.patch("/api/sources/cam", content=change, headers=headers), 422)


@pytest.mark.parametrize("headers", [{"host": "["}, {"host": "localhost", "origin": "http://["}])
async def test_broken_host_is_refused(web: tuple[httpx.AsyncClient, AppState], headers: dict[str, str]) -> None:
    client, _ = web
    problem(await client.post("/api/sources", json={}, headers=headers), 403)


@pytest.mark.parametrize("since", ["99999999999999999999-1", "1-18446744073709551616", "\u0967-1"])
async def test_impossible_cursor_is_refused(web: tuple[httpx.AsyncClient, AppState], since: str) -> None:
    client, _ = web
    await client.post("/api/sources", json={"source_id": "cam", "url": "test://pattern"})
    for path in ("/api/events", "/api/sources/cam/events"):
        problem(await client.get(path, params={"since": since}), 422)


@pytest.mark.parametrize("path", ["/api/session", "/api/sources"])
async def test_thousand_wrong_fields_are_bounded(web: tuple[httpx.AsyncClient, AppState], path: str) -> None:
    client, _ = web
    # As many as fit would hold up everyone for seconds; the login takes them from strangers.
    answer = await client.post(path, json={f"\x1b{'x' * 300}{i}": 1 for i in range(500)})
    told = problem(answer, 422)
    assert len(answer.content) < 20_000 and "\\u001b" not in answer.text
    assert isinstance(told["errors"], list) and len(told["errors"]) == 20
    assert str(told["detail"]).endswith("more")
