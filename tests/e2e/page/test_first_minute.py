"""First visit: no sources, cameras, addresses, uploads; each failure says what to do."""

from __future__ import annotations

import asyncio

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import get_source
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import FAKE_CAMERA
from tests.e2e.page.harness import PATIENCE_S, give_feedback, open_page, silent, until


async def test_first_visit_adds_a_camera(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, flags=FAKE_CAMERA) as (url, room, watched):
        page = watched.page
        await page.goto(url)
        await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
        await page.get_by_role("button", name="Use this camera").click()
        await page.get_by_role("button", name="Start watching").click()
        await page.wait_for_url("**/#/s/camera")
        key = bus.keys("camera").push("camera")
        while await bus.redis.xlen(key) < 10:
            await asyncio.sleep(0.05)
        await until(lambda: room.pushing == {"camera"}, "no camera is pushed")
        await page.locator(".stage.mirrored").wait_for()
        await page.get_by_role("link", name="Wall").click()
        await page.locator(".tile-link").wait_for()
        newest = await bus.redis.xrevrange(key, count=1)
        while await bus.redis.xrevrange(key, count=1) in (newest, []):  # the camera goes on while views change
            await asyncio.sleep(0.05)
        await page.get_by_role("button", name="Stop camera").click()
        while room.pushing:
            await asyncio.sleep(0.05)
        await watched.check()


async def test_forbidden_camera_has_a_remedy(settings: Settings, bus: Bus) -> None:
    flags = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    async with open_page(settings, bus, flags=flags) as (url, _, watched):
        await watched.page.goto(url)
        await watched.page.get_by_role("button", name="Use this camera").click()
        await watched.page.get_by_text("Allow it in the address bar").wait_for()
        await watched.check()


async def test_refused_address_is_explained(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/add")
        await page.get_by_label("Address").first.fill("http://169.254.169.254/latest")
        await page.get_by_role("button", name="Watch it").click()
        await page.locator(".wrong", has_text="metadata").wait_for()
        watched.expected = ("422",)
        await watched.check()


async def test_phone_is_shown_the_way(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/add")
        await page.locator(".phone .command", has_text="gateway.tls_cert=self-signed").wait_for()
        way = {"url": "https://10.0.0.7:8443/#/add/camera", "advice": "It will warn once.", "command": ""}
        told = {**way, "fingerprint": "AA:BB", "token_needed": True}
        await page.route("**/api/phone", lambda route: route.fulfill(json=told))
        await page.route("**/api/phone.svg", lambda route: route.fulfill(content_type="image/svg+xml", body=QR))
        await page.reload()
        await page.get_by_role("img", name="QR code of https://10.0.0.7:8443/#/add/camera").wait_for()
        await page.get_by_text("The phone warns about the certificate: why?").click()
        await page.get_by_text("AA:BB").wait_for()
        await page.get_by_text("It asks once for the token").wait_for()
        await watched.check()


QR = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path stroke="#000" d="M1 1.5h3"/></svg>'


async def test_missing_camera_has_a_remedy(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(url)
        await watched.page.get_by_role("button", name="Use this camera").click()
        await watched.page.locator(".wrong", has_text="No camera was found. Plug one in").wait_for()
        await watched.check()


async def test_insecure_page_has_a_remedy(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.add_init_script(
            "Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true })"
        )
        await watched.page.goto(url)
        await watched.page.get_by_role("button", name="Use this camera").click()
        await watched.page.locator(".wrong", has_text="gateway.tls_cert=self-signed").wait_for()
        await watched.check()


async def test_custom_prompt_reaches_the_source(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        page = watched.page
        await page.goto(url)
        await page.get_by_text("Security", exact=True).click()
        await page.get_by_text("A camera that should see nothing unusual.").wait_for()
        await page.get_by_text("Custom", exact=True).click()
        await page.get_by_label("Your own prompt").fill("Count the people.")
        await page.get_by_role("button", name="Show a test pattern").click()
        await page.wait_for_url("**/#/s/pattern")
        spec = await get_source(bus, "pattern")
        assert spec is not None and spec.say.prompt == "Count the people."
        await page.get_by_text("Waiting to be opened").wait_for()
        assert "cornerman up" in await page.locator(".stage-note").inner_text()
        await watched.check()


async def test_upload_takes_videos_only(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        page = watched.page
        watched.expected = ("415",)
        await page.goto(f"{url}/#/add")
        button = page.get_by_role("button", name="Upload and watch")
        await button.click()
        await page.get_by_text("Choose a file first.").wait_for()
        script = {"name": "run.mp4", "mimeType": "video/mp4", "buffer": b"#!/bin/sh\necho\n" * 99}
        await page.get_by_label("Video file").set_input_files(script)
        await button.click()
        await page.locator(".wrong:not(:empty)").wait_for()
        video = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(4000)
        await page.get_by_label("Video file").set_input_files(
            {"name": "my clip.mp4", "mimeType": "video/mp4", "buffer": video}
        )
        await page.get_by_label("Play it over and over").check()
        await button.click()
        await page.wait_for_url("**/#/s/my-clip")
        async with asyncio.timeout(PATIENCE_S):
            while (spec := await get_source(bus, "my-clip")) is None:
                await asyncio.sleep(0.05)
        assert spec.watch.loop and spec.url.endswith(".mp4")
        await watched.check()


DEMO = "/srv/cornerman/assets/demo.mp4"


async def test_demo_explains_itself(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, silent(bus, url=DEMO), flags=FAKE_CAMERA) as (url, _, watched):
        page = watched.page
        await page.goto(url)  # one source: no wall between
        line = page.get_by_role("complementary", name="About the demo")
        assert "drawn figure" in await line.inner_text()
        assert await page.get_by_role("heading", level=1).all_text_contents() == ["demo"]
        await line.get_by_role("link", name="Try your camera").click()
        await page.get_by_role("button", name="Start watching").wait_for()
        await page.go_back()
        await line.get_by_role("button", name="Close this line").click()
        await page.reload()
        await page.locator(".badge[data-state=playing]").first.wait_for()
        assert await line.count() == 0
        await watched.check()


async def test_numbers_wait_behind_stats(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(url)
        await page.wait_for_function("() => window.cornerman?.picture.drawn > 0")
        await give_feedback(actor)
        await page.locator(".word[data-done=true]").wait_for()
        hidden = (".badge.extra", ".panel-figures", ".word .stat", ".panel-settings .field")
        for selector in hidden:
            assert await page.locator(selector).first.is_hidden(), selector
        await page.get_by_role("button", name="Stats").click()
        for selector in hidden[:3]:
            await page.locator(selector).first.wait_for()
        await watched.check()


async def test_caption_leaves_with_its_moment(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(url)
        await page.wait_for_function("() => window.cornerman?.picture.drawn > 0")
        await give_feedback(actor)
        await page.locator(".caption:not([hidden])").wait_for()
        await page.locator(".caption").wait_for(state="hidden")  # by itself, once it can have been read
        await give_feedback(actor)
        await page.locator(".caption:not([hidden])").wait_for()
        await page.get_by_role("button", name="Pause").click()
        await page.locator(".caption").wait_for(state="hidden")
        await watched.check()
