"""Accessibility: axe-core, keys, small and large screens, reduced motion, dark and light."""

from __future__ import annotations

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import DESKTOP, PHONE, page_of
from tests.e2e.page.harness import (
    READY,
    give_feedback,
    open_page,
    open_settings,
    quick,
    silent,
    until_said,
    violations,
    visit,
)
from tests.integration.gateway_harness import LINES, gateway
from tests.integration.test_gateway_api import with_web

TOKEN = "a-token-of-some-length"

SMALLEST = {"width": 360, "height": 640}
SIZES = (DESKTOP, {"width": 1280, "height": 720}, {"width": 1920, "height": 1080}, {"width": 3840, "height": 2160})
CUT = """() => [...document.querySelectorAll(
    "h1:not(.hidden), h2, h3, .value, .keys span, .badge, button, .button, .tab, .chip")]
  .filter((e) => e.offsetParent && !e.closest(".tabs") && getComputedStyle(e).display !== "inline")
  .filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => `${e.tagName} ${e.className} ${e.textContent}`)"""


@pytest.mark.parametrize(("scheme", "viewport"), [("dark", PHONE), ("light", DESKTOP)], ids=["phone", "desktop"])
async def test_views_have_no_serious_violation(
    settings: Settings, bus: Bus, scheme: str, viewport: dict[str, int]
) -> None:
    async with (
        gateway(with_web(settings, token=TOKEN), bus) as (locked, _),
        open_page(settings, bus, quick(bus)) as (url, _, first),
    ):
        assert first.context.browser is not None
        async with page_of(first.context.browser, viewport, scheme, bypass_csp=True) as watched:
            for view in READY:
                await visit(watched.page, locked if view == "login" else url, view)
                assert await violations(watched.page) == [], view
                assert await watched.page.locator("h1").count() == 1, view


@pytest.mark.parametrize(("scheme", "viewport"), [("dark", DESKTOP), ("light", PHONE)], ids=["desktop", "phone"])
async def test_dialogs_have_no_serious_violation(
    settings: Settings, bus: Bus, scheme: str, viewport: dict[str, int]
) -> None:
    actor = quick(bus)
    async with open_page(settings, bus) as (url, _, first):
        assert first.context.browser is not None
        async with page_of(first.context.browser, viewport, scheme, bypass_csp=True) as watched:
            page = watched.page
            await page.goto(url)
            await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
            await page.get_by_text("Custom", exact=True).click()
            await page.get_by_role("button", name="Use this camera").click()
            await page.locator(".wrong:not(:empty)").wait_for()
            assert await violations(page) == []
            await actor.begin()
            await actor.state("failed", "rtsp://***@cam: 401 Unauthorized; check user and password")
            await page.goto(f"{url}/#/s/demo")
            await page.get_by_text("This source cannot be watched").wait_for()
            await open_settings(page)
            await page.get_by_text("More settings").click()
            assert await violations(page) == []
            await page.get_by_role("button", name="Remove this source").click()
            await page.locator("#dialog[open]").wait_for()
            assert await violations(page) == []
            await page.keyboard.press("Escape")
            await page.goto(f"{url}/#/s/nowhere")
            await page.get_by_text("There is no source").wait_for()
            assert await violations(page) == []


async def test_phone_needs_no_sideways_scrolling(settings: Settings, bus: Bus) -> None:
    async with (
        gateway(with_web(settings, token=TOKEN), bus) as (locked, _),
        open_page(settings, bus, quick(bus)) as (url, _, first),
    ):
        assert first.context.browser is not None
        for viewport in (PHONE, SMALLEST):
            async with page_of(first.context.browser, viewport) as watched:
                for view in READY:
                    await visit(watched.page, locked if view == "login" else url, view)
                    wide = await watched.page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= viewport["width"], f"{view}: {wide} px"
                await watched.check()


