"""Shares the sources among the capture processes and captures those of this process.

The holder of a source's lease captures it. A process takes its fair share of the sources at once, and more only when a
source has had no owner for the length of a lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Literal

from cornerman_capture.declared_sources import add_declared
from cornerman_capture.source_runner import SourceRunner, identity
from cornerman_common.model_choice import resolve_models
from cornerman_shared.aio import leaves, wait_or_timeout
from cornerman_shared.bus.commit import publish_error
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.memory_gate import MemoryGate
from cornerman_shared.bus.mending import mend_source
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.redis_client import is_wrong_type, redis_errors
from cornerman_shared.bus.registry import RegistryWatcher
from cornerman_shared.bus.runs import set_state
from cornerman_shared.bus.workers import live_names
from cornerman_shared.errors import FatalError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerman_capture.source_runner import RunResult
    from cornerman_shared.process.runtime import Context
    from cornerman_shared.settings.source import SourceSpec

PAUSE_S: Final = 30.0
"""How long a source is not captured after an unexpected error of its own."""

log = get_logger("capture")


async def serve(context: Context) -> None:
    """The capture service: captures sources until the process is stopped."""
    await Capture(context).run()


class Capture:
    """Captures the sources of one process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._bus = context.bus
        self._settings = context.settings
        self._memory = MemoryGate(context.bus)
        self._registry = RegistryWatcher(context.bus)
        self._runners: dict[str, tuple[SourceRunner, asyncio.Task[None]]] = {}
        self._over: dict[str, tuple[int, str]] = {}  # source id -> incarnation and identity of the run that ended
        self._reached: dict[str, tuple[str, int]] = {}  # source id -> what its last runner had published
        self._told: dict[str, str] = {}  # source id -> why its settings cannot be read, told already
        self._free_since_s: dict[str, float] = {}  # source id -> when it was first seen without an owner
        self._retry_at_s: dict[str, float] = {}  # source id -> when to try its lease again
        self._numbers = itertools.count()  # of runners

    async def run(self) -> None:
        """Captures until `context.stopping` is set. Retries while the server is unreachable."""
        registry = self._registry
        # Resolved as every entrance does it: with the strategy and the gate of the models in use.
        declared = resolve_models(loads=()).settings.sources if self._settings.capture.add_sources else ()
        server_lost = False
        while not self._context.stopping.is_set():
            try:
                if declared:
                    await add_declared(self._bus, declared)
                    declared = ()
                if await registry.refresh():
                    await self._apply(registry.specs)
                await self._tell_unreadable(registry.unreadable)
                await self._claim(registry.specs)
                server_lost = False
            except RetryableError as error:
                if not server_lost:
                    log.warning("server_lost", error=str(error))
                server_lost = True
                self._over.clear()  # its successor may not have the end of a run: then it is published again
            self._report_health()
            await wait_or_timeout(self._context.stopping, self._settings.bus.sources_poll_s)
        for runner, _task in self._runners.values():
            runner.stop("stopped")
        await asyncio.gather(*(task for _runner, task in self._runners.values()))

    async def _apply(self, specs: dict[str, SourceSpec]) -> None:
        """Passes changed settings to the runners and forgets removed sources."""
        for source_id, (runner, _task) in self._runners.items():
            if source_id not in specs:
                runner.stop("removed")
            elif (specs[source_id], self._incarnation(source_id)) != (runner.spec, runner.incarnation):
                runner.update(specs[source_id], self._incarnation(source_id))
        for memory in (self._over, self._free_since_s, self._retry_at_s, self._reached):
            for source_id in [known for known in memory if known not in specs]:
                del memory[source_id]

    def _incarnation(self, source_id: str) -> int:
        """Of a source as last read; 0 = a version without incarnations added it."""
        return self._registry.incarnations.get(source_id, 0)

    async def _claim(self, specs: dict[str, SourceSpec]) -> None:
        """Takes the leases of free sources, up to the limits of this process."""
        now_s = self._context.clock.monotonic_s()
        free = [s for s in specs.values() if s.source_id not in self._runners and not self._is_over(s)]
        due = [s for s in free if now_s >= self._retry_at_s.get(s.source_id, 0.0)]
        if not due:
            return
        processes = await self._count_processes()
        share = math.ceil(len(specs) / processes)
        lease_s = self._settings.bus.lease_ms / 1000
        for spec in due:
            count = len(self._runners)
            if self._context.stopping.is_set():
                return
            if count >= self._settings.capture.max_sources:
                free_s = now_s - self._free_since_s.setdefault(spec.source_id, now_s)
                if processes == 1 or free_s >= lease_s:  # else another process may have room
                    async with self._containing(spec.source_id):
                        await self._explain_waiting(spec, now_s + lease_s / 3)
                continue
            # Beyond its share a process waits for one lease, so that a process that is short of its share goes first.
            if count >= share and now_s - self._free_since_s.setdefault(spec.source_id, now_s) < lease_s:
                continue
            lease = Lease(self._bus, self._bus.keys(spec.source_id), f"capture:{spec.source_id}", self._context.name)
            async with self._containing(spec.source_id):
                acquired = await lease.acquire()
                self._free_since_s.pop(spec.source_id, None)
                if acquired:
                    self._start(spec, lease)
                else:
                    self._retry_at_s[spec.source_id] = now_s + lease_s / 3

    async def _tell_unreadable(self, causes: Mapping[str, str]) -> None:
        """Tells the viewers of a source whose settings cannot be read, once for all capture processes."""
        self._told = {source_id: cause for source_id, cause in self._told.items() if source_id in causes}
        for source_id, cause in causes.items():
            if self._told.get(source_id) == cause or source_id in self._runners:
                continue
            lease = Lease(self._bus, self._bus.keys(source_id), f"capture:{source_id}", self._context.name)
            async with self._containing(source_id):
                if not await lease.acquire():
                    continue  # the process that captured it still stops, or another one tells it
                try:
                    await mend_source(self._bus, source_id, "capture")
                    await set_state(self._bus, source_id, "", "failed", cause, lease, is_error=True)
                    self._told[source_id] = cause
                finally:
                    await lease.release()

    async def _explain_waiting(self, spec: SourceSpec, retry_at_s: float) -> None:
        """Writes why a source waits, under its lease: a process that has room may take it at the same moment."""
        limit = self._settings.capture.max_sources
        reason = (
            f"every capture process is full ({limit} sources each, capture.max_sources); start another one, raise the "
            "limit, or remove a source"
        )
        self._retry_at_s[spec.source_id] = retry_at_s
        keys = self._bus.keys(spec.source_id)
        with redis_errors():
            run, detail = await self._bus.redis.hmget(keys.run(spec.source_id), ["run", "detail"])
        lease = Lease(self._bus, keys, f"capture:{spec.source_id}", self._context.name)
        if detail == reason.encode() or not await lease.acquire():
            return
        try:
            await set_state(self._bus, spec.source_id, (run or b"").decode(), "waiting", reason, lease)
            log.info("source_waits", source_id=spec.source_id, reason=reason)
        finally:
            await lease.release()

    async def _count_processes(self) -> int:
        """Capture processes alive, this one included even before its first status."""
        return len(await live_names(self._bus, "capture") | {self._context.name})

    def _start(self, spec: SourceSpec, lease: Lease) -> None:
        incarnation = self._incarnation(spec.source_id)
        runner = SourceRunner(
            self._bus, spec, lease, self._context.metrics, self._memory, incarnation, next(self._numbers)
        )
        runner.reached = self._reached.pop(spec.source_id, runner.reached)
        task = self._context.tasks.create_task(self._run_source(runner), name=f"source:{spec.source_id}")
        self._runners[spec.source_id] = (runner, task)

    async def _run_source(self, runner: SourceRunner) -> None:
        source_id = runner.spec.source_id
        result: RunResult | Literal["failed"] = "failed"
        try:
            async with self._containing(source_id, passing=(FatalError,)):
                result = await runner.run()
        finally:
            del self._runners[source_id]
            self._reached[source_id] = runner.reached
        if result == "over":
            self._over[source_id] = (runner.incarnation, self._identity(runner.spec))
        log.info("source_left", source_id=source_id, outcome=result)

    @contextlib.asynccontextmanager
    async def _containing(
        self, source_id: str, passing: tuple[type[Exception], ...] = (FatalError, RetryableError)
    ) -> AsyncIterator[None]:
        """Turns an unexpected error of one source into its error event and a pause; raises those of `passing`."""
        try:
            yield
        except Exception as error:
            if any(isinstance(each, passing) for each in leaves(error)):
                raise
            if any(map(is_wrong_type, leaves(error))) and await mend_source(self._bus, source_id, "capture"):
                return  # told; it is tried again at the next poll
            self._retry_at_s[source_id] = self._context.clock.monotonic_s() + PAUSE_S
            cause = "; ".join(f"{type(each).__name__}: {each}" for each in leaves(error))
            log.error("source_failed", source_id=source_id, pause_s=PAUSE_S, message=redact_url(cause), exc_info=error)
            self._context.metrics.errors_total.labels("source").inc()
            message = f"capturing pauses for {PAUSE_S:g} s: {redact_url(cause)}"
            now_s = self._bus.clock.now_s()
            await publish_error(self._bus, ErrorEvent(source_id, "", "capture", message, now_s))

    def _is_over(self, spec: SourceSpec) -> bool:
        return self._over.get(spec.source_id) == (self._incarnation(spec.source_id), self._identity(spec))

    def _identity(self, spec: SourceSpec) -> str:
        return identity(spec, self._settings.capture.shorter_side)

    def _report_health(self) -> None:
        playing = sum(runner.state == "playing" for runner, _task in self._runners.values())
        self._context.health.progress(len(self._runners))
        self._context.health.report(sources=len(self._runners), playing=playing)
        self._context.metrics.sources_playing.set(playing)
