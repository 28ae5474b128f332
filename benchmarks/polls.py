"""Do polls come at their interval, with all their frames? Files and live sources, several rates and intervals.

    python -m benchmarks.polls [--seconds 60] [--intervals 1,3,5] [--fps 10,25,30]

Each source is decoded by capture's own decoder: a file as fast as possible, a camera in real time, all at once. Printed
as JSON: the largest error of a poll's media time (and, live, of its arrival) against the interval, in frames and ms,
and the largest distance of a frame from its moment. The exit code is 1 if a poll is more than a frame off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from cornerman_capture.core import DecodePlan, PendingChunk
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.sources.base import DecodedFrame, FrameSource, Interrupted, StreamInfo
from cornerman_capture.sources.opening import open_source
from cornerman_common.looks import LookPlan
from cornerman_shared.clock import SystemClock
from cornerman_shared.settings.tree import CaptureSettings

FRAMES: Final = 16
WINDOW_S: Final = 4.0
SIZE: Final = (64, 36)
JITTER: Final = 0.1
"""Of a frame's interval: how late a camera's frames arrive, at most."""
SETTINGS: Final = CaptureSettings(shorter_side=32)


class Camera:
    """A camera in real time: frames at a steady rate, which arrive a little late, with its own timestamps."""

    note = ""

    def __init__(self, fps: float, seconds: float) -> None:
        self.info = StreamInfo(live=True, nominal_s=1 / fps)
        self._fps, self._count = fps, round(seconds * fps) + 1
        self._picture = av.VideoFrame.from_ndarray(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), format="rgb24")
        self._random = random.Random(round(fps))

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """Yields each frame when it is due."""
        began_s = time.monotonic()
        for number in range(self._count):
            due_s = (number + JITTER * self._random.random()) / self._fps
            time.sleep(max(0.0, began_s + due_s - time.monotonic()))
            if interrupted():
                return
            yield DecodedFrame(number / self._fps, lambda: self._picture)

    def cut_short(self) -> str:
        """Nothing is missing."""
        return ""

    def close(self) -> None:
        """Has nothing to release."""


def make_file(path: Path, fps: float, seconds: float) -> str:
    """A small film."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(round(seconds * fps) + 1):
            picture = np.full((SIZE[1], SIZE[0], 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


async def polls_of(
    opener: Callable[[], FrameSource], interval_s: float, count: int, *, live: bool
) -> list[PendingChunk]:
    """The first `count` polls of a source, as capture cuts them."""
    look = LookPlan("poll", 60.0, 0, frames=FRAMES, window_s=WINDOW_S, interval_s=interval_s)
    plan = DecodePlan(look, lossless=not live, realtime=live, loop=False, can_fail=not live)
    clock = SystemClock()
    decoder = SourceDecoder(plan, opener, SETTINGS, clock, PreviewEncoder(clock, 320, 80))
    decoder.start()
    found: list[PendingChunk] = []
    while len(found) < count and (poll := await decoder.chunks.get()) is not None:
        found.append(poll)
    decoder.stop()
    await asyncio.to_thread(decoder.join, 10.0)
    return found


def row(kind: str, fps: float, interval_s: float, seconds: float, polls: list[PendingChunk]) -> dict[str, Any]:
    """The largest errors of a source's polls; times in ms, errors also in frames of the source."""
    due_s = [WINDOW_S + n * interval_s for n in range(_count(seconds, interval_s))]
    off_s = [abs(poll.pts_s - time_s) for poll, time_s in zip(polls, due_s, strict=False)]
    moments = [
        abs(at_s - (poll.pts_s - (FRAMES - 1 - n) * WINDOW_S / FRAMES))
        for poll in polls
        for n, at_s in enumerate(poll.frame_pts_s)
    ]
    arrived = [abs(b.available_at_s - a.available_at_s - interval_s) for a, b in pairwise(polls)]
    worst_s = max(off_s, default=float("inf"))
    return {
        "source": kind,
        "fps": fps,
        "interval_s": interval_s,
        "polls": len(polls),
        "due": len(due_s),
        "first_s": round(polls[0].pts_s, 3) if polls else None,
        "worst_ms": round(1000 * worst_s, 1),
        "worst_frames": round(worst_s * fps, 2),
        "worst_moment_frames": round(max(moments, default=float("inf")) * fps, 2),
        **({"worst_arrival_ms": round(1000 * max(arrived, default=0.0), 1)} if kind == "live" else {}),
        "right": len(polls) == len(due_s) and worst_s * fps <= 1,
    }


async def measure(seconds: float, rates: list[float], intervals: list[float]) -> list[dict[str, Any]]:
    """A row for each kind of source, rate and interval."""
    cases = [(fps, interval_s) for fps in rates for interval_s in intervals]
    count = partial(_count, seconds)
    with tempfile.TemporaryDirectory() as folder:
        files = {fps: make_file(Path(folder) / f"{fps:g}.mp4", fps, seconds) for fps in rates}
        rows = [
            row(
                "file", fps, i, seconds, await polls_of(partial(open_source, files[fps], SETTINGS), i, 9999, live=False)
            )
            for fps, i in cases
        ]
    live = [polls_of(partial(Camera, fps, seconds), i, count(i), live=True) for fps, i in cases]
    for (fps, interval_s), polls in zip(cases, await asyncio.gather(*live), strict=True):
        rows.append(row("live", fps, interval_s, seconds, polls))
    return rows


def _count(seconds: float, interval_s: float) -> int:
    """Polls of so many seconds: a camera goes on, so the wait ends with the last one."""
    return int((seconds - WINDOW_S) / interval_s + 1e-6) + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--intervals", default="1,3,5")
    parser.add_argument("--fps", default="10,25,30")
    args = parser.parse_args()
    rates, intervals = ([float(part) for part in text.split(",")] for text in (args.fps, args.intervals))
    rows = asyncio.run(measure(args.seconds, rates, intervals))
    print(json.dumps({"window_s": WINDOW_S, "frames": FRAMES, "rows": rows}, indent=1))
    return 0 if all(one["right"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
