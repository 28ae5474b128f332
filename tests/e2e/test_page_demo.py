"""The page of `cornerman demo` in a real browser, every service as its own process."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import FAKE_CAMERA, Watched, browser, page_of
from tests.e2e.demo_process import ANSWER_S, FAKES, Demo, demo
from tests.e2e.page.harness import open_settings
from tests.integration.gateway_harness import draw


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # Live requests never expire: the machine may be slow.
    with demo(tmp_path_factory.mktemp("demo"), (*FAKES, "speak.deadline_s=0")) as demo_process:
        yield demo_process


@pytest.fixture
async def watched(running: Demo, tmp_path: Path) -> AsyncIterator[Watched]:
    camera = tmp_path / "camera.mjpeg"
    camera.write_bytes(b"".join(draw(n / 10) for n in range(40)))
    flags = (*FAKE_CAMERA, f"--use-file-for-fake-video-capture={camera}")
    async with browser(flags) as opened, page_of(opened) as page:
        yield page


async def texts(watched: Watched) -> list[str]:
    found: list[str] = await watched.page.locator(".word[data-done=true] .text").all_text_contents()
    return found[::-1]


async def until(running: Demo, path: str, reached: Callable[[Any], object]) -> None:
    """Reads the API until `reached` is true of the answer."""
    deadline_s = time.monotonic() + ANSWER_S
    while not reached(answer := await asyncio.to_thread(running.get, path)):
        assert time.monotonic() < deadline_s, answer
        await asyncio.sleep(0.1)


async def until_said(watched: Watched, count: int) -> list[str]:
    await watched.page.wait_for_function(
        "(n) => document.querySelectorAll('.word[data-done=true]').length >= n", arg=count
    )
    return await texts(watched)


async def test_demo_shows_video_and_feedback(running: Demo, watched: Watched) -> None:
    page = watched.page
    await page.goto(running.url)
    await page.locator(".badge[data-state=playing]").first.wait_for()
    await page.wait_for_function("() => window.cornerman?.picture.drawn > 30")
    first = await page.evaluate("cornerman.picture.canvas.toDataURL('image/jpeg', 0.3)")
    shown = await until_said(watched, 3)
    said = await asyncio.to_thread(running.texts)
    assert shown == said[: len(shown)]
    assert await page.evaluate("cornerman.picture.canvas.toDataURL('image/jpeg', 0.3)") != first
    await page.get_by_role("button", name="Stats").click()
    await page.locator('.tile[data-tile="frames"] .value').get_by_text(re.compile(r"^[1-9][\d.]* /s$")).wait_for()
    await watched.check()


async def test_changed_prompt_changes_feedback(running: Demo, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{running.url}/#/s/demo")
    await open_settings(page)
    await page.get_by_label("What to look for, in words").fill("Only count the repetitions.")
    await page.get_by_label("Who decides").focus()
    await page.get_by_text("Applied at").wait_for()
    await page.locator(".word[data-done=true] .text", has_text="Only count the repetitions.").first.wait_for()
    await watched.check()


async def test_question_is_answered(running: Demo, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{running.url}/#/s/demo")
    await page.locator(".badge[data-state=playing]").first.wait_for()
    await page.get_by_label("Ask about what is on screen").fill("How many so far?")
    await page.keyboard.press("Enter")
    answer = page.locator(".word.answer[data-done=true]", has_text="You asked: How many so far?")
    await answer.wait_for()
    assert (await answer.locator(".text").inner_text()).startswith("answer at ")
    assert "How many so far?" in await answer.locator(".text").inner_text()
    await watched.check()


async def test_killed_gateway_loses_no_line(running: Demo, watched: Watched) -> None:
    page = watched.page
    watched.expected = ("Failed to load resource", "WebSocket connection")
    await page.goto(f"{running.url}/#/s/demo")
    before = await until_said(watched, 2)
    # The banner may be hidden again between two polls: record every change.
    await page.evaluate(
        "window.banners = []; new MutationObserver(() => banner.hidden || banners.push(banner.textContent))"
        ".observe(document.getElementById('banner'), { attributes: true, childList: true })"
    )
    await asyncio.to_thread(running.child("gateway").kill)
    await page.wait_for_function("() => banners.some((text) => text.includes('trying again'))")
    await page.locator("#banner[hidden]").wait_for(state="attached")
    await asyncio.to_thread(running.wait_ready)
    shown = await until_said(watched, len(before) + 2)
    said = await asyncio.to_thread(running.texts)
    assert shown == said[: len(shown)]
    drawn = await page.evaluate("cornerman.picture.drawn")
    await page.wait_for_function("(n) => cornerman.picture.drawn > n + 10", arg=drawn)
    await watched.check()


async def test_browser_camera_is_watched(running: Demo, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{running.url}/#/add")
    await page.get_by_role("button", name="Use this camera").click()
    await page.get_by_role("button", name="Start watching").click()
    await page.wait_for_url("**/#/s/camera*")
    await page.locator(".badge[data-state=playing]").first.wait_for()
    await page.wait_for_function("() => window.cornerman?.picture.drawn > 20")
    await until_said(watched, 1)
    source = page.url.rpartition("/")[2]
    await open_settings(page)
    await page.get_by_text("More settings").click()
    await until(running, f"/api/sources/{source}", lambda it: it["counters"].get("captured", 0) > 20)
    await until(running, f"/api/sources/{source}", lambda it: it["counters"].get("published", 0) >= 1)
    await page.get_by_role("button", name="Remove this source").click()
    await page.get_by_role("button", name="Remove", exact=True).click()
    await page.locator(".tile-link").first.wait_for()
    await watched.check()


async def test_broken_video_can_be_removed(running: Demo, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{running.url}/#/add")
    broken = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(range(256)) * 40
    await page.get_by_label("Video file").set_input_files(
        {"name": "broken.mp4", "mimeType": "video/mp4", "buffer": broken}
    )
    await page.get_by_role("button", name="Upload and watch").click()
    await page.get_by_text("This source cannot be watched").wait_for()
    for part in ("broken", "ffmpeg -i", "add it again"):
        await page.locator(".stage-note", has_text=part).wait_for()
    # The run ends when its last chunk is decided; the page must still show the failure after that.
    source = page.url.rpartition("/")[2]
    await until(running, f"/api/sources/{source}", lambda it: it["run"]["ended"])
    for _ in range(2):
        async with page.expect_response(lambda answer: answer.url.endswith(f"/api/sources/{source}")):
            pass
    assert await page.locator(".stage .badge[data-state=failed]").count() == 1
    await open_settings(page)
    await page.get_by_text("More settings").click()
    await page.get_by_role("button", name="Remove this source").click()
    await page.get_by_role("button", name="Remove", exact=True).click()
    await page.locator(".tile-link").first.wait_for()
    await watched.check()


async def test_earlier_feedback_has_its_picture(running: Demo, watched: Watched) -> None:
    page = watched.page
    said: list[dict[str, Any]] = []
    while len(said) < 2:
        rows = (await asyncio.to_thread(running.get, "/api/sources/demo/history"))["events"]
        said = [row for row in rows if row["type"] == "end" and row["status"] == "done" and not row["silent"]]
    await page.goto(f"{running.url}/#/s/demo")
    await page.locator(f'.word[data-request="{said[-1]["request_id"]}"] button').click()
    await page.locator("#dialog img:not([hidden])").wait_for()
    assert await page.locator("#dialog img").evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 100
    await watched.check()


async def test_health_shows_every_worker(running: Demo, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{running.url}/#/health")
    for role in ("capture", "encoder", "decider", "generator", "gateway"):
        await page.get_by_role("cell", name=role, exact=True).first.wait_for()
    await watched.check()
