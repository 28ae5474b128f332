"""An exercise taught on the page: five repetitions, a mistake, and what to do when it does not work."""

from __future__ import annotations

import json

from playwright.async_api import Page, expect

from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import get_source
from cornerman_shared.settings.tree import Settings
from tests.e2e.browser import PATIENCE_MS, page_of
from tests.e2e.page.harness import open_page, silent, violations
from tests.e2e.page.mover import report_encoder
from tests.unit.gateway.takes import show

SMALLEST = {"width": 360, "height": 640}
INSIDE = "document.activeElement.closest('dialog.teach') !== null"
TEXTS = """async () => {
  const { slug, surenessOf, presenceOf, refusalOf } = await import("/static/js/teach_text.js");
  const { ApiError } = await import("/static/js/api.js");
  const seen = (...hidden) => Array.from({ length: 33 }, (_, i) => [0.5, 0.5, hidden.includes(i) ? 0.1 : 0.9]);
  const told = (status, detail, wanted = 5) => {
    const { say, found, again } = refusalOf(new ApiError(status, "no", detail), wanted);
    return [say, found, again];
  };
  return {
    names: ["Calf raise", " Büro-Gymnastik! ", "腕立て", "仰卧"].map(slug),
    sure: [{ alike: 0.9 }, { alike: 0.6 }, { alike: 0.2 }, { alike: 0.9, apart: 2 }, { alike: 0.9, apart: 0.5 }]
      .map((shown) => surenessOf(shown).level),
    seen: [null, [], [seen(), seen()], [seen(27, 28)], [seen(27)]].map((people) => presenceOf(people)),
    refused: [told(422, "it shows 3 repetitions (seconds 1.0-2.0), and 5"), told(422, "it shows 1 repetitions"),
      told(422, "no person is seen in the example"), told(422, "no landmarks came from 'demo'"),
      told(422, "the source began anew while it was recorded"), told(404, "gone"), told(503, "no Redis")],
  };
}"""


async def record(page: Page, bus: Bus, repetitions: int, lean: float = 0.0) -> None:
    """Starts the recording and shows repetitions once it is under way."""
    await page.get_by_label("Time for them").select_option("60")
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("progressbar", name="Recording").wait_for()
    await show(bus, "demo", repetitions, lean, run="run-1")


async def test_exercise_is_taught_step_by_step(settings: Settings, bus: Bus) -> None:
    async with background(report_encoder(bus)), open_page(settings, bus, silent(bus, fps=4.0)) as (url, _, first):
        assert first.context.browser is not None
        async with page_of(first.context.browser, SMALLEST, bypass_csp=True) as watched:
            page, dialog = watched.page, watched.page.locator("dialog.teach")
            watched.expected = ("422",)
            await page.goto(f"{url}/#/s/demo")
            await page.locator(".badge[data-state=playing]").first.wait_for()
            opener = page.get_by_role("button", name="Teach an exercise")
            await opener.focus()
            await page.keyboard.press("Enter")
            for name, refused in (("Squat", "The coach knows “Squat” already."), ("Arm raise", "")):
                await page.get_by_label("What to say after three good ones").fill("Lovely!")
                await page.get_by_label("Name of the exercise").fill(name)
                await page.keyboard.press("Enter")
                await dialog.get_by_text(refused or "five good repetitions").wait_for()
            await expect(page.get_by_role("button", name="Start")).to_be_focused(timeout=PATIENCE_MS)
            await expect(page.get_by_role("button", name="Start")).to_be_in_viewport(ratio=1, timeout=PATIENCE_MS)
            assert await violations(page) == []
            await record(page, bus, 3)
            await dialog.get_by_text("I saw 3 repetitions, not 5.").wait_for()
            assert await violations(page) == []
            await page.get_by_role("button", name="Take these 3").click()
            await dialog.get_by_role("heading", name="“Arm raise” is learned").wait_for()
            await dialog.get_by_text("so it is sure of the movement").wait_for()
            assert "Lovely!" in await (await page.request.get(f"{url}/api/exercises/arm_raise")).text()
            spec = await get_source(bus, "demo")
            assert spec is not None and (spec.speak.strategy, spec.speak.exercises) == ("skeleton", ("arm_raise",))
            await page.get_by_role("button", name="Teach a mistake").click()
            await page.get_by_label("What the coach should say").fill("Do not lean!")
            await page.keyboard.press("Enter")
            await record(page, bus, 5, lean=0.5)
            await dialog.get_by_role("heading", name="Mistake learned").wait_for()
            await dialog.get_by_text("It differs clearly from a good one.").wait_for()
            for _ in range(6):
                await page.keyboard.press("Tab")
                assert await page.evaluate(f"{INSIDE} || document.activeElement === document.body")
            assert await page.evaluate("document.documentElement.scrollWidth") <= SMALLEST["width"]
            await page.get_by_role("button", name="Finish").click()
            await expect(opener).to_be_focused(timeout=PATIENCE_MS)
            await watched.check()


