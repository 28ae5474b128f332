"""What a reader makes of a file, for comparing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cornerman_media.length import measure
from cornerman_media.reader import open_video
from tests.unit.media.films import is_upright, number_of


@dataclass(frozen=True)
class Found:
    """A film as read."""

    numbers: list[int]
    times_s: list[float]
    size: tuple[int, int]
    upright: bool
    start_s: float
    end_s: float
    broken: int
    cut_short: str


def read(path: Path) -> Found:
    """Reads a film of numbered pictures to its end; its length must also be what a pass over its packets finds."""
    numbers, times = [], []
    upright = True
    with open_video(path) as video:
        for frame in video:
            picture = frame.rgb()
            assert picture.shape[1::-1] == frame.size
            numbers.append(number_of(picture))
            times.append(frame.time_s)
            upright = upright and is_upright(picture)
            size = frame.size
        return Found(numbers, times, size, upright, video.start_s, video.end_s, video.broken_packets, video.cut_short())


def read_and_measure(path: Path) -> Found:
    """The same, and the length by packets must agree."""
    found = read(path)
    length = measure(path)
    assert length.frames == len(found.numbers)
    assert abs(length.length_s - found.end_s) < 1e-6
    return found