async def test_nothing_is_cut_off(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus), quick(bus, "garage")) as (url, _, first):
        assert first.context.browser is not None
        for viewport in (SMALLEST, PHONE, *SIZES):
            async with page_of(first.context.browser, viewport) as watched:
                page = watched.page
                await page.goto(f"{url}/#/s/demo")
                await until_said(watched, 2)
                assert await page.evaluate(CUT) == [], viewport
                if viewport in SIZES:  # one screen: the page itself does not scroll
                    assert await page.evaluate("document.documentElement.scrollHeight") <= viewport["height"]
                for name in ("Ask", "Pause", "Full screen"):
                    assert await page.get_by_role("button", name=name, exact=True).is_visible(), (viewport, name)
                await watched.check()


async def test_wall_shows_every_picture(settings: Settings, bus: Bus) -> None:
    actors = [quick(bus), quick(bus, "garage")]
    async with open_page(settings, bus, *actors) as (url, _, first):
        assert first.context.browser is not None
        for viewport in (SMALLEST, *SIZES):
            async with page_of(first.context.browser, viewport) as watched:
                page = watched.page
                await page.goto(f"{url}/#/")
                await page.wait_for_function(
                    "() => [...document.querySelectorAll('.tile-link canvas')].filter((c) => c.width > 16).length === 2"
                )
                for canvas in await page.locator(".tile-link canvas").all():
                    box = await canvas.bounding_box()
                    assert box is not None and box["height"] > 120 and box["height"] * 2 > box["width"], (viewport, box)
                line = "document.querySelector('.tile-link[data-source=demo] .line b').textContent"
                await page.wait_for_function(f"(lines) => lines.includes({line})", arg=[text for _, text in LINES])
                await watched.check()


async def test_keys_reach_every_control(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)  # every new line would be another button to pass
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.locator(".badge[data-state=playing]").first.wait_for()
        await open_settings(page)
        await page.get_by_label("Prompt profile").wait_for()
        await give_feedback(actor)
        await until_said(watched, 1)
        reached = set()
        for _ in range(70):
            await page.keyboard.press("Tab")
            reached.add(
                await page.evaluate(
                    "(() => { const e = document.activeElement; return e.getAttribute('aria-label')"
                    " || e.labels?.[0]?.innerText || e.innerText?.trim() || e.tagName; })()"
                )
            )
        joined = " | ".join(sorted(str(item) for item in reached))
        for wanted in (
            "Skip to",
            "Wall",
            "Pause",
            "Full screen",
            "Ask about",
            "Prompt profile",
            "Timeline",
            "Voice is",
            "report",
        ):
            assert wanted in joined, (wanted, joined)


async def test_reduced_motion_is_respected(settings: Settings, bus: Bus) -> None:
    pulse = "getComputedStyle(document.querySelector('.badge[data-state=opening] i')).animationName"
    actor = quick(bus)
    async with open_page(settings, bus) as (url, _, first):
        assert first.context.browser is not None
        await actor.begin()
        await actor.state("opening")
        for motion, wanted in (("no-preference", "pulse"), ("reduce", "none")):
            async with page_of(first.context.browser, reduced_motion=motion) as watched:
                await watched.page.goto(f"{url}/#/s/demo")
                await watched.page.locator(".badge[data-state=opening]").first.wait_for()
                assert await watched.page.evaluate(pulse) == wanted
                await watched.check()


async def test_chosen_theme_is_kept(settings: Settings, bus: Bus) -> None:
    theme = "document.documentElement.dataset.theme"
    async with open_page(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        assert await page.evaluate(theme) == "dark"
        await page.emulate_media(color_scheme="light")
        await page.wait_for_function(f"() => {theme} === 'light'")
        await page.get_by_role("button", name="Dark or light").click()
        await page.reload()
        assert await page.evaluate(theme) == "dark"
        await watched.check()


async def test_feedback_list_is_one_stop(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.wait_for_function("() => window.cornerman?.picture.drawn > 0")
        for pts_s in (1.0, 2.0, 3.0):
            await give_feedback(actor, pts_s)
        await until_said(watched, 3)
        stops = page.locator(".words footer button[tabindex='0']")
        assert await stops.count() == 1
        await stops.focus()
        for key, wanted in (("ArrowDown", "00:02.0"), ("End", "00:01.0"), ("Home", "00:03.0")):
            await page.keyboard.press(key)
            assert await page.evaluate("document.activeElement.textContent") == wanted
            assert await stops.count() == 1
        await watched.check()
