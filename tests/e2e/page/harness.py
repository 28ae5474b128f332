"""Harness of browser tests: a gateway, actors as sources, and a page."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from cornerman_gateway.app_state import AppState
from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import EndEvent, RequestKind, Times
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import Watched, browser, page_of
from tests.integration.gateway_harness import LINES, Actor, gateway
from tests.integration.test_gateway_api import with_web

READY = {
    "#/s/demo": ".word[data-done=true]",
    "#/": ".tile-link canvas",
    "#/add": ".chip",
    "#/health": "tbody td",
    "docs": "article",
    "login": "#login",
}
"""Views -> selector of an element that is there once the view is complete."""
PATIENCE_S = 120.0

XSS = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


@contextlib.asynccontextmanager
async def open_page(
    settings: Settings, bus: Bus, *actors: Actor, flags: Sequence[str] = (), port: int = 0
) -> AsyncIterator[tuple[str, AppState, Watched]]:
    """Runs a gateway, its sources and a blank page; yields the address, the gateway's state and the page."""
    tasks = []
    for actor in actors:
        await actor.begin()
        tasks.append(asyncio.create_task(actor.play()))
    try:
        web = with_web(settings, port=port)
        async with gateway(web, bus) as (url, state), browser(flags) as opened, page_of(opened) as watched:
            yield url, state, watched
    finally:
        # An actor fails when a test kills the server: its error is not the test's.
        await cancel_all(*tasks)


def quick(bus: Bus, source_id: str = "demo", **changes: object) -> Actor:
    """An actor that gives feedback every second."""
    values: dict[str, object] = {"chunk_s": 0.25, "say_every": 4, "latency_s": 0.3, "jitter_s": 0.05, "word_s": 0.02}
    return Actor(bus, source_id, **{**values, **changes})  # type: ignore[arg-type]


def silent(bus: Bus, source_id: str = "demo", **changes: object) -> Actor:
    """An actor that shows pictures and gives feedback only through `give_feedback`."""
    return quick(bus, source_id, say_every=10**9, **changes)


async def give_feedback(actor: Actor, pts_s: float = 1.0) -> str:
    """Emits the actor's next feedback now; returns its text."""
    number = len(actor.said)
    action, text = LINES[number % len(LINES)]
    times = Times(captured_at_s=actor.bus.clock.now_s())
    await actor.speak(f"{actor.source_id}:{actor.run}:{10**6 + number}", number, pts_s, action, text, times)
    return text


async def until(reached: Callable[[], bool], what: str) -> None:
    """Waits until `reached()`; fails with the message `what`."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline_s, what
        await asyncio.sleep(0.02)


async def visit(page: Page, url: str, view: str) -> None:
    """Opens a view and waits until it is complete."""
    await page.goto(f"{url}/{view}")
    await page.locator(READY[view]).first.wait_for()
    await page.evaluate("document.fonts.ready.then(() => 0)")


async def open_settings(page: Page) -> None:
    """Unfolds the settings of the source's view."""
    await page.locator(".panel-settings:not([open]) > summary").click()


def end_of(
    actor: Actor,
    request_id: str,
    text: str,
    times: Times,
    kind: RequestKind = "feedback",
    prompt: str = "",
    model: str = "m",
) -> EndEvent:
    """The end of a request of this actor."""
    sid, run = actor.source_id, actor.run
    return EndEvent(
        sid, run, request_id, 1, kind, "correct", "done", 1.0, prompt, text, False, "", model, 1, 2, 100.0, times
    )


async def texts(watched: Watched) -> list[str]:
    """Finished feedback on the page, oldest first."""
    found: list[str] = await watched.page.locator(".word[data-done=true] .text").all_text_contents()
    return found[::-1]


async def until_said(watched: Watched, count: int) -> list[str]:
    """Waits for so many finished texts on the page; returns them, oldest first."""
    await watched.page.wait_for_function(
        "(n) => document.querySelectorAll('.word[data-done=true]').length >= n", arg=count
    )
    return await texts(watched)


MORE_RULES = {"rules": {name: {"enabled": True} for name in ("target-size", "label-content-name-mismatch")}}
"""Rules of WCAG 2.2 AA that axe-core leaves off unless asked."""


async def violations(page: Page) -> list[str]:
    """Accessibility violations that axe-core rates serious or critical."""
    results = await Axe().run(page, options=MORE_RULES)
    return [
        f"{item['id']} ({item['impact']}): {node['html'][:160]}"
        for item in results.response["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]
