"""Screenshots of every view of the page, in both themes and from a phone to 4K.

    python -m benchmarks.screenshots [FOLDER]        # default: screenshots/

Needs Chromium. Most show `cornerman demo` with its clip, bundled model and workers. States that a demo does not have
(no sources, a failed source, a lost server) show a gateway with an actor as source, whose figures are measured as well.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
from playwright.async_api import Browser
from playwright.async_api import TimeoutError as TooLong

from benchmarks.screenshots_people import of_people
from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.e2e.browser import DESKTOP, Watched, browser, page_of
from tests.e2e.demo_process import Demo, demo
from tests.integration.gateway_harness import Actor, gateway

SIZES = {
    "phone": {"width": 360, "height": 740},
    "laptop": {"width": 1280, "height": 720},
    "4k": {"width": 3840, "height": 2160},
}
QUIET_S = 60.0
"""Longest wait for feedback; after it the screenshot is taken without any."""


class Screenshots:
    """Writes screenshots into a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.taken: list[Path] = []

    async def take(self, watched: Watched, name: str, *, full: bool = False) -> None:
        path = self.folder / f"{name}.png"
        await watched.page.screenshot(path=path, full_page=full)
        self.taken.append(path)


async def feedback(watched: Watched, count: int = 3) -> None:
    """Waits for so many texts on the page, up to `QUIET_S`."""
    with contextlib.suppress(TooLong):
        await watched.page.wait_for_function(
            "(n) => document.querySelectorAll('.word[data-done=true]').length >= n", arg=count, timeout=QUIET_S * 1000
        )


async def of_the_demo(shots: Screenshots, opened: Browser, running: Demo) -> None:
    """Takes the screenshots of a running demo: first one source, then two."""
    for scheme in ("dark", "light"):
        async with page_of(opened, scheme=scheme) as watched:
            page = watched.page
            await page.goto(f"{running.url}/#/s/demo")
            await feedback(watched)
            await page.wait_for_timeout(4_000)
            await shots.take(watched, f"source-{scheme}")
            await page.locator(".word button").first.click()
            await page.locator("#dialog img:not([hidden])").wait_for()
            await shots.take(watched, f"moment-{scheme}")
            await page.keyboard.press("Escape")
            await page.get_by_text("Settings", exact=True).click()
            await page.get_by_text("More settings").click()
            await page.locator(".panel-settings").evaluate("(e) => e.scrollTo(0, 360)")
            await shots.take(watched, f"settings-{scheme}")
            for view in ("docs", "login"):
                await page.goto(f"{running.url}/{view}")
                await page.wait_for_timeout(700)
                await shots.take(watched, f"{view}-{scheme}")
    async with page_of(opened) as watched:
        page = watched.page
        await page.goto(f"{running.url}/#/s/demo")
        await page.get_by_label("Ask about what is on screen").fill("What should be changed?")
        await page.get_by_role("button", name="Ask", exact=True).click()
        await page.locator(".word.answer[data-done=true]").wait_for()
        await page.get_by_role("button", name="10 min").click()
        if await page.get_by_role("button", name="Voice is off").is_enabled():
            await page.get_by_role("button", name="Voice is off").click()
        await page.wait_for_timeout(500)
        await shots.take(watched, "question-voice-timeline")
    for size, viewport in SIZES.items():
        async with page_of(opened, viewport) as watched:
            await watched.page.goto(f"{running.url}/#/s/demo")
            await watched.page.wait_for_timeout(8_000)
            await shots.take(watched, f"source-{size}", full=size == "phone")
    async with httpx.AsyncClient(base_url=running.url, timeout=15) as client:
        new = {"source_id": "pattern", "url": "test://pattern?seconds=0"}
        (await client.post("/api/sources", json=new)).raise_for_status()
    variants = [(scheme, DESKTOP, scheme) for scheme in ("dark", "light")]
    variants += [(size, viewport, "dark") for size, viewport in SIZES.items()]
    for name, viewport, scheme in variants:
        async with page_of(opened, viewport, scheme) as watched:
            for view in ("", "add", "health"):
                await watched.page.goto(f"{running.url}/#/{view}")
                await watched.page.wait_for_timeout(2_500)
                await shots.take(watched, f"{view or 'wall'}-{name}", full=name == "phone")


async def of_states(shots: Screenshots, opened: Browser) -> None:
    """Takes the screenshots of states that a demo does not have."""
    with tempfile.TemporaryDirectory() as name:
        server = Server(find_binary(), Path(name))
        server.start()
        try:
            web = {"gateway": {"port": 0, "profiles_dir": f"{name}/mine"}, "runtime": {"dir": name}}
            async with Bus.connect(load_settings({"redis": {"url": server.url}, **web})) as bus:
                await bus.ready(10)
                await _states(shots, opened, bus)
        finally:
            server.stop()


async def _states(shots: Screenshots, opened: Browser, bus: Bus) -> None:
    async with contextlib.AsyncExitStack() as stack:
        serving = contextlib.AsyncExitStack()
        url, _ = await serving.enter_async_context(gateway(bus.settings, bus))
        stack.push_async_callback(serving.aclose)
        async with page_of(opened) as watched:
            page = watched.page
            await page.goto(url)
            await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
            await page.wait_for_timeout(500)
            await shots.take(watched, "first-visit")
            await page.get_by_role("button", name="Use this camera").click()
            await page.locator(".wrong:not(:empty)").wait_for()
            await shots.take(watched, "camera-error")
        actor = Actor(bus, "demo")
        await actor.begin()
        async with page_of(opened, DESKTOP) as watched:
            page = watched.page
            await page.goto(f"{url}/#/s/demo")
            for state, detail in (
                ("opening", ""),
                ("reconnecting", "rtsp://***@cam.local: no frame for 5.0 s"),
                ("ended", ""),
                ("failed", "clip.mp4: this build of FFmpeg has no decoder for its video"),
            ):
                await actor.state(state, detail)
                await page.locator(f".stage .badge[data-state={state}]").wait_for()
                await page.wait_for_timeout(400)
                await shots.take(watched, f"state-{state}")
            await actor.state("playing")
            async with background(actor.play()):
                await feedback(watched, 1)
            await of_people(shots, opened, bus, url)
            await serving.aclose()
            await page.locator("#banner:not([hidden])").wait_for()
            await shots.take(watched, "lost-server")


async def take(folder: Path, sets: Sequence[str] = ()) -> list[Path]:
    """Takes all screenshots; returns their paths. `sets`: settings of the demo."""
    shots = Screenshots(folder)
    async with browser() as opened:
        await of_states(shots, opened)
        with tempfile.TemporaryDirectory() as name:
            stack = contextlib.ExitStack()
            running = await asyncio.to_thread(stack.enter_context, demo(Path(name), sets))
            try:
                await of_the_demo(shots, opened, running)
            finally:
                await asyncio.to_thread(stack.close)
    return shots.taken


def main() -> int:
    parser = argparse.ArgumentParser(description="Screenshots of every view of the page.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    for path in asyncio.run(take(parser.parse_args().folder)):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
