"""One `run` or `demo` from start to end: services up, sources in, events out, services down, counts on the
table.

The services do the work; this follows their events and decides when all of it is done. A session ends by
itself when every source has ended and everything that came of it is settled; at a signal it stops capture
first, so that what was published can still be finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cornerman.local.error_groups import first_of
from cornerman.local.event_lines import EventLines
from cornerman.local.launcher import Launcher
from cornerman.local.run_output import RunOutput
from cornerman.local.server_choice import ServerChoice
from cornerman.local.signals import stop_at_signals
from cornerman.local.summary import Tally
from cornerman.local.supervisor import keep_server
from cornerman.local.workers import all_running, live_roles
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Event, StateEvent
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import add_source, remove_source, update_source
from cornerman_shared.bus.streams import entry_order
from cornerman_shared.errors import FatalError, RetryableError
from cornerman_shared.settings.source import SourceSpec

EXIT_OK: Final = 0
EXIT_NO_INPUT: Final = 66

READY_S: Final = 180.0
"""The longest that models may take to load before the first frame."""

TELL_AGAIN_S: Final = 5.0
"""How often those that wait for a slow start are told what for."""

POLL_S: Final = 0.2
AWAY_S: Final = 30.0
"""How long a lost server is waited for."""

HURRY_S: Final = 4.0
"""After Ctrl-C: how long what is in hand may take. With the steps around it, all is over within 10 s."""

STOP_CAPTURE_S: Final = 2.0
STOP_OTHERS_S: Final = 2.0
CATCH_UP_S: Final = 2.0
PATIENCE_MORE_S: Final = 15.0

OVER = ("ended", "failed")


@dataclass
class WatchedSource:
    """What we know of one source."""

    spec: SourceSpec
    since: str
    length_s: float | None
    tally: Tally = field(default_factory=Tally)
    state: str = ""
    pts_s: float = 0.0
    said: int = 0

    @property
    def over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """What to run.

    `roles` are needed; those that nobody runs at a shared server are started by us. `seconds`: stop after so
    long. `on_ready` is called when the services run, before the first frame; `on_event` for every event. `director`
    works beside it all, and its end ends the session.
    """

    specs: Sequence[SourceSpec]
    roles: Sequence[str]
    lengths_s: Sequence[float | None]
    workers: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    on_ready: Callable[[], None] | None = None
    on_event: Callable[[Event], None] | None = None
    director: Callable[[Bus], Coroutine[Any, Any, None]] | None = None


class LocalPipeline:
    """Runs a plan at a place, onto a screen."""

    def __init__(self, place: ServerChoice, plan: PipelinePlan, screen: RunOutput) -> None:
        self._place = place
        self._plan = plan
        self._screen = screen
        self._lines = EventLines()
        self._stop = asyncio.Event()
        self._told_s = -math.inf
        self._away_s: float | None = None  # when the server was lost
        self._watched: dict[str, WatchedSource] = {}

    async def run(self) -> int:
        """Everything. Returns the exit code.

        Raises:
            FatalError: a service could not be kept running, or work did not end.
            ConfigError: a source's id is taken.
            RetryableError: the server was lost for good.
        """
        async with Bus.connect(self._place.settings) as bus:
            await bus.ready()
            needed = set(self._plan.roles) - (await live_roles(bus) if self._place.shared else set())
            counts = {role: self._plan.workers.get(role, 1) for role in self._plan.roles if role in needed}
            launcher = Launcher(counts, self._place.overrides, self._screen.child)
            try:
                async with stop_at_signals(self._stop), launcher.running(), asyncio.TaskGroup() as tasks:
                    keeping = tasks.create_task(keep_server(self._place, launcher.failure, self._screen.child))
                    code = await self._session(bus, launcher)
                    keeping.cancel()
                return code
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def _session(self, bus: Bus, launcher: Launcher) -> int:
        try:
            interrupted = await self._ready(bus, launcher)
            started_s = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                followers: list[asyncio.Task[None]] = []
                directing: asyncio.Task[None] | None = None
                if not interrupted:
                    await self._add(bus)
                    followers = [tasks.create_task(self._follow(bus, watched)) for watched in self._watched.values()]
                    if self._plan.director:
                        directing = tasks.create_task(self._plan.director(bus))
                        followers.append(directing)
                    interrupted = await self._until_over(launcher, bus, started_s, directing)
                await self._finish(bus, launcher, hurry=interrupted)
                await self._catch_up(bus)
                for follower in followers:
                    follower.cancel()
            self._screen.summary(time.monotonic() - started_s, {i: w.tally for i, w in self._watched.items()})
        finally:
            with contextlib.suppress(RetryableError):
                for source_id in self._watched:
                    await remove_source(bus, source_id)
            await launcher.stop(within_s=STOP_OTHERS_S)
        failed = any(watched.state == "failed" for watched in self._watched.values())
        return EXIT_NO_INPUT if failed else EXIT_OK

    async def _ready(self, bus: Bus, launcher: Launcher) -> bool:
        """Waits for the services. True = we were told to stop before."""
        ready = asyncio.ensure_future(all_running(bus, self._plan.roles, READY_S, self._waiting))
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            waits: list[asyncio.Future[Any]] = [ready, stop, launcher.failure]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if launcher.failure.done():
                raise FatalError(launcher.failure.result())
            if not ready.done():
                return True
            if not await ready:
                raise FatalError(f"the services did not get ready within {READY_S:g} s; see `cornerman status`")
            if self._plan.on_ready:
                self._plan.on_ready()
            return False
        finally:
            for task in (ready, stop):
                task.cancel()
            await asyncio.gather(ready, stop, return_exceptions=True)

    def _waiting(self, missing: set[str]) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_AGAIN_S:
            self._told_s = now_s
            self._screen.note(f"starting {', '.join(sorted(missing))} …")

    async def _add(self, bus: Bus) -> None:
        for spec, length_s in zip(self._plan.specs, self._plan.lengths_s, strict=True):
            since = await bus.newest_id(bus.keys(spec.source_id).feedback(spec.source_id))
            await add_source(bus, spec)
            self._watched[spec.source_id] = WatchedSource(spec, since, length_s)

    async def _follow(self, bus: Bus, watched: WatchedSource) -> None:
        async for entry_id, event in bus.subscribe(watched.spec.source_id, since=watched.since):
            if isinstance(event, StateEvent):
                # The end of a run that failed is an end too; what matters is that it failed.
                watched.state = "failed" if (watched.state, event.state) == ("failed", "ended") else event.state
            elif isinstance(event, DecisionEvent):
                watched.pts_s = event.pts_s
            elif isinstance(event, EndEvent) and event.status == "done" and not event.silent:
                watched.said += 1
            if self._plan.on_event:
                self._plan.on_event(event)
            line = self._lines.of(event)
            if line is not None:
                self._screen.line(line)
            watched.since = entry_id

    async def _until_over(
        self, launcher: Launcher, bus: Bus, started_s: float, directing: asyncio.Task[None] | None
    ) -> bool:
        """Watches until all sources are over, or the director or the clock ends it. True = interrupted."""
        while not all(watched.over for watched in self._watched.values()):
            if launcher.failure.done():
                raise FatalError(launcher.failure.result())
            if self._stop.is_set():
                return True
            timed_out = self._plan.seconds is not None and time.monotonic() - started_s >= self._plan.seconds
            if timed_out or (directing is not None and directing.done()):
                return False
            await self._count(bus)
            self._show(started_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._stop.wait()
        return False

    async def _finish(self, bus: Bus, launcher: Launcher, *, hurry: bool) -> None:
        """Stops capture, then waits until what was published is settled; in a hurry only for `HURRY_S`."""
        if not all(watched.over for watched in self._watched.values()):
            await self._stop_capture(bus, launcher)
        patience_s = HURRY_S if hurry else self._place.settings.generator.timeout_s + PATIENCE_MORE_S
        seen: dict[str, Tally] = {}
        moved_s = time.monotonic()
        while True:
            await self._count(bus)
            tallies = {source_id: watched.tally for source_id, watched in self._watched.items()}
            problems = [f"{source_id}: {text}" for source_id, tally in tallies.items() for text in tally.problems()]
            if not problems:
                return
            if launcher.failure.done():
                raise FatalError(launcher.failure.result())
            hurry, was = hurry or self._stop.is_set(), hurry
            if hurry and not was:
                patience_s, moved_s = HURRY_S, time.monotonic()
            if tallies != seen and not hurry:
                seen, moved_s = tallies, time.monotonic()
            if time.monotonic() - moved_s > patience_s:
                if hurry:
                    self._screen.complain("stopped before everything was finished; " + "; ".join(problems))
                    return
                raise FatalError(f"nothing has moved for {patience_s:g} s: " + "; ".join(problems))
            await asyncio.sleep(POLL_S)

    async def _stop_capture(self, bus: Bus, launcher: Launcher) -> None:
        children = launcher.of("capture")
        if children:
            await launcher.stop(["capture"], within_s=STOP_CAPTURE_S)
            return
        for watched in self._watched.values():
            if not watched.over:
                await update_source(bus, watched.spec.source_id, {"paused": True})
        await self._eventually(
            lambda: all(watched.state in (*OVER, "paused") for watched in self._watched.values()), STOP_CAPTURE_S
        )

    async def _count(self, bus: Bus) -> None:
        """Reads the counters. A server that is away is waited for, but not for ever."""
        try:
            for source_id, watched in self._watched.items():
                with redis_errors():
                    watched.tally = Tally.of(await bus.redis.hgetall(bus.keys(source_id).counters(source_id)))
            self._away_s = None
        except RetryableError:
            now_s = time.monotonic()
            self._away_s = now_s if self._away_s is None else self._away_s
            if now_s - self._away_s > AWAY_S:
                raise

    async def _catch_up(self, bus: Bus) -> None:
        """Waits until every event that is there now has been shown."""
        for watched in self._watched.values():
            last = entry_order(await bus.newest_id(bus.keys(watched.spec.source_id).feedback(watched.spec.source_id)))
            await self._eventually(lambda: entry_order(watched.since) >= last, CATCH_UP_S)  # noqa: B023 awaited at once

    async def _eventually(self, reached: Callable[[], bool], within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        while not reached() and time.monotonic() < deadline_s:  # noqa: ASYNC110 the followers set it, event by event
            await asyncio.sleep(0.02)

    def _show(self, started_s: float) -> None:
        elapsed_s = max(1e-3, time.monotonic() - started_s)
        for source_id, watched in self._watched.items():
            tally = watched.tally
            told = (
                f"{watched.pts_s / elapsed_s:.2f}x · {tally.captured / elapsed_s:.0f} frames/s · "
                f"{watched.said} said · {sum(tally.dropped.values())} dropped"
            )
            self._screen.advance(source_id, watched.pts_s, watched.length_s, told)
