"""States and errors of a source: the reason, and the remedy."""

from __future__ import annotations

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.registry import get_source
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import open_page, quick, silent


async def test_errors_and_states_are_shown(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.locator(".badge[data-state=playing]").wait_for()
        await bus.emit(ErrorEvent("demo", actor.run, "generator", "out of memory", bus.clock.now_s()))
        await bus.emit(ErrorEvent("demo", actor.run, "generator", "out of memory", bus.clock.now_s()))
        await page.locator(".word.failed", has_text="generator: out of memory (2 times)").wait_for()
        await actor.state("reconnecting", "no frame for 5.0 s")
        await page.get_by_text("connecting again").wait_for()
        await page.get_by_text("no frame for 5.0 s").wait_for()
        await actor.state("failed", "rtsp://***@cam: 401 Unauthorized; check user and password")
        await page.get_by_text("check user and password").wait_for()
        await watched.check()


async def test_undecodable_video_has_a_remedy(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with open_page(settings, bus, actor) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await actor.state("failed", "clip.mp4: this build of FFmpeg has no decoder for its video")
        await watched.page.get_by_text("This source cannot be watched").wait_for()
        note = await watched.page.locator(".stage-note").inner_text()
        assert "has no decoder" in note and "ffmpeg -i" in note
        assert await watched.page.get_by_role("button", name="Pause").count() == 0
        assert await watched.page.get_by_label("Ask about what is on screen").is_hidden()
        await watched.page.get_by_role("button", name="Remove it").click()
        await watched.page.get_by_role("heading", name="Remove “demo”?").wait_for()
        await watched.check()


async def test_every_state_has_its_badge(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with open_page(settings, bus, actor) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        for state in ("opening", "playing", "stalled", "reconnecting", "ended"):
            await actor.state(state)
            await watched.page.locator(f".stage .badge[data-state={state}]").wait_for()
            assert state in await watched.page.locator(f".stage .badge[data-state={state}]").inner_text()
        await watched.check()


async def test_ended_video_can_be_looped(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with open_page(settings, bus, actor) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await actor.state("ended")
        await watched.page.get_by_role("button", name="Play it over and over").click()
        await watched.page.get_by_role("button", name="Play it over and over").wait_for(state="detached")
        spec = await get_source(bus, "demo")
        assert spec is not None and spec.watch.loop
        await watched.check()


async def test_source_is_paused_and_resumed(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.get_by_role("button", name="Pause").click()
        await page.locator(".stage .badge[data-state=paused]").wait_for()
        spec = await get_source(bus, "demo")
        assert spec is not None and spec.paused
        await page.locator(".stage-note").get_by_role("button", name="Resume").click()
        await page.locator(".stage .badge[data-state=playing]").wait_for()
        spec = await get_source(bus, "demo")
        assert spec is not None and not spec.paused
        await watched.check()


async def test_failure_is_shown_after_the_end(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus) as (url, _, watched):
        await actor.begin()
        await actor.state("failed", "rtsp://***@cam: 401 Unauthorized; check user and password")
        await actor.state("ended")
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.get_by_text("This source cannot be watched").wait_for()
        await watched.page.locator(".stage-note", has_text="check user and password").wait_for()
        await watched.check()
