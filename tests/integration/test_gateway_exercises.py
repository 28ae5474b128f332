"""Own exercises over the API: taught from what a source shows, listed, shared as text, removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock

import httpx
import pytest
import redis.exceptions

from cornerman_gateway import recording as module
from cornerman_gateway.feature_reader import FeatureReader
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.settings.tree import Settings
from tests.integration.gateway_harness import caller, gateway, problem, with_web
from tests.unit.gateway.takes import show

TOKEN = "a-token-of-some-length"


@pytest.fixture
async def web(settings: Settings, bus: Bus, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    folder = str(tmp_path / "mine")
    async with gateway(with_web(settings, profiles_dir=folder), bus) as (url, _), caller(url) as client:
        await client.post("/api/sources", json={"source_id": "cam", "url": "test://pattern"})
        yield client


async def record(client: httpx.AsyncClient, bus: Bus, repetitions: int = 5, lean: float = 0.0) -> str:
    """Records a take; returns the recording's id."""
    made = await client.post("/api/sources/cam/recordings", json={"seconds": 60})
    assert made.status_code == 201, made.text
    if repetitions:
        await show(bus, "cam", repetitions, lean)
    done = (await client.post(f"/api/recordings/{made.json()['recording_id']}/stop")).json()
    assert (done["state"], done["ends_in_s"], done["problem"]) == ("done", 0, "")
    assert (done["with_person"] > 0) is bool(repetitions)
    return str(done["recording_id"])


async def teach(client: httpx.AsyncClient, recording_id: str, name: str = "arm_raise", **body: object):  # type: ignore[no-untyped-def]
    return await client.post(f"/api/exercises/{name}/teach", json={"recording_id": recording_id, **body})


async def test_exercise_is_taught_with_its_mistake(web: httpx.AsyncClient, bus: Bus) -> None:
    await show(bus, "cam", 3)  # before the recording: not in it
    good = await record(web, bus)
    taught = await teach(web, good, title="Arm raise")
    assert taught.status_code == 200, taught.text
    assert taught.json()["seen"].startswith("5 good repetitions of ")
    problem(await teach(web, good), 409)
    bad = await record(web, bus, lean=0.5)
    told = (await teach(web, bad, say="Do not lean!")).json()
    assert told["seen"].startswith("5 wrong repetitions of ") and told["doubts"] == []
    assert "of 10 repetitions shown it tells 10 right" in told["seen"]
    assert (await teach(web, good, replace=True, title="Arms up")).json()["exercise"]["mistakes"] == []
    await teach(web, bad, say="Do not lean!")
    (listed,) = (await web.get("/api/exercises")).json()["exercises"]
    assert (listed["name"], listed["title"], listed["refused"]) == ("arm_raise", "Arms up", "")
    assert listed["good"]["repetitions"] == 5 and listed["good"]["alike"] > 0.9
    assert listed["mistakes"][0]["apart"] > 3
    assert [(one["name"], one["say"], one["words"]) for one in listed["mistakes"]] == [
        ("do_not_lean", "Do not lean!", "owner")
    ]
    patched = await web.patch("/api/sources/cam", json={"speak": {"strategy": "skeleton", "exercises": ["arm_raise"]}})
    assert patched.json()["speak"]["exercises"] == ["arm_raise"]


async def test_words_of_a_limited_model_are_refused(web: httpx.AsyncClient, bus: Bus) -> None:
    now_s, models = (
        bus.clock.now_s(),
        {"backend": "mobile_videogpt", "model": "", "abilities": '{"exercises": ["squat"]}'},
    )
    status = WorkerStatus("generator", "g1", 1, "h", "running", now_s, now_s, 1, 0, {}, models=models)
    await publish_status(bus, status)
    await teach(web, await record(web, bus))
    refused = problem(await teach(web, "0" * 16, say="Do not lean!", words="model"), 422)
    assert "knows its own exercises only" in str(refused["detail"])


