"""A question outside the abilities is declined by every entrance: the bus, `ask`, the API; the model is not asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx

from cornerman_common.abilities import folder_abilities
from cornerman_common.bundle import bundled
from cornerman_generator.service import answer_loop
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, StartEvent, WorkerStatus
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.settings.tree import Settings
from tests.integration.decider_harness import decider, features, has_decided, register
from tests.integration.decider_harness import send as send_features
from tests.integration.gateway_harness import gateway
from tests.integration.generator_harness import ScriptedGenerator, ended, request, send, settled
from tests.integration.service_harness import SOURCE, counters, events, service_context
from tests.integration.waiting import PATIENCE_S, until

COACH = folder_abilities(bundled("coach"))
SENTENCE = "I can only answer questions, in English, about form in these exercises: squat, push up, lunge, "


@contextlib.asynccontextmanager
async def coach(bus: Bus, generator: ScriptedGenerator) -> AsyncIterator[None]:
    """A generator with the bundled coach's abilities."""
    context = service_context(bus, "generator", "g1")
    task = asyncio.create_task(answer_loop(context, generator, COACH))
    try:
        yield
    finally:
        context.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def test_question_ends_as_declined(bus: Bus) -> None:
    generator = ScriptedGenerator("Nice form, keep going.")
    question = request(kind="question", request_id="cam:q:1", prompt="What colour are the shorts?", action="feedback")
    async with coach(bus, generator):
        await send(bus, question)
        (end,) = await until(lambda: ended(bus))
        await until(lambda: settled(bus))
    assert (end.status, end.text, end.kind, end.prompt) == ("declined", "", "question", question.prompt)
    assert end.cause.startswith(SENTENCE)
    assert await events(bus, StartEvent) == await events(bus, DeltaEvent) == []
    assert (await counters(bus), generator.inputs) == ({"declined": 1}, [])


async def test_feedback_is_never_declined(bus: Bus) -> None:
    """A prompt is not a question: the source goes on being coached."""
    async with coach(bus, ScriptedGenerator("Nice form.")):
        await send(
            bus, request(prompt="What colour are the shorts?"), request(4, kind="question", prompt="How am I doing?")
        )
        ends = await until(lambda: ended(bus, 2))
    assert [end.status for end in ends] == ["done", "done"]


async def asked(bus: Bus, *line: str) -> tuple[int | None, str, str]:
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman", "ask", SOURCE, *line, "--redis", bus.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await asking.communicate()
    return asking.returncode, out.decode(), errors.decode()


async def test_command_and_api_decline(bus: Bus, settings: Settings) -> None:
    await register(bus)
    generator = ScriptedGenerator("Nice form, keep going.")
    web = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"port": 0})})
    async with decider(bus), coach(bus, generator), gateway(web, bus) as (address, _):
        await send_features(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        code, out, _ = await asked(bus, "Who", "is", "that?")
        assert code == 0 and out.startswith(SENTENCE)
        code, out, _ = await asked(bus, "Who is that?", "--json")
        line = json.loads(out)
        assert (code, line["type"], line["question"]) == (0, "declined", "Who is that?")
        assert (await asked(bus, "How is my form?"))[1] == "Nice form, keep going.\n"
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            posted = await client.post(f"/api/sources/{SOURCE}/questions", json={"text": "What brand are the shoes?"})
            request_id = posted.json()["request_id"]

            async def answered() -> list[EndEvent]:
                return [end for end in await events(bus, EndEvent) if end.request_id == request_id]

            await until(answered)
            kept = (await client.get(f"/api/sources/{SOURCE}/transcript.jsonl")).text.splitlines()
    said = [row for row in map(json.loads, kept) if row["kind"] == "declined"]
    assert len(said) == 3 and said[-1]["text"].startswith(SENTENCE)
    assert len(generator.inputs) == 1, "the model was asked only about form"


def worker(role: str, **models: str) -> WorkerStatus:
    return WorkerStatus(role, f"{role}-1", 1, "host", "running", 1.0, 2.0, 1, 0, {}, models=models)


async def test_page_knows_the_running_models(bus: Bus, settings: Settings) -> None:
    """The gateway's own settings say echo; the processes that run are the bundled coach."""
    abilities = json.dumps(COACH.to_dict())
    web = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"port": 0})})
    async with gateway(web, bus) as (address, _), httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
        await publish_status(bus, worker("encoder", backend="mobile_videogpt", model=""))
        await publish_status(bus, worker("generator", backend="mobile_videogpt", model="", abilities=abilities))
        models = (await client.get("/api/models")).json()
        profiles = (await client.get("/api/profiles")).json()["profiles"]
    assert (models["encoder"]["backend"], models["generator"]["why"]) == ("mobile_videogpt", "generator-1 runs it")
    assert models["abilities"]["topics"] == ["form"]
    closed = {profile["name"]: profile["refused"] for profile in profiles}
    assert closed["coach"] == "" and all(closed[name] for name in ("security", "nature", "sports", "descriptive"))
    assert "does not follow prompts" in closed["security"]


async def test_general_model_keeps_every_profile(bus: Bus, settings: Settings) -> None:
    web = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"port": 0})})
    async with gateway(web, bus) as (address, _), httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
        profiles = (await client.get("/api/profiles")).json()["profiles"]
    assert {profile["refused"] for profile in profiles} == {""}
