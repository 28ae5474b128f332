"""A stage for browser tests: a gateway, sources that act, and a page before them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from services.gateway.room import Room
from shared.bus import Bus
from shared.config import Settings
from shared.messages import EndEvent, RequestKind, Times
from tests.e2e.browser import Watched, browser, page_of
from tests.integration.gateway_house import Actor, gateway
from tests.integration.test_gateway_api import with_web

XSS = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


@contextlib.asynccontextmanager
async def stage(
    settings: Settings, bus: Bus, *actors: Actor, flags: Sequence[str] = (), port: int = 0
) -> AsyncIterator[tuple[str, Room, Watched]]:
    """A gateway, its sources playing, and a page that is open on nothing yet."""
    tasks = []
    for actor in actors:
        await actor.begin()
        tasks.append(asyncio.create_task(actor.play()))
    try:
        web = with_web(settings, port=port)
        async with gateway(web, bus) as (url, room), browser(flags) as opened, page_of(opened) as watched:
            yield url, room, watched
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def quick(bus: Bus, source_id: str = "demo", **changes: object) -> Actor:
    values: dict[str, object] = {"chunk_s": 0.25, "say_every": 4, "latency_s": 0.3, "jitter_s": 0.05, "word_s": 0.02}
    return Actor(bus, source_id, **{**values, **changes})  # type: ignore[arg-type]


def end_of(
    actor: Actor,
    request_id: str,
    text: str,
    times: Times,
    kind: RequestKind = "feedback",
    prompt: str = "",
    model: str = "m",
) -> EndEvent:
    sid, run = actor.source_id, actor.run
    return EndEvent(
        sid, run, request_id, 1, kind, "correct", "done", 1.0, prompt, text, False, "", model, 1, 2, 100.0, times
    )


async def texts(watched: Watched) -> list[str]:
    """Finished lines on the page, oldest first."""
    found: list[str] = await watched.page.locator(".word[data-done=true] .text").all_text_contents()
    return found[::-1]


async def until_said(watched: Watched, count: int) -> list[str]:
    await watched.page.wait_for_function(
        "(n) => document.querySelectorAll('.word[data-done=true]').length >= n", arg=count
    )
    return await texts(watched)


async def serious(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    results = await Axe().run(page)
    return [
        f"{item['id']} ({item['impact']}): {node['html'][:160]}"
        for item in results.response["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]
