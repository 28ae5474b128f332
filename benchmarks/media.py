"""Speed of the media reader, beside a bare PyAV decode and beside the reader of an earlier commit.

    python benchmarks/media.py [VIDEO] [--before CHECKOUT] [--rounds 7] [--out FILE]

Each measurement decodes the whole file in its own process, in turn; the ratios are medians of rounds. `CHECKOUT` is a
folder with an earlier commit (`git worktree add`) that has a media layer. Prints JSON. Without VIDEO a clip is made.
"""

from __future__ import annotations

import argparse
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
from pathlib import Path

import av
import numpy as np

HERE = Path(__file__).resolve().parent.parent


def reader(path: str) -> int:
    """Reads every frame with its media time through the media layer."""
    from cornerman_media.reader import open_video

    with open_video(path) as video:
        return sum(frame.time_s >= 0 for frame in video)


def bare(path: str) -> int:
    """Decodes with PyAV alone."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def before(path: str) -> int:
    """The same with the media layer of the checkout that this process runs in."""
    try:
        return reader(path)
    except ImportError as error:
        raise SystemExit(
            f"--before: that commit has no media layer ({error}); use benchmarks/capture.py --before"
        ) from None


TASKS: dict[str, Callable[[str], int]] = {"reader": reader, "bare": bare, "before": before}


def measured(name: str, path: str, checkout: Path) -> tuple[float, float, int]:
    """Runs one task in its own process: (frames a second, CPU milliseconds a frame, frames)."""
    places = [checkout, checkout / "media", checkout / "shared", checkout / "services" / "capture"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, str(Path(__file__).resolve()), path, "--task", name]
    done = subprocess.run(command, env=environment, cwd=checkout, stdout=subprocess.PIPE, check=True, text=True)
    row = json.loads(done.stdout)
    return row["frames_per_s"], row["cpu_ms"], row["frames"]


def run_task(name: str, path: str) -> None:
    """Runs a task twice in this process and prints the second measurement; the first warms the disk cache."""
    TASKS[name](path)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    frames = TASKS[name](path)
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    print(json.dumps({"frames_per_s": frames / wall_s, "cpu_ms": cpu_s * 1000 / frames, "frames": frames}))


def make_clip(path: Path, frames: int = 450) -> str:
    """720p, 30 FPS, H.264: a texture that drifts, so that it does not compress to nothing."""
    rng = np.random.default_rng(7)
    texture = np.kron(rng.integers(0, 255, (90, 160, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "veryfast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for index in range(frames):
            picture = np.roll(texture, (index, 3 * index), axis=(0, 1)) // 2 + rng.integers(0, 12, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", nargs="?", help="file; without it a 15 s 720p clip is made")
    parser.add_argument("--before", type=Path, help="folder with an earlier commit")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        run_task(given.task, given.video)
        return 0
    places = {"reader": HERE, "bare": HERE} | ({"before": given.before.resolve()} if given.before else {})
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(given.video).resolve()) if given.video else make_clip(Path(folder) / "clip.mp4")
        rows: dict[str, list[tuple[float, float, int]]] = {name: [] for name in places}
        for number in range(given.rounds):
            names = list(places)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                rows[name].append(measured(name, path, places[name]))
    result = {
        "video": Path(path).name,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "pyav": av.__version__,
        "frames": {name: found[-1][2] for name, found in rows.items()},
        "frames_per_s": {name: round(statistics.median(row[0] for row in found), 1) for name, found in rows.items()},
        "reader_to": {
            name: {
                "frames_per_s": round(_ratio(rows["reader"], found, 0), 3),
                "cpu": round(1 / _ratio(rows["reader"], found, 1), 3),
            }
            for name, found in rows.items()
            if name != "reader"
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    return 0


def _ratio(ours: list[tuple[float, float, int]], theirs: list[tuple[float, float, int]], column: int) -> float:
    return statistics.median(mine[column] / other[column] for mine, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    sys.exit(main())
