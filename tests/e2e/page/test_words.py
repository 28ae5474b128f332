"""Feedback on the page: equal to the stream, in order, each once, never as markup."""

from __future__ import annotations

import json
from dataclasses import replace

from playwright.async_api import WebSocketRoute

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, DeltaEvent, ErrorEvent, Event, StartEvent, StateEvent, Times
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import PHONE, page_of
from tests.e2e.page.harness import (
    XSS,
    end_of,
    give_feedback,
    open_page,
    open_settings,
    quick,
    silent,
    texts,
    until,
    until_said,
)


async def test_page_equals_the_stream(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await until_said(watched, 5)
        drawn = await watched.page.evaluate("cornerman.picture.drawn")
        await watched.page.wait_for_function("(n) => cornerman.picture.drawn > n + 5", arg=drawn)
        shown = await texts(watched)
        assert shown == actor.said[: len(shown)]
        assert await watched.page.locator(".badge[data-state=playing]").count() >= 1
        kinds = await watched.page.locator(".word .kind").all_text_contents()
        assert {"correction", "praise"} <= set(kinds)
        await watched.check()


async def test_words_appear_one_by_one(settings: Settings, bus: Bus) -> None:
    """Each word is sent when the one before is on the page."""
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, state, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await page.wait_for_function("() => window.cornerman?.picture.drawn > 0")
        await until(lambda: state.hub.clients > 0, "no client is connected")
        name, times = "demo:run-1:1", Times(captured_at_s=bus.clock.now_s(), first_token_at_s=bus.clock.now_s())
        await bus.emit(StartEvent("demo", actor.run, name, 1, "feedback", "correct", 1.0, "", "m", times))
        said = ""
        for word in ("Go", " deeper", " now."):
            await bus.emit(DeltaEvent("demo", actor.run, name, 1, word, times))
            said += word
            await page.locator(".word.speaking .text").get_by_text(said, exact=True).wait_for()
            await page.locator(".caption").get_by_text(said, exact=True).wait_for()
        await bus.emit(replace(end_of(actor, name, said, times), said_by="owner"))
        await page.locator(".word[data-done=true] .text").get_by_text(said, exact=True).wait_for()
        assert await page.locator(".word").count() == 1
        assert await page.locator(".word .kind").inner_text() == "correction, in your words"
        await watched.check()


async def test_skipped_events_are_fetched(settings: Settings, bus: Bus) -> None:
    """A slow client is told how many events it missed and after which; the page then asks for them."""
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

    async with open_page(settings, bus, actor) as (url, _, watched):
        await watched.page.route_web_socket("**/events.ws*", lossy)
        await watched.page.goto(f"{url}/#/s/demo")
        await until(lambda: len(dropped) == 12, "the link was never lossy")  # what was said before came as history
        shown = await until_said(watched, len(actor.said) + 2)
        assert shown == actor.said[: len(shown)]
        assert await watched.page.evaluate("cornerman.session.counts.repeated") == 0
        await watched.check()


async def test_two_tabs_show_the_same(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with open_page(settings, bus, actor) as (url, state, watched):
        other = await watched.context.new_page()
        await watched.page.goto(f"{url}/#/s/demo")
        await other.goto(f"{url}/#/s/demo")
        await until_said(watched, 3)
        await other.wait_for_function("() => document.querySelectorAll('.word[data-done=true]').length >= 3")
        found = (await other.locator(".word[data-done=true] .text").all_text_contents())[::-1]
        assert found == actor.said[: len(found)]
        groups = state.previews.preview("demo").groups
        await until(lambda: [*groups] == ["auto"] and len(groups["auto"].viewers) == 2, "the viewers are in two groups")
        await watched.check()


async def test_text_never_becomes_markup(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with open_page(settings, bus, actor) as (url, _, watched):
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
        await open_settings(page)
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


async def test_phone_shows_picture_and_feedback(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with open_page(settings, bus, actor) as (url, _, first):
        assert first.context.browser is not None
        async with page_of(first.context.browser, PHONE, has_touch=True, is_mobile=True) as watched:
            page = watched.page
            await page.goto(f"{url}/#/s/demo")
            shown = await until_said(watched, 3)
            assert shown == actor.said[: len(shown)]
            stage_box, words_box = [await page.locator(name).bounding_box() for name in (".stage", ".words")]
            assert stage_box is not None and words_box is not None
            assert stage_box["height"] > 150 and words_box["y"] < PHONE["height"]
            await page.locator(".timeline-canvas").scroll_into_view_if_needed()
            await page.locator(".timeline-canvas").tap(position={"x": 30, "y": 60})
            await page.locator("#dialog[open]").wait_for()
            await page.get_by_role("button", name="Close").tap()
            await page.get_by_label("Ask about what is on screen").tap()
            await page.get_by_role("button", name="Pause").tap()
            await page.locator(".badge[data-state=paused]").wait_for()
            await watched.check()


async def test_new_feedback_is_announced_once(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        for _ in range(2):
            await give_feedback(actor)
        await page.goto(f"{url}/#/health")
        spoken = page.locator("#spoken")
        assert await spoken.get_attribute("aria-live") == "polite"
        await page.evaluate(
            "window.lines = []; new MutationObserver((changes) => changes.forEach(({ addedNodes }) =>"
            " addedNodes.forEach((text) => lines.push(text.textContent))))"
            ".observe(document.getElementById('spoken'), { childList: true, subtree: true })"
        )
        await page.evaluate("location.hash = '#/s/demo'")
        await until_said(watched, 2)
        await page.wait_for_function("() => cornerman.picture.drawn > 0")
        for count in (1, 2, 3):
            await give_feedback(actor)
            await page.wait_for_function("(n) => window.lines.length >= n", arg=count)
        await until_said(watched, 5)
        found = [line.partition(": ") for line in await page.evaluate("window.lines")]
        assert [text for _, _, text in found] == actor.said[2:]
        assert {kind for kind, _, _ in found} <= {"correction", "praise"}
        await watched.check()


ORDER = """async () => {
  const { Words } = await import("/static/js/words.js");
  const parts = ["ol", "div", "div"].map((name) => document.createElement(name));
  const words = new Words(...parts, () => 0);
  const show = (request_id, live) => words.show({ request_id, live, text: request_id, kind: "praise", done: true });
  show("asked at once", true);
  for (const id of ["old", "older than now"]) show(id, false);
  show("new", true);
  return [...parts[0].querySelectorAll(".text")].map((one) => one.textContent);
}"""


async def test_history_is_below_what_is_live(settings: Settings, bus: Bus) -> None:
    """A question that was asked before the history had come was at the end of the list."""
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/add")
        assert await watched.page.evaluate(ORDER) == ["new", "asked at once", "older than now", "old"]
