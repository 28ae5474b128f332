"""Screenshots of what the page shows of people, and of teaching an exercise, with an actor as source."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cornerman_pose.landmarks import Person, SeenChunk
from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import EndEvent, Event, MistakeSeen, MovementSeen
from tests.e2e.browser import DESKTOP, PHONE, Watched, page_of
from tests.e2e.page.mover import SIZE, Mover, mover, person, report_encoder
from tests.integration.gateway_harness import Actor, draw
from tests.unit.gateway.takes import show

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from benchmarks.screenshots import Screenshots

OWN = MistakeSeen("heels_down", "", 0.9, ("feet",))
MANY = ("hall", "gate", "yard", "court", "gym-1", "gym-2", "gym-3", "pool-with-a-long-name-in-the-basement")


def _beside(pts_s: float, apart: int) -> tuple[Person, Person]:
    """The drawn person twice, half of `apart` pixels to either side; the right one is half a repetition later."""
    pair = (person(pts_s), person(pts_s + 2.0))
    moved = [
        replace(one, image_px=one.image_px + np.array([by, 0], np.float32))
        for one, by in zip(pair, (-apart, apart), strict=True)
    ]
    return moved[0], moved[1]


@dataclass
class Pair(Mover):
    """Two people; the left one is followed."""

    apart: int = 130

    def seen(self, pts_s: tuple[float, ...]) -> SeenChunk:
        pairs = [_beside(at, self.apart) for at in pts_s]
        return SeenChunk.of_rows([[one for one, _ in pairs], [one for _, one in pairs]], SIZE[::-1], pts_s)

    def about(self, pts_s: float) -> MovementSeen:
        return replace(super().about(pts_s), people=2, whom="the person on the left")

    def drawing(self, pts_s: float) -> bytes:
        left, right = (Image.open(io.BytesIO(draw(at, SIZE))) for at in (pts_s, pts_s + 2.0))
        half = SIZE[0] // 2
        both = Image.new("RGB", SIZE)
        both.paste(left.crop((self.apart, 0, half + self.apart, SIZE[1])), (0, 0))
        both.paste(right.crop((half - self.apart, 0, SIZE[0] - self.apart, SIZE[1])), (half, 0))
        out = io.BytesIO()
        both.save(out, "JPEG", quality=80)
        return out.getvalue()


@dataclass
class Owner(Mover):
    """Does an exercise of the owner's; corrections are in the owner's words."""

    async def emit(self, event: Event) -> str:
        if isinstance(event, EndEvent) and event.action == "correct":
            event = replace(event, text="Heels up!", said_by="owner")
        return await super().emit(event)

    def about(self, pts_s: float) -> MovementSeen:
        seen = super().about(pts_s)
        mistakes = (OWN,) if seen.mistakes else ()
        return replace(seen, exercise="calf_raise", mistakes=mistakes, measure="", measured=(), measured_pts_s=())


async def of_people(shots: Screenshots, opened: Browser, bus: Bus, url: str) -> None:
    """Half of a person, two people, an own exercise with its lesson, a summary, and many sources."""
    pace = {"chunk_s": 0.5, "say_every": 6, "latency_s": 0.3, "jitter_s": 0.05, "word_s": 0.02}
    actors = {
        "half-seen": mover(bus, missing=("knees", "feet")),
        "two-people": Pair(bus, "demo", **pace),  # type: ignore[arg-type]
        "own-exercise": Owner(bus, "demo", **pace),  # type: ignore[arg-type]
    }
    for run, (name, actor) in enumerate(actors.items(), start=2):
        actor.run = f"run-{run}"
        await actor.begin()
        async with background(actor.play()):
            for size, viewport in (("", DESKTOP), ("-phone", PHONE)):
                async with page_of(opened, viewport) as watched:
                    await watched.page.goto(f"{url}/#/s/demo")
                    await watched.page.locator(".board .bars li").nth(1).wait_for()
                    await watched.page.locator(".caption:not([hidden])").wait_for()
                    await shots.take(watched, f"person-{name}{size}")
            if name == "own-exercise":
                await of_summary(shots, opened, url)
    shown = Actor(
        bus, "demo", 10.0, run=f"run-{len(actors) + 2}", say_every=10**9
    )  # its pictures; landmarks come by `show`
    await shown.begin()
    async with background(report_encoder(bus), shown.play()):
        await of_lesson(shots, opened, bus, url, shown.run)
    await of_many(shots, opened, bus, url)


async def of_summary(shots: Screenshots, opened: Browser, url: str) -> None:
    for scheme in ("dark", "light"):
        async with page_of(opened, scheme=scheme) as watched:
            await watched.page.goto(f"{url}/api/sources/demo/summary.html")
            await watched.page.get_by_role("heading", name="Session: demo").wait_for()
            await shots.take(watched, f"summary-{scheme}", full=True)


async def of_lesson(shots: Screenshots, opened: Browser, bus: Bus, url: str, run: str) -> None:
    """The steps of teaching an exercise, upright on a phone and on a desk."""
    for size, viewport, scheme in (("desk", DESKTOP, "dark"), ("phone", PHONE, "light")):
        async with page_of(opened, viewport, scheme) as watched:
            await _lesson(shots, watched, bus, url, run, size)


async def _lesson(shots: Screenshots, watched: Watched, bus: Bus, url: str, run: str, size: str) -> None:
    page = watched.page

    async def take(step: str) -> None:
        await shots.take(watched, f"teach-{step}-{size}")

    async def record(repetitions: int) -> None:
        await page.get_by_role("button", name="Start").click()
        await page.locator(".teach-big", has_text="3").wait_for()
        await take("countdown")
        await page.get_by_role("progressbar", name="Recording").wait_for()
        await page.wait_for_timeout(1500)
        await take("recording")
        await show(bus, "demo", repetitions, run=run)

    await page.goto(f"{url}/#/s/demo")
    await page.locator(".badge[data-state=playing]").first.wait_for()
    await page.get_by_role("button", name="Teach an exercise").click()
    if size != "desk":  # there is one by then
        await page.get_by_role("button", name="Teach another").wait_for()
        await take("list")
        await page.get_by_role("button", name="Teach another").click()
    name = page.get_by_label("Name of the exercise")
    await name.wait_for()
    await take("name")
    await name.fill(f"Calf raise {size}")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Start").wait_for()
    while not await page.locator(".teach-presence.ready").count():  # before the recording: it is seen, and not in it
        await show(bus, "demo", 1, run=run, last=False)
        await page.wait_for_timeout(500)
    await page.wait_for_timeout(1000)
    await take("ready")
    await page.get_by_label("Time for them").select_option("60")  # a picture takes a while on a busy machine
    await record(3)
    await page.get_by_role("button", name="Take these 3").wait_for()
    await take("refused")
    await page.get_by_role("button", name="Take these 3").click()
    await page.get_by_role("button", name="Teach a mistake").wait_for()
    await take("learned")
    await page.get_by_role("button", name="Teach a mistake").click()
    await page.get_by_label("What the coach should say").fill("Heels up!")
    await take("mistake")


async def of_many(shots: Screenshots, opened: Browser, bus: Bus, url: str) -> None:
    """A wall of many sources, one of them failed."""
    actors = [Actor(bus, name, seed=seed) for seed, name in enumerate(MANY)]
    for actor in actors:
        await actor.begin()
    await actors[3].state("failed", "rtsp://***@court: 401 Unauthorized; check user and password")
    async with background(*(actor.play() for actor in actors[:3])):
        for size, viewport, scheme in (
            ("dark", DESKTOP, "dark"),
            ("light", DESKTOP, "light"),
            ("phone", PHONE, "dark"),
        ):
            async with page_of(opened, viewport, scheme) as watched:
                await watched.page.goto(f"{url}/#/")
                await watched.page.locator(".tile-link").nth(len(MANY)).wait_for()
                await watched.page.wait_for_timeout(2500)
                await shots.take(watched, f"many-{size}", full=size == "phone")
