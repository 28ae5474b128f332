"""One source at the decider: its chunks in order, its questions and its open requests. One task, so no lock is needed.

Every outcome is one hop with the state after it. When the server refuses a hop as not ours, the state is read again.
A hop that the end of the task interrupts is settled whole or not at all; the next owner reads which.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from cornerman_decider.chunk_order import ChunkOrder
from cornerman_decider.hops import STAGE, DeciderHops
from cornerman_decider.requests import request_for, span_attributes
from cornerman_decider.state import (
    DeciderState,
    has_open_feedback,
    new_run,
    unreferenced_blobs,
)
from cornerman_decider.state_codec import place_text
from cornerman_shared.aio import wait_or_timeout
from cornerman_shared.bus.commit import commit_with_retry, give_up, publish_error, retry_forever
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.resequence import Gap
from cornerman_shared.errors import FatalError, FencedError
from cornerman_shared.process.logs import about, get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cornerman_decider.chunk_order import OrderedEntry
    from cornerman_decider.core import Decision
    from cornerman_decider.instruction_worker import InstructionWorker
    from cornerman_decider.question_worker import QuestionWorker
    from cornerman_decider.request_supervisor import RequestSupervisor
    from cornerman_decider.stored_state import StoredState
    from cornerman_decider.strategy_runner import StrategyRunner
    from cornerman_decider.trouble import Trouble
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.last_feedback import LastFeedback
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.messages import BlobRef, Features, Question
    from cornerman_shared.process.metrics import Metrics
    from cornerman_shared.settings.source import SourceSpec

BUSY_TICK_S = 0.1  # how late a gap, a deadline or the end of a request is noticed
LOSSLESS_TICK_S = 0.02  # shorter: the whole source waits for the end of its request

log = get_logger("source_worker")


class SourceWorker:
    """Decides for one source while its shard's lease is held.

    Args:
        spec: the source's settings; `change` gives new ones.
        load: reads the state that the last hop saved.
        read_last: reads what was said last about the source.
        mend: deletes damaged data of the source; gives what it was.
        was_damaged: see `lost_writes`.
    """

    def __init__(
        self,
        bus: Bus,
        lease: Lease,
        spec: SourceSpec,
        runner: StrategyRunner,
        requests: RequestSupervisor,
        instructions: InstructionWorker,
        questions: QuestionWorker,
        trouble: Trouble,
        metrics: Metrics,
        load: Callable[[], Awaitable[StoredState]],
        read_last: Callable[[], Awaitable[LastFeedback | None]],
        mend: Callable[[], Awaitable[list[str]]],
        was_damaged: Callable[[DeciderState, DeciderState, Features], Awaitable[bool]],
    ) -> None:
        self._load = load
        self._mend = mend
        self._was_damaged = was_damaged
        self.spec = self._wanted = spec
        self.source_id = spec.source_id
        self._bus = bus
        self._lease = lease
        self._keys = bus.keys(spec.source_id)
        self._runner = runner
        self._metrics = metrics
        self._hops = DeciderHops(self._keys, bus.settings.bus)
        self._incoming: deque[OrderedEntry] = deque()  # bounded by the consumer's slots
        self._in_work: OrderedEntry | None = None  # taken from the order and not settled yet
        self._questions = questions
        self._asking = False  # the first question is in work
        self._trouble = trouble
        self._wakeup = asyncio.Event()
        self._changed = asyncio.Event()
        self._state = DeciderState()
        self._registered = self._knows_place = True  # as of the last load
        self._place = ""  # in the run, as the server has it
        self._order = self._new_order(0)
        self._gaps: list[Gap] = []  # given up since the last hop; written with the next one
        self._to_free: tuple[BlobRef, ...] = ()  # blobs of the run before; freed with the next hop
        self._requests = requests
        self._instructions = instructions
        self._read_last = read_last

    def push(self, features: Features, delivery: Delivery[Features] | None) -> None:
        """Queues a chunk's features; no delivery = its entry was buried and only its place in the order is left."""
        self._incoming.append((features, delivery))
        self._wakeup.set()

    def change(self, spec: SourceSpec) -> None:
        """Takes changed settings; they are in force before the next chunk."""
        if spec != self._wanted:
            self._wanted = spec
            self._changed.set()
            self._wakeup.set()

    def ask(self, question: Delivery[Question]) -> None:
        """Queues a question."""
        self._questions.waiting.append(question)
        self._wakeup.set()

    @property
    def held(self) -> int:
        """Chunks that wait for an earlier one."""
        return len(self._order)

    async def run(self) -> None:
        """Decides until it is cancelled. An unexpected error costs this source a pause and a fresh start.

        Raises:
            FencedError: the shard belongs to another decider now.
            FatalError: the process cannot continue.
        """
        while True:
            try:
                await self._load_state()
                await self._work()
            except (FatalError, FencedError):
                raise
            except Exception as error:
                await self._contain(error)

    async def _work(self) -> None:
        while True:
            self._wakeup.clear()  # before the queues are read: a later push sets it again
            await self._follow_settings()
            await self._order_incoming()
            await self._answer_questions()
            await self._decide_ready()
            if self._state.open:
                self._state = await self._requests.expire_overdue(self._state)
            await self._wait()

    async def _contain(self, error: Exception) -> None:
        """Reports an unexpected error of this source, gives up an entry that caused it twice, and pauses."""
        # A script that met a key of another type: mended, maybe by another process, the source starts over at once.
        mended = isinstance(error, ResponseError) and bool(await retry_forever(self._mend) or "WRONGTYPE" in str(error))
        entry, message = self._in_work, f"{type(error).__name__}: {error}"
        delivery = self._questions.waiting[0] if self._asking else entry[1] if entry else None
        setback = self._trouble.failed(delivery.entry_id if delivery else "", message)
        self._metrics.errors_total.labels("source_worker").inc()
        # The traceback once: the same error may come again at every pause.
        report = log.exception if setback.tell else log.error
        report("source_failed", source_id=self.source_id, message=message, mended=mended, give_up=setback.give_up)
        if entry:
            # It may have left the queue and the order already.
            self._incoming = deque(other for other in self._incoming if other is not entry)
            if setback.give_up and entry[1]:
                hop = self._hops.buried(entry[0], message, self.spec.speak.strategy, self._now_s())
                await give_up(entry[1], message, hop)
                entry = (entry[0], None)
            self._incoming.appendleft(entry)
        elif self._asking and setback.give_up:
            await self._questions.give_up_first(message)
        self._in_work, self._asking = None, False
        if mended:
            await self.keep_place()
            return
        if setback.tell:
            message = f"deciding pauses for {setback.pause_s:g} s: {message}"
            event = ErrorEvent(self.source_id, self._state.run, STAGE, message, self._now_s())
            await publish_error(self._bus, event)
        self._changed.clear()
        await wait_or_timeout(self._changed, setback.pause_s)  # other settings may be the remedy

    async def forget(self) -> None:
        """Deletes the state unless the source was added again; the registry has ended its requests."""
        free = unreferenced_blobs(self._state, DeciderState())
        await self._run_hop(self._hops.forget(self.source_id, free, self._state.open))

    async def keep_place(self) -> None:
        """Writes the place in the run again, after the stored state was lost."""
        if self._state.run:
            await self._run_hop(self._hops.place(Hop(), self.source_id, self._state))
            self._place = place_text(self._state)

    def left_over(self) -> tuple[list[OrderedEntry], list[Delivery[Question]]]:
        """What a cancelled worker had in hand; the server knows whether it belongs to a source that is there now."""
        waiting = [*self._order.held(), *self._incoming]
        in_work = [self._in_work] if self._in_work and all(one is not self._in_work for one in waiting) else []
        return [*in_work, *waiting], list(self._questions.waiting)

    async def _wait(self) -> None:
        """Waits for a push or a question; with open requests or held chunks, for a tick at most."""
        tick_s: float | None = None
        if self._state.open or self._order:
            tick_s = LOSSLESS_TICK_S if self._order.is_lossless() and has_open_feedback(self._state) else BUSY_TICK_S
        await wait_or_timeout(self._wakeup, tick_s)

    async def _load_state(self) -> None:
        """Reads the state that the last hop saved, by this decider or the one before it."""
        stored = await self._load()
        self._state, self._registered, self._knows_place = stored.state, stored.registered, stored.knows_place
        self._place = stored.place
        if self._order.next_seq != self._state.next_seq:
            waiting = self._order.held()
            self._order = self._new_order(self._state.next_seq)
            self._incoming.extendleft(reversed(waiting))  # ahead of newer entries, in their order
        self._gaps.clear()

    async def _load_after(self, features: Features) -> None:
        """Reads the state after a refused hop: the entry was settled, or a fail-over has lost the newest writes."""
        before = self._state
        await self._load_state()
        if await self._was_damaged(before, self._state, features):
            self._state = before
            await self.keep_place()
            await self._load_state()

    async def _order_incoming(self) -> None:
        """Moves incoming entries into the order; settles those of an older run, late ones and duplicates."""
        while self._incoming:
            # An entry leaves the queue after its last await, so that a cancelled task does not lose it.
            entry = self._in_work = self._incoming[0]
            run = entry[0].run
            if run != self._state.run:
                if await self._is_superseded(entry[0]):
                    await self._drop(entry)
                    self._incoming.popleft()
                    self._in_work = None
                    continue
                await self._begin_run(entry[0])
            late = self._order.push(entry, self._bus.clock.monotonic_s())
            self._incoming.popleft()
            if late is not None:
                await self._drop(late)
            self._in_work = None

    async def _begin_run(self, features: Features) -> None:
        for entry in self._order.held():
            await self._drop(entry)
        before = self._state
        # With its place lost, the source goes on at the first chunk that comes: none is decided twice.
        first = 0 if self._knows_place else features.seq
        self._knows_place = True
        self._state = new_run(features.run, before, features.incarnation, first)
        # Freed by the hop that saves the new state: until then another decider would still read these blobs.
        self._to_free = (*self._to_free, *unreferenced_blobs(before, self._state))
        self._order = self._new_order(first)
        self._gaps.clear()
        log.info("run_began", source_id=self.source_id, run=features.run, incarnation=features.incarnation)

    async def _is_superseded(self, features: Features) -> bool:
        """True if capture has begun another run, or the source is another incarnation."""
        hop = Hop().current(self._keys, self.source_id, features.run, features.incarnation)
        return await self._run_hop(hop) is HopResult.SUPERSEDED

    async def _drop(self, entry: OrderedEntry) -> None:
        features, delivery = entry
        if delivery is None:
            return
        if features.run == self._state.run and self._order.holds(features):
            await commit_with_retry(delivery, Hop())  # a duplicate: the held one returns credit and blobs
            return
        hop = self._hops.late(features, self._state, self._place)
        if await commit_with_retry(delivery, hop) is HopResult.SETTLED_BEFORE and features.run == self._state.run:
            await self._load_after(features)

    async def _answer_questions(self) -> None:
        for _ in range(self._questions.in_turn()):
            self._asking = True
            if not self._registered:
                await self._questions.refuse_first()
                continue
            self._state = await self._requests.refresh(self._state)  # those that have ended leave room for others
            after = await self._questions.take_first(self._state, self.spec)
            if after is None:
                await self._load_state()
            else:
                self._state = after
        self._asking = False
        if self._questions.waiting:
            self._wakeup.set()

    async def _follow_settings(self) -> None:
        """Puts changed settings in force between two chunks; a new instruction takes the place of a running answer."""
        self.spec = self._wanted
        if not self._registered:
            return
        after = await self._instructions.follow(self._state, self.spec)
        if after is None:
            await self._load_state()
        elif after is not self._state:
            self._state, self._place = after, place_text(after)

    async def _decide_ready(self) -> None:
        while self._order:
            await self._follow_settings()
            self._state = await self._requests.refresh(self._state)
            if self._order.is_lossless() and has_open_feedback(self._state):
                return  # a lossless source waits for the end of its request; a live one stays silent
            item = self._order.pop(self._bus.clock.monotonic_s(), self.spec.speak.gap_s)
            if item is None:
                return
            if isinstance(item, Gap):
                self._gaps.append(item)
                continue
            self._in_work = item
            if item[1] is None:
                await self._skip_buried(item[0])
            else:
                with about(item[0]):
                    await self._decide(item[0], item[1])
            self._in_work = None

    async def _skip_buried(self, features: Features) -> None:
        """Passes over a buried chunk, whose decision is written already; a buried end marker ends the run here."""
        self._state = replace(self._state, next_seq=features.seq + 1)
        if features.status == "end":
            hop = self._hops.ended_once(features, self._now_s())
            self._state = replace(self._state, ended=True)
            self._hops.save(hop, self.source_id, self._state)
            if await self._run_hop(hop) is HopResult.DONE:
                self._place = place_text(self._state)

    async def _decide(self, features: Features, delivery: Delivery[Features]) -> None:
        await retry_forever(delivery.begin)
        # Works on a copy: the state changes only when the server has taken the hop.
        state = self._state if not self._gaps else replace(self._state, next_seq=self._gaps[-1].last + 1)
        if features.incarnation:  # an older encoder may have sent the first chunks of the run without it
            state = replace(state, incarnation=features.incarnation)
        hop = self._hops.begin(features, self._gaps, self.spec.speak.strategy, self._now_s())
        self._hops.unless_lost(hop, self.source_id, self._place)
        decision: Decision | None = None
        if features.status == "end":
            state = replace(state, ended=True, next_seq=features.seq + 1)
            self._hops.ended(hop, features, self._now_s())
        else:
            decision, error = await self._runner.decide(self.spec, features, state)
            delivery.note(span_attributes(decision, self.spec.speak.strategy), error)
            if error:
                self._hops.report_error(hop, features, error, self._now_s())
            state = await self._add_decision(features, decision, hop)
        self._hops.save(hop.free(self._to_free), self.source_id, state)
        result = await commit_with_retry(delivery, hop)
        if decision is not None and result.is_ours:
            self._metrics.decisions_total.labels(decision.action, self.spec.speak.strategy).inc()
        if result is HopResult.DONE:
            self._state, self._to_free, self._place = state, (), place_text(state)
            self._gaps.clear()
            self._trouble.worked()
        elif result is HopResult.SUPERSEDED:
            # Another run or incarnation began while this chunk was decided: the hop was void, its entry is pending.
            before = self._state
            await self._load_state()
            hop = self._hops.dropped(features).free(unreferenced_blobs(before, self._state))
            await commit_with_retry(delivery, hop)
        else:
            await self._load_after(features)

    async def _add_decision(self, features: Features, decision: Decision, hop: Hop) -> DeciderState:
        """Adds a decision, and its request if it speaks, to the hop; returns the state after it."""
        now_s, spec = self._now_s(), self.spec
        self._metrics.observe_stage("decided", features.times.encoded_at_s, now_s)
        self._hops.decided(hop, features, decision, spec.speak.strategy, now_s)
        if not decision.speak:
            return decision.state
        last = await self._read_last()
        return self._hops.requested(hop, request_for(features, decision, spec, last, now_s), decision.state)

    async def _run_hop(self, hop: Hop) -> HopResult:
        return await retry_forever(
            lambda: hop.run(self._bus.scripts, fence=self._lease.fence, generation=self._lease.generation)
        )

    def _new_order(self, next_seq: int) -> ChunkOrder:
        settings = self._bus.settings.decider
        return ChunkOrder(next_seq, settings.max_held, settings.lossless_gap_s)

    def _now_s(self) -> float:
        return self._bus.clock.now_s()
