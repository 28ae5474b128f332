"""Decider process: takes the lease of each shard it can get, and runs one worker for each source that sends features.

While a lease is held, all pending entries of the shard are ours. When it is lost, all workers of the shard stop at
once, and the fence on the server refuses the hops that are on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cornerman_decider.hops import STAGE, DeciderHops
from cornerman_decider.instruction_worker import InstructionWorker
from cornerman_decider.lost_writes import was_damaged
from cornerman_decider.question_worker import QuestionWorker
from cornerman_decider.request_supervisor import RequestSupervisor
from cornerman_decider.retired_runs import EVERY_S, RetiredRuns
from cornerman_decider.source_worker import SourceWorker
from cornerman_decider.stored_state import load_state, read_last_feedback
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategy_runner import StrategyRunner
from cornerman_decider.trouble import Trouble
from cornerman_shared.aio import cancel_all, first_of, group_survived, retry, wait_or_timeout
from cornerman_shared.bus.commit import commit_with_retry, give_up, retry_forever
from cornerman_shared.bus.consumer import Consumer, Tombstone
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.mending import mend_source
from cornerman_shared.bus.messages import Features, Question
from cornerman_shared.bus.registry import RegistryWatcher, get_source
from cornerman_shared.bus.settled import SettledEntries
from cornerman_shared.bus.streams import GROUP_DECIDER, NOTE_SOURCE
from cornerman_shared.bus.wakeups import Wakeups, named
from cornerman_shared.errors import FencedError, MalformedError, RetryableError, is_contained
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.streams import Keys
    from cornerman_shared.process.runtime import Context
    from cornerman_shared.settings.source import SourceSpec

LEASE = "decider"
SPARE_SLOTS = 64  # beyond the chunks that may wait for an earlier one, so that the earlier one can still be read
QUESTION_SLOTS = 16

log = get_logger("decider")

Work = TypeVar("Work", Features, Question)


class _ShardEndedError(Exception):
    """The lease is lost, or the process stops: ends the task group of the shard."""


async def decide_loop(context: Context) -> None:
    """Competes for the lease of every shard until the process is told to stop."""
    strategies = Strategies(context.settings)
    with context.health.loading():
        try:
            await asyncio.to_thread(strategies.prepare)
        except Exception as error:
            if not is_contained(error):
                raise
            log.exception("strategy_not_prepared")  # the sources that use it report it, and others do not need it
    async with asyncio.TaskGroup() as shards:
        for keys in context.bus.all_keys():
            shards.create_task(_hold_shard(context, keys, strategies), name=f"shard:{keys.shard}")


async def _hold_shard(context: Context, keys: Keys, strategies: Strategies) -> None:
    bus = context.bus
    while not context.stopping.is_set():
        lease = Lease(bus, keys, LEASE, context.name)
        try:
            held = await retry(
                lease.acquire,
                keep_trying=lambda: not context.stopping.is_set(),
                report=lambda error: log.warning("lease_not_asked", shard=keys.shard, error=str(error)),
            )
        except RetryableError:
            return  # the process stops
        if not held:
            # Three tries within a lease, so that a dead owner's shard is taken soon after its lease ends.
            await wait_or_timeout(context.stopping, bus.settings.bus.lease_ms / 3000)
            continue
        log.info("shard_taken", shard=keys.shard, generation=lease.generation)
        # Workers live in here: they end before the lease is released, so two deciders never share a shard.
        async with lease.auto_renew():
            with group_survived():
                await Shard(context, keys, lease, strategies).work()
        log.info("shard_left", shard=keys.shard)


class Shard:
    """One shard while its lease is held."""

    def __init__(self, context: Context, keys: Keys, lease: Lease, strategies: Strategies) -> None:
        self._context = context
        self._bus = context.bus
        self._keys = keys
        self._lease = lease
        self._strategies = strategies
        self._hops = DeciderHops(keys, context.settings.bus)
        self._registry = RegistryWatcher(context.bus, [keys])
        self._wakeups = Wakeups(context.bus, [keys])
        self._workers: dict[str, tuple[SourceWorker, asyncio.Task[None]]] = {}
        self._buried: dict[str, list[Features]] = {}  # buried before their source had a worker

    async def work(self) -> None:
        """Decides until the lease is lost or the process stops."""
        slots = self._context.settings.decider.max_held + SPARE_SLOTS
        features = self._consumer(self._keys.features, Features, slots, self._bury)
        questions = self._consumer(
            self._keys.questions, Question, QUESTION_SLOTS, self._bury_question, erase_buried=True
        )
        await retry_forever(self._registry.refresh)  # before any entry is read: its source must be known
        try:
            async with features, questions, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._end())
                tasks.create_task(self._wakeups.listen())
                tasks.create_task(self._follow_settings(tasks))
                tasks.create_task(self._free_memory())
                tasks.create_task(self._take_features(features, tasks))
                tasks.create_task(self._take_questions(questions, tasks))
        except* _ShardEndedError:
            pass
        except* FencedError as error:
            log.warning("fenced", shard=self._keys.shard, error=str(error.exceptions[0]))

    def _consumer(
        self, stream: str, kind: type[Work], slots: int, tombstone: Tombstone[Work], *, erase_buried: bool = False
    ) -> Consumer[Work]:
        """The only consumer of one of the shard's streams, with so many slots for each source."""
        return Consumer(
            self._bus,
            [stream],
            GROUP_DECIDER,
            kind,
            self._context.name,
            slots=slots,
            # A source that waits for its reply must not fill the slots of the others.
            part_of=lambda message: message.source_id,
            lease=self._lease,
            count_begun=True,
            erase_buried=erase_buried,
            tombstone=tombstone,
            count=self._context.count_entry,
        )

    async def _end(self) -> None:
        await first_of(self._lease.lost.wait(), self._context.stopping.wait())
        raise _ShardEndedError

    async def _follow_settings(self, tasks: asyncio.TaskGroup) -> None:
        """Polls the registry; a source with a worker that is told to have changed is read at once, and alone."""
        clock, every_s = self._context.clock, self._context.settings.bus.sources_poll_s
        while True:
            if await retry_forever(self._registry.refresh):
                await self._apply(self._registry.specs, tasks)
            next_s = clock.monotonic_s() + every_s
            while (wait_s := next_s - clock.monotonic_s()) > 0:
                # Read here, not in a task of its own: settings never go back to older ones.
                for source_id in named(await self._wakeups.take(wait_s), NOTE_SOURCE) & self._workers.keys():
                    if spec := await self._stored_spec(source_id):
                        self._workers[source_id][0].change(spec)

    async def _free_memory(self) -> None:
        retired, settled = RetiredRuns(self._bus, self._keys), SettledEntries(self._bus, self._keys)
        while True:
            await retry_forever(retired.sweep)
            await retry_forever(settled.trim)
            await asyncio.sleep(EVERY_S)

    async def _apply(self, specs: Mapping[str, SourceSpec], tasks: asyncio.TaskGroup) -> None:
        for source_id, (worker, task) in list(self._workers.items()):
            if source_id in specs:
                worker.change(specs[source_id])
                continue
            del self._workers[source_id]  # first, so that entries from now on find no worker
            await cancel_all(task)
            try:
                await worker.forget()
            except Exception as error:
                if not is_contained(error):
                    raise
                log.exception("source_not_forgotten", source_id=source_id)
            log.info("source_removed", source_id=source_id)
            await self._hand_over(worker, tasks)

    async def _take_features(self, consumer: Consumer[Features], tasks: asyncio.TaskGroup) -> None:
        metrics = self._context.metrics
        while True:
            for delivery in await consumer.take(64):
                await self._pass_features(delivery.message, delivery, tasks)
            self._context.progress(consumer.busy)
            metrics.chunks_held.set(sum(worker.held for worker, _ in self._workers.values()))

    async def _take_questions(self, consumer: Consumer[Question], tasks: asyncio.TaskGroup) -> None:
        while True:
            for delivery in await consumer.take(QUESTION_SLOTS):
                await self._pass_question(delivery, tasks)

    async def _pass_features(
        self, features: Features, delivery: Delivery[Features] | None, tasks: asyncio.TaskGroup
    ) -> None:
        """Hands features to the worker of their source; those of an unknown source are settled."""
        async with self._containing(delivery):
            worker = await self._worker_for(features.source_id, tasks)
            if worker is not None:
                worker.push(features, delivery)
            elif delivery is not None:
                await commit_with_retry(delivery, self._hops.dropped(features))

    async def _pass_question(self, delivery: Delivery[Question], tasks: asyncio.TaskGroup) -> None:
        async with self._containing(delivery):
            worker = await self._worker_for(delivery.message.source_id, tasks)
            if worker is not None:
                worker.ask(delivery)
            else:
                hop = Hop().erase(delivery.stream, delivery.entry_id)
                unknown = self._hops.no_such_source(delivery.message, self._bus.clock.now_s())
                await commit_with_retry(delivery, hop.extend(unknown))

    @contextlib.asynccontextmanager
    async def _containing(self, delivery: Delivery[Any] | None) -> AsyncIterator[None]:
        """Buries an entry that causes an unexpected error before its source has a worker."""
        try:
            yield
        except Exception as error:
            if delivery is None or not is_contained(error):
                raise
            log.exception("entry_failed", stream=delivery.stream, entry_id=delivery.entry_id)
            await give_up(delivery, f"{type(error).__name__}: {error}", Hop())

    async def _hand_over(self, worker: SourceWorker, tasks: asyncio.TaskGroup) -> None:
        """Passes on what an ended worker had in hand: its source may have been added again since."""
        entries, questions = worker.left_over()
        for features, delivery in entries:
            await self._pass_features(features, delivery, tasks)
        for question in questions:
            await self._pass_question(question, tasks)

    async def _worker_for(self, source_id: str, tasks: asyncio.TaskGroup) -> SourceWorker | None:
        """The worker of the source, started if needed; None when the source is not registered (any more)."""
        if source_id in self._workers:
            return self._workers[source_id][0]
        spec = self._registry.specs.get(source_id) or await self._stored_spec(source_id)
        if spec is None:
            return None
        if source_id not in self._workers:  # the other of the two taking tasks may have started it meanwhile
            bus, metrics = self._bus, self._context.metrics
            runner = StrategyRunner(bus, self._strategies, metrics)
            asked = QuestionWorker(bus, self._hops)
            mend = partial(mend_source, bus, source_id, STAGE)
            requests = RequestSupervisor(bus, self._hops, source_id, self._send, mend)
            instructions = InstructionWorker(bus, self._hops, requests, runner, self._send)
            load = partial(load_state, bus, self._hops, self._lease, source_id)
            last = partial(read_last_feedback, bus, source_id)
            damaged = partial(was_damaged, bus, source_id, self._send, metrics)
            worker = SourceWorker(
                *(bus, self._lease, spec, runner, requests, instructions, asked, Trouble(), metrics),
                *(load, last, mend, damaged),
            )
            for features in self._buried.pop(source_id, ()):
                worker.push(features, None)
            self._workers[source_id] = (worker, tasks.create_task(worker.run(), name=f"source:{source_id}"))
        return self._workers[source_id][0]

    async def _send(self, hop: Hop) -> HopResult:
        lease = self._lease
        return await retry_forever(lambda: hop.run(self._bus.scripts, fence=lease.fence, generation=lease.generation))

    async def _stored_spec(self, source_id: str) -> SourceSpec | None:
        """Settings of a source that the cached registry lacks; None if there are none or they cannot be read."""
        try:
            return await retry_forever(lambda: get_source(self._bus, source_id))
        except MalformedError as error:
            log.warning("source_unreadable", source_id=source_id, error=str(error))
            return None

    def _bury_question(self, question: Question, reason: str) -> Hop:
        return self._hops.unanswered(question, f"deciders died on it: {reason}", self._bus.clock.now_s())

    def _bury(self, features: Features, reason: str) -> Hop:
        """The consumer's tombstone for features that were delivered too often; the order passes over their place."""
        found = self._workers.get(features.source_id)
        strategy = found[0].spec.speak.strategy if found else ""
        if found:
            found[0].push(features, None)
        else:
            self._buried.setdefault(features.source_id, []).append(features)
        return self._hops.buried(features, reason, strategy, self._bus.clock.now_s())
