"""Live latency of the demo: the bundled clip looped at 30 FPS, the bundled coach, every service.

    python -m benchmarks.live [--seconds 60] [--sources 6] [--people] [--no-page] [--set NAME=VALUE ...]

`--people` takes the coach of skeletons. Several sources are the same clip, each from another moment on, so that none of
their frames are equal at the same time and computed once.
Prints one JSON object: dropped chunks by reason; milliseconds from the decoding of a chunk's newest frame to its
decision and to the first token of its feedback, and of each stage before the decision; processor seconds a second,
processor milliseconds a decided chunk and memory of each process. `rss` counts shared pages in every process, `pss`
once. Goals on two cores: nothing dropped, 150 ms to the decision, 400 ms to the
first token (medians).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import psutil

from cornerman.local import options, page
from cornerman.local.demo_clip import demo_clip
from cornerman.local.launcher import ROLES, SERVICES
from cornerman.local.pipeline import LocalPipeline
from cornerman.local.pipeline_plan import PipelinePlan
from cornerman.local.run_output import DiscardOutput
from cornerman.local.server_choice import choose_server
from cornerman.local.source_specs import source_spec
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Event

SAMPLE_S = 2.0
STAGES = (
    ("publish", "captured_at_s", "published_at_s"),
    ("wait", "published_at_s", "begun_at_s"),
    ("encode", "begun_at_s", "encoded_at_s"),
    ("decide", "encoded_at_s", "decided_at_s"),
)
MIB = 1024 * 1024


class Recorder:
    """Collects events, and samples the processes for `seconds`."""

    def __init__(self, seconds: float, names: Sequence[str]) -> None:
        self._seconds = seconds
        self._names = names
        self.decisions: list[DecisionEvent] = []
        self.ends: list[EndEvent] = []
        self.memory: dict[str, dict[str, float]] = {}
        self.cores: dict[str, float] = {}
        self.counters: Counter[str] = Counter()

    def on_event(self, event: Event) -> None:
        if isinstance(event, DecisionEvent):
            self.decisions.append(event)
        elif isinstance(event, EndEvent) and event.kind == "feedback":
            self.ends.append(event)

    async def direct(self, bus: Bus) -> None:
        """Samples the processes; the pipeline ends when this returns."""
        processes = {role_of(process): process for process in _all()}
        before = {role: _cpu_s(process) for role, process in processes.items()}
        began_s = bus.clock.monotonic_s()
        while (passed_s := bus.clock.monotonic_s() - began_s) < self._seconds:
            await asyncio.sleep(min(SAMPLE_S, self._seconds - passed_s))
            for role, process in processes.items():
                now = process.memory_full_info()
                peak = self.memory.setdefault(role, {"rss": 0.0, "pss": 0.0})
                peak["rss"] = max(peak["rss"], now.rss / MIB)
                peak["pss"] = max(peak["pss"], getattr(now, "pss", now.uss) / MIB)
        self.cores = {role: (_cpu_s(p) - before[role]) / passed_s for role, p in processes.items()}
        for source_id in self._names:
            found = await bus.redis.hgetall(bus.keys(source_id).counters(source_id))
            self.counters.update({name.decode(): int(value) for name, value in found.items()})


def role_of(process: psutil.Process) -> str:
    """`capture`, `encoder` …, `server`, or `command` for this process."""
    line = " ".join(process.cmdline())
    for role in (*ROLES, "gateway"):
        if f"cornerman_{role}" in line:
            return role
    return "command" if process.pid == psutil.Process().pid else "server"


def _all() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def shifted(clip: str, folder: Path, number: int) -> str:
    """A copy of the clip without its beginning, as much of it as has so many keyframes."""
    path = folder / f"from-{number}.mp4"
    with av.open(clip) as there, av.open(str(path), "w") as here:
        video = there.streams.video[0]
        copy = here.add_stream_from_template(video)
        keyframes, first = 0, 0
        for packet in there.demux(video):
            keyframes += packet.is_keyframe
            if keyframes <= number or packet.dts is None or packet.pts is None:
                continue
            first = first or packet.dts
            packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, copy
            here.mux(packet)
    return str(path)


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and max in milliseconds, from seconds."""
    if not values:
        return {}
    found = np.percentile(1000 * np.array(values), (50, 95, 100))
    return dict(zip(("p50", "p95", "max"), found.round(1).tolist(), strict=True))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sources", type=int, default=1)
    parser.add_argument("--people", action="store_true", help="the coach of skeletons instead of the one of pictures")
    parser.add_argument("--no-page", action="store_true", help="without the gateway")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(argv)
    source, note = demo_clip()
    if note:
        print(note, file=sys.stderr)
    names = [f"demo-{number}" for number in range(given.sources)]
    recorder = Recorder(given.seconds, names)
    with tempfile.TemporaryDirectory(prefix="cornerman-") as name:
        own = {"runtime": {"dir": str(Path(name) / "run")}, "redis": {"url": ""}, "sources": []}
        base = (options.quiet(False), own)
        chosen = options.command_settings("", "", given.sets, *base, watch__loop=True, watch__realtime=True)
        chosen, _ = options.with_models(chosen, lambda text: print(text, file=sys.stderr), people=given.people)
        roles: tuple[str, ...] = ROLES
        if not given.no_page:
            _, page_settings = page.address(chosen.settings.gateway, 0)
            chosen, roles = chosen.with_flags(page_settings), SERVICES
        clips = [source if not number else shifted(source, Path(name), number) for number in range(given.sources)]
        specs = [source_spec(each, clip, chosen.settings) for each, clip in zip(names, clips, strict=True)]
        plan = PipelinePlan(specs, [None] * len(specs), roles, on_event=recorder.on_event, director=recorder.direct)
        with choose_server(chosen.settings, chosen.overrides, "demo") as server:
            asyncio.run(LocalPipeline(server, plan, DiscardOutput()).run())
    print(json.dumps(report_of(recorder, given.seconds), indent=1))
    return 0


