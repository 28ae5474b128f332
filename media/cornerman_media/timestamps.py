"""Media time from raw timestamps of any quality. Pure: knows neither containers nor clocks.

Timestamps are input like any other: missing, repeated, jumping, wrapping and running backwards all happen.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Final

NOMINAL_S: Final = 1 / 30
"""Assumed time between two frames where neither the container nor the frames say."""

MAX_JUMP_S: Final = 300.0
"""A longer step forward is a broken timestamp unless the frame before lasts that long or the next frame agrees."""

HOLD_FRAMES: Final = 3
"""A step back by so many intervals is jitter: the frame is held just behind the one before, and the clock is left as
it is. After so many held frames, timestamps that still do not advance are not used as a clock."""

JITTER_S: Final = 1.0
"""A longer step back is never jitter."""

TICK_S: Final = 0.0005
"""Time given to a held frame, seconds: more than 0, less than any real frame interval."""

MIN_NOMINAL_S: Final = 1 / 1000
MAX_NOMINAL_S: Final = 600.0

LEARN_STEPS: Final = 15
"""Number of the newest steps whose median is the interval of a frame without a timestamp."""

_EPSILON_S: Final = 1e-9


class TimeRepair:
    """Seconds since the first frame, strictly rising, from raw timestamps in presentation order.

    Args:
        nominal_s: usual time between two frames, seconds; used until steps have been seen.
        first_s: media time of the first frame, above 0 where an earlier process stopped.
    """

    def __init__(self, nominal_s: float = NOMINAL_S, first_s: float = 0.0) -> None:
        self.nominal_s = believable_interval(nominal_s)
        self.resets = 0
        """How often the raw clock was set to another value (wrap, splice, restart of the sender)."""
        self._last_s = -1.0  # media time of the newest frame; < 0 = none yet
        self._offset_s: float | None = None  # media time = raw + offset; None until a timestamp has been seen
        self._since = 0  # frames since the last believed timestamp
        self._anchor_s = 0.0  # media time of that timestamp
        self._held = 0
        self._before: float | None = None  # raw timestamp of the frame before
        self._suspect: tuple[float, float] | None = None  # raw timestamp not believed, and the time given instead
        self._least_s = first_s  # earliest time of the first frame, or of the next one after a restart
        self._ends_s = 0.0  # media time when the newest frame stops being shown, if it says
        self._steps: deque[float] = deque(maxlen=LEARN_STEPS)

    @property
    def last_s(self) -> float:
        """Media time of the newest frame, seconds; negative before the first."""
        return self._last_s

    @property
    def interval_s(self) -> float:
        """Usual time between two frames: the median of the newest believed steps, or the nominal one."""
        return median(self._steps) if len(self._steps) == LEARN_STEPS else self.nominal_s

    @property
    def longest_step_s(self) -> float:
        """Longest of the newest steps; the nominal interval before there are any."""
        return max(self._steps, default=self.nominal_s)

    def restart(self, gap_s: float | None = None) -> None:
        """Starts another raw clock (loop, reconnect); the next frame comes `gap_s`, or one frame, after the last."""
        if self._last_s >= 0:
            self._least_s = self._last_s + max(gap_s or 0.0, self.interval_s)
        self._offset_s = None
        self._suspect = None
        self._before = None
        self._held = 0

    def stamp(self, raw_s: float | None, duration_s: float = 0.0) -> float:
        """Media time of the next frame in presentation order.

        Args:
            raw_s: timestamp as the input gives it, seconds; None = it gives none.
            duration_s: how long the frame is shown, seconds; 0 = unknown. A step up to it is always believed.
        """
        if raw_s is not None and not math.isfinite(raw_s):
            raw_s = None
        time_s = max(self._time_of(raw_s), self._last_s + TICK_S if self._last_s >= 0 else 0.0)
        self._last_s = time_s
        self._before = raw_s
        self._ends_s = time_s + duration_s
        return time_s

    def _time_of(self, raw_s: float | None) -> float:
        if self._last_s < 0 or self._offset_s is None:
            return self._first(raw_s)
        if raw_s is None:
            return self._predicted()
        step_s = raw_s + self._offset_s - self._last_s
        if _EPSILON_S < step_s <= max(MAX_JUMP_S, 1.5 * (self._ends_s - self._last_s)):
            if self._since == 0:
                self._steps.append(step_s)
            return self._believe(raw_s, raw_s + self._offset_s)
        if -min(JITTER_S, (HOLD_FRAMES + 0.5) * self.interval_s) <= step_s <= _EPSILON_S:
            return self._jitter(raw_s)
        if self._suspect is not None and 0 < raw_s - self._suspect[0] <= MAX_JUMP_S:
            # Two frames agree with each other and not with the clock before: the clock was set to another value.
            suspect_raw_s, given_s = self._suspect
            self.resets += 1
            return self._believe(raw_s, max(self._last_s + TICK_S, given_s + raw_s - suspect_raw_s))
        time_s = self._predicted()
        self._suspect = (raw_s, time_s)
        return time_s

    def _first(self, raw_s: float | None) -> float:
        """The first timestamp of a clock says where its zero is; frames without one are counted."""
        time_s = self._least_s if self._last_s < 0 else max(self._least_s, self._last_s + self.interval_s)
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
        return self._anchor_s + self._since * self.interval_s

    def _jitter(self, raw_s: float) -> float:
        self._held += 1
        if self._held <= HOLD_FRAMES:
            self._since += 1
            return self._last_s + TICK_S
        if self._before is not None and 0 < raw_s - self._before <= MAX_JUMP_S:
            # It advances, only behind us: go on from here at its own pace.
            return self._believe(raw_s, self._last_s + raw_s - self._before)
        return self._predicted()


def believable_interval(interval_s: float) -> float:
    """The time between two frames if it is believable, else `NOMINAL_S`: containers also say 0 or 1/90000."""
    return interval_s if MIN_NOMINAL_S <= interval_s <= MAX_NOMINAL_S else NOMINAL_S
