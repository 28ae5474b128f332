"""Sync error of feedback: |text time - picture time| at the first word, measured in a real browser.

    python -m benchmarks.gateway_sync [--wall] [--seconds 90] [--set generator.echo_delay_ms=20 …]

Runs `cornerman demo` with the bundled clip and model, opens the page in Chromium, and prints one JSON object. The peer
in the same run is the error without the picture delay: the latency itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.browser import browser, page_of
from tests.e2e.demo_process import Demo, demo

GOAL_MS = {"median": 150.0, "p95": 300.0}
WALL_GOAL_MS = {"median": 150.0, "p95": 150.0}
VIEWS = {
    False: ("#/s/demo", "cornerman.sync.samples", "cornerman.picture.drawn"),
    True: ("#/", "cornerman.tiles.get('demo').sync.samples", "cornerman.tiles.get('demo').picture?.drawn ?? 0"),
}
"""With the wall or without -> view, its samples, the pictures that it has drawn."""


async def measure(running: Demo, seconds: float, wall: bool = False) -> dict[str, Any]:
    """Watches the demo for `seconds`, as the source's view or as a tile of the wall."""
    view, samples_of, drawn_of = VIEWS[wall]
    async with browser() as opened, page_of(opened) as watched:
        await watched.page.goto(f"{running.url}/{view}")
        await watched.page.wait_for_timeout(seconds * 1000)
        samples = await watched.page.evaluate(samples_of)
        drawn = await watched.page.evaluate(drawn_of)
        source = running.get("/api/sources/demo")
    errors = sorted(abs(sample["error_ms"]) for sample in samples)
    latencies = [sample["latency_ms"] for sample in samples]
    conditions = {"strategy": source["speak"]["strategy"], "captured": source["counters"].get("captured", 0)}
    conditions["dropped"] = {name: n for name, n in source["counters"].items() if name.startswith("dropped:")}
    conditions["load"] = os.getloadavg()[0]
    if not errors:
        return {**conditions, "n": 0, "drawn_fps": drawn / seconds}
    return {
        **conditions,
        "n": len(errors),
        "error_ms": {"median": statistics.median(errors), "p95": _p95(errors), "largest": errors[-1]},
        "without_delay_ms": {"median": statistics.median(latencies), "p95": _p95(sorted(latencies))},
        "delay_ms": {"median": statistics.median(sample["delay_ms"] for sample in samples)},
        "held_ms": {"median": statistics.median(sample["held_ms"] for sample in samples)},
        "drawn_fps": drawn / seconds,
        "samples": samples,
    }


def _p95(ordered: list[float]) -> float:
    return ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Word time against picture time, in a browser.")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="settings of the demo")
    parser.add_argument("--samples", action="store_true", help="also print every sample")
    parser.add_argument("--wall", action="store_true", help="measure a tile of the wall")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, demo(Path(name), given.set) as running:
        found = asyncio.run(measure(running, given.seconds, given.wall))
    if not given.samples:
        found.pop("samples", None)
    print(json.dumps(found))
    if not found["n"]:
        print("nothing was said while watching; watch for longer", file=sys.stderr)
        return 1
    errors, goal = found["error_ms"], WALL_GOAL_MS if given.wall else GOAL_MS
    return 0 if errors["median"] <= goal["median"] and errors["p95"] <= goal["p95"] else 1


if __name__ == "__main__":
    sys.exit(main())
