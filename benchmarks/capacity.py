"""Capacity: predicts what many sources cost from runs of few, and compares with a run of many.

    python -m benchmarks.capacity --sources 16 [--seconds 60] [--few 2 6] [--frames jpeg]
    python -m benchmarks.capacity --decode

The first runs real services with fake encoder and echo over the bundled clip, looped in real time: each number of
`--few` and then `--sources`, for `--seconds` each. Prints one JSON object a run, and one with every rate predicted and
measured; goal: the sum of processor time, bytes and commands within 15 %. A run whose chunks were not all decided was
starved by other work and says nothing: exit code 75. The second measures decoding: processor time of a frame by codec
and size, one thread.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import psutil

from benchmarks.capacity_model import CHUNKS_PER_S, CapacityRun, compare, fit_runs, is_starved
from benchmarks.soak import production_times
from cornerman.local.demo_clip import ASSETS
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.service_group import ServiceGroup, counters

MIB = 2**20
STARVED = 75
WARM_UP_S = 8.0
CODECS = ("libx264", "libx265", "mjpeg")
SIZES = ((640, 360), (1280, 720), (1920, 1080))


async def measure(sources: int, seconds: float, frames: str) -> CapacityRun:
    """Runs so many sources, and measures after they have all played for `WARM_UP_S`."""
    with tempfile.TemporaryDirectory() as name:
        server = Server(find_binary(), Path(name))
        server.start()
        group = ServiceGroup(server.url, Path(name), 0, CORNERMAN_BUS__FRAMES=frames, **production_times())
        try:
            async with Bus.connect(load_settings({"redis": {"url": server.url}})) as bus:
                names = [f"cam-{number:02}" for number in range(sources)]
                watch = {"loop": True, "realtime": True}
                for each in names:
                    spec = {"source_id": each, "url": str(ASSETS / "demo.mp4"), "watch": watch}
                    await add_source(bus, SourceSpec.model_validate(spec))
                group.start(capture=1, encoder=1, decider=1, generator=1)
                while not all([(await counters(bus, each)).get("decided") for each in names]):
                    await asyncio.sleep(0.2)
                await asyncio.sleep(WARM_UP_S)
                assert server.process is not None
                pids = {each.role: each.process.pid for each in group.services} | {"server": server.process.pid}
                processes = {role: psutil.Process(pid) for role, pid in pids.items()}
                before, began_s = await totals(bus, processes, names), time.monotonic()
                await asyncio.sleep(seconds)
                after, took_s = await totals(bus, processes, names), time.monotonic() - began_s
                rates = {key: (after[key] - before[key]) / took_s for key in before}
                memory = {role: each.memory_info().rss / MIB for role, each in processes.items()}
                return CapacityRun(sources, rates, memory)
        finally:
            group.stop()
            server.stop()


async def totals(bus: Bus, processes: dict[str, psutil.Process], names: list[str]) -> dict[str, float]:
    """Everything counted so far, by the names of `CapacityRun.rates`."""
    out = {}
    for role, process in processes.items():
        times = process.cpu_times()
        out[f"cpu:{role}"] = times.user + times.system
    stats = await bus.redis.info("stats")
    out["bytes"] = float(stats["total_net_input_bytes"] + stats["total_net_output_bytes"])
    out["commands"] = float(stats["total_commands_processed"])
    found = [await counters(bus, each) for each in names]
    out["chunks"] = float(sum(each.get("decided", 0) for each in found))
    return out


def clip(codec: str, width: int, height: int, frames: int) -> bytes:
    """A moving picture with noise, as MP4 or AVI."""
    random, out = np.random.default_rng(1), io.BytesIO()
    scene = random.integers(0, 256, (height // 8, width // 8 + frames, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(out, "w", format="avi" if codec == "mjpeg" else "mp4") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = width * height * 4
        stream.options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
        for number in range(frames):
            grain = random.integers(0, 12, (height, width, 1), np.uint8)
            picture = scene[:height, 4 * number : 4 * number + width] // 2 + grain
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def decode_costs(frames: int = 45) -> Iterator[dict[str, object]]:
    """Milliseconds of processor time for each decoded frame, by codec and size."""
    for codec in CODECS:
        for width, height in SIZES:
            data = clip(codec, width, height, frames)
            with av.open(io.BytesIO(data)) as container:
                container.streams.video[0].thread_count = 1
                began_s, count = time.process_time(), 0
                for _ in container.decode(video=0):
                    count += 1
                took_s = time.process_time() - began_s
            row = {
                "codec": codec,
                "size": f"{width}x{height}",
                "frames": count,
                "kbit_per_frame": len(data) // 125 // count,
            }
            yield row | {"decode_ms": round(1000 * took_s / count, 2)}


async def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--few", type=int, nargs="+", default=[2, 6], help="numbers of sources that the lines come from"
    )
    parser.add_argument("--frames", choices=("raw", "jpeg"), default="raw")
    parser.add_argument("--decode", action="store_true", help="measure decoding instead")
    given = parser.parse_args(argv)
    if given.decode:
        for row in decode_costs():
            print(json.dumps(row), flush=True)
        return 0
    runs = []
    for sources in (*given.few, given.sources):
        runs.append(await measure(sources, given.seconds, given.frames))
        print(json.dumps(asdict(runs[-1])), flush=True)
        if is_starved(runs[-1]):
            due, decided = CHUNKS_PER_S * sources, runs[-1].rates["chunks"]
            print(
                f"{decided:.1f} of {due:.1f} chunks a second were decided: run this on a quiet machine", file=sys.stderr
            )
            return STARVED
    rates, memory = fit_runs(runs[:-1])
    rows = {
        row.name: {
            "predicted": round(row.predicted, 4),
            "measured": round(row.measured, 4),
            "error": round(row.error, 3),
        }
        for row in compare(rates, runs[-1])
    }
    lines = {name: asdict(line) for name, line in {**rates, **{f"mib:{k}": v for k, v in memory.items()}}.items()}
    goal = all(abs(rows[name]["error"]) <= 0.15 for name in ("cpu", "bytes", "commands"))
    print(
        json.dumps({"sources": given.sources, "frames": given.frames, "lines": lines, "rates": rows, "goal_met": goal})
    )
    return 0 if goal else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
