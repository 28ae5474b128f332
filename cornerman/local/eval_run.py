"""Films shown to the product's own services, one after the other and without loss, and what came of each.

The same processes, bus and strategies as in `cornerman run`, on a server of its own. It knows films and events, and
nothing of truth or scores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console

from cornerman.commands.run import ROLES, gives_up, spec_of
from cornerman.local.error_groups import first_of
from cornerman.local.event_lines import Line
from cornerman.local.launcher import Launcher
from cornerman.local.options import CommandSettings, choose, quiet, with_models
from cornerman.local.pipeline import READY_S, LocalPipeline, PipelinePlan
from cornerman.local.run_output import RunOutput
from cornerman.local.server_choice import ServerChoice, choose_server
from cornerman.local.summary import Tally
from cornerman.local.supervisor import keep_server
from cornerman.local.workers import all_running
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, Event, StateEvent
from cornerman_shared.errors import ConfigError, FatalError, SourceError
from cornerman_shared.settings.overrides import merge

SETTINGS: Final[dict[str, Any]] = {
    "watch": {"lossless": True, "realtime": False, "loop": False, "display": False},
    # Nobody else could take a source over, however long a busy machine or a loading model holds its owner up.
    "bus": {"sources_poll_s": 0.05, "lease_ms": 60_000},
    # Chunks that wait are encoded together, and how many wait is chance; alone, each gives the same numbers every time.
    "encoder": {"backend": "mobile_videogpt", "batch": 1},
    "generator": {"backend": "mobile_videogpt", "concurrency": 1},
}


def eval_settings(
    folder: Path,
    strategy: str = "head",
    model: Path | None = None,
    config: str = "",
    sets: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> CommandSettings:
    """Settings of an exam: a server in `folder`, the coach, and the gate that belongs to its head.

    Args:
        folder: for the server's socket; the caller removes it.
        strategy: who decides when to speak.
        model: folder of a trained coach; None = the bundled one.
        config: settings file.
        sets: `name=value`, stronger than all else here.
        verbose: show what the services log.

    Raises:
        ConfigError: the folder holds no coach, or a setting is wrong.
    """
    coach: dict[str, Any] = {}
    if model is not None:
        path = str(model.absolute())
        if not (model / "config.json").is_file():
            raise ConfigError(f"--model {str(model)!r} holds no trained coach: config.json is missing")
        coach = {"encoder": {"model": path}, "generator": {"model": path}, "speak": {"head": str(Path(path, "head"))}}
    own = merge(quiet(verbose), SETTINGS, coach, {"runtime": {"dir": str(folder / "run")}})
    own = merge(own, {"speak": {"strategy": strategy}, "redis": {"url": ""}, "sources": []})
    return with_models(choose(config, "", sets, own), Console(stderr=True).print)


class StoppedError(Exception):
    """Ctrl-C."""


@dataclass(frozen=True, slots=True)
class EvalClip:
    """A video by name; `file` says where it lies, making it first if need be."""

    name: str
    length_s: float | None
    file: Callable[[], Path]


@dataclass(slots=True)
class EvalClipRun:
    """What the services made of one film, in order of arrival."""

    decisions: list[DecisionEvent] = field(default_factory=list)
    ends: list[EndEvent] = field(default_factory=list)
    state: str = ""
    failure: str = ""

    def take(self, event: Event) -> None:
        """Keeps an event."""
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
    """All sittings in the order of the films, and processor seconds by role, spent between the first and the last."""

    sittings: tuple[EvalClipRun, ...]
    cpu_s: Mapping[str, float]


class DiscardOutput(RunOutput):
    """Passes notes, complaints and logs on to stderr; the results have another taker."""

    def __init__(self) -> None:
        super().__init__(as_json=True, progress=False)

    def line(self, line: Line) -> None:
        """Nothing."""

    def summary(self, wall_s: float, tallies: Mapping[str, Tally]) -> None:
        """Nothing."""


def show(chosen: CommandSettings, films: Sequence[EvalClip], tell: Callable[[int, int], None]) -> EvalRun:
    """Shows every film; `tell` hears (films done, films in all).

    Raises:
        SourceError: a film could not be watched, or a service reported an error: silence would look like a verdict.
        FatalError: a service could not be kept running.
        StoppedError: Ctrl-C.
    """
    with choose_server(chosen.settings, chosen.overrides, "run") as place:
        try:
            return asyncio.run(_show(place, films, tell))
        except BaseExceptionGroup as group:
            raise first_of(group) from None


async def _show(place: ServerChoice, films: Sequence[EvalClip], tell: Callable[[int, int], None]) -> EvalRun:
    screen = DiscardOutput()
    launcher = Launcher(dict.fromkeys(ROLES, 1), place.overrides, screen.child)
    sittings: list[EvalClipRun] = []
    async with Bus.connect(place.settings) as bus:
        await bus.ready()
        async with launcher.running(), asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(keep_server(place, launcher.failure, screen.child))
            try:
                await _unless_failed(launcher, _ready(bus))
                with _cpu_of(launcher) as cpu_s:
                    following = _made(films, 0)
                    for number, film in enumerate(films):
                        path, following = await following, _made(films, number + 1)
                        sitting = await _unless_failed(launcher, _sit(place, film, path, number, screen))
                        sittings.append(sitting)
                        tell(number + 1, len(films))
                return EvalRun(tuple(sittings), cpu_s)
            finally:
                keeping.cancel()
                await launcher.stop(within_s=2.0)


async def _ready(bus: Bus) -> None:
    if not await all_running(bus, ROLES, READY_S, lambda _: None):
        raise FatalError(f"the services did not get ready within {READY_S:g} s; see `cornerman doctor`")


def _made(films: Sequence[EvalClip], number: int) -> asyncio.Future[Path]:
    """The file of a film, made in a thread while the film before is watched."""
    make = films[number].file if number < len(films) else Path
    return asyncio.ensure_future(asyncio.to_thread(make))


async def _sit(place: ServerChoice, film: EvalClip, path: Path, number: int, screen: RunOutput) -> EvalClipRun:
    sitting = EvalClipRun()
    spec = gives_up(spec_of(f"film-{number}", str(path), place.settings))
    plan = PipelinePlan([spec], ROLES, [film.length_s], on_event=sitting.take)
    # Nobody's server to this session: the services that run there are ours, and outlive it.
    code = await LocalPipeline(ServerChoice(place.settings, place.overrides, None), plan, screen).run()
    if sitting.failure or code:
        raise SourceError(f"{film.name}: {sitting.failure or 'it could not be watched'}")
    if sitting.state != "ended":
        raise StoppedError
    return sitting


async def _unless_failed(launcher: Launcher, work: Any) -> Any:
    """Awaits `work`; a service that is given up ends it."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait({doing, launcher.failure}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise FatalError(launcher.failure.result())
        return await doing
    finally:
        if not doing.done():
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)


@contextmanager
def _cpu_of(launcher: Launcher) -> Iterator[dict[str, float]]:
    """Processor seconds that each role spends within, there at the end."""
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
