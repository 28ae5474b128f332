"""Runs videos through the product's own services, one after the other and losslessly, and collects their events.

Uses the processes, bus and strategies of `cornerman run`, on a private server. Knows neither truth nor scores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cornerman.local.error_group import first_error
from cornerman.local.launcher import ROLES, Launcher
from cornerman.local.pipeline import LocalPipeline
from cornerman.local.pipeline_plan import PipelinePlan
from cornerman.local.retry_limit import with_give_up
from cornerman.local.run_output import DiscardOutput, RunOutput
from cornerman.local.server_choice import ServerChoice, choose_server
from cornerman.local.source_specs import source_spec
from cornerman.local.supervisor import supervise_server
from cornerman.local.workers import wait_until_running
from cornerman_shared.aio import background, cancel_all
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, Event, StateEvent
from cornerman_shared.bus.server_memory import refuse_eviction
from cornerman_shared.errors import SourceError

if TYPE_CHECKING:
    from cornerman.local.eval_clips import EvalClip
    from cornerman.local.options import CommandSettings

STOP_S = 2.0


class StoppedError(Exception):
    """The evaluation was interrupted by Ctrl-C."""


@dataclass(slots=True)
class EvalClipRun:
    """Events of one clip, in order of arrival."""

    decisions: list[DecisionEvent] = field(default_factory=list)
    ends: list[EndEvent] = field(default_factory=list)
    state: str = ""
    failure: str = ""

    def add(self, event: Event) -> None:
        """Records an event. Of several errors the first is kept."""
        if isinstance(event, DecisionEvent):
            self.decisions.append(event)
        elif isinstance(event, EndEvent):
            self.ends.append(event)
        elif isinstance(event, StateEvent):
            self.state = event.state
        elif isinstance(event, ErrorEvent) and not self.failure:
            self.failure = f"{event.stage}: {event.message}"


@dataclass(frozen=True, slots=True)
class EvalRun:
    """Runs of all clips in their order, and processor seconds by role between the first and the last."""

    clips: tuple[EvalClipRun, ...]
    cpu_s: Mapping[str, float]


def run_clips(chosen: CommandSettings, clips: Sequence[EvalClip], progress: Callable[[int, int], None]) -> EvalRun:
    """Runs every clip. `progress` is called with (clips done, clips in all).

    Raises:
        SourceError: a clip could not be watched, or a service reported an error: missing feedback would be scored.
        FatalError: a service could not be kept running.
        StoppedError: Ctrl-C.
    """
    with choose_server(chosen.settings, chosen.overrides, "run") as server:
        try:
            return asyncio.run(_run_clips(server, clips, progress))
        except BaseExceptionGroup as group:
            raise first_error(group) from None


async def _run_clips(server: ServerChoice, clips: Sequence[EvalClip], progress: Callable[[int, int], None]) -> EvalRun:
    output = DiscardOutput()
    launcher = Launcher(dict.fromkeys(ROLES, 1), server.overrides, output.child)
    supervision = supervise_server(server, launcher.failure, output.child)
    runs: list[EvalClipRun] = []
    async with Bus.connect(server.settings) as bus:
        await bus.ready()
        await refuse_eviction(bus)
        async with launcher.running(), background(supervision):
            try:
                await launcher.race(wait_until_running(bus, ROLES, down=launcher.down))
                launcher.check_started(ROLES)
                with _cpu_of(launcher) as cpu_s:
                    next_path = _file_of(clips, 0)
                    try:
                        for number, clip in enumerate(clips):
                            # The next clip is rendered while this one is watched.
                            path, next_path = await next_path, _file_of(clips, number + 1)
                            run = EvalClipRun()
                            await launcher.race(_run_clip(server, clip, path, number, output, run))
                            launcher.check()
                            runs.append(run)
                            progress(number + 1, len(clips))
                    finally:
                        await cancel_all(next_path)
                return EvalRun(tuple(runs), cpu_s)
            finally:
                await launcher.stop(within_s=STOP_S)


def _file_of(clips: Sequence[EvalClip], number: int) -> asyncio.Future[Path]:
    """Starts making the file of a clip in a thread; after the last clip an empty path."""
    make = clips[number].file if number < len(clips) else Path
    return asyncio.ensure_future(asyncio.to_thread(make))


async def _run_clip(
    server: ServerChoice, clip: EvalClip, path: Path, number: int, output: RunOutput, run: EvalClipRun
) -> None:
    # A new id per clip: counters and decider state of two clips never mix.
    spec = with_give_up(source_spec(f"clip-{number}", str(path), server.settings))
    plan = PipelinePlan([spec], [clip.length_s], on_event=run.add)
    # Without a server of its own, the pipeline uses the services that run there and leaves them running.
    code = await LocalPipeline(ServerChoice(server.settings, server.overrides, None), plan, output).run()
    if run.failure or code:
        raise SourceError(f"{clip.name}: {run.failure or 'it could not be watched'}")
    if run.state != "ended":
        raise StoppedError


@contextmanager
def _cpu_of(launcher: Launcher) -> Iterator[dict[str, float]]:
    """Processor seconds that each role spends in the body; filled in at its end."""
    spent: dict[str, float] = {}
    before = _cpu_now(launcher)
    yield spent
    spent.update({role: now - before.get(role, 0.0) for role, now in _cpu_now(launcher).items()})


def _cpu_now(launcher: Launcher) -> dict[str, float]:
    found: dict[str, float] = {}
    for child in launcher.children:
        if child.pid is not None:
            times = psutil.Process(child.pid).cpu_times()
            found[child.role] = found.get(child.role, 0.0) + times.user + times.system
    return found
