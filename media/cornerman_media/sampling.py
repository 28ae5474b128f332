"""Some frames of a file: spread evenly over it, or at a fixed rate up to a moment. For asking about it once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cornerman_media.length import measure
from cornerman_media.reader import MediaFrame, open_video

_EARLY_S = 1e-6


def spread(path: Path, count: int) -> NDArray[np.uint8]:
    """`count` frames evenly spread over a file, the first and the last among them; [count, H, W, 3] RGB, upright.

    A video of fewer frames gives some of them twice; frames of another size than the first are scaled to it.

    Raises:
        UnreadableError, NoVideoError: of the file.
    """
    guess = measure(path).frames
    wanted = set(_places(guess, count))
    kept: dict[int, NDArray[np.uint8]] = {}
    total = 0
    size: tuple[int, int] | None = None
    with open_video(path) as video:
        for number, frame in enumerate(video):
            total = number + 1
            size = size or frame.size
            if number in wanted:
                kept[number] = frame.rgb(size)
    if total == guess:
        return np.stack([kept[place] for place in _places(total, count)])
    return _spread_again(path, total, count)  # damaged: fewer frames came out than packets went in


def sampled(path: Path, fps: float, until_s: float | None = None) -> Iterator[MediaFrame]:
    """Frames of a file at most `fps` a second of media time, up to and with those at `until_s`.

    Raises:
        UnreadableError, NoVideoError: of the file.
    """
    due_s = 0.0
    with open_video(path) as video:
        for frame in video:
            if until_s is not None and frame.time_s > until_s:
                return
            if frame.time_s + _EARLY_S < due_s:
                continue
            due_s += 1.0 / fps
            yield frame


def newest(path: Path, fps: float, until_s: float, most: int, shorter_side: int) -> list[NDArray[np.uint8]]:
    """The last `most` sampled frames before a moment, [H, W, 3] each, shorter side as given, in time order."""
    held: deque[NDArray[np.uint8]] = deque(maxlen=most)
    for frame in sampled(path, fps, until_s):
        held.append(frame.rgb(with_shorter_side(frame.size, shorter_side)))
    return list(held)


def with_shorter_side(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) of the same shape, shorter side `side` pixels."""
    factor = side / min(size)
    return max(side, round(size[0] * factor)), max(side, round(size[1] * factor))


def _spread_again(path: Path, total: int, count: int) -> NDArray[np.uint8]:
    wanted = set(_places(total, count))
    with open_video(path) as video:
        frames = iter(video)
        first = next(frames)
        size = first.size
        kept = {0: first.rgb()}
        kept |= {number: frame.rgb(size) for number, frame in enumerate(frames, 1) if number in wanted}
    return np.stack([kept[place] for place in _places(total, count)])


def _places(total: int, count: int) -> list[int]:
    places: list[int] = np.linspace(0, max(0, total - 1), count).round().astype(int).tolist()
    return places