async def test_taught_exercises_are_listed(settings: Settings, bus: Bus) -> None:
    async with background(report_encoder(bus)), open_page(settings, bus, silent(bus, fps=4.0)) as (url, _, watched):
        page, dialog = watched.page, watched.page.locator("dialog.teach")
        made = await page.request.post(f"{url}/api/sources/demo/recordings", data={"seconds": 60})
        await show(bus, "demo", 5, run="run-1")
        body = {"recording_id": (await made.json())["recording_id"], "title": "Arm raise"}
        assert (await page.request.post(f"{url}/api/exercises/arm_raise/teach", data=body)).ok
        await page.goto(f"{url}/#/s/demo")
        await page.locator(".badge[data-state=playing]").first.wait_for()
        await page.get_by_role("button", name="Teach an exercise").click()
        await dialog.get_by_role("heading", name="Arm raise").wait_for()
        box = dialog.get_by_label("Look for it at “demo”")
        for wanted, strategy in ((("arm_raise",), "skeleton"), ((), "rules")):  # at the end as it was before
            await box.set_checked(bool(wanted))
            while (spec := await get_source(bus, "demo")) is None or spec.speak.exercises != wanted:
                await page.wait_for_timeout(20)
            assert spec.speak.strategy == strategy
        await dialog.get_by_role("button", name="Teach another").click()
        await page.get_by_label("Name of the exercise").fill("arm raise")
        await page.keyboard.press("Enter")
        await dialog.get_by_text("You have taught “Arm raise” already.").wait_for()
        await dialog.get_by_label("Learn it anew").check()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Start").click()
        await page.keyboard.press("Escape")  # in the countdown: nothing is recorded
        await expect(dialog).to_have_count(0, timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Teach an exercise").click()
        await dialog.get_by_role("button", name="Delete: Arm raise").click()
        await dialog.get_by_role("button", name="Delete").click()
        await page.get_by_label("Name of the exercise").wait_for()
        assert (await (await page.request.get(f"{url}/api/exercises")).json())["exercises"] == []
        await watched.check()


async def test_teaching_says_why_it_cannot(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus, silent(bus, fps=4.0)) as (url, _, watched):
        page, dialog = watched.page, watched.page.locator("dialog.teach")
        await page.goto(f"{url}/#/s/demo")
        await page.locator(".badge[data-state=playing]").first.wait_for()
        await page.get_by_role("button", name="Teach an exercise").click()
        await dialog.get_by_text("does not see bodies").wait_for()
        await dialog.get_by_text("--set encoder.backend=pose").wait_for()
        await page.keyboard.press("Escape")
        async with background(report_encoder(bus)):
            await page.get_by_role("button", name="Pause").click()
            await page.locator(".stage .badge[data-state=paused]").wait_for()
            await page.get_by_role("button", name="Teach an exercise").click()
            await dialog.get_by_role("button", name="Resume").click()
            await page.get_by_label("Name of the exercise").wait_for()
        found = await page.evaluate(TEXTS)
        assert found["names"][:2] == ["calf_raise", "buro_gymnastik"]
        assert found["names"][2] != found["names"][3] and all(name.isascii() for name in found["names"])
        assert found["sure"] == ["good", "fair", "poor", "good", "poor"]
        assert [one["ready"] for one in found["seen"]] == [False, False, False, False, True]
        assert found["seen"][3]["text"].startswith("I cannot see your feet.")
        assert found["refused"] == [
            ["I saw 3 repetitions, not 5.", 3, False],
            ["I saw one repetition only.", 0, False],
            ["I saw nobody for long enough.", 0, False],
            ["Nothing came from this source while you moved.", 0, False],
            ["The source began again while you moved.", 0, False],
            ["This recording is gone.", 0, False],
            ["no: no Redis", 0, True],
        ], json.dumps(found["refused"])
        await watched.check()
