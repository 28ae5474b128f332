"""Everything at once on a real clip: kills, freezes, hangs, restarts, server pauses, replaced sources, a slow reader, a
bad back end and clocks that differ.

    python -m benchmarks.everything [--minutes 30] [--seed N] [--video PATH]

Three sources play the clip: `live` in a loop, `file` losslessly and replaced at any moment, `whole` losslessly and
added again after each end. Every few seconds a fault is drawn. At the end the faults stop, the work in hand is
finished, and the whole history is checked: prints tables of the sources and of the memory, and the violations. The exit
code is 1 if there are any. The back ends are fakes; one of two generators speaks to a server that misbehaves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path

import redis.exceptions

from benchmarks.memory_trend import MemoryTrend
from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Event, StateEvent
from cornerman_shared.bus.registry import add_source, remove_source, update_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.errors import CornermanError
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.bad_backend import bad_backend
from tests.faults.history import RUN_OVER, check_last_run
from tests.faults.service_group import ServiceGroup, counters

CLIP = Path(__file__).parents[1] / "cornerman/assets/demo.mp4"
SOURCES = ("live", "file", "whole")
FAULTS = ("kill", "freeze", "restart", "restart_all", "pause", "replace", "replace")
QUIET_S = 240.0
"""How long the work in hand may take once the faults have stopped."""


def spec_of(source_id: str, url: str) -> SourceSpec:
    """The clip, live in a loop or lossless once."""
    live = source_id == "live"
    watch = {"loop": live, "realtime": live, "lossless": not live, "credit": 8}
    speak = {"strategy": "rules", "every_chunks": 5, "min_interval_s": 0.5}
    return SourceSpec.model_validate({"source_id": source_id, "url": url, "watch": watch, "speak": speak})


class Chaos:
    """Draws faults and replaces sources, with a seed."""

    def __init__(self, bus: Bus, group: ServiceGroup, url: str) -> None:
        self._bus, self._group, self._url = bus, group, url
        self._random: random.Random = group.random
        self.done: Counter[str] = Counter()
        self.history: dict[str, list[Event]] = {source_id: [] for source_id in SOURCES}

    async def collect(self) -> None:
        """Keeps every event, so that streams may be trimmed."""
        async for _, event in self._bus.subscribe(since="0"):
            self.history[event.source_id].append(event)

    async def replay(self) -> None:
        """Adds `whole` again after each end."""
        replayed: set[str] = set()
        while True:
            await asyncio.sleep(0.5)
            over = {event.run for event in self.history["whole"] if is_over(event)}
            if over - replayed and not await self.is_busy("whole"):
                replayed |= over
                await self._replace("whole")

    async def revive(self) -> None:
        """Starts services that have exited, as a supervisor does."""
        while True:
            self._group.revive()
            await asyncio.sleep(1.0)

    async def strike(self) -> None:
        """Draws one fault after another."""
        while True:
            await asyncio.sleep(self._random.uniform(1.0, 6.0))
            fault, service = self._random.choice(FAULTS), self._random.choice(self._group.services)
            self.done[fault] += 1
            if fault == "kill":
                service.kill()
                service.restart()
            elif fault == "freeze":
                service.freeze()
                await asyncio.sleep(self._random.uniform(1.0, 8.0))
                service.thaw()
            elif fault == "restart":
                await asyncio.to_thread(service.restart_gracefully)
            elif fault == "restart_all":
                role = self._group.of(service.role)
                await asyncio.gather(*(asyncio.to_thread(one.restart_gracefully) for one in role))
            elif fault == "pause":
                with contextlib.suppress(redis.exceptions.RedisError):
                    await self._bus.redis.execute_command("CLIENT", "PAUSE", self._random.choice((500, 4000, 12_000)))
            else:
                await self._replace("file")

    async def _replace(self, source_id: str) -> None:
        with contextlib.suppress(CornermanError, redis.exceptions.RedisError):
            await remove_source(self._bus, source_id)
            await asyncio.sleep(self._random.choice((0.0, 0.0, 0.1, 1.0)))
        while True:
            with contextlib.suppress(redis.exceptions.RedisError):
                try:
                    await add_source(self._bus, spec_of(source_id, self._url))
                    return
                except CornermanError as error:
                    if "taken" in str(error):  # written by a try whose answer was lost
                        return
            await asyncio.sleep(0.5)

    async def is_busy(self, source_id: str) -> bool:
        """Whether a chunk or a request of the source is in hand."""
        keys = self._bus.keys(source_id)
        try:
            requests = await self._bus.redis.hkeys(keys.open_requests)
            inflight = await self._bus.redis.zcard(keys.inflight(source_id))
        except redis.exceptions.RedisError:
            return True
        return bool(inflight) or any(raw.startswith(f"{source_id}:".encode()) for raw in requests)

    async def calm_down(self) -> None:
        """Pauses the live source and waits until everything is decided and ended."""
        for service in self._group.services:
            service.thaw()
        await update_source(self._bus, "live", {"paused": True})
        async with asyncio.timeout(QUIET_S):
            for source_id in SOURCES:
                while await self.is_busy(source_id) or not (source_id == "live" or self._last_is_over(source_id)):
                    await asyncio.sleep(0.5)
        await asyncio.sleep(2.0)  # the counters of capture, and the last events

    def _last_is_over(self, source_id: str) -> bool:
        runs = [event.run for event in self.history[source_id] if event.run]
        return any(is_over(event) and event.run == runs[-1] for event in self.history[source_id])


def is_over(event: Event) -> bool:
    """Whether the event says that every chunk of its run is decided."""
    return isinstance(event, StateEvent) and event.detail == RUN_OVER


async def report(bus: Bus, chaos: Chaos) -> list[str]:
    """Prints a row for each source; returns the violations."""
    wrong: list[str] = []
    print(f"\n{'source':<8}{'runs':>6}{'whole':>7}{'decided':>9}{'lost':>6}{'requests ended':>16}  violations")
    for source_id in SOURCES:
        history = chaos.history[source_id]
        counted = await counters(bus, source_id)
        found = check_last_run(history, counted, published=counted.get("published", 0))
        decisions = [event for event in history if isinstance(event, DecisionEvent)]
        lost = sum(event.n_chunks for event in decisions if event.reason.startswith("lost"))
        if lost and source_id != "live":
            found.append(f"{lost} chunks of a lossless source were lost")
        decided = Counter(event.run for event in decisions for _ in range(event.n_chunks))
        over = [decided[event.run] for event in history if is_over(event)]
        if source_id != "live" and len(set(over)) > 1:
            found.append(f"whole runs of one clip had {sorted(set(over))} chunks")
        ends = Counter(event.status for event in history if isinstance(event, EndEvent))
        chunks, ended = sum(decided.values()), sum(ends.values())
        row = f"{source_id:<8}{len(decided):>6}{len(over):>7}{chunks:>9}{lost:>6}{ended:>16}"
        print(f"{row}  {len(found)}  {dict(ends)}")
        wrong += [f"{source_id}: {sentence}" for sentence in found]
    return wrong


async def read_slowly(port: int) -> None:
    """Follows the live source over HTTP at 64 bytes a second, from its oldest event, and connects again."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            with contextlib.closing(writer):
                writer.write(b"GET /api/sources/live/events?since=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                while await reader.read(64):
                    await asyncio.sleep(1.0)
        await asyncio.sleep(1.0)


def start(group: ServiceGroup, bad_url: str, port: int) -> None:
    """Starts the services, each with a clock of its own."""
    common = group.environment | {
        "CORNERMAN_ENCODER__FAKE_HANG_AT": "150",
        "CORNERMAN_ENCODER__BATCH_S": "5",
        "CORNERMAN_GENERATOR__ECHO_HANG_AT": "25",
        "CORNERMAN_GENERATOR__STALL_S": "5",
        "CORNERMAN_GENERATOR__BASE_URL": bad_url,
        "CORNERMAN_GENERATOR__MODEL": "bad",
        "CORNERMAN_GATEWAY__PORT": str(port),
    }
    pixels = {"CORNERMAN_GENERATOR__BACKEND": "openai"}  # capture keeps the frames for it
    for role, own in (
        *(("capture", pixels), ("capture", pixels), ("encoder", pixels), ("encoder", pixels)),
        *(("decider", {}), ("decider", {}), ("generator", {}), ("generator", pixels), ("gateway", {})),
    ):
        group.environment = common | own | {"FAULTS_AHEAD_S": str(group.random.choice((-30, 0, 30)))}
        group.start(**{role: 1})


async def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--video", default=str(CLIP))
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.minutes:g} minutes, {given.video}", flush=True)
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        free.close()
        server = Server(find_binary(), Path(name))
        server.start()
        group = ServiceGroup(server.url, Path(name), given.seed)
        try:
            settings = load_settings({"redis": {"url": server.url}})
            async with Bus.connect(settings) as bus, bad_backend(given.seed) as url:
                await bus.ready(60)
                chaos, trend = Chaos(bus, group, given.video), MemoryTrend(bus, group, given.minutes * 60)
                for source_id in SOURCES:
                    await add_source(bus, spec_of(source_id, given.video))
                start(group, url, port)
                async with background(chaos.collect(), chaos.revive(), trend.sample_loop()):
                    with contextlib.suppress(TimeoutError):
                        async with (
                            asyncio.timeout(given.minutes * 60),
                            background(chaos.replay(), chaos.strike(), read_slowly(port)),
                        ):
                            await asyncio.Event().wait()
                    await chaos.calm_down()
                wrong = await report(bus, chaos)
                print(f"\nfaults: {dict(chaos.done)}; exits: {dict(Counter(group.exits))}\n")
                trend.print_table()
                print("\n".join(["", f"{len(wrong)} violations", *wrong[:40]]))
        finally:
            group.stop()
            server.stop()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
