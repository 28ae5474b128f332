"""What does the gateway cost while nobody watches, and is any JPEG made?

    python -m benchmarks.gateway_idle [--seconds 30]

Runs the demo with fake models and no browser, then with one viewer for as long, and prints one JSON object.
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

from tests.e2e.demo_process import FAKES, Demo, demo


async def measure(house: Demo, seconds: float) -> dict[str, Any]:
    """Idle, then watched."""
    gateway, capture = house.child("gateway"), house.child("capture")
    await asyncio.sleep(8.0)
    idle = await _cost(seconds, gateway, capture)
    pictures = 0

    async def watch() -> None:
        nonlocal pictures
        url = f"{house.url}/api/sources/demo/video.mjpeg"
        async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", url) as response:
            async for piece in response.aiter_bytes():
                pictures += piece.count(b"--cornerman-frame")

    watching = asyncio.create_task(watch())
    await asyncio.sleep(3.0)
    pictures = 0
    watched = await _cost(seconds, gateway, capture)
    fps = pictures / seconds
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
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
    parser = argparse.ArgumentParser(description="The gateway's cost with nobody watching.")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, demo(Path(name), FAKES) as house:
        found = asyncio.run(measure(house, given.seconds))
    print(json.dumps(found))
    return 0 if found["idle_gateway_cpu_percent"] < 2.0 else 1


if __name__ == "__main__":
    sys.exit(main())
