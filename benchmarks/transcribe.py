"""`cornerman transcribe` beside `cornerman run --lossless`, on the same video with the bundled coach.

    python -m benchmarks.transcribe [--seconds 60] [--rounds 2]

The bundled clip is repeated up to the given length. Each command runs as a user starts it, loading included, and they
take turns. Prints one JSON object: seconds of video a second of time (`times_realtime`, goal: above 1), processor time
and `ratio`, the time of `run` over that of `transcribe`.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cornerman.local.demo_clip import demo_clip
from cornerman_media.reader import open_video
from cornerman_media.writer import VideoWriter, WriteOptions


def repeated(target: Path, seconds: float) -> None:
    """Writes the bundled clip, again and again, until the film is `seconds` long."""
    clip, _ = demo_clip()
    with VideoWriter(target, WriteOptions(codec_options={"preset": "veryfast"})) as writer:
        begin_s = 0.0
        while begin_s < seconds:
            with open_video(Path(clip)) as video:
                for frame in video:
                    if begin_s + frame.time_s < seconds:
                        writer.write(frame.rgb(), begin_s + frame.time_s)
                begin_s += video.end_s


def timed(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Seconds by the clock and of processor time of one command."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "cornerman", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began_s, spent_s


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args(argv)
    found: dict[str, list[tuple[float, float]]] = {"transcribe": [], "run": []}
    with tempfile.TemporaryDirectory(prefix="cornerman-") as name:
        folder = Path(name)
        film = folder / "film.mp4"
        repeated(film, given.seconds)
        for _ in range(given.rounds):
            found["transcribe"].append(timed(["transcribe", str(film), "-o", str(folder / "words.vtt")], folder))
            own = ["--set", f"runtime.dir={folder / 'run'}"]
            found["run"].append(timed(["run", str(film), "--lossless", "--json", *own], folder))
    rows = {
        name: {
            "wall_s": round(statistics.median(wall_s for wall_s, _ in runs), 2),
            "cpu_s": round(statistics.median(spent_s for _, spent_s in runs), 2),
            "times_realtime": round(given.seconds / statistics.median(wall_s for wall_s, _ in runs), 2),
        }
        for name, runs in found.items()
    }
    ratio = round(rows["run"]["wall_s"] / rows["transcribe"]["wall_s"], 2)
    print(json.dumps({"video_s": given.seconds, "rounds": given.rounds, **rows, "ratio": ratio}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
