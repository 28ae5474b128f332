"""Pictures of every view of the page, in both themes and at three sizes, from a source that acts.

    python -m benchmarks.screenshots [FOLDER]        # default: screenshots/

Needs Chromium. The source is an actor; every figure on the pictures is one that it really waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from shared.bus import Bus
from shared.config import load_settings
from shared.embedded import find_binary
from tests.conftest import Server
from tests.e2e.browser import PHONE, Watched, browser, page_of
from tests.integration.gateway_house import Actor, gateway

WIDE = {"width": 3840, "height": 2160}
SETTLE_MS = 9_000


async def take(folder: Path) -> list[Path]:
    """Takes them all; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        server = Server(find_binary(), Path(name))
        server.start()
        try:
            web = {"gateway": {"port": 0}, "runtime": {"dir": name}}
            async with Bus.connect(load_settings({"redis": {"url": server.url}, **web})) as bus:
                await bus.ready(10)
                return await _visit(bus, folder)
        finally:
            server.stop()


async def _visit(bus: Bus, folder: Path) -> list[Path]:
    taken: list[Path] = []

    async def shot(watched: Watched, name: str, *, full: bool = False) -> None:
        path = folder / f"{name}.png"
        await watched.page.screenshot(path=path, full_page=full)
        taken.append(path)

    async with gateway(bus.settings, bus) as (url, _), browser() as opened:
        async with page_of(opened) as watched:
            await watched.page.goto(url)
            await watched.page.wait_for_timeout(1_000)
            await shot(watched, "first-visit")
        actors = [Actor(bus, "demo"), Actor(bus, "garage", fps=12.0, seed=3, say_every=9)]
        for actor in actors:
            await actor.begin()
        playing = [asyncio.create_task(actor.play()) for actor in actors]
        try:
            for scheme in ("dark", "light"):
                async with page_of(opened, scheme=scheme) as watched:
                    await watched.page.goto(f"{url}/#/s/demo")
                    await watched.page.wait_for_timeout(SETTLE_MS)
                    await shot(watched, f"source-{scheme}")
                    for view in ("", "add", "health"):
                        await watched.page.goto(f"{url}/#/{view}")
                        await watched.page.wait_for_timeout(3_500)
                        await shot(watched, f"{view or 'wall'}-{scheme}")
                    for view in ("docs", "login"):
                        await watched.page.goto(f"{url}/{view}")
                        await watched.page.wait_for_timeout(700)
                        await shot(watched, f"{view}-{scheme}")
            for size, viewport in (("phone", PHONE), ("4k", WIDE)):
                async with page_of(opened, viewport) as watched:
                    await watched.page.goto(f"{url}/#/s/demo")
                    await watched.page.wait_for_timeout(SETTLE_MS)
                    await shot(watched, f"source-{size}", full=size == "phone")
                    await watched.page.goto(f"{url}/#/")
                    await watched.page.wait_for_timeout(3_000)
                    await shot(watched, f"wall-{size}")
        finally:
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description="Pictures of every view of the page.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    for path in asyncio.run(take(parser.parse_args().folder)):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
