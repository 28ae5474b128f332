"""Profiles and presets over the API: listed, chosen by name, written by those who may, read again when changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import get_source
from cornerman_shared.settings.tree import Settings
from tests.integration.gateway_harness import caller, gateway, problem, with_web

DUCKS = "title: Ducks\nmode: commentary\nsay:\n  prompt: Count the ducks.\n"
CALM = "title: Calm\nspeak:\n  min_interval_s: 9\n  strategy: scene\n"
TOKEN = "a-token-of-some-length"


@pytest.fixture
async def web(settings: Settings, bus: Bus, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    folder = str(tmp_path / "mine")
    async with gateway(with_web(settings, profiles_dir=folder), bus) as (url, _), caller(url) as client:
        await client.post("/api/sources", json={"source_id": "cam", "url": "test://pattern"})
        yield client


async def names(client: httpx.AsyncClient, kind: str = "profiles") -> list[str]:
    return [one["name"] for one in (await client.get(f"/api/{kind}")).json()[kind]]


async def test_source_takes_profile_and_preset(web: httpx.AsyncClient, bus: Bus) -> None:
    changed = await web.patch("/api/sources/cam", json={"profile": "sports", "preset": "owl"})
    assert changed.status_code == 200
    view = changed.json()
    assert (view["profile"], view["preset"], view["mode"]) == ("sports", "owl", "commentary")
    assert (view["speak"]["strategy"], view["speak"]["scene_threshold"]) == ("scene", 1.0)
    assert view["say"]["prompt"].startswith("You are a sports commentator.")
    # Own fields win, and the name says that it is no longer the preset's.
    view = (await web.patch("/api/sources/cam", json={"preset": "owl", "speak": {"scene_threshold": 3}})).json()
    assert (view["preset"], view["speak"]["scene_threshold"]) == ("custom", 3.0)
    made = await web.post("/api/sources", json={"source_id": "b", "url": "test://pattern", "profile": "nature"})
    assert (made.status_code, made.json()["profile"]) == (201, "nature")
    spec = await get_source(bus, "b")
    assert spec and spec.mode == "commentary"


async def test_unknown_profile_names_those_there_are(web: httpx.AsyncClient) -> None:
    for field in ("profile", "preset"):
        refused = problem(await web.patch("/api/sources/cam", json={field: "nope"}), 422)
        assert refused["errors"][0]["field"] == field
        assert "there are" in refused["errors"][0]["message"]


async def test_own_ones_are_written_and_removed(web: httpx.AsyncClient, tmp_path: Path) -> None:
    for kind, text in (("profiles", DUCKS), ("presets", CALM)):
        made = await web.put(f"/api/{kind}/mine", json={"text": text})
        assert (made.status_code, made.json()["bundled"]) == (200, False)
        assert (await names(web, kind))[-1] == "mine"
        assert (await web.get(f"/api/{kind}/mine")).json() == {"name": "mine", "bundled": False, "text": text}
    view = (await web.patch("/api/sources/cam", json={"profile": "mine", "preset": "mine"})).json()
    assert (view["profile"], view["preset"], view["speak"]["min_interval_s"]) == ("mine", "mine", 9.0)
    # A file that somebody shares, or edits, is there at once.
    (tmp_path / "mine/profiles/geese.yaml").write_text(DUCKS.replace("duck", "geese"))
    (tmp_path / "mine/profiles/mine.yaml").write_text(DUCKS.replace("Count", "Name"))
    assert (await names(web))[-2:] == ["geese", "mine"]
    assert (await web.patch("/api/sources/cam", json={"profile": "mine"})).json()["say"]["prompt"] == "Name the ducks."
    for kind in ("profiles", "presets"):
        assert (await web.delete(f"/api/{kind}/mine")).status_code == 204
        problem(await web.delete(f"/api/{kind}/mine"), 404)
        problem(await web.get(f"/api/{kind}/mine"), 404)
    assert (await web.get("/api/sources/cam")).json()["profile"] == "custom"


async def test_bundled_ones_can_only_be_copied(web: httpx.AsyncClient) -> None:
    problem(await web.put("/api/profiles/sports", json={"text": DUCKS}), 409)
    problem(await web.delete("/api/presets/owl"), 409)
    text = (await web.get("/api/profiles/sports")).json()["text"]
    assert (await web.put("/api/profiles/my-sports", json={"text": text})).status_code == 200


async def test_wrong_text_names_line_and_field(web: httpx.AsyncClient) -> None:
    text = f"{DUCKS}  top_p: 7\nspeak:\n  gap_s: -1\n"
    refused = problem(await web.put("/api/profiles/mine", json={"text": text}), 422)
    assert [item["message"].partition(" =")[0] for item in refused["errors"]] == [
        "mine.yaml, line 7: speak.gap_s",
        "mine.yaml, line 5: say.top_p",
    ]
    assert "mine" not in await names(web)
    problem(await web.put("/api/profiles/Mine", json={"text": DUCKS}), 422)
    problem(await web.put("/api/profiles/..%2fmine", json={"text": DUCKS}), 404)
    problem(await web.put("/api/profiles/mine", json={"text": "x" * 70_000}), 422)


async def test_file_of_profile_obeys_the_operators_lists(web: httpx.AsyncClient) -> None:
    await web.put("/api/profiles/mine", json={"text": f"{DUCKS}  adapter: /etc/weights\n"})
    refused = problem(await web.patch("/api/sources/cam", json={"profile": "mine"}), 422)
    assert refused["errors"][0]["field"] == "say.adapter"


async def test_writing_needs_the_token(settings: Settings, bus: Bus, tmp_path: Path) -> None:
    locked = with_web(settings, token=TOKEN, profiles_dir=str(tmp_path))
    async with gateway(locked, bus) as (url, _), caller(url) as client:
        for call in (client.put("/api/profiles/mine", json={"text": DUCKS}), client.delete("/api/profiles/mine")):
            problem(await call, 401)
        problem(await client.get("/api/profiles"), 401)
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.put("/api/profiles/mine", json={"text": DUCKS}, headers=allowed)).status_code == 200
        # Another site's page may not write with the cookie of somebody who is logged in.
        foreign = {**allowed, "Origin": "https://elsewhere.example"}
        problem(await client.put("/api/profiles/other", json={"text": DUCKS}, headers=foreign), 403)
