"""A walk with the Tab key through every view: each stop has a name and a visible focus, and nothing hides it."""

from __future__ import annotations

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import give_feedback, open_page, silent, until_said, visit

MOST_STOPS = 80
STOP = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const shown = at.matches(".chip input") ? at.closest("label") : at;
  const style = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  const inside = [0.5, 0.1, 0.9].flatMap((x) => [0.5, 0.1, 0.9].map((y) => [x, y]));
  const hit = inside.some(([x, y]) => {
    const found = document.elementFromPoint(box.left + box.width * x, box.top + box.height * y);
    return found && (shown.contains(found) || found.contains(shown));
  });
  const name = at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText || at.title;
  at.dataset.walked = String(Number(at.dataset.walked ?? 0) + 1);
  return { name: (name ?? "").trim(), tag: at.tagName, again: at.dataset.walked !== "1", hit,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
}"""
WANTED = {
    "#/": ("Skip to", "Wall", "Add source", "Voice is off", "Dark or light", "demo", "garage"),
    "#/add": ("Coach", "Use this camera", "Video file", "Upload and watch", "Address", "Watch it", "test pattern"),
    "#/health": ("Skip to", "Wall", "Voice is off"),
    "#/s/demo": ("Pause", "Teach", "Stats", "Full screen", "Summary", "Show the picture", "Ask about", "Settings",
                 "Who decides", "More settings", "Timeline", "2 min"),
}  # fmt: skip


@pytest.mark.parametrize("view", WANTED)
async def test_keys_walk_through_the_view(settings: Settings, bus: Bus, view: str) -> None:
    actor = silent(bus, fps=4.0)
    async with open_page(settings, bus, actor, silent(bus, "garage", fps=4.0)) as (url, _, watched):
        page = watched.page
        if view == "#/s/demo":
            await page.add_init_script("localStorage.setItem('cornerman.settings', 'open')")
            await page.goto(f"{url}/{view}")
            await page.wait_for_function("() => window.cornerman?.picture.drawn > 0")
            await give_feedback(actor)
            await until_said(watched, 1)
            await page.get_by_label("Who decides").wait_for()
        elif view == "#/health":
            await page.goto(f"{url}/{view}")
            await page.get_by_role("heading", level=1).wait_for()
        else:
            await visit(page, url, view)
        assert await page.locator("h1").count() == 1
        assert await page.locator("[tabindex]:not([tabindex='0'], [tabindex='-1'])").count() == 0
        names: list[str] = []
        for _ in range(MOST_STOPS):
            await page.keyboard.press("Tab")
            stop = await page.evaluate(STOP)
            if stop is None or (stop["again"] and names):
                break
            assert stop["name"], stop
            assert stop["outlined"], stop
            assert stop["hit"], stop
            names.append(stop["name"])
        else:
            raise AssertionError(f"no end after {MOST_STOPS} stops: {names}")
        print(view, "|", " > ".join(name.replace("\n", " ")[:40] for name in names))
        joined = " | ".join(names).casefold()
        assert [wanted for wanted in WANTED[view] if wanted.casefold() not in joined] == []
        await watched.check()
