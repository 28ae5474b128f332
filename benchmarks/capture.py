"""Speed of capture: decode, sample, resize and window, beside a bare PyAV decode and OpenCV's VideoCapture + resize.

    python benchmarks/capture.py [VIDEO] [--before CHECKOUT] [--sample-fps 8] [--overlap 4] [--rounds 5] [--out FILE]

All three read the same file in this process, in turn, `rounds` times; the ratios are medians of rounds.
OpenCV gets the same task: every frame is read, those on the sampling grid are resized to shorter side 224, eight make
a chunk; `opencv_every_frame` resizes each frame, as its tutorials do. Without VIDEO a clip is made. Prints JSON: frames
a second by the wall clock, CPU milliseconds a frame (steadier on a busy machine), and the ratios.

`CHECKOUT` is a folder with an earlier commit (`git worktree add`). Its own `benchmarks/capture.py` runs its capture,
in a process beside one of ours in every round, so that no layout of earlier commits needs to be known here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from cornerman_capture.core import DecodePlan
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.sources.opening import open_source
from cornerman_capture.window import Window
from cornerman_common.looks import LookPlan
from cornerman_shared.clock import SystemClock
from cornerman_shared.settings.tree import CaptureSettings

HERE = Path(__file__).resolve().parent.parent
SIDE = 224

Task = Callable[[str, float, int], tuple[int, int]]
Row = tuple[float, float, int, int]
"""Frames a second, CPU milliseconds a frame, frames, chunks."""


def bare(path: str, sample_fps: float, overlap: int) -> tuple[int, int]:
    """Decodes with PyAV alone: (frames, 0)."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0)), 0


def opencv(path: str, sample_fps: float, overlap: int) -> tuple[int, int]:
    """OpenCV with our sampling and window: (frames, chunks)."""
    return _opencv(path, sample_fps, overlap, every_frame=False)


def opencv_every_frame(path: str, sample_fps: float, overlap: int) -> tuple[int, int]:
    """The same, resizing every frame: (frames, chunks)."""
    return _opencv(path, sample_fps, overlap, every_frame=True)


def _opencv(path: str, sample_fps: float, overlap: int, *, every_frame: bool) -> tuple[int, int]:
    capture = cv2.VideoCapture(path)
    fps = capture.get(cv2.CAP_PROP_FPS) or 30.0
    window: Window[np.ndarray] = Window(overlap)
    frames = chunks = 0
    tick = -1
    while True:
        ok, bgr = capture.read()
        if not ok:
            break
        now = int((frames / fps + 0.5 / fps) * sample_fps + 1e-6)
        frames += 1
        if now <= tick and not every_frame:
            continue
        scale = SIDE / min(bgr.shape[:2])
        size = (round(bgr.shape[1] * scale), round(bgr.shape[0] * scale))
        rgb = cv2.cvtColor(cv2.resize(bgr, size), cv2.COLOR_BGR2RGB)
        if now <= tick:
            continue
        tick = now
        held = window.push(rgb)
        if held is not None:
            np.stack(held)
            chunks += 1
    capture.release()
    return frames, chunks


def cornerman(path: str, sample_fps: float, overlap: int) -> tuple[int, int]:
    """Capture as the service runs it, with its thread and queue, up to each chunk's bytes: (frames, chunks)."""
    return asyncio.run(_cornerman(path, sample_fps, overlap))


async def _cornerman(path: str, sample_fps: float, overlap: int) -> tuple[int, int]:
    settings, clock = CaptureSettings(shorter_side=SIDE), SystemClock()
    plan = DecodePlan(LookPlan("chunk", sample_fps, overlap), lossless=True, realtime=False, loop=False, can_fail=True)
    opener = partial(open_source, path, settings)
    decoder = SourceDecoder(
        plan, opener, settings, clock, PreviewEncoder(clock, settings.display_width, settings.display_quality)
    )
    decoder.start()
    chunks = 0
    while (chunk := await decoder.chunks.get()) is not None:
        chunk.stacked()
        chunk.motion()
        chunks += 1
    decoder.join(10.0)
    if decoder.state.name != "ended":
        raise SystemExit(f"{path}: {decoder.state.name}: {decoder.state.detail}")
    return decoder.chunker.captured, chunks


