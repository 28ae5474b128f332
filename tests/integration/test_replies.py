"""Replies are written only while the request is open and no newer attempt has it."""

from __future__ import annotations

import pytest

from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, Request, Sampling, Times
from cornerman_shared.bus.replies import append_reply, start_attempt
from cornerman_shared.bus.streams import FIELD

pytestmark = pytest.mark.topologies("cluster")

REQUEST = Request(
    "cam:r1:7", "cam", "r1", 7, "feedback", "correct", 1.0, "?", "", "", (), Sampling(), "", 0.0, True, Times()
)  # fmt: skip


def delta(attempt: int, text: str) -> DeltaEvent:
    return DeltaEvent("cam", "r1", REQUEST.request_id, attempt, text, Times())


@pytest.fixture
async def opened(bus: Bus) -> Bus:
    await bus.redis.hset(bus.keys("cam").open_requests, REQUEST.request_id, 0)
    return bus


async def test_attempts_count_from_one(opened: Bus) -> None:
    assert [await start_attempt(opened, REQUEST) for _ in range(3)] == [1, 2, 3]


async def test_unopened_request_is_not_started(bus: Bus) -> None:
    assert await start_attempt(bus, REQUEST) is None
    assert not await bus.redis.exists(bus.keys("cam").open_requests)


async def test_only_newest_attempt_writes(opened: Bus) -> None:
    k = opened.keys("cam")
    first, second = await start_attempt(opened, REQUEST), await start_attempt(opened, REQUEST)
    assert first and second
    assert not await append_reply(opened, delta(first, "stale"), REQUEST.request_id, first)
    assert await append_reply(opened, delta(second, "fresh"), REQUEST.request_id, second)
    for stream in (k.feedback("cam"), k.feedback_all):
        ((_, fields),) = await opened.redis.xrange(stream)
        assert unpack_event(fields[FIELD]) == delta(second, "fresh")


async def test_ended_request_takes_no_text(opened: Bus) -> None:
    attempt = await start_attempt(opened, REQUEST)
    assert attempt
    await opened.redis.hdel(opened.keys("cam").open_requests, REQUEST.request_id)
    assert not await append_reply(opened, delta(attempt, "late"), REQUEST.request_id, attempt)
    assert not await opened.redis.exists(opened.keys("cam").feedback("cam"))
