"""The wall: words in step with their pictures, failed sources first, a filter for many."""

from __future__ import annotations

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import PHONE, page_of
from tests.e2e.page.harness import open_page, quick, silent

IN_STEP = """async (script) => {
  const { WallView } = await import("/static/js/wall.js");
  const shown = [];
  const { Sync } = await import("/static/js/sync.js");
  const picture = { live: true, frame: { run: "r", pts_s: 4, at_s: 4, delay_s: 1 } };
  const tile = { sync: new Sync(picture), saying: null };
  const view = Object.create(WallView.prototype, { tiles: { value: new Map([["s", tile]]) } });
  view.say = (id, event, text) => shown.push(text);
  const base = { source_id: "s", request_id: "a", run: "r", kind: "feedback", action: "correct", pts_s: 5 };
  const times = { captured_at_s: 5, first_token_at_s: 5.5 };
  view.take({ ...base, type: "start", times });
  view.take({ ...base, type: "delta", text: "Go", times });
  const before = shown.length;
  picture.frame = { ...picture.frame, pts_s: 5, at_s: 5 };
  tile.sync.tick();
  view.take({ ...base, type: "end", status: "done", text: "Go on.", times });
  return [before, ...shown];
}"""


async def test_words_wait_for_their_picture(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/health")
        assert await watched.page.evaluate(IN_STEP) == [0, "Go", "Go on."]
        await watched.check()


NEARER = """async () => {
  const { Sync } = await import("/static/js/sync.js");
  const picture = { live: true, frame: { run: "r", pts_s: 4.9, at_s: 4.9, delay_s: 1 } };
  const say = { request_id: "a", run: "r", pts_s: 5, kind: "praise", live: true,
    times: { captured_at_s: 5, first_token_at_s: 5.5 } };
  const errors = [5.05, 4.93, 5.12].map((pts_s) => {
    const sync = new Sync(picture, 0.5 / 6);
    sync.admit({ ...say, pts_s, times: { captured_at_s: pts_s, first_token_at_s: 6 } }, () => 0);
    return Math.round(sync.samples[0]?.error_ms ?? NaN);
  });
  return errors.map((value) => (Number.isFinite(value) ? value : null));
}"""


async def test_slow_pictures_take_the_nearer(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/health")
        assert await watched.page.evaluate(NEARER) == [None, 30, None]  # 30 ms early instead of 137 late
        await watched.check()


async def test_many_sources_stay_in_sight(settings: Settings, bus: Bus) -> None:
    yards = [silent(bus, f"yard-{number}") for number in range(8)]
    async with open_page(settings, bus, quick(bus)) as (url, _, first):
        for yard in yards:
            await yard.begin()
        await yards[5].state("failed", "rtsp://cam: 401 Unauthorized")
        assert first.context.browser is not None
        async with page_of(first.context.browser, PHONE) as watched:
            page = watched.page
            await page.goto(f"{url}/#/s/yard-7")
            here = page.locator(".tab[aria-current=page]")
            await here.wait_for()
            box = await here.bounding_box()
            assert box is not None and 0 <= box["x"] <= PHONE["width"] - box["width"]
            await page.goto(f"{url}/#/")
            tiles = page.locator(".tile-link")
            await tiles.nth(8).wait_for()
            assert await tiles.first.get_attribute("data-source") == "yard-5"
            await tiles.first.get_by_text("401 Unauthorized").wait_for()
            await page.get_by_label("Filter sources").fill("DEM")
            await page.get_by_text("1 of 9 · 1 failed").wait_for()
            assert await page.locator(".tile-link:visible").count() == 1
            await watched.check()
