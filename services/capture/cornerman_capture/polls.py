"""Cuts polls: frames spread evenly over the last seconds, at a fixed interval. Pure.

The first poll is due when its window is full of frames, the others every interval after that time, each at the frame
nearest to it. The moments of its frames are known beforehand: the frame nearest to each is converted, and few others.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from cornerman_media.timestamps import NOMINAL_S, believable_interval
from cornerman_shared.chunk import MAX_HELD

if TYPE_CHECKING:
    from cornerman_common.looks import LookPlan

T = TypeVar("T")

ROUNDING: Final = 1e-6
"""Of an interval: a frame exactly at a time that is a product of floats belongs to it."""

SUDDEN: Final = 3.0
"""A pause longer than the window, and so many times the step before, is a break: nothing before it is held."""


class PollCutter(Generic[T]):
    """Holds the frames that polls need and cuts the polls. Call `wants` for every frame, in order.

    Args:
        plan: of kind `poll`.
        nominal_s: usual time between two frames, seconds.
    """

    def __init__(self, plan: LookPlan, nominal_s: float = NOMINAL_S) -> None:
        self.plan = plan
        self._interval_s, self._window_s = plan.interval_s, plan.window_s
        self._frames, self._moments = plan.frames, plan.moments
        self._spacing_s = plan.window_s / plan.moments
        self._nominal_s = believable_interval(nominal_s)
        self._apart_s = self._spacing_s  # between held frames, at most, also those of the plans before
        self._held: deque[tuple[float, T]] = deque()
        self._since_s: float | None = None  # media time of the first frame since the last break
        self._before_s: float | None = None  # of the frame before
        self._step_s = self._nominal_s  # between the last two frames
        self._reached_s = -math.inf  # moments up to here belong to frames that have come
        self._first_s: float | None = None  # when poll 0 is due; None = follows from `_since_s`
        self._poll = -1  # number of the last poll that was due
        self._last_s: float | None = None  # when it was due, also by the plan before
        self._is_due = False

    def wants(self, pts_s: float) -> bool:
        """Whether a poll needs the frame at this media time."""
        if self._before_s is not None:
            step_s = pts_s - self._before_s
            if step_s > self._window_s and step_s > SUDDEN * self._step_s:
                self.clear()
            self._step_s = step_s
        # The frame nearest to a moment comes at most half a step before it.
        early_s = min(self._nominal_s, self._step_s) / 2
        if self._since_s is None:
            self._since_s, self._reached_s = pts_s, max(self._reached_s, pts_s - early_s)
        if self._first_s is None:
            self._first_s = self._since_s + self._window_s
        self._before_s = pts_s
        before_s, self._reached_s = self._reached_s, max(self._reached_s, pts_s + early_s)
        due = self._number(self._reached_s, 0)
        if due > self._poll:
            self._poll, self._is_due = due, True
            self._last_s = self._first_s + due * self._interval_s
        if self._is_due:
            return True
        if self._is_close(pts_s, -1):
            return False
        if not self._held or self._ends_poll(pts_s) or self._reached_s - self._held[-1][0] >= self._spacing_s:
            return True  # the window stays full between polls, so that another interval holds at once
        return any(
            self._number(self._reached_s, back) > max(self._number(before_s, back), -1)
            for back in range(1, self._moments)
        )

    def push(self, pts_s: float, item: T) -> tuple[T, ...] | None:
        """Adds a frame that is needed; returns the poll that it completes, oldest first."""
        if self._since_s is None:
            self._since_s = pts_s
        self._held.append((pts_s, item))
        # One frame from before the window stays: it may be the nearest to the window's first moment.
        while len(self._held) > 1 and self._held[1][0] <= pts_s - self._window_s:
            self._held.popleft()
        if not self._is_due:
            return None
        self._is_due = False
        look = self._cut()
        if self._is_close(pts_s, -2):
            self._held.pop()  # needed as the newest only: short intervals must not fill the memory
        return look

    def finish(self) -> tuple[T, ...] | None:
        """At the end of a file: the poll that is due when its last frame has been shown, if there is one."""
        if self._before_s is None or not self._held or not self._ends_poll(self._before_s):
            return None
        self._poll += 1
        return self._cut()

    def clear(self) -> None:
        """Drops all frames; the next poll is due when the window is full again."""
        self._held.clear()
        self._since_s = self._first_s = self._last_s = None
        self._poll, self._is_due = -1, False

    def take_over(self, before: PollCutter[T]) -> None:
        """Continues with the frames of the cutter before, as far back as they are close enough for this one.

        The next poll is due an interval after the last one, at once if that is past, and not before the window is full.
        """
        self._before_s, self._step_s, self._reached_s = before._before_s, before._step_s, before._reached_s
        self._apart_s = max(self._spacing_s, before._apart_s)
        reach_s = 1.5 * max(self._apart_s, self._step_s)
        later_s = before._before_s or 0.0
        for time_s, item in reversed(before._held):
            if later_s - time_s > reach_s:
                break
            self._held.appendleft((time_s, item))
            self._since_s = later_s = time_s
        if before._before_s is None or self._since_s is None:
            return
        self._first_s = max(self._since_s + self._window_s, before._before_s)
        self._last_s = before._last_s
        if self._last_s is not None:
            self._first_s = max(self._first_s, self._last_s + self._interval_s)

    def newest(self) -> T | None:
        """The item added last."""
        return self._held[-1][1] if self._held else None

    def _number(self, time_s: float, back: int) -> int:
        """Number of the newest poll whose moment, so many spacings before its end, is reached at `time_s`."""
        first_s = self._first_s or 0.0
        return math.floor((time_s + back * self._spacing_s - first_s) / self._interval_s + ROUNDING)

    def _ends_poll(self, pts_s: float) -> bool:
        """Whether the next poll is due at the end of this frame, give or take half a frame."""
        step_s = min(self._nominal_s, self._step_s)
        return self._first_s is not None and self._number(pts_s + 1.5 * step_s, 0) > self._poll

    def _is_close(self, pts_s: float, place: int) -> bool:
        """Whether the held frame at `place` is so near that the window would hold more than `MAX_HELD`."""
        return len(self._held) >= -place and pts_s - self._held[place][0] < self._window_s / MAX_HELD

    def _cut(self) -> tuple[T, ...]:
        times = [time_s for time_s, _ in self._held]
        items = [item for _, item in self._held]
        end_s = (self._first_s or 0.0) + self._poll * self._interval_s
        chosen = [items[_nearest(times, end_s - back * self._spacing_s)] for back in range(self._moments - 1, 0, -1)]
        chosen.append(items[-1])
        # A source that is sampled slower has fewer moments than frames: each stands for several.
        return tuple(chosen[number * self._moments // self._frames] for number in range(self._frames))


def _nearest(times: list[float], moment_s: float) -> int:
    after = bisect_left(times, moment_s)
    if after == 0:
        return 0
    if after == len(times):
        return after - 1
    return after if times[after] - moment_s < moment_s - times[after - 1] else after - 1
