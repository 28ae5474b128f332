"""Lost servers: the page reports them and reconnects without losing or repeating a line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import remove_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server
from tests.e2e.browser import browser, page_of
from tests.e2e.page.harness import open_page, quick, until, until_said
from tests.e2e.ports import free_port
from tests.integration.gateway_harness import gateway
from tests.integration.test_gateway_api import with_web


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server with an append-only file: its data survive a restart."""
    server = Server(find_binary(), tmp_path, aof=True)
    server.start()
    yield server
    server.stop()


async def test_restarted_gateway_loses_no_line(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    await actor.begin()
    playing = asyncio.create_task(actor.play())
    async with browser() as opened, page_of(opened) as watched:
        watched.expected = ("Failed to load resource", "WebSocket connection")
        port = free_port()
        async with gateway(with_web(settings, port=port), bus) as (url, _):
            await watched.page.goto(f"{url}/#/s/demo")
            await until_said(watched, 2)
        await watched.page.locator("#banner:not([hidden])").wait_for()
        banner = await watched.page.locator("#banner").inner_text()
        assert "trying again" in banner and "cornerman up" in banner
        missed = len(actor.said)
        await until(lambda: len(actor.said) >= missed + 2, "no more feedback")
        async with gateway(with_web(settings, port=port), bus):
            await watched.page.locator("#banner[hidden]").wait_for(state="attached")
            shown = await until_said(watched, len(actor.said) + 1)
            assert shown == actor.said[: len(shown)]
            drawn = await watched.page.evaluate("cornerman.picture.drawn")
            await watched.page.wait_for_function("(n) => window.cornerman?.picture.drawn > n + 5", arg=drawn)
            await watched.check()
    await cancel_all(playing)


async def test_later_source_is_opened(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        watched.expected = ("404",)
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.get_by_text("There is no source").wait_for()
        await quick(bus).begin()
        await watched.page.locator(".badge[data-state=playing]").first.wait_for()
        await watched.check()


async def test_lost_redis_is_reported(settings: Settings, bus: Bus, own_server: Server) -> None:
    first = quick(bus)
    async with open_page(settings, bus, first) as (url, _, watched):
        watched.expected = ("Failed to load resource", "WebSocket connection")
        await watched.page.goto(f"{url}/#/s/demo")
        await until_said(watched, 2)
        own_server.kill()
        await watched.page.locator("#banner:not([hidden])").wait_for()
        banner = await watched.page.locator("#banner").inner_text()
        assert "its Redis does not answer" in banner and str(own_server.folder) not in banner
        own_server.start()
        await watched.page.locator("#banner[hidden]").wait_for(state="attached")
        again = quick(bus, run="run-2")
        await again.begin()
        playing = asyncio.create_task(again.play())
        await watched.page.wait_for_function(
            "(n) => document.querySelectorAll('.word[data-request*=run-2][data-done=true]').length >= n",
            arg=2,
        )
        rows = await watched.page.locator(".word[data-done=true]").evaluate_all(
            "(items) => items.map((w) => [w.dataset.request, w.querySelector('.text').textContent]).reverse()"
        )
        assert len({request for request, _ in rows}) == len(rows)
        later = [text for request, text in rows if "run-2" in request]
        assert later == again.said[: len(later)]
        await cancel_all(playing)
        await watched.check()


async def test_removed_source_is_reported(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus)) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await until_said(watched, 1)
        watched.expected = ("404",)
        await remove_source(bus, "demo")
        await watched.page.get_by_text("There is no source").wait_for()
        await watched.page.locator("#banner[hidden]").wait_for(state="attached")
        await watched.check()
