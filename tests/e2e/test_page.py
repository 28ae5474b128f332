"""The page in a real browser, before a source whose every word is known."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import WebSocketRoute

from services.gateway.room import Room
from shared.bus import Bus
from shared.config import Settings
from shared.messages import DecisionEvent, EndEvent, ErrorEvent, Event, RequestKind, StateEvent, Times
from tests.conftest import Server, fast_settings
from tests.e2e.browser import FAKE_CAMERA, PHONE, Watched, browser, page_of
from tests.integration.gateway_house import Actor, gateway
from tests.integration.test_gateway_api import with_web


@pytest.fixture
async def settings(own_server: Server, tmp_path: Path) -> Settings:
    return fast_settings(own_server.url, tmp_path)


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    async with Bus.connect(settings) as bus:
        await bus.ready(10)
        yield bus


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


async def test_the_picture_moves_and_the_words_equal_the_streams(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with stage(settings, bus, actor) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await until_said(watched, 5)
        drawn = await watched.page.evaluate("cornerman.picture.drawn")
        await watched.page.wait_for_timeout(600)
        assert await watched.page.evaluate("cornerman.picture.drawn") > drawn + 5
        shown = await texts(watched)
        assert shown == actor.said[: len(shown)]
        assert await watched.page.locator(".badge[data-state=playing]").count() >= 1
        kinds = await watched.page.locator(".word .kind").all_text_contents()
        assert {"correction", "praise"} <= set(kinds)
        await watched.check()


async def test_words_arrive_with_their_picture(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus, jitter_s=0.1)) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.wait_for_function("() => window.cornerman?.sync.samples.length >= 8", timeout=40_000)
        summary = await watched.page.evaluate("cornerman.sync.summary")
        assert summary["median_ms"] <= 150, summary
        assert summary["p95_ms"] <= 300, summary
        assert "sync" in await watched.page.locator(".badge.sync").inner_text()
        await watched.check()


async def test_words_stream_in_place_before_they_are_done(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus, word_s=0.25)) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        growing = watched.page.locator(".word.speaking .text").first
        await growing.wait_for()
        await watched.page.wait_for_function(
            "() => document.querySelector('.word.speaking .text')?.textContent.includes(' ')"
        )
        assert await watched.page.locator(".caption").is_visible()
        await watched.check()


async def test_a_restarted_gateway_is_found_again_with_no_line_lost_or_doubled(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    await actor.begin()
    playing = asyncio.create_task(actor.play())
    async with browser() as opened, page_of(opened) as watched:
        watched.expected = ("Failed to load resource", "WebSocket connection")
        async with gateway(with_web(settings), bus) as (url, _):
            port = int(url.rpartition(":")[2])
            await watched.page.goto(f"{url}/#/s/demo")
            await until_said(watched, 2)
        await watched.page.locator("#banner:not([hidden])").wait_for()
        assert "Trying again" in await watched.page.locator("#banner").inner_text()
        missed = len(actor.said)
        while len(actor.said) < missed + 2:
            await asyncio.sleep(0.05)
        async with gateway(with_web(settings, port=port), bus):
            await watched.page.locator("#banner[hidden]").wait_for(state="attached")
            shown = await until_said(watched, len(actor.said) + 1)
            assert shown == actor.said[: len(shown)]
            drawn = await watched.page.evaluate("cornerman.picture.drawn")
            await watched.page.wait_for_function("(n) => window.cornerman?.picture.drawn > n + 5", arg=drawn)
            await watched.check()
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


async def test_a_source_that_comes_later_is_opened_by_itself(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus) as (url, _, watched):
        watched.expected = ("404",)
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.get_by_text("There is no source").wait_for()
        await quick(bus).begin()
        await watched.page.locator(".badge[data-state=playing]").first.wait_for()
        await watched.check()


async def test_events_that_were_passed_over_are_fetched(settings: Settings, bus: Bus) -> None:
    """The server tells a slow client how many events it missed and behind which; the page then asks for them."""
    actor = quick(bus)
    dropped: list[str] = []

    async def lossy(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        last = route.url.partition("since=")[2]

        def from_server(message: str | bytes) -> None:
            nonlocal last
            event = json.loads(message)
            if len(dropped) < 12 and (event["type"] == "end" or dropped):
                dropped.append(event["id"])
                if len(dropped) == 12:
                    route.send(json.dumps({"type": "lagged", "count": 12, "after": last}))
                return
            if not dropped:
                last = event["id"]
            route.send(message)

        server.on_message(from_server)

    async with stage(settings, bus, actor) as (url, _, watched):
        await watched.page.route_web_socket("**/events.ws*", lossy)
        await watched.page.goto(f"{url}/#/s/demo")
        shown = await until_said(watched, 6)
        assert len(dropped) == 12
        assert shown == actor.said[: len(shown)]
        assert await watched.page.evaluate("cornerman.session.counts.repeated") == 0
        await watched.check()


async def test_two_tabs_show_the_same(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with stage(settings, bus, actor) as (url, room, watched):
        other = await watched.context.new_page()
        await watched.page.goto(f"{url}/#/s/demo")
        await other.goto(f"{url}/#/s/demo")
        await until_said(watched, 3)
        await other.wait_for_function("() => document.querySelectorAll('.word[data-done=true]').length >= 3")
        found = (await other.locator(".word[data-done=true] .text").all_text_contents())[::-1]
        assert found == actor.said[: len(found)]
        assert list(room.screens.screen("demo").lanes) == ["auto"]
        await watched.check()


async def test_settings_apply_at_once_and_a_refusal_is_shown_at_its_field(settings: Settings, bus: Bus) -> None:
    from shared.registry import get_source

    async with stage(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.get_by_label("Prompt profile").select_option("nature")
        await page.get_by_text("Applied at").wait_for()
        spec = await get_source(bus, "demo")
        assert (
            spec is not None and spec.say.prompt.startswith("You narrate a nature film") and spec.mode == "commentary"
        )
        await page.get_by_label("Speak above confidence").evaluate(
            "(e) => { e.value = 0.4; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }"
        )
        await page.get_by_text("Revision 2").wait_for()
        spec = await get_source(bus, "demo")
        assert spec is not None and spec.speak.confidence_threshold == 0.4
        await page.get_by_label("What to look for, in words").fill("Only count.")
        await page.get_by_label("Who decides").focus()
        await page.get_by_text("Revision 3").wait_for()
        assert await page.get_by_label("Prompt profile").input_value() == "custom"
        await page.get_by_label("Speak above confidence").evaluate(
            "(e) => { e.max = 5; e.value = 4; e.dispatchEvent(new Event('change')); }"
        )
        await page.locator(".wrong", has_text="less than or equal to 1").wait_for()
        watched.expected = ("422",)
        await watched.check()


async def test_a_question_is_shown_with_its_answer(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with stage(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.get_by_label("Ask about what is on screen").fill("How many so far?")
        await page.get_by_role("button", name="Ask", exact=True).click()
        await page.get_by_text("You asked: How many so far?").wait_for()
        request_id = await page.locator(".word").first.get_attribute("data-request")
        assert request_id is not None and request_id.startswith("demo:q:")
        times = Times(captured_at_s=bus.clock.now_s(), first_token_at_s=bus.clock.now_s())
        kind: RequestKind = "question"
        await bus.emit(end_of(actor, request_id, "Seven squats.", times, kind=kind, prompt="How many so far?"))
        await page.locator(".word.answer .text", has_text="Seven squats.").wait_for()
        assert await page.locator(".word").count() == 1
        assert "Seven squats." in await page.locator("#spoken").inner_text()
        await watched.check()


async def test_errors_and_states_are_seen(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with stage(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.locator(".badge[data-state=playing]").wait_for()
        await bus.emit(ErrorEvent("demo", actor.run, "generator", "out of memory", bus.clock.now_s()))
        await bus.emit(ErrorEvent("demo", actor.run, "generator", "out of memory", bus.clock.now_s()))
        await page.locator(".word.failed", has_text="generator: out of memory (2 times)").wait_for()
        await actor.state("reconnecting", "no frame for 5.0 s")
        await page.get_by_text("connecting again").wait_for()
        await page.get_by_text("no frame for 5.0 s").wait_for()
        await actor.state("failed", "rtsp://***@cam: 401 Unauthorized; check user and password")
        await page.get_by_text("check user and password").wait_for()
        await watched.check()


async def test_nothing_that_is_written_anywhere_becomes_markup(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with stage(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        times = Times(captured_at_s=bus.clock.now_s())
        events: list[Event] = [
            end_of(actor, "demo:x:1", XSS, times, prompt=XSS, model=XSS),
            ErrorEvent("demo", actor.run, XSS, XSS, 0.0),
            StateEvent("demo", actor.run, "stalled", XSS, 0.0),
            DecisionEvent("demo", actor.run, 10**6, 1.0, "next", 0.5, XSS, XSS, 0.1, "ok", times),
        ]
        for event in events:
            await bus.emit(event)
        await actor.state("stalled", XSS)
        await page.locator(".word.correction", has_text="onerror").wait_for()
        await page.get_by_label("What to look for, in words").fill(XSS)
        await page.get_by_label("Who decides").focus()
        await page.get_by_text("Revision 1").wait_for()
        await page.locator(".word button").last.click()
        await page.locator("#dialog[open]").wait_for()
        await page.goto(f"{url}/#/")
        await page.locator(".tile-link").wait_for()
        await page.wait_for_timeout(300)
        assert await page.evaluate("window.pwned") is None
        assert await page.locator("img[src=x]").count() == 0
        watched.expected = ("404",)
        await watched.check()


async def test_the_first_visit_explains_itself_and_a_camera_gets_in(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, flags=FAKE_CAMERA) as (url, room, watched):
        page = watched.page
        await page.goto(url)
        await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
        await page.get_by_role("button", name="Use this camera").click()
        await page.get_by_role("button", name="Start watching").click()
        await page.wait_for_url("**/#/s/camera")
        key = bus.keys("camera").push("camera")
        while await bus.redis.xlen(key) < 10:
            await asyncio.sleep(0.05)
        assert room.pushing == {"camera"}
        await page.get_by_role("link", name="Wall").click()
        await page.locator(".tile-link").wait_for()
        newest = (await bus.redis.xrevrange(key, count=1))[0][0]
        await asyncio.sleep(0.5)
        assert (await bus.redis.xrevrange(key, count=1))[0][0] != newest  # it goes on while views change
        await page.get_by_role("button", name="Stop camera").click()
        while room.pushing:
            await asyncio.sleep(0.05)
        await watched.check()


async def test_a_forbidden_camera_says_what_to_do(settings: Settings, bus: Bus) -> None:
    flags = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    async with stage(settings, bus, flags=flags) as (url, _, watched):
        await watched.page.goto(url)
        await watched.page.get_by_role("button", name="Use this camera").click()
        await watched.page.get_by_text("Allow it in the address bar").wait_for()
        await watched.check()


async def test_an_address_that_is_refused_is_explained_on_the_card(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/add")
        await page.get_by_label("Address").first.fill("http://169.254.169.254/latest")
        await page.get_by_role("button", name="Watch it").click()
        await page.locator(".wrong", has_text="metadata").wait_for()
        watched.expected = ("422",)
        await watched.check()


async def test_a_timeline_click_shows_the_picture_it_was_about(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 3)
        await page.wait_for_function(
            "() => window.cornerman && [...cornerman.session.sayings.values()].some((s) => s.thumb)"
        )
        about = await page.evaluate("[...cornerman.session.sayings.values()].find((s) => s.thumb).request_id")
        await page.locator(f'.word[data-request="{about}"] button').click()
        await page.locator("#dialog img").wait_for()
        assert await page.locator("#dialog img").evaluate(
            "(i) => i.complete && i.naturalWidth > 0 || new Promise((r) => i.onload = () => r(true))"
        )
        await page.keyboard.press("Escape")
        canvas = page.locator(".timeline-canvas")
        await canvas.focus()
        await page.keyboard.press("ArrowLeft")
        assert "confidence" in await page.locator(".tip").inner_text()
        await page.keyboard.press("Enter")
        await page.locator("#dialog[open]").wait_for()
        await page.locator("#dialog img:not([hidden])").wait_for()
        await watched.check()


async def test_the_voice_never_speaks_over_itself(settings: Settings, bus: Bus) -> None:
    fake = """
        window.spoken = []; window.talking = 0; window.most = 0;
        class Utterance extends EventTarget { constructor(text) { super(); this.text = text; } }
        window.SpeechSynthesisUtterance = Utterance;
        Object.defineProperty(window, 'speechSynthesis', { value: {
          speak(u) { window.spoken.push(u.text); window.talking += 1;
                     window.most = Math.max(window.most, window.talking);
                     setTimeout(() => { window.talking -= 1; u.dispatchEvent(new Event('end')); }, 1500); },
          cancel() {},
        } });
    """
    actor = quick(bus, say_every=2)
    async with stage(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.add_init_script(fake)
        await page.goto(f"{url}/#/s/demo")
        await page.get_by_role("button", name="Voice is off").click()
        await page.wait_for_function("() => window.spoken.length >= 3")
        assert await page.evaluate("window.most") == 1
        spoken = await page.evaluate("window.spoken")
        assert len(spoken) < len(actor.said)  # lines that would have come too late were not said
        assert set(spoken) <= set(actor.said)
        await page.get_by_role("button", name="Voice is on").click()
        count = await page.evaluate("window.spoken.length")
        await page.wait_for_timeout(2500)
        assert await page.evaluate("window.spoken.length") == count
        await watched.check()


async def test_downloads_hold_what_was_said(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with stage(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 2)
        async with page.expect_download() as started:
            await page.get_by_role("link", name=".jsonl").click()
        file = await (await started.value).path()
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert [row["text"] for row in rows] == actor.said[: len(rows)]
        async with page.expect_download() as started:
            await page.get_by_role("link", name="report").click()
        assert (await started.value).suggested_filename == "demo-report.html"
        await watched.check()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("view", ["s/demo", "", "add", "health", "docs", "login"])
async def test_axe_finds_no_serious_violation(settings: Settings, bus: Bus, view: str, scheme: str) -> None:
    async with stage(settings, bus, quick(bus)) as (url, _, first):
        browser_ = first.context.browser
        assert browser_ is not None
        async with page_of(browser_, scheme=scheme, bypass_csp=True) as watched:
            await watched.page.goto(f"{url}/{view}" if view in ("docs", "login") else f"{url}/#/{view}")
            if view == "s/demo":
                await until_said(watched, 2)
            else:
                await watched.page.wait_for_timeout(1200)
            results = await Axe().run(watched.page)
            serious = [
                f"{item['id']} ({item['impact']}): {node['html'][:160]}"
                for item in results.response["violations"]
                if item["impact"] in ("serious", "critical")
                for node in item["nodes"]
            ]
            assert serious == []


@pytest.mark.parametrize("view", ["s/demo", "", "add", "health"])
async def test_a_phone_needs_no_sideways_scrolling(settings: Settings, bus: Bus, view: str) -> None:
    async with stage(settings, bus, quick(bus)) as (url, _, first):
        assert first.context.browser is not None
        for viewport in (PHONE, {"width": 360, "height": 640}):
            async with page_of(first.context.browser, viewport) as watched:
                await watched.page.goto(f"{url}/#/{view}")
                await watched.page.wait_for_timeout(1500)
                wide = await watched.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= viewport["width"], f"{view}: {wide} px"
                await watched.check()


async def test_keys_reach_everything_that_matters(settings: Settings, bus: Bus) -> None:
    async with stage(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 1)
        reached = set()
        for _ in range(60):
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


async def test_logging_in_leads_back_to_where_one_wanted_to_go(settings: Settings, bus: Bus) -> None:
    locked = with_web(settings, token="a-token-of-some-length")
    async with gateway(locked, bus) as (url, _), browser() as opened, page_of(opened) as watched:
        page = watched.page
        watched.expected = ("401",)
        await page.goto(f"{url}/?x=1#/add")
        assert page.url == f"{url}/login?next=/#/add"
        await page.get_by_label("Token").fill("wrong-token-entirely")
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_text("this is not the token").wait_for()
        await page.get_by_label("Token").fill("a-token-of-some-length")
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Add a source").wait_for()
        away = f"{url}/login?next=//evil.example/"
        await page.goto(away)  # logged in already: no second login, and never to another site
        await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
        assert page.url.startswith(url)
        await watched.context.clear_cookies()
        await page.goto(away)
        await page.get_by_label("Token").fill("a-token-of-some-length")
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
        assert page.url.startswith(url)
        await watched.check()
