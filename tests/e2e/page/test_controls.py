"""Settings, profiles, questions and login on the page."""

from __future__ import annotations

from dataclasses import replace

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import EndStatus, RequestKind, Times
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import browser, page_of
from tests.e2e.page.harness import end_of, open_page, open_settings, quick
from tests.integration.gateway_harness import gateway
from tests.integration.test_gateway_api import with_web


async def test_settings_apply_or_are_refused(settings: Settings, bus: Bus) -> None:
    from cornerman_shared.bus.registry import get_source

    async with open_page(settings, bus, quick(bus)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await open_settings(page)
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


async def test_question_is_shown_with_answer(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    async with open_page(settings, bus, actor) as (url, _, watched):
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
        await page.reload()  # pages opened later show it too
        await page.locator(".word.answer", has_text="You asked: How many so far?").wait_for()
        assert await page.locator(".word.answer .text").inner_text() == "Seven squats."
        await watched.check()


async def test_unanswered_question_shows_the_reason(settings: Settings, bus: Bus) -> None:
    actor = quick(bus, say_every=10_000)
    kind: RequestKind = "question"
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        statuses: tuple[EndStatus, ...] = ("expired", "failed")
        for status in statuses:
            await page.get_by_label("Ask about what is on screen").fill(f"Is it {status}?")
            await page.get_by_role("button", name="Ask", exact=True).click()
            asked = page.locator(".word", has_text=f"You asked: Is it {status}?")
            request_id = await asked.get_attribute("data-request")
            assert request_id is not None
            times = Times(captured_at_s=bus.clock.now_s())
            end = end_of(actor, request_id, "", times, kind=kind, prompt=f"Is it {status}?")
            await bus.emit(replace(end, status=status, cause=f"it is {status}: 16 wait already"))
            await asked.locator(".text", has_text=f"it is {status}: 16 wait already").wait_for()
        await watched.check()


async def test_profiles_and_strategies_show_settings(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus, say_every=10_000)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await open_settings(page)
        profile = page.get_by_label("Prompt profile")
        await profile.wait_for()
        names = await profile.locator("option").all_inner_texts()
        assert names == ["Coach", "Commentary", "Sports", "Security", "Nature", "Description", "Custom"]
        prompts = set()
        for revision, name in enumerate(("sports", "security", "nature", "descriptive", "coach"), start=1):
            await profile.select_option(name)
            await page.get_by_text(f"Revision {revision}.").wait_for()
            prompts.add(await page.get_by_label("What to look for, in words").input_value())
        assert len(prompts) == 5
        await profile.select_option("custom")
        assert await page.evaluate("document.activeElement.tagName") == "TEXTAREA"
        await page.get_by_label("Who decides").select_option("interval")
        await page.get_by_text("Speaks every so many seconds").wait_for()
        assert await page.get_by_label("Every", exact=True).is_visible()
        assert not await page.get_by_label("Every n-th chunk").is_visible()
        await page.get_by_text("More settings").click()
        await page.locator("label.field:has(> span:text-is('Mode')) select").select_option("commentary")
        await page.get_by_text("Revision 7.").wait_for()
        await watched.check()


async def test_own_profile_is_written_on_the_page(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, quick(bus, say_every=10_000)) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await open_settings(page)
        profile, dialog = page.get_by_label("Prompt profile"), page.get_by_role("dialog")
        await profile.select_option("nature")
        await page.get_by_text("Revision 1.").wait_for()
        await page.get_by_role("button", name="Write or change a profile").click()
        text = await dialog.get_by_label("File (YAML)").input_value()
        assert text.startswith("title: Nature")  # a bundled one opens as a copy
        await dialog.get_by_label("Name").fill("ducks")
        await dialog.get_by_label("File (YAML)").fill(f"{text}  top_p: 7\n")
        await dialog.get_by_role("button", name="Save and use").click()
        await dialog.get_by_text("say.top_p = 7: Input should be less than or equal to 1").wait_for()
        await dialog.get_by_label("File (YAML)").fill("title: Ducks\nsay:\n  prompt: Count the ducks.\n")
        await dialog.get_by_role("button", name="Save and use").click()
        await page.get_by_text("Revision 2.").wait_for()
        assert await profile.input_value() == "ducks"
        assert await page.get_by_label("What to look for, in words").input_value() == "Count the ducks."
        await page.get_by_role("button", name="Write or change a profile").click()
        assert await dialog.get_by_label("Name").get_attribute("readonly") is not None
        await dialog.get_by_role("button", name="Remove").click()
        await dialog.wait_for(state="hidden")
        assert await profile.input_value() == "custom"
        preset = page.get_by_label("How closely")
        await preset.select_option("sentry")
        await page.get_by_text("Revision 3.").wait_for()
        await page.get_by_role("button", name="Write or change a preset").click()
        await dialog.get_by_label("Name").fill("calm")
        await dialog.get_by_role("button", name="Save and use").click()
        await page.get_by_text("Revision 4.").wait_for()
        assert await preset.input_value() in ("calm", "sentry")  # they say the same
        watched.expected = ("422",)
        await watched.check()


async def test_login_returns_to_the_view(settings: Settings, bus: Bus) -> None:
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
        for path in ("//evil.example/", "/%09/evil.example/", "http://["):
            away = f"{url}/login?next={path}"
            await page.goto(away)  # already logged in: no second login, and no redirect to another site
            await page.wait_for_url(lambda there: "/login" not in there)
            assert page.url.startswith(url)
        away = f"{url}/login?next=/%09/evil.example/"
        await watched.context.clear_cookies()
        await page.goto(away)
        await page.get_by_label("Token").fill("a-token-of-some-length")
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
        assert page.url.startswith(url)
        await watched.check()
