"""The page with a model that ignores prompts: it closes them, says why, and shows declined questions as such."""

from __future__ import annotations

import json
from dataclasses import replace

from cornerman_common.abilities import folder_abilities
from cornerman_common.bundle import bundled
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Times, WorkerStatus
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import end_of, open_page, silent, visit

WHY = "does not follow prompts: it only coaches"


async def run_coach(bus: Bus) -> None:
    """Reports a generator with the bundled coach, as its process does, for as long as a slow test takes."""
    abilities = json.dumps(folder_abilities(bundled("coach")).to_dict())
    models = {"backend": "mobile_videogpt", "model": "", "abilities": abilities}
    now_s = bus.clock.now_s()
    await publish_status(bus, WorkerStatus("generator", "g1", 1, "h", "running", now_s, now_s, 1, 0, {}, models=models))


async def test_ignored_prompts_are_closed(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await run_coach(bus)
        await visit(watched.page, url, "#/add")
        closed = await watched.page.locator(".chip input:disabled").evaluate_all("all => all.map(one => one.value)")
        assert closed == ["sports", "security", "nature", "description", "custom"]
        await watched.page.get_by_role("note").filter(has_text=WHY).wait_for()
        await watched.check()


async def test_declined_question_is_shown(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        await run_coach(bus)
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.locator('.ask input[placeholder^="Ask about your form (squat, push up, lunge"]').wait_for()
        end = end_of(actor, "demo:q:1", "", Times(captured_at_s=bus.clock.now_s()), "question", "Who is that?")
        await bus.emit(replace(end, status="declined", cause="I can only answer questions about form."))
        row = watched.page.locator(".word.declined")
        await row.get_by_text("I can only answer questions about form.").wait_for()
        await row.get_by_text("You asked: Who is that?").wait_for()
        await watched.page.get_by_text("Models in use").click()
        await watched.page.get_by_text("Can do: questions about form; own words only").wait_for()
        assert await watched.page.locator('select option[value="security"]').is_disabled()
        await watched.check()
