"""Mutated media in a process of its own: no crash, no hang, bounded memory.

    python -m tests.media_fuzz [--files 2000] [--seed N] [--keep FOLDER]

Each file is a film of some container with flipped bits, cut ends, swapped, doubled or zeroed pieces, or boxes of other
sizes. A worker reads it, measures it and writes it again; it may refuse it with a `MediaError`. A worker that dies,
takes longer than `FILE_S` or grows beyond `MEMORY_BYTES` is a failure: the file is kept, and the seed is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

FILE_S: Final = 20.0
"""One file takes this long at most, seconds."""

MEMORY_BYTES: Final = 500 << 20
"""A worker's memory grows by this much at most."""

_STARTS_S: Final = 60.0

Mutation = Callable[[bytearray, random.Random], bytearray]


@dataclass
class Tally:
    """What became of the files."""

    seed: int
    files: int = 0
    read: int = 0
    refused: int = 0
    largest_bytes: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def flip(data: bytearray, rng: random.Random) -> bytearray:
    """Flips bits, few or many."""
    for _ in range(rng.choice([1, 4, 32, max(1, len(data) // 50)])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def flip_head(data: bytearray, rng: random.Random) -> bytearray:
    """Flips bits where headers are."""
    for _ in range(rng.choice([1, 3, 10])):
        data[rng.randrange(min(len(data), 600))] ^= 1 << rng.randrange(8)
    return data


def cut(data: bytearray, rng: random.Random) -> bytearray:
    """Leaves out the end."""
    return data[: rng.randrange(1, len(data))]


def remove(data: bytearray, rng: random.Random) -> bytearray:
    """Leaves out a piece."""
    first, last = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:first] + data[min(last, first + len(data) // 4) :] or data


def swap(data: bytearray, rng: random.Random) -> bytearray:
    """Two pieces change places."""
    length = rng.randrange(1, max(2, len(data) // 4))
    one, other = rng.randrange(len(data) - length + 1), rng.randrange(len(data) - length + 1)
    held = data[one : one + length]
    data[one : one + length] = data[other : other + length]
    data[other : other + length] = held
    return data


def double(data: bytearray, rng: random.Random) -> bytearray:
    """A piece comes twice."""
    first = rng.randrange(len(data))
    last = first + rng.randrange(1, max(2, len(data) // 4))
    return data[:last] + data[first:]


def zero(data: bytearray, rng: random.Random) -> bytearray:
    """A piece is zeros, as on a disk that lost it."""
    first = rng.randrange(len(data))
    last = min(len(data), first + rng.randrange(1, max(2, len(data) // 4)))
    data[first:last] = bytes(last - first)
    return data


def resize_number(data: bytearray, rng: random.Random) -> bytearray:
    """A field of four bytes says something extreme."""
    at = rng.randrange(max(1, len(data) - 4))
    value = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, len(data), 0xFFFF])
    data[at : at + 4] = value.to_bytes(4, rng.choice(["big", "little"]))
    return data


def resize_box(data: bytearray, rng: random.Random) -> bytearray:
    """An MP4 box, found by its name, says another size; or two boxes change names."""
    names = [
        b"moov",
        b"trak",
        b"mdat",
        b"stts",
        b"ctts",
        b"stsz",
        b"stco",
        b"elst",
        b"tkhd",
        b"avc1",
        b"avcC",
        b"moof",
        b"trun",
    ]
    found = [at for name in names if (at := data.find(name)) >= 4]
    if not found:
        return resize_number(data, rng)
    at = rng.choice(found)
    if rng.random() < 0.3:
        data[at : at + 4] = rng.choice(names)
    else:
        data[at - 4 : at] = rng.choice([0, 1, 8, 9, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(1 << 16)]).to_bytes(4, "big")
    return data


MUTATIONS: Final[list[Mutation]] = [flip, flip_head, cut, remove, swap, double, zero, resize_number, resize_box]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to three mutations, one after the other."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        out = rng.choice(MUTATIONS)(out, rng) if len(out) > 16 else out
    return bytes(out)


def films(folder: Path) -> list[Path]:
    """One film of each kind, whole."""
    from tests.unit.media import muxers
    from tests.unit.media.films import Film, encoded, jpeg, steady, write

    b_frames = {"bf": "2", "g": "12"}
    times, sound = steady(36), (0.0, 1.2)
    cfr = {"tick": Fraction(1, 30)}
    made = [
        write(folder / "a.mp4", Film(times, codec_options=b_frames, audio_s=sound)),
        write(folder / "b.mp4", Film(times, codec_options=b_frames, turn=90, muxer_options={"movflags": "+faststart"})),
        write(
            folder / "c.mp4",
            Film(times, muxer_options={"movflags": "+frag_keyframe+empty_moov"}, codec_options={"g": "9"}),
        ),
        write(folder / "d.mkv", Film(times, codec_options=b_frames, audio_s=sound, audio_codec="pcm_s16le")),
        write(
            folder / "e.webm",
            Film(times, codec="libvpx", codec_options={"deadline": "realtime"}, tick=Fraction(1, 1000)),
        ),
        write(folder / "f.ts", Film(times, codec_options=b_frames, audio_s=sound)),
        write(folder / "g.avi", Film(times, codec_options=b_frames, **cfr)),
        write(folder / "h.flv", Film(times, codec_options=b_frames, tick=Fraction(1, 1000))),
        write(folder / "i.h264", Film(times, codec_options=b_frames, **cfr), format="h264"),
        write(folder / "j.mov", Film(times, codec="mjpeg", pixel_format="yuvj420p")),
        write(folder / "k.mpg", Film(steady(36, 25), codec="mpeg2video", rate=Fraction(25), tick=Fraction(1, 25))),
        write(folder / "l.mkv", Film(times, codec="ffv1")),
        write(
            folder / "m.gif", Film(times, codec="gif", pixel_format="rgb8", tick=Fraction(1, 100), rate=Fraction(25))
        ),
    ]
    avcc, samples = encoded(Film(times, codec_options=b_frames))
    byhand = {
        "n.mp4": muxers.fragments(avcc, (64, 48), samples, 8),
        "o.mov": muxers.progressive(avcc, (64, 48), samples, edits=[(0.5, -1), (1.0, 0.1)], matrix=muxers.TURNED),
        "p.avi": muxers.camera_avi([jpeg(number) for number in range(20)], (64, 48), 15),
        "q.mjpeg": b"".join(jpeg(number) for number in range(20)),
    }
    for name, data in byhand.items():
        (folder / name).write_bytes(data)
    return [*made, *(folder / name for name in byhand)]


class Worker:
    """A process that reads one file after the other; killed and started again when one is too much for it."""

    def __init__(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.media_fuzz", "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        ready = self._line(_STARTS_S)
        if ready is None:
            raise RuntimeError("the worker does not start; run `python -m tests.media_fuzz --worker` to see why")

    def file(self, path: Path) -> dict[str, object] | str:
        """What became of a file; text = why it is a failure, and the worker is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        line = self._line(FILE_S)
        if line is None:
            self.close()
            code = self._process.returncode
            return f"longer than {FILE_S:g} s" if code == -9 else f"the process died ({code})"
        found: dict[str, object] = json.loads(line)
        return found

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _line(self, limit_s: float) -> str | None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], limit_s)[0]:
            return None
        return self._process.stdout.readline() or None


def work() -> None:
    """The worker: paths in, one JSON line out for each."""
    import av.logging

    av.logging.set_level(None)
    with tempfile.TemporaryDirectory() as folder:
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(_one(Path(line.rstrip("\n")), Path(folder) / "out.mp4")), flush=True)


def _one(path: Path, out: Path) -> dict[str, object]:
    from cornerman_media.errors import MediaError
    from cornerman_media.length import length_s
    from cornerman_media.reader import open_video
    from cornerman_media.rewriting import rewrite

    began_s = time.monotonic()
    result: dict[str, object] = {"frames": 0, "refused": "", "error": ""}
    last_s = -1.0
    try:
        length_s(path)
        frames = 0
        with open_video(path) as video:
            for frame in video:
                if not frame.time_s > last_s:
                    result["error"] = f"time does not rise: {frame.time_s} after {last_s}"
                last_s = frame.time_s
                if frames % 10 == 0:
                    frame.rgb((32, 24))
                frames += 1
            video.cut_short()
        result["frames"] = frames
        written = rewrite(path, out, lambda _: None, codec_options={"preset": "ultrafast"})
        if written.frames != frames:
            result["error"] = f"{written.frames} frames written of {frames} read"
    except MediaError as error:
        result["refused"] = str(error)
    except Exception as error:
        result["error"] = repr(error)
    if result["refused"] and out.exists():
        result["error"] = "a film is left after a refusal"
    strays = [one.name for one in out.parent.iterdir() if one != out]
    if strays:
        result["error"] = f"left behind: {strays}"
    out.unlink(missing_ok=True)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return result | {
        "peak_bytes": rss * 1024 if sys.platform != "darwin" else rss,
        "took_s": time.monotonic() - began_s,
    }


def fuzz(files: int, seed: int, keep: Path | None = None) -> Tally:
    """Tries `files` mutated films; the same seed makes the same files."""
    tally = Tally(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = films(folder)
        worker = Worker()
        baseline: int | None = None
        try:
            for number in range(files):
                rng = random.Random(f"{seed}:{number}")
                source = whole[number % len(whole)]
                path = folder / f"{number}-{source.name}"
                path.write_bytes(mutated(source.read_bytes(), rng) if number >= len(whole) else source.read_bytes())
                found = worker.file(path)
                tally.files += 1
                problem = _judged(tally, found, baseline)
                if not isinstance(found, str):
                    baseline = baseline or int(str(found["peak_bytes"]))
                if problem:
                    tally.failures.append(f"{path.name}: {problem} (--seed {seed}, file {number})")
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / path.name).write_bytes(path.read_bytes())
                    worker.close()
                    worker = Worker()
                path.unlink()
        finally:
            worker.close()
    return tally


def _judged(tally: Tally, found: dict[str, object] | str, baseline: int | None) -> str:
    """Counts a file; text = why it is a failure."""
    if isinstance(found, str):
        return found
    grown = max(0, int(str(found["peak_bytes"])) - (baseline or int(str(found["peak_bytes"]))))
    tally.largest_bytes = max(tally.largest_bytes, grown)
    tally.slowest_s = max(tally.slowest_s, float(str(found["took_s"])))
    tally.refused += bool(found["refused"])
    tally.read += not found["refused"]
    if found["error"]:
        return str(found["error"])
    return f"memory grew by {grown >> 20} MiB" if grown > MEMORY_BYTES else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--keep", type=Path, default=None, help="folder for files that fail")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work()
        return 0
    seed = given.seed if given.seed is not None else secrets.randbelow(1 << 31)
    print(f"seed {seed}", flush=True)
    began_s = time.monotonic()
    tally = fuzz(given.files, seed, given.keep)
    print(
        f"{tally.files} files in {time.monotonic() - began_s:.0f} s: {tally.read} read, {tally.refused} refused, "
        f"{len(tally.failures)} failed; slowest {tally.slowest_s:.1f} s, "
        f"memory grew by {tally.largest_bytes >> 20} MiB at most"
    )
    print("\n".join(tally.failures), end="\n" if tally.failures else "")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
