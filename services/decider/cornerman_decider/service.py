"""The decider process: holds the lease of each shard it can get, and seats one desk for each source that sends
features.

While a lease is held, all pending entries of the shard are ours; when it is lost everything stops at once, and the
fence on the
server refuses what was on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from cornerman_decider.chunk_order import Arrival
from cornerman_decider.hops import DeciderHops
from cornerman_decider.source_worker import SourceWorker
from cornerman_decider.strategies.factory import Strategies
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.commit import commit_with_retry, retry_forever
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import Features, Question
from cornerman_shared.bus.registry import RegistryWatcher, get_source
from cornerman_shared.bus.streams import GROUP_DECIDER, Keys
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.source import SourceSpec

LEASE = "decider"
SPARE_SLOTS = 64
QUESTION_SLOTS = 16

log = get_logger("decider")


class _OverError(Exception):
    """The lease is lost, or the process stops."""


async def decide_loop(context: Context) -> None:
    """Takes part in every shard until the process is told to stop."""
    strategies = Strategies(context.settings)
    async with asyncio.TaskGroup() as shards:
        for keys in context.bus.all_keys():
            shards.create_task(_hold_shard(context, keys, strategies), name=f"shard:{keys.shard}")


async def _hold_shard(context: Context, keys: Keys, strategies: Strategies) -> None:
    bus = context.bus
    backoff = Backoff(base_s=0.05, cap_s=2.0)
    while not context.stopping.is_set():
        lease = Lease(bus, keys, LEASE, context.name)
        try:
            held = await lease.acquire()
            backoff.reset()
        except RetryableError as error:
            log.warning("lease_not_asked", shard=keys.shard, error=str(error))
            await asyncio.sleep(backoff.next_s())
            continue
        if not held:
            await _pause(context.stopping, bus.settings.bus.lease_ms / 3000)
            continue
        log.info("shard_taken", shard=keys.shard, generation=lease.generation)
        async with lease.auto_renew():
            await Shard(context, keys, lease, strategies).work()
        log.info("shard_left", shard=keys.shard)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


class Shard:
    """One shard while its lease is held."""

    def __init__(self, context: Context, keys: Keys, lease: Lease, strategies: Strategies) -> None:
        self._context = context
        self._bus = context.bus
        self._keys = keys
        self._lease = lease
        self._strategies = strategies
        self._out = DeciderHops(keys, context.settings.bus)
        self._watch = RegistryWatcher(context.bus)
        self._desks: dict[str, tuple[SourceWorker, asyncio.Task[None]]] = {}
        self._passed: dict[str, list[Features]] = {}  # buried before their source had a desk

    async def work(self) -> None:
        """Until the lease is lost or the process stops."""
        bus, name, lease, count = self._bus, self._context.name, self._lease, self._context.count_entry
        slots = self._context.settings.decider.max_held + SPARE_SLOTS
        features = Consumer(
            bus,
            [self._keys.features],
            GROUP_DECIDER,
            Features,
            name,
            slots=slots,
            lease=lease,
            tombstone=self._bury,
            count=count,
        )
        questions = Consumer(
            bus, [self._keys.questions], GROUP_DECIDER, Question, name, slots=QUESTION_SLOTS, lease=lease, count=count
        )
        await retry_forever(self._watch.refresh)
        try:
            async with features, questions, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._end())
                tasks.create_task(self._follow_settings())
                tasks.create_task(self._take_features(features, tasks))
                tasks.create_task(self._take_questions(questions, tasks))
        except* _OverError:
            pass
        except* FencedError as error:
            log.warning("fenced", shard=self._keys.shard, error=str(error.exceptions[0]))

    async def _end(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._lease.lost, self._context.stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        raise _OverError

    async def _follow_settings(self) -> None:
        while True:
            if await retry_forever(self._watch.refresh):
                await self._apply(self._watch.specs)
            await asyncio.sleep(self._context.settings.bus.sources_poll_s)

    async def _apply(self, specs: Mapping[str, SourceSpec]) -> None:
        for source_id, (desk, task) in list(self._desks.items()):
            if source_id in specs:
                desk.spec = specs[source_id]
                continue
            del self._desks[source_id]  # first: what arrives from now on finds no source
            task.cancel()
            await asyncio.wait([task])
            await desk.dismiss()
            log.info("source_removed", source_id=source_id)

    async def _take_features(self, consumer: Consumer[Features], tasks: asyncio.TaskGroup) -> None:
        metrics = self._context.metrics
        while True:
            for delivery in await consumer.take(64):
                desk = await self._desk(delivery.message.source_id, tasks)
                if desk is None:
                    await commit_with_retry(delivery, self._out.dropped(delivery.message))
                else:
                    desk.push(Arrival(delivery.message, delivery))
            self._context.progress(consumer.busy)
            metrics.chunks_held.set(sum(desk.held for desk, _ in self._desks.values()))

    async def _take_questions(self, consumer: Consumer[Question], tasks: asyncio.TaskGroup) -> None:
        while True:
            for delivery in await consumer.take(QUESTION_SLOTS):
                desk = await self._desk(delivery.message.source_id, tasks)
                if desk is None:
                    now_s = self._bus.clock.now_s()
                    await commit_with_retry(delivery, self._out.no_such_source(delivery.message, now_s))
                else:
                    desk.ask(delivery)

    async def _desk(self, source_id: str, tasks: asyncio.TaskGroup) -> SourceWorker | None:
        """The source's desk; None when there is no such source (any more)."""
        if source_id in self._desks:
            return self._desks[source_id][0]
        spec = self._watch.specs.get(source_id) or await retry_forever(lambda: get_source(self._bus, source_id))
        if spec is None:
            return None
        if source_id not in self._desks:  # features and questions are taken by two tasks
            desk = SourceWorker(self._bus, self._lease, spec, self._strategies, self._context.metrics)
            for features in self._passed.pop(source_id, ()):
                desk.push(Arrival(features, None))
            self._desks[source_id] = (desk, tasks.create_task(desk.run(), name=f"desk:{source_id}"))
        return self._desks[source_id][0]

    def _bury(self, features: Features, reason: str) -> Hop:
        """The consumer buries features that were delivered too often; their place in the order is passed over."""
        found = self._desks.get(features.source_id)
        strategy = found[0].spec.speak.strategy if found else ""
        if found:
            found[0].push(Arrival(features, None))
        else:
            self._passed.setdefault(features.source_id, []).append(features)
        return self._out.buried(features, reason, strategy, self._bus.clock.now_s())
