"""Moments: a click on the timeline or on feedback shows its picture, or why there is none."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from cornerman_gateway.app_state import AppState
from cornerman_shared.bus.codec import pack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Times
from cornerman_shared.bus.streams import moment_ms, still_field
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import open_page, quick, until, until_said
from tests.integration.gateway_harness import Actor

COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return seen.size;
}"""
COUNT, CHUNK_S = 128, 0.25
"""Decisions, and seconds of media time between two: more than the timeline's 30 s and the picture cache's 13 s."""
LOADED = "(i) => i.complete && i.naturalWidth > 0 || new Promise((r) => i.onload = () => r(true))"


async def test_timeline_click_shows_its_picture(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 3)
        await page.wait_for_function(
            "() => window.cornerman && [...cornerman.session.sayings.values()].some((s) => s.thumb)"
        )
        about = await page.evaluate("[...cornerman.session.sayings.values()].find((s) => s.thumb).request_id")
        await page.locator(f'.word[data-request="{about}"] button').click()
        await page.locator("#dialog img").wait_for()
        assert await page.locator("#dialog img").evaluate(LOADED)
        await page.keyboard.press("Escape")
        canvas = page.locator(".timeline-canvas")
        await canvas.focus()
        await page.keyboard.press("End")
        await page.keyboard.press("ArrowLeft")
        assert "confidence" in await page.locator(".tip").inner_text()
        await page.keyboard.press("Enter")
        await page.locator("#dialog[open]").wait_for()
        await page.locator("#dialog img:not([hidden])").wait_for()
        await watched.check()


async def decide(actor: Actor, state: AppState, seq: int, pts_s: float, at_s: float) -> None:
    """Emits a picture, and a decision about it once the gateway has the picture."""
    preview = state.previews.preview(actor.source_id)
    while preview.at(actor.run, pts_s, 0.01) is None:  # the actor makes pictures only while a viewer is connected
        await actor.picture(pts_s, at_s)
        await asyncio.sleep(0.05)
    times = Times(captured_at_s=at_s)
    event = DecisionEvent(actor.source_id, actor.run, seq, pts_s, "next", 0.5, "quiet", "head", 0.1, "ok", times)
    await actor.bus.emit(event)


async def test_every_timeline_bar_has_its_picture(settings: Settings, bus: Bus) -> None:
    actor = Actor(bus, "demo")
    await actor.begin()
    async with open_page(settings, bus) as (url, state, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.wait_for_function("() => window.cornerman")
        await until(lambda: state.previews.viewers > 0 and state.hub.clients > 0, "no viewer is connected")
        begun_s = bus.clock.now_s() - COUNT * CHUNK_S
        for seq in range(COUNT):
            await decide(actor, state, seq, seq * CHUNK_S, begun_s + seq * CHUNK_S)
        await page.wait_for_function("(n) => cornerman.session.decisions.length === n", arg=COUNT)
        # Older than the picture cache, which is as long as the longest delay.
        seen_s, end_s = CHUNK_S * (COUNT // 4), CHUNK_S * (COUNT - 1)
        assert state.previews.preview("demo").at("run-1", seen_s, 0.05) is None
        box = await page.locator(".timeline-canvas").bounding_box()
        assert box is not None
        await page.mouse.click(
            box["x"] + box["width"] - 7 - (end_s - seen_s) / 30 * (box["width"] - 7), box["y"] + box["height"] / 2
        )
        await page.locator("#dialog img:not([hidden])").wait_for()
        assert await page.locator("#dialog img").evaluate(LOADED)
        first = await page.locator("#dialog-title").inner_text()
        assert first == f"At 00:{seen_s:04.1f}"
        await page.keyboard.press("ArrowRight")
        await page.wait_for_function("(t) => document.getElementById('dialog-title').textContent !== t", arg=first)
        await page.locator("#dialog img:not([hidden])").wait_for()
        await page.get_by_role("button", name="The decision before").click()
        await page.wait_for_function("(t) => document.getElementById('dialog-title').textContent === t", arg=first)
        await page.locator("#dialog img:not([hidden])").wait_for()
        await watched.check()


async def ends_of(bus: Bus, actor: Actor, count: int) -> list[EndEvent]:
    """Ends of the actor's requests on the bus; at least `count`."""
    from cornerman_gateway.rows import read_rows

    rows = await bus.redis.xrange(bus.keys(actor.source_id).feedback(actor.source_id))
    ends = [event for _, event in read_rows(rows) if isinstance(event, EndEvent)]
    assert len(ends) >= count
    return ends


@pytest.mark.parametrize("kept", [True, False])
async def test_unwatched_feedback_shows_a_still(settings: Settings, bus: Bus, kept: bool) -> None:
    actor = quick(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await until(lambda: len(actor.said) >= 2, "no feedback")
        (end, *_) = await ends_of(bus, actor, 1)
        if kept:
            rgb = np.random.default_rng(5).integers(0, 255, (72, 128, 3), dtype=np.uint8).tobytes()
            body = pack_map({"height": 72, "width": 128, "rgb": rgb})
            field = still_field(end.run, moment_ms(end.pts_s))
            await bus.redis.hset(bus.keys("demo").stills("demo"), field, body)
        await page.goto(f"{url}/#/s/demo")
        await page.locator(f'.word[data-request="{end.request_id}"] button').click()
        if kept:
            await page.locator("#dialog img:not([hidden])").wait_for()
            assert await page.locator("#dialog img").evaluate("(i) => i.decode().then(() => i.naturalWidth)") == 128
            await page.get_by_text("no viewer was connected at this moment").wait_for()
        else:
            await page.locator("#dialog .gone", has_text="only while a viewer is connected").wait_for()
            assert not await page.locator("#dialog img").count()
        await watched.check()


async def test_charts_and_timeline_are_drawn(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.get_by_role("button", name="Stats").click()
        await until_said(watched, 3)
        for tile in ("frames", "chunks", "lag", "stages", "ttft", "tokens"):
            await page.locator(f'.tile[data-tile="{tile}"] .value').get_by_text(re.compile("[0-9]")).wait_for()
            await page.wait_for_function(
                f"(tile) => ({COLOURS})(document.querySelector(`.tile[data-tile=${{tile}}] canvas`)) >= 1", arg=tile
            )
        stages = await page.locator('.tile[data-tile="stages"] .keys').inner_text()
        assert all(name in stages for name in ("captured", "encoded", "decided", "first word"))
        await page.wait_for_function(f"() => ({COLOURS})(document.querySelector('.timeline-canvas')) >= 4")
        keys = {"dropped:no_credit": 7, "dropped:behind": 2, "expired": 1}
        await bus.redis.hset(bus.keys("demo").counters("demo"), mapping=keys)
        drops = page.locator('.tile[data-tile="drops"]')
        await drops.locator(".keys", has_text="no credit 7").wait_for()
        assert await drops.locator(".value").inner_text() == "10"
        assert "behind 2" in await drops.locator(".keys").inner_text()
        await watched.check()
