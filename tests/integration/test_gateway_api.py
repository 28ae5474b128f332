"""The gateway's API on a real server: sources, questions, uploads, health, and who may come in."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cornerman_gateway.app_state import AppState
from cornerman_gateway.security import COOKIE
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Question, WorkerStatus
from cornerman_shared.bus.registry import get_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server
from tests.integration.gateway_harness import Actor, caller, gateway, problem, with_web
from tests.integration.waiting import PATIENCE_S

TOKEN = "a-token-of-some-length"
MP4 = b"\x00\x00\x00\x18ftypisom" + b"\0" * 2000


@pytest.fixture
async def web(settings: Settings, bus: Bus) -> AsyncIterator[tuple[httpx.AsyncClient, AppState]]:
    async with gateway(with_web(settings), bus) as (url, state), caller(url) as client:
        yield client, state


@pytest.fixture
async def locked(settings: Settings, bus: Bus) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(with_web(settings, token=TOKEN), bus) as (url, _), caller(url) as client:
        yield client


async def test_source_is_added_changed_removed(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, _ = web
    new = {"source_id": "cam", "url": "test://pattern", "speak": {"strategy": "interval"}, "say": {"prompt": "Count."}}
    made = await client.post("/api/sources", json=new)
    assert made.status_code == 201
    assert made.headers["location"] == "/api/sources/cam"
    assert made.json()["speak"]["strategy"] == "interval"
    assert made.json()["profile"] == "custom"
    assert [row["source_id"] for row in (await client.get("/api/sources")).json()["sources"]] == ["cam"]

    changed = await client.patch("/api/sources/cam", json={"speak": {"confidence_threshold": 0.5}, "mode": "polling"})
    assert changed.json()["revision"] == 1
    spec = await get_source(bus, "cam")
    assert spec is not None
    assert (spec.speak.confidence_threshold, spec.speak.strategy, spec.mode) == (0.5, "interval", "polling")

    assert (await client.post("/api/sources/cam/pause")).json()["paused"] is True
    assert (await client.post("/api/sources/cam/resume")).json()["paused"] is False
    assert (await client.delete("/api/sources/cam")).status_code == 204
    assert await get_source(bus, "cam") is None
    problem(await client.get("/api/sources/cam"), 404)


async def test_missing_fields_take_server_settings(settings: Settings, bus: Bus) -> None:
    ours = settings.model_copy(update={"speak": settings.speak.model_copy(update={"min_interval_s": 9.0})})
    async with gateway(with_web(ours), bus) as (url, _), caller(url) as client:
        made = await client.post("/api/sources", json={"source_id": "a", "url": "test://pattern"})
        assert made.json()["speak"]["min_interval_s"] == 9.0


async def test_errors_name_field_and_remedy(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, _ = web
    ok = {"source_id": "cam", "url": "test://pattern"}
    assert (await client.post("/api/sources", json=ok)).status_code == 201
    assert "choose another" in str(problem(await client.post("/api/sources", json=ok), 409)["detail"])
    for body, field in (
        ({**ok, "source_id": "../x"}, "source_id"),
        ({**ok, "source_id": "b", "url": "ftp://x"}, "url"),
        ({**ok, "source_id": "b", "speak": {"strategy": "loud"}}, "speak.strategy"),
        ({**ok, "source_id": "b", "nonsense": 1}, "nonsense"),
        ({"source_id": "b"}, "url"),
    ):
        found = problem(await client.post("/api/sources", json=body), 422)
        assert field in json.dumps(found["errors"]), found
    found = problem(await client.patch("/api/sources/cam", json={"speak": {"confidence_threshold": 7}}), 422)
    assert "less than or equal to 1" in str(found["detail"])
    problem(await client.patch("/api/sources/none", json={}), 404)
    problem(await client.post("/api/sources/none/questions", json={"text": "?"}), 404)
    problem(await client.get("/api/nothing"), 404)
    problem(await client.put("/api/sources"), 405)
    problem(await client.post("/api/sources", content=b"{", headers={"content-type": "application/json"}), 422)


async def test_rebound_name_is_refused_on_resume(
    web: tuple[httpx.AsyncClient, AppState], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = web
    now = ["192.168.1.20"]

    async def resolve(host: str, port: int | None) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        return [ipaddress.ip_address(now[0])]

    monkeypatch.setattr("cornerman_gateway.addresses._resolve", resolve)
    new = {"source_id": "cam", "url": "http://rebound.example/stream"}
    assert (await client.post("/api/sources", json=new)).status_code == 201
    assert (await client.post("/api/sources/cam/pause")).status_code == 200
    now[0] = "169.254.169.254"
    for answer in (
        await client.post("/api/sources/cam/resume"),
        await client.patch("/api/sources/cam", json={"paused": False}),
        await client.patch("/api/sources/cam", json={"watch": {"overlap": 2}}),
    ):
        assert "metadata" in str(problem(answer, 422)["detail"])
    spec = await get_source(bus, "cam")
    assert spec is not None and spec.paused
    assert (await client.patch("/api/sources/cam", json={"speak": {"confidence_threshold": 0.5}})).status_code == 200
    now[0] = "192.168.1.20"
    assert (await client.post("/api/sources/cam/resume")).status_code == 200


async def test_url_credentials_are_never_returned(
    web: tuple[httpx.AsyncClient, AppState], bus: Bus, capfd: pytest.CaptureFixture[str]
) -> None:
    client, _ = web
    url = "rtsp://admin:hunter2@192.0.2.7:554/live"
    texts = [(await client.post("/api/sources", json={"source_id": "cam", "url": url})).text]
    paths = ("/api/sources", "/api/sources/cam", "/api/status", "/metrics", "/api/sources/cam/report")
    texts += [(await client.get(path)).text for path in paths]
    texts.append((await client.post("/api/sources", json={"source_id": "x", "url": "ftp://a:hunter2@b/"})).text)
    texts.append((await client.post("/api/sources", json={"source_id": 5, "url": "rtsp://a:hunter2@b/"})).text)
    out = capfd.readouterr()
    assert "hunter2" not in "".join([*texts, out.out, out.err])
    spec = await get_source(bus, "cam")
    assert spec is not None and spec.url == url
    await client.patch("/api/sources/cam", json={"say": {"prompt": "x"}})
    spec = await get_source(bus, "cam")
    assert spec is not None and spec.url == url


async def test_a_question_reaches_the_decider(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, _ = web
    await client.post("/api/sources", json={"source_id": "cam", "url": "test://pattern"})
    answer = (await client.post("/api/sources/cam/questions", json={"text": "  How many? "})).json()
    [(_, fields)] = await bus.redis.xrange(bus.keys("cam").questions)
    question = unpack(fields[FIELD], Question)
    assert (question.text, question.source_id) == ("How many?", "cam")
    assert answer["request_id"] == f"cam:q:{question.question_id}"
    assert answer["expires_in_s"] == bus.settings.decider.question_s
    problem(await client.post("/api/sources/cam/questions", json={"text": "   "}), 422)


async def test_too_many_questions_are_refused(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, _ = web
    keys, most = bus.keys("cam"), bus.settings.decider.max_questions
    for source_id in ("cam", "other"):
        await client.post("/api/sources", json={"source_id": source_id, "url": "test://pattern"})
    await bus.redis.hset(keys.open_requests, mapping={"cam:r1:1": 0, **{f"cam:q:{n}": 0 for n in range(most - 1)}})
    assert (await client.post("/api/sources/cam/questions", json={"text": "?"})).status_code == 202
    await bus.redis.hset(keys.open_requests, "cam:q:last", 0)
    refused = await client.post("/api/sources/cam/questions", json={"text": "?"})
    body = problem(refused, 429)
    assert f"decider.max_questions = {most}" in str(body["detail"]) and refused.headers["Retry-After"] == "5"
    assert (await client.post("/api/sources/other/questions", json={"text": "?"})).status_code == 202


async def test_unread_questions_are_bounded(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    """About 1,000 were accepted while no decider ran."""
    client, _ = web
    most, keys = bus.settings.decider.max_questions, bus.keys("cam")
    for source_id in ("cam", "other"):
        await client.post("/api/sources", json={"source_id": source_id, "url": "test://pattern"})
    asks = [client.post("/api/sources/cam/questions", json={"text": "?"}) for _ in range(2 * most)]
    codes = [answer.status_code for answer in await asyncio.gather(*asks)]
    assert (codes.count(202), codes.count(429)) == (most, most)
    assert await bus.redis.xlen(keys.questions) == most
    assert (await client.post("/api/sources/other/questions", json={"text": "?"})).status_code == 202
    [(_, fields), *_] = await bus.redis.xrange(keys.questions)
    await bus.redis.zadd(keys.answered("cam"), {unpack(fields[FIELD], Question).question_id: 1})  # as a decider does
    assert (await client.post("/api/sources/cam/questions", json={"text": "?"})).status_code == 202


async def test_upload_is_removed_with_its_source(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, _ = web
    made = await client.post("/api/uploads?name=squat.mp4", content=MP4)
    assert made.status_code == 201
    path = Path(made.json()["url"])
    assert path.read_bytes() == MP4
    assert (await client.post("/api/sources", json={"source_id": "up", "url": str(path)})).status_code == 201
    assert (await client.delete("/api/sources/up")).status_code == 204
    assert not path.exists()
    problem(await client.post("/api/uploads?name=x.mp4", content=b"<html>"), 415)


async def test_oversized_upload_is_refused_midway(settings: Settings, bus: Bus) -> None:
    async with gateway(with_web(settings, upload_max_bytes=5000), bus) as (url, state):
        async with caller(url) as client:

            async def endless() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield MP4

            problem(await client.post("/api/uploads?name=x.mp4", content=endless()), 413)
            problem(await client.post("/api/uploads?name=x.mp4", content=MP4 * 3), 413)
        assert list(state.uploads.folder.iterdir()) == []


async def test_health_and_metrics(
    web: tuple[httpx.AsyncClient, AppState], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = web
    monkeypatch.setattr("cornerman_gateway.routes.health.READY_TIMEOUT_S", PATIENCE_S)
    assert (await client.get("/livez")).text == "ok\n"
    assert (await client.get("/readyz")).text == "ok\n"
    metrics = (await client.get("/metrics")).text
    assert 'cornerman_lag_entries{group="encoder"} 0.0' in metrics
    assert 'cornerman_clients{kind="events"} 0.0' in metrics
    status = (await client.get("/api/status")).json()
    assert status["workers"] == []
    assert status["lag"] == {"encoder": 0, "decider": 0, "generator": 0}


async def test_health_names_its_problems(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, _ = web
    for role in ("capture", "encoder", "decider", "generator"):
        await publish_status(bus, WorkerStatus(role, "w1", 1, "host", "running", 1.0, bus.clock.now_s(), 1, 0))
    assert (await client.get("/api/health")).json() == {"state": "healthy", "problems": []}
    reason = "encoder was killed by SIGSEGV at rtsp://me:hunter22@cam/, again and again"
    await publish_status(bus, WorkerStatus("encoder", "w1", 1, "host", "unhealthy", 1.0, 1.0, 0, 0, reason=reason))
    wanted = [{"what": "encoder", "reason": reason.replace("me:hunter22", "***")}]
    assert (await client.get("/api/health")).json() == {"state": "degraded", "problems": wanted}
    assert (await client.get("/api/status")).json()["health"]["problems"] == wanted


async def test_lost_server_is_alive_not_ready(
    own_server: Server, own_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cornerman_gateway.routes.health.READY_TIMEOUT_S", PATIENCE_S)
    settings = own_bus.settings
    async with gateway(with_web(settings), own_bus) as (url, _), caller(url) as client:
        own_server.kill()
        assert (await client.get("/livez")).status_code == 200
        problem(await client.get("/readyz"), 503)
        found = problem(await client.get("/api/sources"), 503)
        assert "not reachable" in str(found["title"])
        own_server.start()
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/api/sources")).status_code == 200


async def test_every_answer_carries_the_guarding_headers(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, _ = web
    for path in ("/", "/login", "/docs", "/api/sources", "/static/js/main.js", "/nothing"):
        headers = (await client.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers
    assert (await client.get("/api/sources")).headers["cache-control"] == "no-store"


async def test_pages_have_no_foreign_script(
    web: tuple[httpx.AsyncClient, AppState],
) -> None:
    client, _ = web
    static = Path("services/gateway/static")
    for file in static.rglob("*"):
        if file.suffix in (".html", ".js", ".css"):
            text = file.read_text(encoding="utf-8")
            assert "https://" not in text.replace("https://camera", ""), file
            if file.suffix == ".html":
                assert "style=" not in text and "onclick=" not in text and "<script>" not in text, file
            if file.suffix == ".js":
                assert "innerHTML" not in text and "eval(" not in text, file
            assert (await client.get(f"/static/{file.relative_to(static)}")).status_code == 200


async def test_foreign_host_is_refused_on_loopback(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, _ = web
    found = problem(await client.get("/api/sources", headers={"Host": "evil.example"}), 403)
    assert "localhost" in str(found["detail"])


async def test_another_site_cannot_write(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, _ = web
    new = {"source_id": "cam", "url": "test://pattern"}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        problem(await client.post("/api/sources", json=new, headers=headers), 403)
    assert (
        await client.post("/api/sources", json=new, headers={"Origin": str(client.base_url).rstrip("/")})
    ).is_success


async def test_token_closes_all_but_login(locked: httpx.AsyncClient) -> None:
    for path in ("/api/sources", "/metrics", "/openapi.json", "/api/status", "/api/events"):
        assert problem(await locked.get(path), 401)["title"] == "log in first"
    for path in ("/livez", "/readyz", "/login", "/static/js/login.js", "/favicon.svg"):
        assert (await locked.get(path)).status_code == 200, path
    page = await locked.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/")
    assert (await locked.get("/api/sources", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
    problem(await locked.get("/api/sources", headers={"Authorization": "Bearer no"}), 401)


async def test_login_cookie_is_http_only(locked: httpx.AsyncClient) -> None:
    assert (await locked.get("/api/session")).json() == {"needed": True, "admitted": False}
    problem(await locked.post("/api/session", json={"token": "wrong"}), 401)
    answer = await locked.post("/api/session", json={"token": TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert (await locked.get("/api/sources")).status_code == 200
    problem(await locked.post("/api/sources", json={}, headers={"Origin": "https://evil.example"}), 403)
    await locked.delete("/api/session")
    assert COOKIE not in locked.cookies
    problem(await locked.get("/api/sources"), 401)


async def test_guessing_tokens_is_slowed_down(locked: httpx.AsyncClient) -> None:
    for n in range(30):  # ten a minute are allowed, five at once
        answer = await locked.post("/api/session", json={"token": f"guess-{n}"})
        if answer.status_code == 429:
            break
    assert (answer.status_code, n >= 5) == (429, True)
    assert int(answer.headers["retry-after"]) >= 1


async def test_writes_are_limited_for_each_client(settings: Settings, bus: Bus) -> None:
    limited = with_web(settings, writes_per_minute=4)
    async with gateway(limited, bus) as (url, _), caller(url) as client:
        codes = [(await client.post("/api/sources/none/pause")).status_code for _ in range(12)]
        assert codes[:2] == [404, 404]
        assert 429 in codes
        assert (await client.get("/api/sources")).status_code == 200


async def test_a_large_body_is_not_read(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, _ = web

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 20_000

    big = {"source_id": "a", "url": "test://" + "x" * 400_000}
    assert (await client.post("/api/sources", json=big)).status_code == 413
    answer = await client.post("/api/sources", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code in (400, 413)


async def test_transcript_and_report_hold_replies(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, _ = web
    actor = Actor(bus, "demo", chunk_s=0.2, say_every=2, latency_s=0.1, jitter_s=0.0, word_s=0.001)
    await actor.begin()
    playing = asyncio.create_task(actor.play())
    while len(actor.said) < 3:
        await asyncio.sleep(0.05)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    said = actor.said
    vtt = await client.get("/api/sources/demo/transcript.vtt")
    assert vtt.headers["content-disposition"] == 'attachment; filename="demo.vtt"'
    assert all(text in vtt.text for text in said[:3])
    rows = [json.loads(line) for line in (await client.get("/api/sources/demo/transcript.jsonl")).text.splitlines()]
    assert [row["text"] for row in rows][: len(said)] == said
    report = (await client.get("/api/sources/demo/report")).json()
    assert sum(report["said"].values()) == len(rows)
    assert report["capture_to_first_word_ms"]["median"] > 50
    html = await client.get("/api/sources/demo/report.html")
    assert "attachment" in html.headers["content-disposition"]
    assert said[0] in html.text
