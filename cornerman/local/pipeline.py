"""Runs sources through the services, from start to summary: services up, sources in, events out, services down.

The services do the work; the pipeline follows their events and decides when all of it is done. It ends when every
source has ended and every chunk and request is settled. At a signal it stops capture first, so that published chunks
can still be finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from cornerman.local.counts import SourceCounts
from cornerman.local.error_group import first_error
from cornerman.local.event_lines import EventLines
from cornerman.local.launcher import Launcher
from cornerman.local.outages import publish_outages
from cornerman.local.patience import Patience
from cornerman.local.pipeline_plan import OVER, PipelinePlan, SourceProgress, deciding_first
from cornerman.local.record_dir import check_record
from cornerman.local.retry_limit import limit_retries
from cornerman.local.server_choice import Command, ServerChoice, choose_server, wait_for_server
from cornerman.local.server_room import ServerRoom
from cornerman.local.signals import stop_at_signals
from cornerman.local.source_args import ends, length_s
from cornerman.local.supervisor import supervise_server
from cornerman.local.unseen_sources import unseen_line, unseen_sources
from cornerman.local.workers import served_elsewhere, served_roles, wait_until_running
from cornerman_common.running_models import check_joining
from cornerman_shared.aio import background, cancel_all, wait_or_timeout
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.memory_gate import MemoryGate
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, StateEvent
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import add_source, remove_source, update_source
from cornerman_shared.bus.server_memory import refuse_eviction
from cornerman_shared.bus.streams import entry_order
from cornerman_shared.bus.system_health import worker_problems
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import FatalError, RetryableError
from cornerman_shared.process.cores import usable_cores
from cornerman_shared.process.exit_codes import EXIT_NO_INPUT, EXIT_OK

if TYPE_CHECKING:
    from cornerman.local.options import CommandSettings
    from cornerman.local.recorder import SourceRecorder
    from cornerman.local.run_output import RunOutput
    from cornerman_shared.settings.source import SourceSpec


TOLD: Final = ("waiting", "playing", "stalled")
"""States whose detail is told as a note; the details of others are errors, and have lines of their own."""

NOTE_AGAIN_S: Final = 5.0
"""Shortest time between two notes about services that are still starting."""

POLL_S: Final = 0.2
SERVER_LOST_S: Final = 30.0
"""Longest time that a lost server is waited for."""

HURRY_S: Final = 4.0
"""After Ctrl-C: time to finish published chunks and requests. With the steps around it all ends within 10 s."""

STOP_CAPTURE_S: Final = 2.0
STOP_OTHERS_S: Final = 2.0
CATCH_UP_S: Final = 2.0
PATIENCE_MORE_S: Final = 15.0
"""Added to `generator.timeout_s`: without any change of the counters for so long, the pipeline fails."""


class LocalPipeline:
    """Runs a plan on a server and prints to an output."""

    def __init__(self, server: ServerChoice, plan: PipelinePlan, output: RunOutput) -> None:
        self._server = server
        self._plan = plan
        self._output = output
        self._lines = EventLines()
        self._stop = asyncio.Event()
        self._finishing = False
        self._noted_s = -math.inf
        self._lost_s: float | None = None  # when the server was lost
        self._patience = Patience(server.settings.runtime.down_s)
        self._sources: dict[str, SourceProgress] = {}
        self._recorders: list[SourceRecorder] = []
        self._elsewhere: dict[str, str] = {}  # where roles are served that others started

    async def run(self) -> int:
        """Runs the plan to its end. Returns the exit code.

        Raises:
            FatalError: a service did not start or was down for too long, or its work did not end.
            ConfigError: a source's id is taken, or the models that run cannot deal with a source.
            RetryableError: the server was lost for longer than `SERVER_LOST_S`.
        """
        async with Bus.connect(self._server.settings) as bus:
            await wait_for_server(bus, self._output.note)
            await refuse_eviction(bus)
            self._room = self._server_room(bus)
            await self._room.wait(endless=self._plan.endless)
            workers = await list_workers(bus) if self._server.shared else []
            for spec in self._plan.specs if self._server.shared else ():
                check_joining(spec, self._server.settings, workers)
            missing = set(self._plan.roles) - served_roles(workers)
            self._elsewhere = served_elsewhere(workers, socket.gethostname())
            if used := [where for role, where in self._elsewhere.items() if role in self._plan.roles]:
                self._output.note(f"uses {'; '.join(used)}")
            counts = {role: self._plan.workers.get(role, 1) for role in self._plan.roles if role in missing}
            later = set(counts) - set(self._plan.first or counts) if usable_cores() < len(counts) else set()
            launcher = Launcher(counts, self._server.overrides, self._output.child, later=later)
            supervision = supervise_server(self._server, launcher.failure, self._output.child)
            try:
                async with (
                    stop_at_signals(self._stop),
                    launcher.running(),
                    background(supervision, publish_outages(bus, launcher)),
                ):
                    return await self._session(bus, launcher)
            except BaseExceptionGroup as group:
                raise first_error(group) from None

    async def _session(self, bus: Bus, launcher: Launcher) -> int:
        try:
            interrupted = await self._wait_ready(bus, launcher)
            started_s = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                followers: list[asyncio.Task[None]] = []
                rest: asyncio.Task[None] | None = None
                director: asyncio.Task[None] | None = None
                if not interrupted:
                    rest = tasks.create_task(self._wait_rest(bus, launcher))
                    await self._add_sources(bus)
                    followers = [tasks.create_task(self._follow(bus, source)) for source in self._sources.values()]
                    if self._plan.director:
                        director = tasks.create_task(self._plan.director(bus))
                        followers.append(director)
                    interrupted = await self._until_over(launcher, bus, started_s, director)
                await self._finish(bus, launcher, hurry=interrupted)
                if rest and not interrupted:
                    # A service that cannot run is told, also when nothing was asked of it.
                    await launcher.race(rest, self._stop.wait())
                    launcher.check()
                await self._catch_up(bus)
                if self._plan.on_end:
                    await self._plan.on_end(bus, interrupted)
                await cancel_all(*followers, *([rest] if rest else []))
                await self._end_recordings()
            counts = {source_id: source.counts for source_id, source in self._sources.items()}
            unseen = unseen_sources(self._sources.values(), self._plan.seconds, interrupted=interrupted)
            for source_id, why in unseen.items():
                if self._sources[source_id].state != "failed":  # capture has told it
                    self._output.line(unseen_line(source_id, why))
            self._output.summary(time.monotonic() - started_s, counts, unseen)
        finally:
            await self._end_recordings()
            # The sources leave the registry before the services stop, so that no capture starts them again.
            with contextlib.suppress(RetryableError):
                for source_id in self._sources:
                    await remove_source(bus, source_id)
            await launcher.stop(within_s=STOP_OTHERS_S)
        failed = any(source.state == "failed" for source in self._sources.values())
        return EXIT_NO_INPUT if failed or unseen else EXIT_OK

    async def _wait_ready(self, bus: Bus, launcher: Launcher) -> bool:
        """Waits for the services that sources wait for. Returns True if a signal came before."""
        running = self._wait_running(bus, launcher, self._plan.first or self._plan.roles)
        done = await launcher.race(running, self._stop.wait())
        launcher.check()
        return 0 not in done

    async def _wait_rest(self, bus: Bus, launcher: Launcher) -> None:
        """Starts the services that sources do not wait for, and waits for them."""
        launcher.start_later()
        while self._plan.first:
            try:
                await self._wait_running(bus, launcher, set(self._plan.roles) - set(self._plan.first))
                break
            except RetryableError:  # the server is away: how long that may be, those decide who follow the sources
                await asyncio.sleep(POLL_S)
        if self._plan.on_ready:
            self._plan.on_ready()

    async def _wait_running(self, bus: Bus, launcher: Launcher, roles: Collection[str]) -> None:
        await wait_until_running(bus, roles, self._note_missing, down=launcher.down)
        if not self._plan.endless:
            launcher.check_started(roles)
        for role, outage in launcher.down().items():
            if role in roles:
                self._output.complain(f"{role} is down and tried again from time to time: {outage.reason}")

    def _note_missing(self, missing: set[str]) -> None:
        now_s = time.monotonic()
        if now_s - self._noted_s >= NOTE_AGAIN_S:
            self._noted_s = now_s
            own = sorted(missing - set(self._elsewhere))
            others = [self._elsewhere[role] for role in sorted(missing & set(self._elsewhere))]
            said = [f"starting {', '.join(own)}"] if own else []
            said += [f"waiting for {'; '.join(others)}"] if others else []
            self._output.note(f"{', '.join(said)} …")

    async def _add_sources(self, bus: Bus) -> None:
        for spec, seconds in zip(self._plan.specs, self._plan.lengths_s, strict=True):
            # The newest id is read before the source starts: no event of this run is missed.
            last_id = await bus.newest_id(bus.keys(spec.source_id).feedback(spec.source_id))
            await self._record(bus, spec.source_id)
            await add_source(bus, spec)
            self._sources[spec.source_id] = SourceProgress(spec, last_id, seconds)

    async def _record(self, bus: Bus, source_id: str) -> None:
        """Begins to record the source, if it is wished, before it starts."""
        if self._server.settings.record.dir:
            from cornerman.local.recorder import SourceRecorder  # FFmpeg is slow to import

            recorder = SourceRecorder(bus, source_id, self._server.settings.record, self._output.note)
            await recorder.begin()
            self._recorders.append(recorder)

    async def _follow(self, bus: Bus, source: SourceProgress) -> None:
        async for entry_id, event in bus.subscribe(source.spec.source_id, since=source.last_id):
            if isinstance(event, StateEvent):
                # A failed run also ends; `ended` must not hide the failure.
                source.state = "failed" if (source.state, event.state) == ("failed", "ended") else event.state
                if event.state in TOLD and event.detail and not self._finishing:
                    self._output.note(f"{event.source_id} is {event.state}: {event.detail}")
                if not self._finishing:
                    source.reached, source.fault = event.state, event.detail or source.fault
            elif isinstance(event, ErrorEvent) and event.stage == "capture":
                source.fault = event.message
            elif isinstance(event, DecisionEvent):
                source.pts_s = event.pts_s
            elif isinstance(event, EndEvent) and event.status == "done" and not event.silent:
                source.feedbacks += 1
            if self._plan.on_event:
                self._plan.on_event(event)
            line = self._lines.of(event)
            if line is not None:
                self._output.line(line)
            source.last_id = entry_id

    async def _until_over(
        self, launcher: Launcher, bus: Bus, started_s: float, director: asyncio.Task[None] | None
    ) -> bool:
        """Waits until all sources are over, the director ends or the time is up. Returns True after a signal."""
        while not all(source.over for source in self._sources.values()):
            launcher.check()
            if self._stop.is_set():
                return True
            timed_out = self._plan.seconds is not None and time.monotonic() - started_s >= self._plan.seconds
            if timed_out or (director is not None and director.done()):
                return False
            await self._read_counts(bus)
            with contextlib.suppress(RetryableError):  # `_read_counts` limits how long the server may be lost
                await self._room.check(self._decided, endless=self._plan.endless)
            if not self._plan.endless:
                await self._check_outages(bus, launcher)
            self._show_progress(started_s)
            await wait_or_timeout(self._stop, POLL_S)
        return False

    async def _check_outages(self, bus: Bus, launcher: Launcher) -> None:
        """Raises `FatalError` if a role is down for too long; of another command's services it asks the bus."""
        down = {role: outage.reason for role, outage in launcher.down().items()}
        if foreign := set(self._plan.roles) - {child.role for child in launcher.children}:
            with contextlib.suppress(RetryableError):  # `_read_counts` limits how long the server may be lost
                problems = worker_problems(await list_workers(bus))
                down |= {problem.what: problem.reason for problem in problems if problem.what in foreign}
        self._patience.check(time.monotonic(), down, self._decided)

    @property
    def _decided(self) -> int:
        return sum(source.counts.decided + source.counts.buried for source in self._sources.values())

    def _server_room(self, bus: Bus) -> ServerRoom:
        return ServerRoom(MemoryGate(bus), bus.settings.runtime.down_s, self._output.complain, time.monotonic)

    async def _finish(self, bus: Bus, launcher: Launcher, *, hurry: bool) -> None:
        """Stops capture, then waits until every published chunk is settled; in a hurry only for `HURRY_S`."""
        self._finishing = True
        if not all(source.over for source in self._sources.values()):
            await self._stop_capture(bus, launcher)
        patience_s = HURRY_S if hurry else self._server.settings.generator.timeout_s + PATIENCE_MORE_S
        seen: dict[str, SourceCounts] = {}
        moved_s = time.monotonic()
        while True:
            await self._read_counts(bus)
            counts = {source_id: source.counts for source_id, source in self._sources.items()}
            problems = [f"{source_id}: {text}" for source_id, one in counts.items() for text in one.problems()]
            if not problems:
                return
            launcher.check()
            hurry, hurried = hurry or self._stop.is_set(), hurry
            if hurry and not hurried:
                patience_s, moved_s = HURRY_S, time.monotonic()
            # Progress extends the wait, except after Ctrl-C.
            if counts != seen and not hurry:
                seen, moved_s = counts, time.monotonic()
            if time.monotonic() - moved_s > patience_s:
                if hurry:
                    self._output.complain("stopped before everything was finished; " + "; ".join(problems))
                    return
                problems += [outage.reason for outage in launcher.down().values()]
                raise FatalError(f"nothing has moved for {patience_s:g} s: " + "; ".join(problems))
            await asyncio.sleep(POLL_S)

    async def _stop_capture(self, bus: Bus, launcher: Launcher) -> None:
        if launcher.of("capture"):
            await launcher.stop(["capture"], within_s=STOP_CAPTURE_S)
            return
        # Capture belongs to `cornerman up` and goes on with other sources: pause these.
        for source in self._sources.values():
            if not source.over:
                await update_source(bus, source.spec.source_id, {"paused": True})
        await self._eventually(
            lambda: all(source.state in (*OVER, "paused") for source in self._sources.values()), STOP_CAPTURE_S
        )

    async def _read_counts(self, bus: Bus) -> None:
        """Reads the counters. A lost server is waited for, up to `SERVER_LOST_S`."""
        try:
            for source_id, source in self._sources.items():
                with redis_errors():
                    source.counts = SourceCounts.of(await bus.redis.hgetall(bus.keys(source_id).counters(source_id)))
            self._lost_s = None
        except RetryableError:
            now_s = time.monotonic()
            self._lost_s = now_s if self._lost_s is None else self._lost_s
            if now_s - self._lost_s > SERVER_LOST_S:
                raise

    async def _catch_up(self, bus: Bus) -> None:
        """Waits until every event that is on the bus now has been shown."""
        for source in self._sources.values():
            stream = bus.keys(source.spec.source_id).feedback(source.spec.source_id)
            last = entry_order(await bus.newest_id(stream))
            await self._eventually(lambda: entry_order(source.last_id) >= last, CATCH_UP_S)  # noqa: B023 awaited at once

    async def _end_recordings(self) -> None:
        recorders, self._recorders = self._recorders, []
        await asyncio.gather(*(recorder.close() for recorder in recorders))

    async def _eventually(self, reached: Callable[[], bool], within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        while not reached() and time.monotonic() < deadline_s:  # noqa: ASYNC110 the followers set it, event by event
            await asyncio.sleep(0.02)

    def _show_progress(self, started_s: float) -> None:
        elapsed_s = max(1e-3, time.monotonic() - started_s)
        for source_id, source in self._sources.items():
            counts = source.counts
            status = (
                f"{source.pts_s / elapsed_s:.2f}x · {counts.captured / elapsed_s:.0f} frames/s · "
                f"{source.feedbacks} said · {sum(counts.dropped.values())} dropped"
            )
            self._output.advance(source_id, source.pts_s, source.length_s, status)


def run_sources(
    chosen: CommandSettings,
    specs: Sequence[SourceSpec],
    output: RunOutput,
    command: Command = "run",
    **more: Any,
) -> int:
    """Runs a pipeline for these sources on the command's server. Returns the exit code.

    Args:
        more: other fields of the `PipelinePlan`.
    """
    check_record(chosen.settings.record)
    specs = limit_retries(specs, chosen.given())
    # The user who types an address is trusted with it. The demo has a page, on which other clients may add sources.
    if command != "demo" and not chosen.was_set("capture.follow_links"):
        chosen = chosen.with_defaults({"capture": {"follow_links": True}})
    lengths_s = [None if spec.watch.loop or spec.watch.follow else length_s(spec.url) for spec in specs]
    endless = more.get("director") is None and not all(ends(spec) for spec in specs)
    if command == "run":
        more = {"first": deciding_first(specs, chosen.settings.generator), **more}
    plan = PipelinePlan(specs, lengths_s, endless=endless, **more)
    output.many = len(specs) > 1
    output.native = chosen.settings.log.level in ("debug", "info")
    with choose_server(chosen.settings, chosen.overrides, command) as server, output:
        return asyncio.run(LocalPipeline(server, plan, output).run())
