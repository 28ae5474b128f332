"""Sources of the settings: added once by whoever comes first, and never against what people did since."""

from __future__ import annotations

import asyncio

import pytest

from cornerman_capture.declared_sources import add_declared
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source, get_source, list_sources, remove_source, update_source
from cornerman_shared.settings.source import SourceSpec
from tests.integration.capture_harness import capture, spec

SPECS = (spec(source_id="a"), spec(source_id="b"))


async def test_two_processes_add_each_once(bus: Bus) -> None:
    added = await asyncio.gather(add_declared(bus, SPECS), add_declared(bus, SPECS))
    assert sorted([*added[0], *added[1]]) == ["a", "b"]
    assert list(await list_sources(bus)) == ["a", "b"]


async def test_changes_and_removals_stay(bus: Bus) -> None:
    await add_declared(bus, SPECS)
    await update_source(bus, "a", {"paused": True})
    await remove_source(bus, "b")
    assert await add_declared(bus, SPECS) == []
    changed = await get_source(bus, "a")
    assert changed and changed.paused
    assert await get_source(bus, "b") is None


async def test_source_of_a_person_is_kept(bus: Bus) -> None:
    await add_source(bus, SourceSpec(source_id="a", url="test://other"))
    assert await add_declared(bus, SPECS) == ["b"]
    kept = await get_source(bus, "a")
    assert kept and kept.url == "test://other"


@pytest.mark.parametrize(("backend", "strategy"), [("fake", "rules"), ("mobile_videogpt", "head")])
async def test_capture_adds_with_the_models_strategy(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, backend: str, strategy: str
) -> None:
    monkeypatch.setenv("CORNERMAN_ENCODER__BACKEND", backend)
    monkeypatch.setenv("CORNERMAN_GENERATOR__BACKEND", "echo" if backend == "fake" else backend)
    monkeypatch.setenv("CORNERMAN_SOURCES", '[{"source_id": "demo", "url": "test://pattern?seconds=0"}]')
    settings = bus.settings.model_copy(
        update={"capture": bus.settings.capture.model_copy(update={"add_sources": True})}
    )
    async with capture(settings):
        async with asyncio.timeout(60):
            while (found := await get_source(bus, "demo")) is None:
                await asyncio.sleep(0.02)
    assert found.speak.strategy == strategy
