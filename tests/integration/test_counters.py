"""Counters add up: across runs, and when an answer is lost and the command is sent again.

After a pause of the server of 14 s they were off by one: what an older run had left open was counted in the new one.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cornerman.local.counts import SourceCounts
from cornerman_decider.hops import DeciderHops
from cornerman_decider.requests import open_request
from cornerman_decider.state import DeciderState
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import EndEvent, Features
from cornerman_shared.bus.publish import publish
from cornerman_shared.bus.registry import add_source, remove_source
from cornerman_shared.bus.runs import RunInfo, begin_run
from cornerman_shared.bus.scripts import Arg, Scripts
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.settings.tree import Settings
from tests.integration import capture_harness, decider_harness, generator_harness, test_publish
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.waiting import until


class LostAnswers(Scripts):
    """Runs scripts on the server and loses the answers of one of them, from its `after`-th run on, `times` times."""

    def __init__(self, bus: Bus, name: str, after: int, times: int) -> None:
        super().__init__(bus.redis, bus.key_types)
        self.left = times
        self._name, self._after = name, after
        self.runs: Counter[str] = Counter()

    async def run(self, name: str, keys: list[str], args: list[Arg]) -> Any:
        answer = await super().run(name, keys, args)
        self.runs[name] += 1
        is_end_marker = name == "publish" and args[8] == 1
        if name == self._name and self.runs[name] > self._after and self.left and not is_end_marker:
            self.left -= 1
            raise RetryableError("the answer was lost")
        return answer


async def begin(bus: Bus, run: str) -> Lease:
    """Begins a run of the source; an earlier owner of its lease is gone."""
    await bus.redis.delete(bus.keys(SOURCE).lease(f"capture:{SOURCE}"))
    lease = Lease(bus, bus.keys(SOURCE), f"capture:{SOURCE}", run)
    assert await lease.acquire()
    await begin_run(bus, SOURCE, run, "test://", lease, resume=False)
    return lease


async def test_request_of_older_run_is_not_counted(bus: Bus) -> None:
    await begin(bus, "r1")
    await generator_harness.send(bus, generator_harness.request(1), generator_harness.request(2, run="r2"))
    await begin(bus, "r2")
    async with generator_harness.worker(bus):
        await until(lambda: generator_harness.ended(bus, 2))
    assert await counters(bus) == {"feedback": 1}


async def test_expiry_in_older_run_is_not_counted(bus: Bus) -> None:
    await begin(bus, "r2")
    hops = DeciderHops(bus.keys(SOURCE), bus.settings.bus)
    for run, wanted in (("r1", {}), ("r2", {"expired": 1})):
        request = generator_harness.request(1, run=run)
        await bus.redis.hset(bus.keys(SOURCE).open_requests, request.request_id, 0)
        hop = hops.end(DeciderState(), SOURCE, open_request(request), "nobody took it", 0, 1.0)
        assert await hop.run(bus.scripts) is HopResult.DONE
        assert await counters(bus) == wanted


async def test_burial_in_older_run_is_not_counted(bus: Bus) -> None:
    await begin(bus, "r2")
    hops = DeciderHops(bus.keys(SOURCE), bus.settings.bus)
    for run, wanted in (("r1", {}), ("r2", {"buried": 1})):
        features = await decider_harness.features(bus, 0, run=run)
        await hops.buried(features, "too often", "rules", 1.0).run(bus.scripts)
        assert await counters(bus) == wanted


async def test_removed_source_cancels_in_its_run(bus: Bus) -> None:
    await add_source(bus, capture_harness.spec(source_id=SOURCE))
    await begin(bus, "r2")
    for request_id in (f"{SOURCE}:r1:4", f"{SOURCE}:r2:0"):
        await bus.redis.hset(bus.keys(SOURCE).open_requests, request_id, 0)
    await remove_source(bus, SOURCE)
    assert {end.status for end in await events(bus, EndEvent)} == {"cancelled"}
    assert (await counters(bus))["cancelled"] == 1


async def test_run_begun_twice_keeps_its_count(bus: Bus) -> None:
    lease = await begin(bus, "r1")
    assert await publish(bus, test_publish.chunk(0), lease, credit=3) == "published"
    again = await begin_run(bus, SOURCE, "r1", "test://", lease, resume=False)
    assert again == RunInfo("r1", 1, ended=False)
    assert await counters(bus) == {"published": 1}


async def test_end_marker_waits_for_every_chunk(bus: Bus) -> None:
    lease = await begin(bus, "r1")
    assert await publish(bus, test_publish.chunk(0), lease, credit=3) == "published"
    assert await publish(bus, test_publish.chunk(0, end=True), lease, credit=0) == "outdated"
    assert await publish(bus, test_publish.chunk(1, end=True), lease, credit=0) == "published"
    with pytest.raises(FencedError):  # sent before the end, arrived behind it
        await publish(bus, test_publish.chunk(1), lease, credit=3)
    assert await counters(bus) == {"published": 1}


@pytest.mark.parametrize("lossless", [False, True])
async def test_lost_answers_leave_due_chunks_counted(bus: Bus, settings: Settings, lossless: bool) -> None:
    """The third chunk is on the bus, but capture was never told, and is stopped; another one goes on."""
    url = "test://pattern?fps=30&seconds=3&size=64x36"
    await add_source(bus, capture_harness.spec(url, lossless=lossless, realtime=True))
    async with Bus.connect(settings) as own:
        own.scripts = answers = LostAnswers(own, "publish", after=2, times=1_000_000)
        async with capture_harness.capture(settings, bus=own):
            await until(lambda: _is_at(answers, "publish", 4))
    if not lossless:
        await _adds_up(bus)
    async with capture_harness.capture(settings, "c2"):
        await until(capture_harness.is_state(bus, "ended"))
    await _adds_up(bus)
    found = await capture_harness.chunks(bus)
    last = [chunk.seq for chunk in found if chunk.run == found[-1].run]
    assert last == list(range(len(last)))


async def _adds_up(bus: Bus) -> None:
    counts = SourceCounts.of(await bus.redis.hgetall(bus.keys("cam1").counters("cam1")))
    assert counts.published
    assert counts.due == counts.published + sum(counts.dropped.values())


async def _is_at(answers: LostAnswers, name: str, count: int) -> bool:
    return answers.runs[name] >= count


async def test_entry_settled_by_unanswered_try_counts_once(bus: Bus) -> None:
    keys, outcomes = bus.keys(SOURCE), Counter[str]()
    await decider_harness.send(bus, await decider_harness.features(bus, 0), await decider_harness.features(bus, 1))
    bus.scripts = LostAnswers(bus, "hop", after=0, times=1)
    results = []
    async with Consumer(
        bus, [keys.features], "decider", Features, "d", count=lambda outcome: outcomes.update([outcome])
    ) as consumer:
        for _ in range(2):
            (delivery,) = await consumer.take()
            hop = Hop().add(keys.requests, delivery.message, 100)
            try:
                results.append(await delivery.commit(hop))
            except RetryableError:
                results.append(await delivery.commit(hop))
    assert results == [HopResult.DONE_BEFORE, HopResult.DONE]
    assert outcomes == {"committed": 2}
    rows = await bus.redis.xrange(keys.requests)
    assert [unpack(fields[FIELD], Features).seq for _, fields in rows] == [0, 1]


async def test_decisions_and_requests_are_measured_once(bus: Bus) -> None:
    await decider_harness.register(bus, speak={"every_chunks": 1, "min_interval_s": 0})
    bus.scripts = LostAnswers(bus, "hop", after=1, times=3)
    async with decider_harness.decider(bus) as context, generator_harness.worker(bus) as speaker:
        await decider_harness.send(bus, *[await decider_harness.features(bus, seq) for seq in range(6)])
        await until(lambda: decider_harness.has_decided(bus, 6))
        await until(lambda: generator_harness.settled(bus))
        ends = await events(bus, EndEvent)
        await until(lambda: _measured(context.metrics.decisions_total, 6))
        await until(lambda: _measured(speaker.metrics.requests_total, len(ends)))


async def _measured(counter: Any, total: int) -> bool:
    (family,) = counter.collect()
    found = sum(sample.value for sample in family.samples if sample.name.endswith("_total"))
    assert found <= total
    return bool(found == total)
