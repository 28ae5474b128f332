"""Selects the sampled frames. Independent of pictures and wall clocks.

`cornerman_media.timestamps` gives each frame its media time. `FrameSampler` selects the frame nearest to each tick of a
grid on that time, so that sources of 25, 29.97 and 60 FPS give chunks of the same moments.
"""

from __future__ import annotations

import math

from cornerman_media.timestamps import NOMINAL_S, believable_interval


class FrameSampler:
    """Selects frame by frame: the frame nearest to each tick of `1 / sample_fps` seconds is sampled.

    A frame belongs to a tick if it comes at most half a frame before it. No frame is repeated over a gap.

    Args:
        sample_fps: frames sampled a second of media time; of a slower source every frame is sampled.
        nominal_s: usual time between two frames, seconds.
    """

    def __init__(self, sample_fps: float, nominal_s: float = NOMINAL_S) -> None:
        if not (sample_fps > 0 and math.isfinite(sample_fps)):
            raise ValueError(f"sample_fps = {sample_fps!r}: give a finite number above 0")
        self._fps = sample_fps
        # At most a quarter of a tick early, so that a source as slow as the grid loses no frame to jitter.
        self._early_s = min(believable_interval(nominal_s) / 2, 0.25 / sample_fps)
        self._tick = -1

    def wants(self, pts_s: float) -> bool:
        """Whether the frame at this media time is sampled; call once for each frame, in order."""
        # Rounding of a product like 0.1 * 30 must not move a frame that lies exactly on the limit.
        tick = math.floor((pts_s + self._early_s) * self._fps + 1e-6)
        if tick <= self._tick:
            return False
        self._tick = tick
        return True
