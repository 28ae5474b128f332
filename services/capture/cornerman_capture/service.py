"""Shares the sources among the capture processes, and runs a session for each of its own.

A source belongs to whoever holds its lease. With several processes each takes its fair share at once, and more only
when a source has been without an owner for the length of a lease.
"""

from __future__ import annotations

import asyncio
import math

from cornerman_capture.source_runner import SourceRunner, identity
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import RegistryWatcher
from cornerman_shared.bus.workers import live_names
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.source import SourceSpec

log = get_logger("capture")


async def serve(context: Context) -> None:
    """The service: watches sources until the process is to stop."""
    await Capture(context).run()


class Capture:
    """The sources of one capture process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._bus = context.bus
        self._settings = context.settings
        self._sessions: dict[str, tuple[SourceRunner, asyncio.Task[None]]] = {}
        self._over: dict[str, str] = {}  # source -> identity of what came to its end
        self._free_since_s: dict[str, float] = {}  # source -> when it was first found without an owner
        self._try_at_s: dict[str, float] = {}

    async def run(self) -> None:
        """Until `context.stopping`. A lost server is waited for."""
        watch = RegistryWatcher(self._bus)
        complained = False
        while not self._context.stopping.is_set():
            try:
                if await watch.refresh():
                    await self._changed(watch.specs)
                await self._claim(watch.specs)
                complained = False
            except RetryableError as error:
                if not complained:
                    log.warning("server_lost", error=str(error))
                complained = True
            self._tell_health()
            await self._nap()
        for session, _task in self._sessions.values():
            session.stop("stopped")
        await asyncio.gather(*(task for _session, task in self._sessions.values()))

    async def _nap(self) -> None:
        try:
            async with asyncio.timeout(self._settings.bus.sources_poll_s):
                await self._context.stopping.wait()
        except TimeoutError:
            return

    async def _changed(self, specs: dict[str, SourceSpec]) -> None:
        """Hands changes to the sessions, and forgets what was removed."""
        for source_id, (session, _task) in self._sessions.items():
            if source_id not in specs:
                session.stop("removed")
            elif specs[source_id] != session.spec:
                session.update(specs[source_id])
        for source_id in [known for known in self._over if known not in specs]:
            del self._over[source_id]
            await self._forget(source_id)
        for memory in (self._free_since_s, self._try_at_s):
            for source_id in [known for known in memory if known not in specs]:
                del memory[source_id]

    async def _forget(self, source_id: str) -> None:
        """Added again under the same id, a file that has ended is to be played again."""
        with redis_errors():
            await self._bus.redis.hdel(self._bus.keys(source_id).run(source_id), "url")

    async def _claim(self, specs: dict[str, SourceSpec]) -> None:
        """Takes sources that nobody has, up to what we may."""
        now_s = self._context.clock.monotonic_s()
        free = [s for s in specs.values() if s.source_id not in self._sessions and not self._is_over(s)]
        due = [s for s in free if now_s >= self._try_at_s.get(s.source_id, 0.0)]
        if not due:
            return
        share = math.ceil(len(specs) / await self._peers())
        lease_s = self._settings.bus.lease_ms / 1000
        for spec in due:
            mine = len(self._sessions)
            if mine >= self._settings.capture.max_sources or self._context.stopping.is_set():
                return
            if mine >= share and now_s - self._free_since_s.setdefault(spec.source_id, now_s) < lease_s:
                continue
            lease = Lease(self._bus, self._bus.keys(spec.source_id), f"capture:{spec.source_id}", self._context.name)
            if await lease.acquire():
                self._start(spec, lease)
                self._free_since_s.pop(spec.source_id, None)
            else:
                self._free_since_s.pop(spec.source_id, None)
                self._try_at_s[spec.source_id] = now_s + lease_s / 3

    async def _peers(self) -> int:
        """Capture processes alive, this one included even before its first status."""
        return len(await live_names(self._bus, "capture") | {self._context.name})

    def _start(self, spec: SourceSpec, lease: Lease) -> None:
        session = SourceRunner(self._bus, spec, lease, self._context.metrics)
        task = self._context.tasks.create_task(self._watch(session), name=f"session:{spec.source_id}")
        self._sessions[spec.source_id] = (session, task)

    async def _watch(self, session: SourceRunner) -> None:
        source_id = session.spec.source_id
        try:
            outcome = await session.run()
        finally:
            del self._sessions[source_id]
        if outcome == "over":
            self._over[source_id] = self._identity(session.spec)
        elif outcome == "removed":
            try:
                await self._forget(source_id)
            except RetryableError as error:
                log.warning("removed_source_not_forgotten", source_id=source_id, error=str(error))
        log.info("source_left", source_id=source_id, outcome=outcome)

    def _is_over(self, spec: SourceSpec) -> bool:
        return self._over.get(spec.source_id) == self._identity(spec)

    def _identity(self, spec: SourceSpec) -> str:
        return identity(spec, self._settings.capture.shorter_side)

    def _tell_health(self) -> None:
        playing = sum(session.state == "playing" for session, _task in self._sessions.values())
        self._context.health.progress(len(self._sessions))
        self._context.health.report(sources=len(self._sessions), playing=playing)
        self._context.metrics.sources_playing.set(playing)
