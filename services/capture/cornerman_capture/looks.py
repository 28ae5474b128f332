"""Cuts the looks of a source: chunks, polls and stride looks. Pure: items with their media times in, looks out.

A look never spans a break: `clear` drops what is held, and a look is due again once enough frames have come.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from cornerman_capture.polls import PollCutter
from cornerman_capture.sampling import FrameSampler
from cornerman_capture.window import Window
from cornerman_media.timestamps import NOMINAL_S, believable_interval

if TYPE_CHECKING:
    from cornerman_capture.core import LookCutter
    from cornerman_common.looks import LookPlan

T = TypeVar("T")


def look_cutter(plan: LookPlan, nominal_s: float = NOMINAL_S) -> LookCutter[T]:
    """The cutter for a plan; `nominal_s` is the usual time between two frames of the source, seconds."""
    if plan.kind == "poll":
        return PollCutter(plan, nominal_s)
    return StrideCutter(plan, nominal_s) if plan.kind == "stride" else ChunkCutter(plan, nominal_s)


def changed_cutter(before: LookCutter[T], plan: LookPlan, nominal_s: float) -> LookCutter[T]:
    """The cutter for another plan, with the frames of the one before where they will do."""
    cutter: LookCutter[T] = look_cutter(plan, nominal_s)
    if isinstance(cutter, PollCutter) and isinstance(before, PollCutter):
        cutter.take_over(before)
    if isinstance(cutter, StrideCutter) and isinstance(before, StrideCutter):
        cutter.take_over(before)
    return cutter


class ChunkCutter(Generic[T]):
    """Chunks: 8 sampled frames in a row, by the rule of `Window`."""

    def __init__(self, plan: LookPlan, nominal_s: float = NOMINAL_S) -> None:
        self.plan = plan
        self._sampler = FrameSampler(plan.sample_fps, nominal_s)
        self._window: Window[T] = Window(plan.overlap)

    def wants(self, pts_s: float) -> bool:
        """Whether the sampler takes it."""
        return self._sampler.wants(pts_s)

    def push(self, pts_s: float, item: T) -> tuple[T, ...] | None:
        """Adds a sampled frame."""
        return self._window.push(item)

    def finish(self) -> None:
        """Nothing: a chunk is due at its last frame."""

    def clear(self) -> None:
        """Empties the window."""
        self._window.clear()

    def newest(self) -> T | None:
        """The item added last."""
        return self._window.newest() if self._window else None


class StrideCutter(Generic[T]):
    """Stride looks: every n-th sampled frame, back from the newest, which is always in it.

    The first is due when enough frames are held; then one at the first sampled frame of every interval since that one.
    """

    def __init__(self, plan: LookPlan, nominal_s: float = NOMINAL_S) -> None:
        self.plan = plan
        self._sampler = FrameSampler(plan.sample_fps, nominal_s)
        self._stride, self._interval_s = plan.stride, plan.interval_s
        self._early_s = min(believable_interval(nominal_s) / 2, 0.25 / plan.sample_fps, plan.interval_s / 4)
        self._held: deque[T] = deque(maxlen=(plan.frames - 1) * plan.stride + 1)
        self._last_s: float | None = None  # when the newest look was due, also by the plan before
        self._broken = False  # since then

    def wants(self, pts_s: float) -> bool:
        """Whether the sampler takes it."""
        return self._sampler.wants(pts_s)

    def push(self, pts_s: float, item: T) -> tuple[T, ...] | None:
        """Adds a sampled frame."""
        self._held.append(item)
        if len(self._held) < (self._held.maxlen or 0):
            return None
        if self._last_s is None:
            self._last_s = pts_s
        else:
            passed = math.floor((pts_s + self._early_s - self._last_s) / self._interval_s + 1e-6)
            if passed < 1:
                return None
            self._last_s = pts_s if self._broken else self._last_s + passed * self._interval_s
        self._broken = False
        return tuple(self._held)[:: self._stride]

    def finish(self) -> None:
        """Nothing: a look is due at its last frame."""

    def clear(self) -> None:
        """Drops all frames; the next look is due when enough are held, and not before the interval is over."""
        self._held.clear()
        self._broken = True

    def take_over(self, before: StrideCutter[T]) -> None:
        """Continues with the frames of the cutter before, if it sampled as many a second.

        The next look is due an interval after the last one, at once if that is past.
        """
        self._last_s, self._broken = before._last_s, before._broken
        if before.plan.sample_fps == self.plan.sample_fps:
            self._sampler = before._sampler
            self._held.extend(before._held)

    def newest(self) -> T | None:
        """The item added last."""
        return self._held[-1] if self._held else None
