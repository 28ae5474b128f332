"""Framing: which part of the frames a model of pictures gets to see. Serving and fine-tuning use the same code.

Such a model squeezes frames into a square for one tower and takes the middle square for the other, so a body that
reaches beyond the middle is cut. A square that is cut here is read whole by both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from cornerman_pose.errors import PoseError
from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.subject import follow
from cornerman_pose.warp import Pixels

if TYPE_CHECKING:
    from cornerman_pose.estimator import PoseEstimator

Framing = Literal["middle", "person", "whole"]
"""`middle`: frames as they are, the published way. `person`: the square round the person. `whole`: all of the picture,
in a square with black bars."""

FRAMING_FILE: Final = "framing.json"
"""In an adapter's folder: how the frames were framed that it was trained on."""

Square = tuple[int, int, int]
"""Left, top and side, pixels; may reach beyond the picture."""

_VISIBLE: Final = 0.3
_MARGIN: Final = 0.15
"""Landmarks end at eyes and knuckles: the box round them grows by this part of its longer side, on each side."""

_STEP: Final = 16
"""Pixels that place and side are rounded to, so that the square does not tremble from chunk to chunk."""


def whole_square(height: int, width: int) -> Square:
    """The smallest square round a picture, centred on it."""
    side = max(height, width)
    return (width - side) // 2, (height - side) // 2, side


def person_square(seen: SeenChunk) -> Square | None:
    """One square for all frames, round everything that is seen of the person that the chunk puts first.

    None = no person is seen. It is no larger than the square round the picture, and lies in the picture where it fits.
    """
    row = follow(seen)[0].row
    if row is None:
        return None
    height, width = seen.size_px
    clear = (seen.visibility[row] >= _VISIBLE) & (seen.presence[row] > 0)[:, None]  # [T, 33]
    if not clear.any():
        return None
    points = np.clip(seen.image_px[row][clear], 0, (width - 1, height - 1))  # [N, 2]
    low, high = points.min(axis=0), points.max(axis=0)
    longest = float((high - low).max()) * (1 + 2 * _MARGIN)
    side = min(max(height, width), int(np.ceil(longest / _STEP)) * _STEP)
    if side < _STEP:
        return None
    middle = (low + high) / 2
    left, top = (_placed(float(at) - side / 2, side, most) for at, most in zip(middle, (width, height), strict=True))
    return left, top, side


def cut(frames: Pixels, square: Square) -> Pixels:
    """The square of every frame, pixel by pixel; black where the picture ends.

    Args:
        frames: [T, H, W, 3].
        square: of all of them.

    Returns:
        [T, side, side, 3].
    """
    left, top, side = square
    height, width = frames.shape[1:3]
    done = np.zeros((len(frames), side, side, 3), np.uint8)
    rows, columns = slice(max(0, top), min(height, top + side)), slice(max(0, left), min(width, left + side))
    part = frames[:, rows, columns]
    down, across = rows.start - top, columns.start - left
    done[:, down : down + part.shape[1], across : across + part.shape[2]] = part
    return done


class Framer:
    """Cuts the frames of a look; what it cuts depends on these frames alone.

    Args:
        framing: which part.
        estimator: finds the person; needed for `person`.
    """

    def __init__(self, framing: Framing = "middle", estimator: PoseEstimator | None = None) -> None:
        self.framing = framing
        self._estimator = estimator

    @classmethod
    def load(cls, framing: Framing) -> Framer:
        """With the pinned weights where a person has to be found.

        Raises:
            PoseError: LiteRT or the weights are missing, or the framing is unknown; says what to do.
        """
        if framing not in get_args(Framing):
            raise PoseError(f"framing = {framing!r}: expected one of {', '.join(get_args(Framing))}")
        if framing != "person":
            return cls(framing)
        from cornerman_pose.estimator import PoseEstimator  # LiteRT, which only this framing needs

        return cls(framing, PoseEstimator.load())

    def framed(self, frames: Pixels, frame_pts_s: Sequence[float]) -> Pixels:
        """The part that a model gets to see; the whole picture where no person is found.

        Args:
            frames: [T, H, W, 3] RGB.
            frame_pts_s: [T] media time of each frame, seconds.

        Raises:
            PoseError: another number of times than of frames.
        """
        if self.framing == "middle":
            return frames
        square = person_square(self._estimator.estimate(frames, frame_pts_s)) if self._estimator else None
        return cut(frames, square or whole_square(*frames.shape[1:3]))


def _placed(begin: float, side: int, length: int) -> int:
    """Where a side begins: inside the picture, or centred on it where it is longer."""
    if side >= length:
        return (length - side) // 2
    return min(max(0, round(begin / _STEP) * _STEP), length - side)
