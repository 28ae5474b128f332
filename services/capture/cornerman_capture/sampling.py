"""Computes the media time of frames and selects the sampled ones. Independent of pictures and wall clocks.

Timestamps of a source may be missing, repeated, jump or run backwards. `Timeline` maps them to a media time that starts
at 0 and strictly rises. `FrameSampler` selects the frame nearest to each tick of a grid on that time, so that sources
of 25, 29.97 and 60 FPS give chunks of the same moments.
"""

from __future__ import annotations

import math
from typing import Final

NOMINAL_S: Final = 1 / 30
"""Assumed time between two frames if the container does not state it."""

MAX_JUMP_S: Final = 300.0
"""A longer step forward is a broken timestamp, unless the next frame continues from there."""

JITTER_S: Final = 1.0
"""A step back up to this is jitter: the frame is placed just behind the previous one; the clock is unchanged."""

HOLD_FRAMES: Final = 3
"""After this many held frames, timestamps that still do not advance are ignored."""

TICK_S: Final = 0.0005
"""Step of a held frame, seconds: above 0, below any real frame interval."""

MIN_NOMINAL_S: Final = 1 / 1000
MAX_NOMINAL_S: Final = 10.0


class Timeline:
    """Seconds since the start of the run, strictly rising, from raw timestamps of any quality.

    Args:
        nominal_s: usual time between two frames, seconds; used where a timestamp is missing or not trusted.
    """

    def __init__(self, nominal_s: float = NOMINAL_S) -> None:
        self.nominal_s = usable_nominal(nominal_s)
        self._last_s = -1.0  # media time of the newest frame; < 0 = none yet
        self._offset_s: float | None = None  # media time = raw + offset; None until a timestamp has been seen
        self._since = 0  # frames since the last trusted timestamp
        self._anchor_s = 0.0  # media time of that timestamp
        self._held = 0
        self._previous: float | None = None  # raw timestamp of the previous frame
        self._suspect: tuple[float, float] | None = None  # raw timestamp not trusted, and the time given instead
        self._least_s = 0.0  # earliest time of the next frame after a restart

    @property
    def last_s(self) -> float:
        """Media time of the newest frame, seconds; negative before the first."""
        return self._last_s

    def restart(self, gap_s: float | None = None) -> None:
        """Starts a new raw clock (loop, reconnect); the next frame comes `gap_s`, or one frame, after the last."""
        if self._last_s >= 0:
            self._least_s = self._last_s + max(gap_s or 0.0, self.nominal_s)
        self._offset_s = None
        self._suspect = None
        self._previous = None
        self._held = 0

    def stamp(self, raw_s: float | None) -> float:
        """Media time of the next frame in presentation order, seconds."""
        if raw_s is not None and not math.isfinite(raw_s):
            raw_s = None
        time_s = max(self._time_of(raw_s), self._last_s + TICK_S if self._last_s >= 0 else 0.0)
        self._last_s = time_s
        self._previous = raw_s
        return time_s

    def _time_of(self, raw_s: float | None) -> float:
        if self._last_s < 0 or self._offset_s is None:
            return self._first(raw_s)
        if raw_s is None:
            return self._predicted()
        step_s = raw_s + self._offset_s - self._last_s
        if 0 < step_s <= MAX_JUMP_S:
            return self._trust(raw_s, raw_s + self._offset_s)
        if -JITTER_S <= step_s <= 0:
            return self._jitter(raw_s)
        if self._suspect is not None and 0 < raw_s - self._suspect[0] <= MAX_JUMP_S:
            # Two frames agree with each other and not with the previous clock: the clock was reset.
            suspect_raw_s, given_s = self._suspect
            return self._trust(raw_s, max(self._last_s + TICK_S, given_s + raw_s - suspect_raw_s))
        time_s = self._predicted()
        self._suspect = (raw_s, time_s)
        return time_s

    def _first(self, raw_s: float | None) -> float:
        """Media time of the first frame of a raw clock; its timestamp, if any, sets the offset."""
        time_s = 0.0 if self._last_s < 0 else max(self._least_s, self._last_s + self.nominal_s)
        if raw_s is None:
            self._anchor_s, self._since = time_s, 0
            return time_s
        return self._trust(raw_s, time_s)

    def _trust(self, raw_s: float, time_s: float) -> float:
        self._offset_s = time_s - raw_s
        self._anchor_s, self._since, self._held, self._suspect = time_s, 0, 0, None
        return time_s

    def _predicted(self) -> float:
        self._since += 1
        return self._anchor_s + self._since * self.nominal_s

    def _jitter(self, raw_s: float) -> float:
        self._held += 1
        if self._held <= HOLD_FRAMES:
            self._since += 1
            return self._last_s + TICK_S
        if self._previous is not None and 0 < raw_s - self._previous <= MAX_JUMP_S:
            # The clock advances but lags behind media time: continue from here at its pace.
            return self._trust(raw_s, self._last_s + raw_s - self._previous)
        return self._predicted()


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
        self._early_s = min(usable_nominal(nominal_s) / 2, 0.25 / sample_fps)
        self._tick = -1

    def wants(self, pts_s: float) -> bool:
        """Whether the frame at this media time is sampled; call once for each frame, in order."""
        # Rounding of a product like 0.1 * 30 must not move a frame that lies exactly on the limit.
        tick = math.floor((pts_s + self._early_s) * self._fps + 1e-6)
        if tick <= self._tick:
            return False
        self._tick = tick
        return True


def usable_nominal(nominal_s: float) -> float:
    """The time between two frames if plausible, else `NOMINAL_S`: containers also state 0 or 1/90000."""
    return nominal_s if MIN_NOMINAL_S <= nominal_s <= MAX_NOMINAL_S else NOMINAL_S
