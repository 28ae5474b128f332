"""The moving picture of the README: the page of `cornerman demo`, as a browser shows it.

    python -m benchmarks.moving_picture docs/demo.webp [--seconds 22]

Needs Chromium and a machine that is idle: the demo plays in real time. The file is an animated WebP of at most
`LARGEST` bytes; frames that look like the one before cost almost nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.async_api import CDPSession

from tests.e2e.browser import browser, page_of
from tests.e2e.demo_process import demo

VIEW: Final = {"width": 1120, "height": 640}
WIDTH: Final = 840
FPS: Final = 6
LARGEST: Final = 2_000_000
QUALITIES: Final = (70, 60, 50, 40, 30)
FEWEST: Final = 0.7
"""Of the ticks, how many must show a new frame: fewer jerk, and are not written."""
FIRST_WORD = "() => document.querySelectorAll('.word[data-done=true]').length >= 1"


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame that the browser drew, and when, seconds."""

    time_s: float
    image: Image.Image


class Screencast:
    """The frames that a page draws, from `start` to `stop`."""

    def __init__(self, session: CDPSession) -> None:
        self.frames: list[Shown] = []
        self._session = session
        self._acknowledged: list[asyncio.Future[Any]] = []
        session.on("Page.screencastFrame", self._take)

    async def start(self) -> None:
        await self._session.send("Page.startScreencast", {"format": "jpeg", "quality": 90, "everyNthFrame": 2})

    async def stop(self) -> None:
        self._session.remove_listener("Page.screencastFrame", self._take)  # a late frame finds the page closed
        await self._session.send("Page.stopScreencast")
        await asyncio.gather(*self._acknowledged)

    def _take(self, event: dict[str, Any]) -> None:
        image = Image.open(io.BytesIO(base64.b64decode(event["data"]))).convert("RGB")
        small = image.resize((WIDTH, WIDTH * image.height // image.width))
        self.frames.append(Shown(event["metadata"]["timestamp"], small))
        # The browser draws the next frame when this one is acknowledged.
        seen = self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})
        self._acknowledged.append(asyncio.ensure_future(seen))


async def watch_page(seconds: float, sets: Sequence[str] = ()) -> list[Shown]:
    """What the page of a demo shows for `seconds` from its first words on."""
    with tempfile.TemporaryDirectory() as name, demo(Path(name), sets) as running:
        async with browser() as opened, page_of(opened, VIEW, "dark") as watched:
            page = watched.page
            await page.goto(f"{running.url}/#/s/demo")
            cast = Screencast(await watched.context.new_cdp_session(page))
            await page.wait_for_function(FIRST_WORD)
            await cast.start()
            await page.wait_for_timeout(seconds * 1000)
            await cast.stop()
    return cast.frames


def resampled(frames: Sequence[Shown], fps: int = FPS) -> list[Image.Image]:
    """The newest frame at each tick of `fps` frames a second."""
    out: list[Image.Image] = []
    newest = 0
    for tick in range(int((frames[-1].time_s - frames[0].time_s) * fps) + 1):
        while newest + 1 < len(frames) and frames[newest + 1].time_s <= frames[0].time_s + tick / fps:
            newest += 1
        out.append(frames[newest].image)
    return out


def write_webp(images: Sequence[Image.Image], target: Path, fps: int = FPS, largest: int = LARGEST) -> int:
    """Writes an animated WebP in the best quality that fits; returns its bytes.

    Raises:
        ValueError: the picture is too long for `largest` bytes in any quality.
    """
    for quality in QUALITIES:
        buffer = io.BytesIO()
        images[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=list(images[1:]),
            duration=1000 // fps,
            loop=0,
            quality=quality,
            method=4,
        )
        if buffer.tell() <= largest:
            target.write_bytes(buffer.getvalue())
            return buffer.tell()
    raise ValueError(f"{len(images)} frames take {buffer.tell()} bytes in quality {quality}; give fewer --seconds")


def main() -> int:
    parser = argparse.ArgumentParser(description="The moving picture of the README.")
    parser.add_argument("target", type=Path)
    parser.add_argument("--seconds", type=float, default=22.0)
    given = parser.parse_args()
    images = resampled(asyncio.run(watch_page(given.seconds)))
    new = len({id(image) for image in images})
    if new < FEWEST * len(images):
        sys.exit(f"{given.target} is left as it was: {new} of {len(images)} frames are new; run it on an idle machine")
    print(f"{given.target}: {len(images)} frames, {new} of them new, {write_webp(images, given.target)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
