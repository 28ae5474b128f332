"""`test://pattern`: a generated moving picture, equal for equal URLs, for tests and trials.

A coloured texture drifts and a bright square bounces over it; both depend only on `seed` and the frame's number.
Options: `fps` (30), `seconds` (10; 0 = no end), `size` (640x360), `seed` (1), `vfr` (0; 1 = uneven timestamps).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from numpy.typing import NDArray

from cornerman_capture.sources.base import DecodedFrame, StreamInfo
from cornerman_capture.sources.pattern_options import PatternOptions

if TYPE_CHECKING:
    from cornerman_capture.sources.address import Address
    from cornerman_capture.sources.base import Interrupted

UNEVEN: Final = 0.4
"""With `vfr`, each timestamp is shifted by up to this part of a frame interval."""


class PatternSource:
    """An open test pattern."""

    note = ""

    def __init__(self, address: Address) -> None:
        """Parses the options.

        Raises:
            BrokenError: final; an option is wrong.
        """
        options = PatternOptions.of(address)
        self._fps, self._uneven, self._seed = options.fps, options.uneven, options.seed
        self._length = round(options.seconds * options.fps) if options.seconds else None
        self._width, self._height = options.width, options.height
        self._texture = _texture(self._seed, self._width, self._height)
        self.info = StreamInfo(live=False, nominal_s=1 / self._fps, duration_s=options.seconds or None)

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """See `FrameSource.frames`."""
        for index in itertools.count() if self._length is None else range(self._length):
            if interrupted():
                return
            yield DecodedFrame(self._time_of(index), partial(self._frame, index))

    def cut_short(self) -> str:
        """A pattern is whole."""
        return ""

    def close(self) -> None:
        """Does nothing: the pattern holds no resources."""

    def _time_of(self, index: int) -> float:
        if not self._uneven or index == 0:
            return index / self._fps
        off = np.random.default_rng((self._seed, index)).uniform(-UNEVEN, UNEVEN)
        return (index + float(off)) / self._fps

    def _frame(self, index: int) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(self.pixels(index), format="rgb24")

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Frame number `index`, [H, W, 3]."""
        height, width = self._height, self._width
        time_s = index / self._fps
        drift = int(time_s * width / 8) % width
        pixels = np.roll(self._texture, drift, axis=1)
        side = max(2, min(height, width) // 4)
        x = _bounce(time_s * width * 0.37 + self._seed * 17, width - side)
        y = _bounce(time_s * height * 0.61 + self._seed * 29, height - side)
        pixels[y : y + side, x : x + side] = (250, 240, 60)
        return pixels


def _texture(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """A smooth coloured field whose left and right edges match, [H, W, 3]."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 2 * np.pi, width, endpoint=False)[None, :, None]
    y = np.linspace(0, 2 * np.pi, height, endpoint=False)[:, None, None]
    waves = rng.integers(1, 5, size=(2, 3))
    phases = rng.uniform(0, 2 * np.pi, size=(2, 3))
    field = np.sin(waves[0] * x + phases[0]) + np.cos(waves[1] * y + phases[1])
    texture: NDArray[np.uint8] = (128 + 50 * field).astype(np.uint8)
    return texture


def _bounce(position: float, room: int) -> int:
    """Position of a point that moves back and forth over `room` pixels."""
    if room <= 0:
        return 0
    offset = position % (2 * room)
    return int(offset if offset <= room else 2 * room - offset)
