"""Every chunk is decided once and every request ends once, through work that hangs, chunks that crash their encoder,
clocks that differ, graceful restarts, a server that pauses, and sources that are replaced.

`make faults` runs the long form. The seed is printed; CORNERMAN_SEED repeats it.
"""

from __future__ import annotations

import asyncio
import signal
from itertools import pairwise

import pytest

from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import STAGE_NAMES, Chunk, DeadLetter, DecisionEvent, EndEvent, Event, StateEvent
from cornerman_shared.bus.registry import add_source, remove_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.process.exit_codes import EXIT_OK, EXIT_SOFTWARE
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.history import RUN_OVER, check_last_run
from tests.faults.ring import FINISHED_S, FPS, LONG, decided, source, verify
from tests.faults.service_group import ServiceGroup, counters, events, wait_finished

CHUNKS = 1_000 if LONG else 60

SLOW = {"CORNERMAN_ENCODER__FAKE_DELAY_MS": "50", "CORNERMAN_ENCODER__BATCH": "1"}
"""Makes a run last long enough that its faults happen within it."""

PAUSE_S = 14 if LONG else 11
"""Longer than a command waits for its answer (10 s) and than a lease."""

pytestmark = pytest.mark.timeout(2 * FINISHED_S)


def connect(server: Server) -> Bus:
    return Bus.connect(load_settings({"redis": {"url": server.url}}))


async def test_hanging_work_loses_nothing(own_server: Server, group: ServiceGroup) -> None:
    """The n-th batch of each encoder hangs, and the m-th request of the generator."""
    batch, request = group.random.randint(8, 14), group.random.randint(2, 6)
    print(f"the encoder hangs at batch {batch}, the generator at request {request}")
    group.environment |= {
        "CORNERMAN_ENCODER__FAKE_HANG_AT": str(batch),
        "CORNERMAN_ENCODER__BATCH_S": "2",
        "CORNERMAN_ENCODER__FIRST_BATCH_S": "20",
        "CORNERMAN_GENERATOR__ECHO_HANG_AT": str(request),
        "CORNERMAN_GENERATOR__STALL_S": "2",
    }
    async with connect(own_server) as bus:
        await add_source(bus, source(CHUNKS))
        group.start(capture=1, encoder=2, decider=1, generator=1)
        await wait_finished(bus, "ring", group, FINISHED_S)
        counted = await verify(bus, CHUNKS)
    assert ("encoder", EXIT_SOFTWARE) in group.exits
    assert counted["errors"] >= 1, counted


async def test_restarts_of_every_service(own_server: Server, group: ServiceGroup) -> None:
    group.environment |= SLOW
    # A process that is restarted twice in a row ends by the signal itself while it loads; it has taken nothing.
    stopped = {EXIT_OK, -signal.SIGTERM} if LONG else {EXIT_OK}
    async with connect(own_server) as bus:
        await add_source(bus, source(CHUNKS))
        group.start(capture=1, encoder=2, decider=1, generator=1)
        await decided(bus, group, 1)
        for _ in range(40 if LONG else 0):
            service = group.random.choice(group.services)
            assert await asyncio.to_thread(service.restart_gracefully) in stopped, service.role
        codes = await asyncio.gather(*(asyncio.to_thread(one.restart_gracefully) for one in group.services))
        assert set(codes) <= stopped
        await wait_finished(bus, "ring", group, FINISHED_S)
        await verify(bus, CHUNKS)
    assert group.exits == []


async def test_poison_chunks_cost_only_themselves(own_server: Server, group: ServiceGroup) -> None:
    seqs = sorted(group.random.sample(range(CHUNKS), 12 if LONG else 1))
    print("poison:", seqs)
    group.environment |= {
        "FAULTS_POISON": ",".join(f"{(8 * seq + 7) / FPS:.3f}" for seq in seqs),
        "CORNERMAN_BUS__MAX_DELIVERIES": "3",
        "CORNERMAN_BUS__IDLE_MS": "3000",
    }
    async with connect(own_server) as bus:
        await add_source(bus, source(CHUNKS))
        group.start(capture=1, encoder=2, decider=1, generator=1)
        await wait_finished(bus, "ring", group, FINISHED_S)
        counted = await verify(bus, CHUNKS)
        rows = await bus.redis.xrange(bus.keys("ring").dead)
    letters = [unpack(fields[FIELD], DeadLetter) for _, fields in rows]
    assert sorted(unpack(letter.body, Chunk).seq for letter in letters) == seqs
    assert counted["buried"] == len(seqs)


