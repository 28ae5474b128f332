"""One source at the decider: its chunks in order, its questions, its open requests. One task, so nothing here needs
a lock.

Every outcome is one hop with the state after it. When a hop turns out not to be ours, the state is read again. A
hop that is
interrupted by the end of the task is settled or not, whole; the next owner reads which.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

from cornerman_decider.chunk_order import Arrival, ChunkOrder
from cornerman_decider.core import Decision, closed, is_speaking, new_run, no_longer_needed, on_screen, pass_over
from cornerman_decider.hops import DeciderHops
from cornerman_decider.requests import request_for, request_for_question
from cornerman_decider.state import DeciderState, OpenRequest, state_from
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategy_runner import StrategyRunner
from cornerman_shared.bus.commit import commit_with_retry, retry_forever
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.last_feedback import LAST_FEEDBACK_FIELD, LastFeedback
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import BlobRef, Features, Question
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.resequence import Gap
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.source import SourceSpec

BUSY_TICK_S = 0.1
WAITING_TICK_S = 0.02
STATE = "state"

log = get_logger("desk")


class SourceWorker:
    """Decides for one source while its shard's lease is held.

    Args:
        spec: the source's settings; assign a new one when they change.
    """

    def __init__(self, bus: Bus, lease: Lease, spec: SourceSpec, strategies: Strategies, metrics: Metrics) -> None:
        self.spec = spec
        self.source_id = spec.source_id
        self._bus = bus
        self._lease = lease
        self._keys = bus.keys(spec.source_id)
        self._judge = StrategyRunner(bus, strategies, metrics)
        self._metrics = metrics
        self._out = DeciderHops(self._keys, bus.settings.bus)
        self._arrivals: deque[Arrival] = deque()  # bounded by the consumer's slots
        self._questions: deque[Delivery[Question]] = deque()
        self._woken = asyncio.Event()
        self._state = DeciderState()
        self._order = self._new_order(0)
        self._gaps: list[int] = []
        self._free: tuple[BlobRef, ...] = ()
        self._attempts: dict[str, int] = {}

    def push(self, arrival: Arrival) -> None:
        """Hands in a chunk's features."""
        self._arrivals.append(arrival)
        self._woken.set()

    def ask(self, question: Delivery[Question]) -> None:
        """Hands in a question."""
        self._questions.append(question)
        self._woken.set()

    @property
    def held(self) -> int:
        """Chunks that wait for an earlier one."""
        return len(self._order)

    async def run(self) -> None:
        """Works for ever.

        Raises:
            FencedError: the shard belongs to another decider now.
        """
        await self._load()
        while True:
            self._woken.clear()
            await self._admit()
            await self._answer()
            await self._decide_ready()
            await self._end_overdue()
            await self._rest()

    async def dismiss(self) -> None:
        """The source was removed: ends its requests as cancelled and lets go of everything."""
        await self._load()
        for request in self._state.open:
            hop = self._out.end(self.source_id, request, "cancelled", "the source was removed", 0, self._now_s())
            await self._run(hop)
        for arrival in (*self._arrivals, *self._order.held()):
            await self._drop(arrival)
        for question in self._questions:
            await commit_with_retry(question, self._out.no_such_source(question.message, self._now_s()))
        await self._run(self._out.forget(self.source_id, no_longer_needed(self._state, DeciderState())))

    async def _rest(self) -> None:
        """Until something arrives, or time alone may change something."""
        tick_s: float | None = None
        if self._state.open or self._order:
            waiting = self._order.is_lossless() and is_speaking(self._state)
            tick_s = WAITING_TICK_S if waiting else BUSY_TICK_S
        try:
            async with asyncio.timeout(tick_s):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _load(self) -> None:
        """Reads the state that was saved with the last hop of whoever decided last."""
        data = await self._hget(self._keys.decider_state(self.source_id), STATE)
        try:
            self._state = state_from(data) if data else DeciderState()
        except MalformedError as error:
            log.error("decider_state_unreadable", source_id=self.source_id, error=str(error))
            self._state = DeciderState()
        if self._order.next_seq != self._state.next_seq:
            waiting = self._order.held()
            self._order = self._new_order(self._state.next_seq)
            self._arrivals.extendleft(reversed(waiting))
        self._gaps.clear()

    async def _admit(self) -> None:
        """Puts what has arrived in its place; what is of an older run, late or twice is settled without a word."""
        while self._arrivals:
            arrival = self._arrivals[0]
            run = arrival.features.run
            if run != self._state.run:
                if await self._is_over(run):
                    await self._drop(arrival)
                    self._arrivals.popleft()
                    continue
                await self._begin(run)
            if (late := self._order.push(arrival, self._bus.clock.monotonic_s())) is not None:
                await self._drop(late)
            self._arrivals.popleft()

    async def _begin(self, run: str) -> None:
        for arrival in self._order.held():
            await self._drop(arrival)
        before = self._state
        self._state = new_run(run, before)
        self._free = (*self._free, *no_longer_needed(before, self._state))
        self._order = self._new_order(0)
        self._gaps.clear()
        log.info("run_began", source_id=self.source_id, run=run)

    async def _is_over(self, run: str) -> bool:
        """Has capture begun another run?"""
        current = await self._hget(self._keys.run(self.source_id), "run")
        return current is not None and current.decode() != run

    async def _drop(self, arrival: Arrival) -> None:
        if arrival.delivery is not None:
            await commit_with_retry(arrival.delivery, self._out.dropped(arrival.features))

    async def _answer(self) -> None:
        while self._questions:
            question = self._questions[0]
            request = request_for_question(
                question.message, self._state, on_screen(self._state), self.spec.say, self._now_s()
            )
            hop, after = self._out.asked(request, self._state)
            if await commit_with_retry(question, hop) is HopResult.DONE:
                self._state = after
            else:
                await self._load()
            self._questions.popleft()

    async def _decide_ready(self) -> None:
        while self._order:
            if self._state.open:
                await self._look_at_open()
            if self._order.is_lossless() and is_speaking(self._state):
                return  # lossless waits for the words, where live stays silent
            item = self._order.pop(self._bus.clock.monotonic_s(), self.spec.speak.gap_s)
            if item is None:
                return
            if isinstance(item, Gap):
                self._gaps.append(item.seq)
            elif item.delivery is None:
                await self._pass_over(item.features)
            else:
                await self._decide(item.features, item.delivery)

    async def _pass_over(self, features: Features) -> None:
        """Its entry was buried and its decision written then; a buried end marker still ends the run, now that it
        is its turn."""
        self._state = pass_over(features.seq, self._state, "").state
        if features.status == "end":
            hop = Hop()
            self._out.ended(hop, features, self._now_s())
            self._state = replace(self._state, ended=True)
            self._out.save(hop, self.source_id, self._state)
            await self._run(hop)

    async def _decide(self, features: Features, delivery: Delivery[Features]) -> None:
        state = self._state
        for seq in self._gaps:
            state = pass_over(seq, state, "lost").state
        hop = self._out.begin(features, self._gaps, self.spec.speak.strategy, self._now_s())
        if features.status == "end":
            state = replace(state, ended=True, next_seq=features.seq + 1)
            self._out.ended(hop, features, self._now_s())
        else:
            decision, complaint = await self._judge.decide(self.spec, features, state)
            if complaint:
                self._out.complain(hop, features, complaint, self._now_s())
            state = await self._write(features, decision, hop)
        self._out.save(hop.free(self._free), self.source_id, state)
        if await commit_with_retry(delivery, hop) is HopResult.DONE:
            self._state, self._free = state, ()
            self._gaps.clear()
        elif await self._is_over(features.run):
            await commit_with_retry(delivery, self._out.dropped(features))
        else:
            await self._load()

    async def _write(self, features: Features, decision: Decision, hop: Hop) -> DeciderState:
        """Adds a decision to the hop; gives the state after it."""
        now_s, spec = self._now_s(), self.spec
        self._metrics.decisions_total.labels(decision.action, spec.speak.strategy).inc()
        self._metrics.observe_stage("decided", features.times.encoded_at_s, now_s)
        self._out.decided(hop, features, decision, spec.speak.strategy, now_s)
        if not decision.speak:
            return decision.state
        said = LastFeedback.read(await self._hget(self._keys.decider_state(self.source_id), LAST_FEEDBACK_FIELD))
        return self._out.requested(hop, request_for(features, decision, spec, said, now_s), decision.state)

    async def _look_at_open(self) -> None:
        """Notices which requests have ended, and frees what only they needed."""
        ids = [request.request_id for request in self._state.open]
        rows = await retry_forever(lambda: self._hmget(self._keys.open_requests, ids))
        self._attempts = {i: int(raw) for i, raw in zip(ids, rows, strict=True) if raw is not None}
        self._state, free = closed(self._state, self._attempts)
        if free:
            await retry_forever(lambda: self._bus.free_blobs(free))

    async def _end_overdue(self) -> None:
        """Ends requests past their deadline that no generator took, or took and will not end."""
        if not self._state.open:
            return
        await self._look_at_open()
        now_s = self._now_s()
        settings = self._bus.settings
        grace_s = settings.generator.timeout_s + settings.bus.idle_ms / 1000
        for request in self._state.open:
            attempt = self._attempts[request.request_id]
            if _is_overdue(request, attempt, grace_s, now_s):
                cause = "no generator took it in time" if attempt == 0 else "its generator did not finish it"
                await self._run(self._out.end(self.source_id, request, "expired", cause, attempt, now_s))

    async def _run(self, hop: Hop) -> None:
        await retry_forever(
            lambda: hop.run(self._bus.scripts, fence=self._lease.fence, generation=self._lease.generation)
        )

    async def _hget(self, key: str, field: str) -> bytes | None:
        return (await retry_forever(lambda: self._hmget(key, [field])))[0]

    async def _hmget(self, key: str, fields: list[str]) -> list[bytes | None]:
        with redis_errors():
            rows: list[bytes | None] = await self._bus.redis.hmget(key, fields)
        return rows

    def _new_order(self, next_seq: int) -> ChunkOrder:
        settings = self._bus.settings.decider
        return ChunkOrder(next_seq, settings.max_held, settings.lossless_gap_s)

    def _now_s(self) -> float:
        return self._bus.clock.now_s()


def _is_overdue(request: OpenRequest, attempt: int, grace_s: float, now_s: float) -> bool:
    if request.deadline_at_s == 0:
        return False
    return now_s > request.deadline_at_s + (grace_s if attempt else 0.0)
