"""Feedback waits for its picture. `benchmarks.gateway_sync` measures the error in milliseconds."""

from __future__ import annotations

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import open_page, quick

SYNC = """async (script) => {
  const { Sync } = await import("/static/js/sync.js");
  let now = 0;
  performance.now = () => now;
  const picture = { live: true, frame: null };
  const sync = new Sync(picture);
  const shown = [];
  for (const [step, at_s, id] of script) {
    if (step === "picture") picture.frame = { run: "r", pts_s: at_s, at_s, delay_s: 1 };
    if (step === "say") sync.admit({ request_id: id, run: "r", pts_s: at_s, kind: "praise", live: true,
      times: { captured_at_s: at_s, first_token_at_s: at_s + 1 } }, () => shown.push(id));
    if (step === "still") picture.live = false;
    if (step === "wait") now += at_s * 1000;
    sync.tick();
    shown.push("|");
  }
  return { shown: shown.join(""), errors: sync.samples.map((sample) => Math.round(sample.error_ms)) };
}"""
HELD_MS = 12_000
SLACK_MS = 40  # one frame


Script = list[list[object]]
CASES: dict[str, tuple[Script, str, list[int]]] = {
    "early words wait": ([["picture", 5], ["say", 6, "a"], ["picture", 5.9], ["picture", 6]], "|||a|", [0]),
    "late ones do not": ([["picture", 5], ["say", 3, "a"]], "|a|", [-2000]),
    "in order": ([["picture", 5], ["say", 6, "a"], ["say", 7, "b"], ["picture", 8]], "|||ab|", [-2000, -1000]),
    "there is no picture": ([["say", 6, "a"]], "a|", []),
    "the picture has stopped": ([["picture", 5], ["say", 6, "a"], ["still", 0]], "||a|", []),
    "not endlessly": ([["picture", 5], ["say", 6, "a"], ["wait", 12.1]], "||a|", [1000]),
}
"""Name -> steps, the output after each step, and the measured errors in milliseconds."""


async def test_early_feedback_waits_for_its_picture(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/health")
        for name, (script, shown, errors) in CASES.items():
            found = await watched.page.evaluate(SYNC, script)
            assert found == {"shown": shown, "errors": errors}, name
        await watched.check()


async def test_no_feedback_precedes_its_picture(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus, jitter_s=0.1)) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.wait_for_function("() => window.cornerman?.sync.samples.length >= 12")
        samples = await watched.page.evaluate("cornerman.sync.samples")
        early = [each for each in samples if each["error_ms"] > SLACK_MS and each["held_ms"] < HELD_MS]
        assert early == []
        assert any(each["held_ms"] > 0 for each in samples)
        assert await watched.page.locator(".badge.sync").count() == 0
        await watched.page.get_by_role("button", name="Stats").click()
        await watched.page.locator(".badge.sync").get_by_text("sync").wait_for()
        await watched.check()