async def test_skewed_clocks_lose_nothing(own_server: Server, group: ServiceGroup) -> None:
    """Every process has a clock of its own, 30 s ahead or behind; requests expire after 25 s."""
    spec = source(240 if LONG else 16, lossless=False, realtime=True)
    speak = spec.speak.model_copy(update={"deadline_s": 25.0, "gap_s": 60.0})
    async with connect(own_server) as bus:
        await add_source(bus, spec.model_copy(update={"speak": speak}))
        for role, number in (("capture", 1), ("encoder", 2), ("decider", 1), ("generator", 1)):
            for _ in range(number):
                ahead_s = group.random.choice((-30, 30))
                print(f"clock of {role}: {ahead_s:+} s")
                group.environment["FAULTS_AHEAD_S"] = str(ahead_s)
                group.start(**{role: 1})
        await wait_finished(bus, "ring", group, FINISHED_S)
        counted, history = await counters(bus, "ring"), await events(bus, "ring")
    assert check_last_run(history, counted, published=counted["published"]) == []
    ends = [event for event in history if isinstance(event, EndEvent)]
    assert {end.status for end in ends} == {"done"}
    for event in history:
        if isinstance(event, EndEvent | DecisionEvent):
            reached = [at_s for name in STAGE_NAMES if (at_s := getattr(event.times, f"{name}_at_s"))]
            assert all(0 <= after - before < 25 for before, after in pairwise(reached)), event.times


async def test_counters_add_up_after_a_pause(own_server: Server, group: ServiceGroup) -> None:
    """A live source begins a new run when its lease is lost; what the old one left open is not counted in it."""
    group.environment |= SLOW | {"CORNERMAN_GENERATOR__ECHO_DELAY_MS": "100"}
    live = source(24, lossless=False, realtime=True).model_copy(update={"source_id": "live"})
    async with connect(own_server) as bus:
        await add_source(bus, source(CHUNKS))
        await add_source(bus, live)
        group.start(capture=1, encoder=2, decider=1, generator=1)
        for _ in range(3 if LONG else 1):
            before = (await counters(bus, "ring")).get("decided", 0)
            await decided(bus, group, before + 10)
            await bus.redis.execute_command("CLIENT", "PAUSE", PAUSE_S * 1000, "ALL")
            await asyncio.sleep(PAUSE_S)
        for name in ("ring", "live"):
            await wait_finished(bus, name, group, FINISHED_S)
            counted = await counters(bus, name)
            wrong = check_last_run(await events(bus, name), counted, published=counted["published"])
            assert wrong == [], f"{name}: {wrong[:10]} of {len(wrong)}; {counted}"


async def test_replaced_source_plays_again(own_server: Server, group: ServiceGroup) -> None:
    """DELETE and POST of one id, at any moment and with any pause between: the last one plays from its start."""
    group.environment |= SLOW
    async with connect(own_server) as bus:
        await add_source(bus, source(CHUNKS))
        group.start(capture=2, encoder=2, decider=2, generator=1)
        await decided(bus, group, 1)
        for _ in range(30 if LONG else 4):
            await asyncio.sleep(group.random.choice((0.0, 0.1, 0.7, 2.0)))
            pause_s = group.random.choice((0.0, 0.0, 0.12, 1.0))
            print(f"replaced after {pause_s:g} s; {(await counters(bus, 'ring')).get('decided', 0)} were decided")
            await remove_source(bus, "ring")
            await asyncio.sleep(pause_s)
            await add_source(bus, source(CHUNKS))
        await wait_replayed(bus, group)
        wrong = check_last_run(await events(bus, "ring"), await counters(bus, "ring"), published=CHUNKS)
    assert wrong == [], f"{wrong[:10]} of {len(wrong)}"


async def wait_replayed(bus: Bus, group: ServiceGroup) -> None:
    """Waits for the end of a run that began after the call, or that was going on then."""
    before = {event.run for event in await events(bus, "ring") if is_over(event)}
    try:
        async with asyncio.timeout(FINISHED_S / 3):
            while True:
                group.revive()
                over = {event.run for event in await events(bus, "ring") if is_over(event)} - before
                if over and not await bus.redis.hlen(bus.keys("ring").open_requests):
                    return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(
            f"the replaced source did not play; {await counters(bus, 'ring')}\n{group.logs()}"
        ) from None


def is_over(event: Event) -> bool:
    return isinstance(event, StateEvent) and event.detail == RUN_OVER
