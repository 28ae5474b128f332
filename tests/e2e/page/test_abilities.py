"""The page with a model that ignores prompts: it closes them, says why, and shows declined questions as such."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from cornerman_common.abilities import folder_abilities
from cornerman_common.bundle import bundled
from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Times, WorkerStatus
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import end_of, open_page, open_settings, silent, visit

WHY = "does not follow prompts: it only coaches"


async def report_coach(bus: Bus) -> None:
    """Reports a generator with the bundled coach, again and again, as its process does."""
    abilities = json.dumps(folder_abilities(bundled("coach")).to_dict())
    models = {"backend": "mobile_videogpt", "model": "", "abilities": abilities}
    while True:
        now_s = bus.clock.now_s()
        status = WorkerStatus("generator", "g1", 1, "h", "running", now_s, now_s, 1, 0, {}, models=models)
        await publish_status(bus, status)
        await asyncio.sleep(0.5)


async def test_ignored_prompts_are_closed(settings: Settings, bus: Bus) -> None:
    async with background(report_coach(bus)), open_page(settings, bus) as (url, _, watched):
        await visit(watched.page, url, "#/add")
        closed = await watched.page.locator(".chip input:disabled").evaluate_all("all => all.map(one => one.value)")
        assert sorted(closed) == ["custom", "default", "descriptive", "nature", "security", "sports"]
        await watched.page.get_by_role("note").filter(has_text=WHY).wait_for()
        await watched.check()


async def test_declined_question_is_shown(settings: Settings, bus: Bus) -> None:
    actor = silent(bus)
    async with background(report_coach(bus)), open_page(settings, bus, actor) as (url, _, watched):
        await watched.page.goto(f"{url}/#/s/demo")
        await watched.page.locator('.ask input[placeholder^="Ask about your form (squat, push up, lunge"]').wait_for()
        end = end_of(actor, "demo:q:1", "", Times(captured_at_s=bus.clock.now_s()), "question", "Who is that?")
        await bus.emit(replace(end, status="declined", cause="I can only answer questions about form."))
        row = watched.page.locator(".word.declined")
        await row.get_by_text("I can only answer questions about form.").wait_for()
        await row.get_by_text("You asked: Who is that?").wait_for()
        await open_settings(watched.page)
        await watched.page.get_by_text("Models in use").click()
        await watched.page.get_by_text("Can do: questions about form; own words only").wait_for()
        assert await watched.page.locator('select option[value="security"]').is_disabled()
        await watched.check()
