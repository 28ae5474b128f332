"""Machines whose wall clocks differ by 30 s: deadlines, credit, latencies and states are as if they agreed.

With the generator's clock 30 s ahead, 7 of 7 requests had expired.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import astuple

import pytest
from rich.console import Console

from cornerman.local.diagnosis import examine
from cornerman.local.snapshot import take_snapshot
from cornerman.local.status_table import status_tables
from cornerman_capture.service import serve
from cornerman_decider.service import decide_loop
from cornerman_encoder.fake import FakeEncoder
from cornerman_encoder.service import EncoderWorker
from cornerman_generator.echo import EchoGenerator
from cornerman_generator.service import answer_loop
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import worker_key
from cornerman_shared.bus.workers import list_workers, live_names, publish_status
from cornerman_shared.clock import SystemClock
from cornerman_shared.process.clock_skew import SKEW, SkewReport
from cornerman_shared.process.health import Health
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.faults.history import backward
from tests.integration.gateway_harness import caller, gateway
from tests.integration.service_harness import SOURCE, counters, events, service_context
from tests.integration.waiting import until

ROLES = ("capture", "encoder", "decider", "generator")
BOTH_WAYS = pytest.mark.parametrize("ahead_s", [30.0, -30.0])


class Skewed(SystemClock):
    """The wall clock of a machine that is not synchronised."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s


@contextlib.asynccontextmanager
async def service(role: str, settings: Settings, ahead_s: float) -> AsyncIterator[Context]:
    """Runs a service in this process, as one on a machine with its own clock."""
    async with Bus.connect(settings, Skewed(ahead_s)) as bus:
        await bus.ready(60)
        context = service_context(bus, role, f"{role}-1")
        context.clock = bus.clock
        async with asyncio.TaskGroup() as tasks:
            context._tasks = tasks
            work = {
                "capture": lambda: serve(context),
                "encoder": EncoderWorker(context, FakeEncoder()).run,
                "decider": lambda: decide_loop(context),
                "generator": lambda: answer_loop(context, EchoGenerator()),
            }
            tasks.create_task(work[role]())
            yield context
            context.stopping.set()


def live_source() -> SourceSpec:
    """A live source whose requests expire after 10 s, which is less than the clocks differ."""
    return SourceSpec.model_validate(
        {
            "source_id": SOURCE,
            "url": "test://pattern?fps=16&seconds=2&size=64x36",
            "watch": {"sample_fps": 16, "overlap": 0, "credit": 2},
            "speak": {"strategy": "rules", "every_chunks": 1, "min_interval_s": 0, "deadline_s": 10, "gap_s": 30},
        }
    )


@BOTH_WAYS
@pytest.mark.parametrize("skewed", ROLES)
async def test_skewed_service_expires_nothing(bus: Bus, settings: Settings, skewed: str, ahead_s: float) -> None:
    began_s = bus.clock.now_s()
    await add_source(bus, live_source())
    async with contextlib.AsyncExitStack() as stack:
        for role in ROLES:
            await stack.enter_async_context(service(role, settings, ahead_s if role == skewed else 0.0))

        async def over() -> bool:
            run = await bus.redis.hgetall(bus.keys(SOURCE).run(SOURCE))
            return run.get(b"done") == b"1" and not await bus.redis.hlen(bus.keys(SOURCE).open_requests)

        await until(over)
    ends, decisions = await events(bus, EndEvent), await events(bus, DecisionEvent)
    assert ends
    assert {end.status for end in ends} == {"done"}
    assert {decision.status for decision in decisions} == {"ok"}
    over_s = bus.clock.now_s()
    for event in (*ends, *decisions):
        assert backward(event.times) == []
        assert all(began_s - 1 < at_s < over_s + 1 for at_s in astuple(event.times) if at_s)
    count = await counters(bus)
    assert count["published"] == count["decided"] == len(decisions)
    assert count["requests"] == count["feedback"] == len(ends)


@BOTH_WAYS
async def test_question_of_skewed_gateway(bus: Bus, settings: Settings, ahead_s: float) -> None:
    await add_source(bus, live_source())
    async with Bus.connect(settings, Skewed(ahead_s)) as own:
        await own.ready(60)
        async with gateway(settings, own) as (url, _), caller(url) as client:
            asked = await client.post(f"/api/sources/{SOURCE}/questions", json={"text": "How is it?"})
            told = await client.get("/api/status")
    assert abs(asked.json()["asked_at_s"] - bus.clock.now_s()) < 20
    assert abs(told.json()["at_s"] - bus.clock.now_s()) < 20


@BOTH_WAYS
async def test_skewed_worker_is_alive_and_told(bus: Bus, settings: Settings, ahead_s: float) -> None:
    async with Bus.connect(settings, Skewed(ahead_s)) as own:
        await own.ready(60)
        context = service_context(own, "encoder", "far")
        SkewReport(context.health, context.metrics, context.log).report(own.clock_skew_s)
        await publish_status(own, context.health.status(own.clock.now_s()))
    await bus.redis.persist(worker_key("encoder", "far"))  # the doctor may take longer than the status lives
    assert await live_names(bus, "encoder") == {"far"}
    (status,) = await list_workers(bus)
    assert abs(status.at_s - bus.clock.now_s()) < 20
    assert status.started_at_s <= status.at_s
    assert abs(status.detail[SKEW] - ahead_s) < 5
    assert abs(context.metrics.clock_skew_seconds._value.get() - ahead_s) < 5
    finding = await asyncio.to_thread(lambda: next(one for one in examine(settings) if one.what == "clock"))
    assert finding.state == "note"
    assert "encoder far" in finding.found
    assert ("ahead" if ahead_s > 0 else "behind") in finding.found
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(status_tables(await take_snapshot(bus), None))
    assert f"{status.detail[SKEW]:+.1f} s" in console.export_text()


def test_skew_is_logged_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    report = SkewReport(Health("encoder", "e", SystemClock()), Metrics(), get_logger("clock"))
    for skew_s in (0.2, 30.0, 30.1, -0.1):
        report.report(skew_s)
    said = capsys.readouterr()
    assert (said.out + said.err).count("clock_skewed") == 1
    assert (said.out + said.err).count("clock_agrees") == 1