def report_of(recorder: Recorder, seconds: float) -> dict[str, object]:
    decided = [d for d in recorder.decisions if d.status == "ok"]
    spoken = [e for e in recorder.ends if e.times.first_token_at_s > 0]
    counters = recorder.counters
    return {
        "seconds": seconds,
        "captured_fps": round(counters.get("captured", 0) / seconds, 1),
        "chunks_due": counters.get("due", 0),
        "dropped": {k.partition(":")[2]: v for k, v in sorted(counters.items()) if k.startswith("dropped:")},
        "decided": len(decided),
        "spoken": len(spoken),
        "expired": sum(e.status == "expired" for e in recorder.ends),
        "ready_to_decision_ms": quantiles([d.times.decided_at_s - d.times.captured_at_s for d in decided]),
        "ready_to_encoded_ms": quantiles([d.times.encoded_at_s - d.times.captured_at_s for d in decided]),
        "decision_to_first_token_ms": quantiles([e.times.first_token_at_s - e.times.decided_at_s for e in spoken]),
        "ready_to_first_token_ms": quantiles([e.times.first_token_at_s - e.times.captured_at_s for e in spoken]),
        "stages_ms": {
            name: quantiles([getattr(d.times, to) - getattr(d.times, since) for d in decided])
            for name, since, to in STAGES
        },
        "cores": {role: round(share, 3) for role, share in recorder.cores.items()},
        "cpu_ms_a_chunk": {
            role: round(1000 * share * seconds / max(1, len(decided)), 1) for role, share in recorder.cores.items()
        },
        "memory_mib": {
            role: {kind: round(value, 1) for kind, value in sizes.items()} for role, sizes in recorder.memory.items()
        },
        "total_rss_mib": round(sum(sizes["rss"] for sizes in recorder.memory.values()), 1),
        "total_pss_mib": round(sum(sizes["pss"] for sizes in recorder.memory.values()), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