def rate(run: Task, path: str, fps: float, overlap: int) -> Row:
    """Frames a second, CPU milliseconds a frame, frames, chunks."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    frames, chunks = run(path, fps, overlap)
    frames_per_s = frames / (time.perf_counter() - began_s)
    return frames_per_s, (time.process_time() - cpu_s) * 1000 / frames, frames, chunks


BEFORE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from benchmarks import capture
path, fps, overlap = sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
capture.rate(capture.cornerman, path, fps, overlap)  # warms the disk cache
print(json.dumps(capture.rate(capture.cornerman, path, fps, overlap)))
"""


def in_checkout(checkout: Path, path: str, fps: float, overlap: int) -> Row:
    """Capture of a checkout, measured in a process of its own."""
    places = [checkout, *(checkout / name for name in ("media", "shared", "services/capture", "services/gateway"))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, "-c", BEFORE, str(checkout), path, str(fps), str(overlap)]
    done = subprocess.run(command, env=environment, cwd=checkout, stdout=subprocess.PIPE, check=True, text=True)
    frames_per_s, cpu_ms, frames, chunks = json.loads(done.stdout)
    return frames_per_s, cpu_ms, frames, chunks


def ratios(ours: list[Row], theirs: list[Row]) -> dict[str, float]:
    """How many times as fast ours is, by wall clock and by CPU time: medians over rounds."""
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "frames_per_s": round(statistics.median(mine[0] / other[0] for mine, other in pairs), 3),
        "cpu": round(statistics.median(other[1] / mine[1] for mine, other in pairs), 3),
    }


def make_clip(path: Path, seconds: int = 20) -> str:
    """720p, 30 FPS, H.264: a texture that drifts under noise, so that it does not compress to nothing."""
    rng = np.random.default_rng(7)
    texture = cv2.resize(rng.integers(0, 255, (90, 160, 3), dtype=np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 24, (8, 720, 1280, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26"}
        for index in range(30 * seconds):
            picture = cv2.add(np.roll(texture, 3 * index, axis=1), noise[index % 8])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", help="file; without it a 20 s 720p clip is made")
    parser.add_argument("--before", type=Path, help="folder with an earlier commit")
    parser.add_argument("--sample-fps", type=float, default=8.0)
    parser.add_argument("--overlap", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.video or make_clip(Path(folder) / "clip.mp4")
        runs: dict[str, Task] = {
            "bare_pyav": bare,
            "opencv": opencv,
            "opencv_every_frame": opencv_every_frame,
            "cornerman": cornerman,
        }
        found: dict[str, list[Row]] = {name: [] for name in runs}
        for number in range(given.rounds + 1):
            order = list(runs)[number % len(runs) :] + list(runs)[: number % len(runs)]
            for name in order:  # each goes first in turn
                measured = rate(runs[name], path, given.sample_fps, given.overlap)
                if number > 0:  # the first round warms the disk cache
                    found[name].append(measured)
        beside: dict[str, list[Row]] = {}
        if given.before:
            checkouts = {"now": HERE, "before": given.before.resolve()}
            for number in range(given.rounds):
                for name in list(checkouts)[:: 1 if number % 2 else -1]:
                    row = in_checkout(checkouts[name], str(Path(path).resolve()), given.sample_fps, given.overlap)
                    beside.setdefault(name, []).append(row)
    wall = {name: statistics.median(row[0] for row in rows) for name, rows in found.items()}
    cpu = {name: statistics.median(row[1] for row in rows) for name, rows in found.items()}
    result = {
        "video": Path(path).name,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "pyav": av.__version__,
        "opencv": cv2.__version__,
        "frames": {name: rows[-1][2] for name, rows in found.items()},
        "chunks": {name: rows[-1][3] for name, rows in found.items()},
        "frames_per_s": {name: round(value, 1) for name, value in wall.items()},
        "cpu_ms_per_frame": {name: round(value, 3) for name, value in cpu.items()},
        "all_frames_per_s": {name: [round(row[0], 1) for row in rows] for name, rows in found.items()},
        "ratio_to": {name: ratios(found["cornerman"], found[name]) for name in runs if name != "cornerman"},
    }
    if beside:
        result["ratio_to_before"] = ratios(beside["now"], beside["before"])
        result["chunks_before"] = beside["before"][-1][3]
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