async def test_refusal_says_what_was_seen(web: httpx.AsyncClient, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    three = await record(web, bus, 3)
    refused = problem(await teach(web, three), 422)
    assert "shows 3 repetitions (seconds " in str(refused["detail"]) and "5 were stated" in str(refused["detail"])
    few = await teach(web, three, repetitions=3)  # the recording is still there
    assert few.status_code == 200 and "3 repetitions; show five" in few.json()["doubts"][0]
    monkeypatch.setattr(module, "LAST_S", 0.2)
    nothing = await record(web, bus, 0)
    refused = problem(await teach(web, nothing, name="other"), 422)
    assert "no landmarks came from 'cam'" in str(refused["detail"])
    problem(await teach(web, three, name="squat"), 422)  # a bundled one's name
    problem(await teach(web, three, name="other", say="Higher!"), 404)
    assert (await web.delete(f"/api/recordings/{three}")).status_code == 204
    for gone in (web.get(f"/api/recordings/{three}"), teach(web, three, name="other")):
        problem(await gone, 404)


async def test_restarted_source_spoils_recording(web: httpx.AsyncClient, bus: Bus) -> None:
    made = (await web.post("/api/sources/cam/recordings", json={})).json()
    await show(bus, "cam", 2, run="first", last=False)
    await show(bus, "cam", 2, run="second")
    refused = problem(await teach(web, made["recording_id"], repetitions=2), 422)
    assert "began anew" in str(refused["detail"])


async def test_recordings_are_bounded_in_number(web: httpx.AsyncClient, bus: Bus) -> None:
    made = [await web.post("/api/sources/cam/recordings", json={}) for _ in range(module.MOST_RECORDINGS)]
    assert {one.status_code for one in made} == {201}
    problem(await web.post("/api/sources/cam/recordings", json={}), 429)
    problem(await web.post("/api/sources/nope/recordings", json={}), 404)
    problem(await web.post("/api/sources/cam/recordings", json={"seconds": 1000}), 422)
    first = made[0].json()["recording_id"]
    assert (await web.get(f"/api/recordings/{first}")).json()["state"] == "recording"
    await show(bus, "cam", 2)
    await web.post(f"/api/recordings/{first}/stop")
    assert (await web.post("/api/sources/cam/recordings", json={})).status_code == 201  # the one that is over goes


async def test_file_is_shared_and_checked(web: httpx.AsyncClient, bus: Bus, tmp_path: Path) -> None:
    await teach(web, await record(web, bus))
    text = (await web.get("/api/exercises/arm_raise")).json()["text"]
    assert (await web.put("/api/exercises/yours", json={"text": text})).json()["title"] == "arm raise"
    refused = problem(
        await web.put("/api/exercises/yours", json={"text": text.replace("version: 1", "version: 9")}), 422
    )
    assert "version" in refused["errors"][0]["message"]  # type: ignore[index]
    problem(await web.put("/api/exercises/squat", json={"text": text}), 422)
    problem(await web.put("/api/exercises/big", json={"text": "x" * 70_000}), 422)
    problem(await web.put("/api/exercises/..%2fmine", json={"text": text}), 404)
    (tmp_path / "mine/exercises/broken.yaml").write_text("version: 1\n")
    listed = {one["name"]: one["refused"] for one in (await web.get("/api/exercises")).json()["exercises"]}
    assert list(listed) == ["arm_raise", "broken", "yours"]
    assert "squat" in (await web.get("/api/exercises")).json()["bundled"]
    assert "broken.yaml" in listed["broken"] and not listed["yours"]
    assert (await web.delete("/api/exercises/yours")).status_code == 204
    for call in (web.delete("/api/exercises/yours"), web.get("/api/exercises/yours")):
        problem(await call, 404)


async def test_teaching_needs_the_token(settings: Settings, bus: Bus, tmp_path: Path) -> None:
    locked = with_web(settings, token=TOKEN, profiles_dir=str(tmp_path))
    async with gateway(locked, bus) as (url, _), caller(url) as client:
        for call in (
            client.get("/api/exercises"),
            client.put("/api/exercises/mine", json={"text": "x"}),
            client.delete("/api/exercises/mine"),
            client.post("/api/sources/cam/recordings", json={}),
            teach(client, "0" * 16),
        ):
            problem(await call, 401)
        foreign = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}
        problem(await client.post("/api/sources/cam/recordings", json={}, headers=foreign), 403)


async def test_broken_stream_harms_no_recording(
    settings: Settings, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/api/sources/cam/recordings", json={"seconds": 60})

    broken = AsyncMock(side_effect=redis.exceptions.ResponseError("ERR no such thing"))
    web = with_web(settings, profiles_dir=str(tmp_path))
    async with gateway(web, bus) as (url, state), caller(url) as client:
        await client.post("/api/sources", json={"source_id": "cam", "url": "test://pattern"})
        with monkeypatch.context() as patch:
            patch.setattr(FeatureReader, "at_newest", broken)
            assert (await begin(client)).status_code == 500
        assert state.recordings.ends_in_s(state.recordings.get((await begin(client)).json()["recording_id"])) > 0
        monkeypatch.setattr(FeatureReader, "read", broken)
        lost = (await begin(client)).json()["recording_id"]
        while (told := (await client.get(f"/api/recordings/{lost}")).json())["state"] != "done":
            await asyncio.sleep(0.02)
        assert "no such thing" in told["problem"]
        monkeypatch.setattr(module, "KEPT_S", -100.0)
        state.recordings.sweep()  # as the gateway does, also when nobody asks
        problem(await client.get(f"/api/recordings/{lost}"), 404)
