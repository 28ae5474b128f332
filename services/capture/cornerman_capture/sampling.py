"""Media time of every frame, and which frames are sampled. Knows neither pictures nor wall clocks.

Timestamps are input like any other: missing, repeated, jumping and running backwards all happen. `Timeline` makes of
them a time that starts at 0 and never stands still or goes back; `FrameSampler` takes the frame nearest to each tick of a
grid on that time, so that 25, 29.97 and 60 FPS give chunks of the same moments.
"""

from __future__ import annotations

import math
from typing import Final

NOMINAL_S: Final = 1 / 30
"""Assumed time between two frames where the container does not say."""

MAX_JUMP_S: Final = 300.0
"""A longer step forward is a broken timestamp unless the next frame goes on from there."""

JITTER_S: Final = 1.0
"""A step back up to this is jitter: the frame is held just behind the one before, and the clock is left as it is."""

HOLD_FRAMES: Final = 3
"""So many frames are held; then timestamps that still do not advance are no clock and are not used as one."""

TICK_S: Final = 0.0005
"""Time given to a held frame, seconds: more than 0, less than any real frame interval."""

MIN_NOMINAL_S: Final = 1 / 1000
MAX_NOMINAL_S: Final = 10.0


class Timeline:
    """Seconds since the start of the run, strictly rising, from raw timestamps of any quality.

    Args:
        nominal_s: usual time between two frames, seconds; used where a timestamp is missing or not believed.
    """

    def __init__(self, nominal_s: float = NOMINAL_S) -> None:
        self.nominal_s = usable_nominal(nominal_s)
        self._last_s = -1.0  # media time of the newest frame; < 0 = none yet
        self._offset_s: float | None = None  # media time = raw + offset; None until a timestamp has been seen
        self._since = 0  # frames since the last believed timestamp
        self._anchor_s = 0.0  # media time of that timestamp
        self._held = 0
        self._before: float | None = None  # raw timestamp of the frame before
        self._suspect: tuple[float, float] | None = None  # raw timestamp not believed, and the time given instead
        self._least_s = 0.0  # earliest time of the next frame after a restart

    @property
    def last_s(self) -> float:
        """Media time of the newest frame, seconds; negative before the first."""
        return self._last_s

    def restart(self, gap_s: float | None = None) -> None:
        """The raw clock begins anew (loop, reconnect); the next frame comes `gap_s` (or one frame) after the last."""
        if self._last_s >= 0:
            self._least_s = self._last_s + max(gap_s or 0.0, self.nominal_s)
        self._offset_s = None
        self._suspect = None
        self._before = None
        self._held = 0

    def stamp(self, raw_s: float | None) -> float:
        """Media time of the next frame in presentation order, seconds."""
        if raw_s is not None and not math.isfinite(raw_s):
            raw_s = None
        time_s = max(self._time_of(raw_s), self._last_s + TICK_S if self._last_s >= 0 else 0.0)
        self._last_s = time_s
        self._before = raw_s
        return time_s

    def _time_of(self, raw_s: float | None) -> float:
        if self._last_s < 0 or self._offset_s is None:
            return self._first(raw_s)
        if raw_s is None:
            return self._predicted()
        step_s = raw_s + self._offset_s - self._last_s
        if 0 < step_s <= MAX_JUMP_S:
            return self._believe(raw_s, raw_s + self._offset_s)
        if -JITTER_S <= step_s <= 0:
            return self._jitter(raw_s)
        if self._suspect is not None and 0 < raw_s - self._suspect[0] <= MAX_JUMP_S:
            # Two frames agree with each other and not with the clock before: the clock was set anew.
            suspect_raw_s, given_s = self._suspect
            return self._believe(raw_s, max(self._last_s + TICK_S, given_s + raw_s - suspect_raw_s))
        time_s = self._predicted()
        self._suspect = (raw_s, time_s)
        return time_s

    def _first(self, raw_s: float | None) -> float:
        """The first timestamp of a clock says where its zero is; frames without one are counted."""
        time_s = 0.0 if self._last_s < 0 else max(self._least_s, self._last_s + self.nominal_s)
        if raw_s is None:
            self._anchor_s, self._since = time_s, 0
            return time_s
        return self._believe(raw_s, time_s)

    def _believe(self, raw_s: float, time_s: float) -> float:
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
        if self._before is not None and 0 < raw_s - self._before <= MAX_JUMP_S:
            # It advances, only behind us: go on from here at its own pace.
            return self._believe(raw_s, self._last_s + raw_s - self._before)
        return self._predicted()


class FrameSampler:
    """Chooses, frame by frame, what is sampled: the frame nearest to each tick of `1 / sample_fps` seconds.

    A frame belongs to a tick when it comes no earlier than half a frame before it. Over a gap nothing is repeated.

    Args:
        sample_fps: frames sampled a second of media time; with fewer in the source, all of them are.
        nominal_s: usual time between two frames, seconds.
    """

    def __init__(self, sample_fps: float, nominal_s: float = NOMINAL_S) -> None:
        if not (sample_fps > 0 and math.isfinite(sample_fps)):
            raise ValueError(f"sample_fps = {sample_fps!r}: give frames a second above 0")
        self._fps = sample_fps
        # Never more than a quarter of a tick early: a source as slow as the grid jitters round it and loses nothing.
        self._early_s = min(usable_nominal(nominal_s) / 2, 0.25 / sample_fps)
        self._tick = -1

    def wants(self, pts_s: float) -> bool:
        """Whether the frame at this media time is sampled; call once for each frame, in order."""
        # The last ulp of a product like 0.1 * 30 must not move a frame that lies exactly on the limit.
        tick = math.floor((pts_s + self._early_s) * self._fps + 1e-6)
        if tick <= self._tick:
            return False
        self._tick = tick
        return True


def usable_nominal(nominal_s: float) -> float:
    """The time between two frames if it is believable, else `NOMINAL_S`: containers also say 0 or 1/90000."""
    return nominal_s if MIN_NOMINAL_S <= nominal_s <= MAX_NOMINAL_S else NOMINAL_S
