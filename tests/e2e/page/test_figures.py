"""Charts with axes, the waterfall of each feedback, and the health view's last minutes."""

from __future__ import annotations

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Times
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import end_of, open_page, silent

PURE = """async () => {
  const { roundUp, timesOf } = await import("/static/js/chart.js");
  const { spansOf } = await import("/static/js/waterfall.js");
  const { LENGTH, StatusHistory } = await import("/static/js/history.js");
  const marks = { captured_at_s: 10, published_at_s: 10.1, encoded_at_s: 10.3, decided_at_s: 10.4,
    first_token_at_s: 10.9, last_token_at_s: 11.4 };
  const history = new StatusHistory();
  const worker = (role, rss, detail = {}) => ({ role, rss_bytes: rss * 2 ** 20, detail });
  const status = { lag: { encoder: 2 }, workers: [worker("encoder", 100, { gpu_allocated_bytes: 2 ** 30 }),
    worker("encoder", 50, { gpu_allocated_bytes: 2 ** 30 }), worker("gateway", 60)] };
  history.take(status, 100);
  history.take(status, 101); // too early
  history.take(status, 110); // three were missed
  const full = new StatusHistory();
  for (let i = 0; i < 2 * LENGTH; i += 1) full.take(status, i * 2.5);
  const known = (value) => (Number.isFinite(value) ? value : null);
  const brief = (spans) => spans.map(({ stage, from_ms: from, ms }) => [stage, Math.round(from), Math.round(ms)]);
  return {
    tops: [0, 0.3, 1, 4, 21, 1800].map(roundUp),
    times: [timesOf(30, 60), timesOf(120, 300), timesOf(120, 900)],
    spans: brief(spansOf(marks)), gap: brief(spansOf({ ...marks, encoded_at_s: 0 })), none: spansOf({}),
    memory: history.of("memory", ["encoder"])[0].map(known),
    gpu: history.of("gpu", ["encoder", "gateway"]).map((row) => known(row.at(-1))), hasGpu: history.hasGpu,
    kept: full.rows.length,
  };
}"""


async def test_figures_are_counted_right(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/health")
        found = await watched.page.evaluate(PURE)
        assert found["tops"] == [1, 0.5, 1, 5, 50, 2000]
        assert found["times"] == [[30], [30, 60, 90, 120], [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]]
        stages = [["capture", 0, 100], ["encoder", 100, 200], ["decider", 300, 100], ["generator", 400, 500]]
        assert found["spans"] == [*stages, ["speaking", 900, 500]]
        assert found["gap"][:2] == [["capture", 0, 100], ["decider", 100, 300]]  # the next stage has its time
        assert found["none"] == []
        assert found["memory"] == [150, None, None, None, 150]
        assert found["hasGpu"] and found["gpu"] == [2048, None]
        assert found["kept"] == 240
        await watched.page.locator(".trends .tile").get_by_text("No process has memory on a GPU.").wait_for()
        assert await watched.page.locator(".trends canvas").count() == 3
        await watched.check()


async def test_waterfall_has_each_feedback(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(url)
        await page.get_by_role("button", name="Stats").click()
        for number in range(2):
            times = Times(*(1000.0 + number + part for part in (0.0, 0.1, 0.2, 0.3, 0.8, 1.3, 0.1, 0.1, 0.4, 1.2)))
            await bus.emit(end_of(actor, f"demo:{actor.run}:{number}", "Go on.", times))
        rows = page.locator("[data-tile=waterfall] .falls li")
        await rows.nth(1).wait_for()
        told = "captured +100 ms, encoded +100 ms, decided +100 ms, first word +500 ms, last word +400 ms"
        assert await rows.first.get_attribute("title") == told
        assert await rows.first.locator("i").count() == 5
        await page.locator("[data-tile=waterfall]").get_by_text("0 to 1200 ms").wait_for()
        await watched.check()
