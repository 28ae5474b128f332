"""The clock of a live source against the wall clock. Pure: both times are arguments.

The RTP clock of some cameras runs ten times too slow or too fast, so that sampling by it gives a tenth or ten times the
frames. Beyond a tolerance, frames are timed by their arrival instead, and a note reports it.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

WINDOW_S: Final = 4.0
"""The clocks are compared over so many seconds of arrivals."""

OFF: Final = 1.5
"""A clock is wrong when it is this many times too slow or too fast, in both halves of the window."""

RIGHT: Final = 1.2
"""It is right again when it is within this factor, in both halves of the window."""

PAUSE_S: Final = 2.0
"""A longer silence between two frames says nothing of the clock: the comparison starts over."""

JUMP_S: Final = 30.0
"""Nor does a longer step of the clock itself, or one backwards: it was set to another value."""

MIN_FRAMES: Final = 6

_ROUND: Final = 3.0

Pace = Literal["right", "slow", "fast"]


class ClockWatch:
    """Compares the two clocks of one live source, frame by frame. Not for sources that are read in bursts (HLS)."""

    def __init__(self) -> None:
        self.pace: Pace = "right"
        self.factor = 1.0
        """Seconds of the source's clock in a second of the wall clock, as last compared."""
        self._seen: deque[tuple[float, float]] = deque()  # arrival, raw time
        self._out_s: float | None = None  # the time given to the newest frame
        self._arrived_s = 0.0
        self._raw_shift_s = 0.0  # added to raw times, so that switching back does not jump

    @property
    def by_arrival(self) -> bool:
        """Whether frames are timed by their arrival."""
        return self.pace != "right"

    @property
    def note(self) -> str:
        """The fault of the clock, for people; "" = none."""
        if self.pace == "right":
            return ""
        if self.factor <= 0:
            return "its clock stands still: frames are timed by their arrival"
        times = 1 / self.factor if self.pace == "slow" else self.factor
        about = f"{times:.0f}" if times >= _ROUND else f"{times:.1f}"
        return f"its clock runs about {about} times too {self.pace}: frames are timed by their arrival"

    def restart(self) -> None:
        """The source was opened again: the verdict on its clock is kept until the next comparison."""
        self._seen.clear()
        self._out_s = None
        self._raw_shift_s = 0.0

    def see(self, raw_s: float | None, arrived_s: float) -> float | None:
        """Takes the next frame; returns the time to go by: the source's own, or one by arrival.

        Args:
            raw_s: timestamp of the source, seconds; None = it has none.
            arrived_s: wall or monotonic time of its arrival, seconds.
        """
        if raw_s is not None:
            self._compare(raw_s, arrived_s)
        if self.by_arrival:
            step_s = arrived_s - self._arrived_s
            out_s = arrived_s if self._out_s is None else self._out_s + max(0.0, step_s)
        elif raw_s is None:
            self._arrived_s = arrived_s
            return None
        else:
            out_s = raw_s + self._raw_shift_s
        self._out_s, self._arrived_s = out_s, arrived_s
        return out_s

    def _compare(self, raw_s: float, arrived_s: float) -> None:
        seen = self._seen
        if seen:
            before_s, raw_before_s = seen[-1]
            if arrived_s - before_s > PAUSE_S or not 0 <= raw_s - raw_before_s <= JUMP_S:
                seen.clear()
        seen.append((arrived_s, raw_s))
        if arrived_s - seen[0][0] < WINDOW_S or len(seen) < MIN_FRAMES:
            return
        factors = self._halves()
        if all(factor > OFF for factor in factors):
            self._become("fast", raw_s, arrived_s)
        elif all(factor < 1 / OFF for factor in factors):
            self._become("slow", raw_s, arrived_s)
        elif all(1 / RIGHT <= factor <= RIGHT for factor in factors):
            self._become("right", raw_s, arrived_s)
        while arrived_s - seen[0][0] >= WINDOW_S:
            seen.popleft()

    def _halves(self) -> tuple[float, float]:
        """Seconds of the source in a second of the wall, in the first and in the second half of the window."""
        (first_s, first_raw_s), (last_s, last_raw_s) = self._seen[0], self._seen[-1]
        middle_s, middle_raw_s = min(self._seen, key=lambda pair: abs(pair[0] - (first_s + last_s) / 2))
        self.factor = (last_raw_s - first_raw_s) / (last_s - first_s)
        if not first_s < middle_s < last_s:
            return self.factor, self.factor
        return (
            (middle_raw_s - first_raw_s) / (middle_s - first_s),
            (last_raw_s - middle_raw_s) / (last_s - middle_s),
        )

    def _become(self, pace: Pace, raw_s: float, arrived_s: float) -> None:
        if pace == "right" and self.pace != "right" and self._out_s is not None:
            # The source's clock counts again from where arrival has brought us.
            self._raw_shift_s = self._out_s + max(0.0, arrived_s - self._arrived_s) - raw_s
        self.pace = pace
