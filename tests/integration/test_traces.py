"""One trace over all services, from a chunk to the words that a client gets; and nothing of it while tracing is off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from opentelemetry.trace import StatusCode

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, StartEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.capture_harness import capture
from tests.integration.decider_harness import decider
from tests.integration.gateway_harness import caller, gateway
from tests.integration.generator_harness import ScriptedGenerator, ended, request, send
from tests.integration.generator_harness import worker as generator
from tests.integration.service_harness import SOURCE, events
from tests.integration.test_encoder_service import worker as encoder
from tests.integration.test_gateway_events import Heard, read_sse
from tests.integration.waiting import until, until_true
from tests.spans import KeptSpans, parents

INCOMING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHUNK = {
    "send chunks": "",
    "process chunks": "send chunks",
    "encode": "process chunks",
    "process features": "process chunks",
    "process requests": "process features",
}


@pytest.fixture
def kept(bus: Bus) -> KeptSpans:
    kept = KeptSpans(bus.clock)
    bus.tracer = kept.tracer
    return kept


async def register(bus: Bus) -> None:
    watch = {"realtime": False, "lossless": True, "credit": 64}
    speak = {"strategy": "interval", "interval_s": 1.0, "min_interval_s": 0.0}
    url = "test://pattern?fps=30&seconds=3&size=64x36"
    await add_source(bus, SourceSpec(source_id=SOURCE, url=url, watch=watch, speak=speak))


@contextlib.asynccontextmanager
async def services(settings: Settings, bus: Bus) -> AsyncIterator[None]:
    async with encoder(bus, batch=1), decider(bus), generator(bus), capture(settings, bus=bus):
        yield


async def words(bus: Bus) -> EndEvent | None:
    return next((end for end in await events(bus, EndEvent) if end.status == "done"), None)


async def test_trace_spans_all_services(settings: Settings, bus: Bus, kept: KeptSpans) -> None:
    heard: list[Heard] = []
    async with gateway(settings, bus) as (url, _), caller(url) as client:
        await register(bus)
        ready = asyncio.Event()
        following = asyncio.create_task(read_sse(client, f"/api/sources/{SOURCE}/events", 10_000, "", ready, heard))
        await ready.wait()
        async with services(settings, bus):
            end = await until(lambda: words(bus))
            await until_true(lambda: parents(kept.of_trace(end.traceparent)).get("deliver feedback"))
        following.cancel()
    spans = kept.of_trace(end.traceparent)
    tree = parents(spans)
    assert {name: tree[name] for name in CHUNK} == CHUNK
    delivered = [span for span in spans if span.name == "deliver feedback"]
    ids = {span.context.span_id: span.name for span in spans}
    assert {ids[span.parent.span_id] for span in delivered if span.parent} <= {"process features", "process requests"}
    said = [dict(span.attributes or {}) for span in spans if span.name in CHUNK and span.name != "encode"]
    assert {(each["cornerman.source_id"], each["cornerman.run"]) for each in said} == {(SOURCE, end.run)}
    (request,) = (span.attributes or {} for span in spans if span.name == "process requests")
    assert (request["cornerman.status"], request["messaging.consumer.group.name"]) == ("done", "generator")
    assert all(span.start_time <= span.end_time for span in spans)
    for kind in (DecisionEvent, StartEvent, EndEvent):
        assert all(event.traceparent for event in await events(bus, kind))


async def test_no_entry_tells_of_traces_when_off(settings: Settings, bus: Bus) -> None:
    await register(bus)
    async with services(settings, bus):
        await until(lambda: words(bus))
    k = bus.keys(SOURCE)
    for stream in (k.chunks, k.features, k.requests, k.feedback(SOURCE)):
        bodies = [fields[FIELD] for _, fields in await bus.redis.xrange(stream)]
        assert bodies and not any(b"traceparent" in body for body in bodies)


async def test_question_continues_the_caller(settings: Settings, bus: Bus, kept: KeptSpans) -> None:
    await add_source(bus, SourceSpec(source_id=SOURCE, url="test://"))
    async with gateway(settings, bus) as (url, _), caller(url) as client, decider(bus):
        headers = {"traceparent": INCOMING}
        await client.post(f"/api/sources/{SOURCE}/questions", json={"text": "Deep enough?"}, headers=headers)
        (end,) = await until(lambda: events(bus, EndEvent))
    assert end.traceparent.split("-")[1] == INCOMING.split("-")[1]
    sent, taken = kept.ended("send questions")[0], kept.ended("process questions")[0]
    assert sent.parent is not None and f"{sent.parent.span_id:016x}" == INCOMING.split("-")[2]
    assert taken.parent is not None and taken.parent.span_id == sent.context.span_id
    assert taken.status.status_code is StatusCode.ERROR  # there is no picture yet


async def test_untraced_gateway_drops_the_header(settings: Settings, bus: Bus) -> None:
    await add_source(bus, SourceSpec(source_id=SOURCE, url="test://"))
    async with gateway(settings, bus) as (url, _), caller(url) as client:
        headers = {"traceparent": INCOMING}
        await client.post(f"/api/sources/{SOURCE}/questions", json={"text": "Deep enough?"}, headers=headers)
    [(_, fields)] = await bus.redis.xrange(bus.keys(SOURCE).questions)
    assert b"traceparent" not in fields[FIELD]


async def test_failed_reply_has_error_status(bus: Bus, kept: KeptSpans) -> None:
    async def crash() -> None:
        raise OSError("no memory")

    await send(bus, request(traceparent=INCOMING))
    async with generator(bus, ScriptedGenerator(crash)):
        (end,) = await until(lambda: ended(bus))
    (span,) = kept.ended("process requests")
    assert end.status == "failed" and span.status.status_code is StatusCode.ERROR
    assert "no memory" in (span.status.description or "")
