"""Picture quality of a chunk from its pixels: brightness, and whether the camera moves. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.memory import LastUsed
from cornerman_pose.warp import Pixels

_SMALL: Final = 72
"""Pixels of the shorter side of the pictures that are compared."""

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_MARGIN: Final = 0.15
"""A person's box is enlarged by this part of its height on all sides before it is left out of the background."""

_BRIGHT: Final = 90.0
"""Percentile of luma: in good light even dark clothes before a dark wall have bright spots round them."""

_FITS_16_BITS: Final = 257
"""Bytes whose sum always fits 16 bits."""

_ROUNDS: Final = 3
_MIN_TEXTURE: Final = 1.0
_MIN_BACKGROUND: Final = 0.1


@dataclass(frozen=True, slots=True)
class PictureStats:
    """Numbers of a chunk's pixels.

    Attributes:
        light: luma that a tenth of the picture exceeds, 0..255.
        person_light: luma that a tenth of the pixels round people exceeds, 0..255; of the whole picture without people.
        camera: how fast the background moves as a whole, in shorter sides a second.
    """

    light: float
    person_light: float
    camera: float

    def packed(self) -> NDArray[np.float32]:
        """[3] for the bus."""
        return np.array([self.light, self.person_light, self.camera], np.float32)

    @classmethod
    def unpacked(cls, packed: NDArray[np.float32]) -> PictureStats:
        """The numbers that `packed` came from."""
        light, person_light, camera = (float(value) for value in packed)
        return cls(light, person_light, camera)


def picture_stats(frames: Pixels, seen: SeenChunk, moves: LastUsed[float] | None = None) -> PictureStats:
    """Numbers of a chunk's frames.

    Args:
        frames: [T, H, W, 3] RGB.
        seen: the people in them; they are left out where the camera's motion is measured.
        moves: remembers how far pairs of frames moved: half of the pairs are those of the chunk before.
    """
    step = max(1, round(min(frames.shape[1:3]) / _SMALL))
    grey = _blocks(frames, step)  # [T, h, w]
    people = _people(seen, grey.shape[1:], step)  # [T, h, w]
    light = float(np.percentile(grey[-1], _BRIGHT))
    person_light = float(np.percentile(grey[people], _BRIGHT)) if people.any() else light
    speeds = []
    for before in range(0, len(grey) - 1, 2):
        away_s = seen.frame_pts_s[before + 1] - seen.frame_pts_s[before]
        moved = _moved(grey[before : before + 2], ~(people[before] | people[before + 1]), moves)
        if away_s > 0:
            speeds.append(moved / min(grey.shape[1:]) / away_s)
    return PictureStats(light, person_light, float(np.median(speeds)) if speeds else 0.0)


def _moved(pair: NDArray[np.float32], background: NDArray[np.bool_], moves: LastUsed[float] | None) -> float:
    """`shift` of two pictures [2, h, w], remembered by all that it depends on."""
    before, after = pair
    if moves is None:
        return shift(before, after, background)
    key = pair.shape, hashlib.blake2b(pair.tobytes() + background.tobytes(), digest_size=16).digest()
    return moves.get(key, lambda: shift(before, after, background))


def shift(before: NDArray[np.float32], after: NDArray[np.float32], background: NDArray[np.bool_]) -> float:
    """How far the background moves as a whole between two pictures, pixels; 0 if that does not explain the change.

    One step of Lucas and Kanade (1981) for a single translation, repeated with the pixels that agree with it, so that
    a screen or a passer-by in the background does not count as the camera.

    Args:
        before: [h, w] luma.
        after: [h, w] luma.
        background: [h, w] pixels to look at.
    """
    first, second = _smooth(before), _smooth(after)
    mean = (first + second) / 2
    down, across = (np.asarray(np.gradient(mean, axis=axis), np.float32) for axis in (0, 1))
    use = background.copy()
    use[[0, -1]] = use[:, [0, -1]] = False
    if use.mean() < _MIN_BACKGROUND:
        return 0.0
    slopes = np.stack([across[use], down[use]], axis=1)
    change = (second - first)[use]
    weights = np.ones(len(change), np.float32)
    found: NDArray[np.floating[Any]] = np.zeros(2)
    for _ in range(_ROUNDS):
        normal = (slopes * weights[:, None]).T @ slopes
        if np.linalg.eigvalsh(normal)[0] < _MIN_TEXTURE * len(change) * 0.05:
            return 0.0
        found = np.linalg.solve(normal, -(slopes * weights[:, None]).T @ change)
        rest = np.abs(change + slopes @ found)
        scale = max(1.0, 1.5 * float(np.median(rest)))
        weights = (1 / (1 + np.square(rest / scale))).astype(np.float32)
    steep = np.square(slopes).sum(axis=1)
    clear = steep > np.quantile(steep, 0.7)
    unexplained = np.abs(change + slopes @ found)[clear].mean()
    if unexplained > 0.7 * np.abs(change)[clear].mean():
        return 0.0
    return float(np.hypot(*found))


def _blocks(frames: Pixels, step: int) -> NDArray[np.float32]:
    """Mean luma of blocks of `step` x `step` pixels."""
    height, width = frames.shape[1:3]
    rows, columns = max(1, height // step), max(1, width // step)
    high, wide = min(step, height), min(step, width)
    sums = np.stack([_block_sums(frame[: rows * high, : columns * wide], high, wide) for frame in frames])
    return (sums.astype(np.float32) @ _LUMA) / np.float32(high * wide)


def _block_sums(frame: Pixels, high: int, wide: int) -> NDArray[np.uint32]:
    """[rows, columns, 3] sums of blocks of `high` x `wide` pixels.

    Whole rows are added first, one frame at a time, so that the memory that is read lies together and stays cached.
    """
    rows, columns = frame.shape[0] // high, frame.shape[1] // wide
    narrow = np.uint16 if high <= _FITS_16_BITS else np.uint32
    tall: NDArray[Any] = frame[::high].astype(narrow)
    for down in range(1, high):
        tall += frame[down::high]
    parts = tall.reshape(rows, columns, wide, 3)
    sums = parts[:, :, 0].astype(np.uint32)
    for across in range(1, wide):
        sums += parts[:, :, across]
    return sums


def _people(seen: SeenChunk, shape: tuple[int, ...], step: int) -> NDArray[np.bool_]:
    """[T, h, w] the boxes round people."""
    mask = np.zeros((len(seen.frame_pts_s), *shape), bool)
    for row, frame in zip(*np.nonzero(seen.found), strict=True):
        points = seen.image_px[row, frame] / step
        low, high = points.min(axis=0), points.max(axis=0)
        margin = _MARGIN * (high[1] - low[1])
        (left, top), (right, bottom) = np.maximum(low - margin, 0).astype(int), np.maximum(high + margin, 0).astype(int)
        mask[frame, top : bottom + 1, left : right + 1] = True
    return mask


def _smooth(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Binomial blur over 5 x 5 pixels: gradients then reach as far as pictures move."""
    done = picture
    for axis in (0, 1):
        for _ in range(2):
            done = ((2 * done + np.roll(done, 1, axis) + np.roll(done, -1, axis)) / 4).astype(np.float32)
    return done
