"""Cost of the gateway without viewers, and with one.

    python -m benchmarks.gateway_idle [--seconds 30]

Runs the demo with fake models and no browser, then with one viewer for the same time, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import psutil

from cornerman_shared.aio import background
from tests.e2e.demo_process import FAKES, Demo, demo


async def measure(running: Demo, seconds: float) -> dict[str, Any]:
    """Processor use of gateway and capture: idle, then with a viewer."""
    gateway, capture = running.child("gateway"), running.child("capture")
    await asyncio.sleep(8.0)
    idle = await _cost(seconds, gateway, capture)
    pictures = 0

    async def watch() -> None:
        nonlocal pictures
        url = f"{running.url}/api/sources/demo/video.mjpeg"
        async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", url) as response:
            async for piece in response.aiter_bytes():
                pictures += piece.count(b"--cornerman-frame")

    async with background(watch()):
        await asyncio.sleep(3.0)
        pictures = 0
        watched = await _cost(seconds, gateway, capture)
        fps = pictures / seconds
    return {
        "idle_gateway_cpu_percent": idle[0],
        "idle_capture_cpu_percent": idle[1],
        "watched_gateway_cpu_percent": watched[0],
        "watched_capture_cpu_percent": watched[1],
        "watched_fps": round(fps, 1),
    }


async def _cost(seconds: float, *processes: psutil.Process) -> list[float]:
    for process in processes:
        process.cpu_percent()
    await asyncio.sleep(seconds)
    return [process.cpu_percent() for process in processes]


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of the gateway without viewers, and with one.")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, demo(Path(name), FAKES) as running:
        found = asyncio.run(measure(running, given.seconds))
    print(json.dumps(found))
    return 0 if found["idle_gateway_cpu_percent"] < 2.0 else 1


if __name__ == "__main__":
    sys.exit(main())
