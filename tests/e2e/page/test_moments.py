"""A click on the timeline shows the picture it was about, or says why there is none."""

from __future__ import annotations

import numpy as np
import pytest

from shared.bus import Bus
from shared.codec import pack_map
from shared.config import Settings
from shared.messages import EndEvent
from shared.streams import moment_ms, still_field
from tests.e2e.page.house import quick, stage, until_said
from tests.integration.gateway_house import Actor

COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return seen.size;
}"""
LOADED = "(i) => i.complete && i.naturalWidth > 0 || new Promise((r) => i.onload = () => r(true))"


async def test_a_timeline_click_shows_the_picture_it_was_about(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus)) as (url, _, watched):
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


async def test_every_bar_of_the_timeline_has_its_picture_and_arrows_go_on(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus)) as (url, room, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 1)
        await page.wait_for_function("() => window.cornerman?.picture.drawn > 10")
        await page.evaluate("window.seen = cornerman.session.decisions.length")
        # Behind the ring of the last seconds, which is as long as the longest delay.
        await page.wait_for_function("() => cornerman.session.decisions.length > window.seen + 72", timeout=50_000)
        seen = await page.evaluate("cornerman.session.decisions[window.seen + 2].pts_s")
        assert room.screens.screen("demo").at("run-1", seen, 0.05) is None
        box = await page.locator(".timeline-canvas").bounding_box()
        assert box is not None
        end = await page.evaluate("Math.max(cornerman.session.decisions.at(-1).pts_s, 30)")
        await page.mouse.click(
            box["x"] + box["width"] - 7 - (end - seen) / 30 * (box["width"] - 7), box["y"] + box["height"] / 2
        )
        await page.locator("#dialog img:not([hidden])").wait_for()
        assert await page.locator("#dialog img").evaluate(LOADED)
        first = await page.locator("#dialog-title").inner_text()
        await page.keyboard.press("ArrowRight")
        await page.wait_for_function("(t) => document.getElementById('dialog-title').textContent !== t", arg=first)
        await page.locator("#dialog img:not([hidden])").wait_for()
        await page.get_by_role("button", name="The decision before").click()
        await page.wait_for_function("(t) => document.getElementById('dialog-title').textContent === t", arg=first)
        await page.locator("#dialog img:not([hidden])").wait_for()
        await watched.check()


async def said_before(bus: Bus, actor: Actor, count: int) -> list[EndEvent]:
    """Lets the actor speak with nobody watching."""
    from services.gateway.fanout import read_rows

    rows = await bus.redis.xrange(bus.keys(actor.source_id).feedback(actor.source_id))
    ends = [event for _, event in read_rows(rows) if isinstance(event, EndEvent)]
    assert len(ends) >= count
    return ends


@pytest.mark.parametrize("kept", [True, False])
async def test_words_said_while_nobody_watched_show_a_still_or_say_that_it_is_gone(
    settings: Settings, bus: Bus, kept: bool
) -> None:
    actor = quick(bus)
    async with stage(settings, bus, actor) as (url, _, watched):
        page = watched.page
        while len(actor.said) < 2:
            await page.wait_for_timeout(50)
        (said, *_) = await said_before(bus, actor, 1)
        if kept:
            rgb = np.random.default_rng(5).integers(0, 255, (72, 128, 3), dtype=np.uint8).tobytes()
            body = pack_map({"height": 72, "width": 128, "rgb": rgb})
            field = still_field(said.run, moment_ms(said.pts_s))
            await bus.redis.hset(bus.keys("demo").stills("demo"), field, body)
        await page.goto(f"{url}/#/s/demo")
        await page.locator(f'.word[data-request="{said.request_id}"] button').click()
        if kept:
            await page.locator("#dialog img:not([hidden])").wait_for()
            assert await page.locator("#dialog img").evaluate("(i) => i.decode().then(() => i.naturalWidth)") == 128
            await page.get_by_text("nobody was watching when this was said").wait_for()
        else:
            await page.locator("#dialog .gone", has_text="only while somebody watches").wait_for()
            assert not await page.locator("#dialog img").count()
        await watched.check()


async def test_the_charts_and_the_timeline_are_drawn(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 3)
        await page.wait_for_timeout(4000)
        for tile in ("frames", "chunks", "lag", "stages", "ttft", "tokens"):
            assert await page.locator(f'.tile[data-tile="{tile}"] canvas').evaluate(COLOURS) >= 1, tile
            assert await page.locator(f'.tile[data-tile="{tile}"] .value').inner_text() != "–", tile
        stages = await page.locator('.tile[data-tile="stages"] .keys').inner_text()
        assert all(name in stages for name in ("published", "encoded", "decided", "first word"))
        assert await page.locator(".timeline-canvas").evaluate(COLOURS) >= 4
        keys = {"dropped:no_credit": 7, "dropped:behind": 2, "expired": 1}
        await bus.redis.hset(bus.keys("demo").counters("demo"), mapping=keys)
        drops = page.locator('.tile[data-tile="drops"]')
        await drops.locator(".keys", has_text="no credit 7").wait_for()
        assert await drops.locator(".value").inner_text() == "10"
        assert "behind 2" in await drops.locator(".keys").inner_text()
        await watched.check()
