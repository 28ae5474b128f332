"""Follows one prototype in a stream of frames: subsequence dynamic time warping, one column a frame. Pure, causal.

After Sakurai, Faloutsos and Yamamuro, "Stream monitoring under the time warping distance" (2007); costs are over the
length of the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NEVER: Final = 1e9
_JUMP: Final = 3


@dataclass(frozen=True, slots=True)
class Match:
    """The best subsequence that ends at the present frame.

    Attributes:
        start: number of its first frame.
        cost: mean over its frames.
        at_end: distance of the present frame from the last step, as ways from the first pose.
    """

    start: int
    cost: float
    at_end: float


class PrototypeFollower:
    """Follows one prototype: each frame stays at a step, or goes on by up to `_JUMP` steps.

    Args:
        steps: [S, D].
        moves: [D] weights of the squared differences of the way from the first pose.
        poses: [D] weights of the squared differences of the poses.
        limit: a frame costs no more than this, so that one bad frame does not end a repetition.
    """

    def __init__(self, steps: Array, moves: Array, poses: Array, limit: float) -> None:
        self._moves, self._poses = np.sqrt(moves), np.sqrt(poses)
        self._way = (steps - steps[0]) * self._moves
        self._steps = steps * self._poses
        self._limit = limit
        count = len(steps)
        self._total = np.full(count, _NEVER)
        self._length = np.ones(count)
        self._start = np.zeros(count, dtype=np.int64)
        self._first = np.zeros((count, steps.shape[1]))  # pose that each path began with
        back = np.arange(count)[None] - np.arange(_JUMP + 1)[:, None]
        self._from, self._none = np.maximum(back, 0), back < 0

    def push(self, frame: Array, number: int) -> Match:
        """The best subsequence that ends at this frame [D], with this number."""
        pose = np.square(self._steps - frame * self._poses).sum(1)
        way = np.square((frame - self._first[self._from]) * self._moves - self._way).sum(-1)  # [jump, S]
        cost = np.minimum(pose + way, self._limit)
        totals = np.where(self._none, _NEVER, self._total[self._from]) + cost
        best = np.argmin(totals / (self._length[self._from] + 1.0), axis=0)
        columns = np.arange(len(pose))
        origin = self._from[best, columns]
        self._total, self._length = totals[best, columns], self._length[origin] + 1.0
        self._start, self._first = self._start[origin], self._first[origin]
        self._total[0], self._length[0], self._start[0], self._first[0] = min(pose[0], self._limit), 1.0, number, frame
        return Match(int(self._start[-1]), float(self._total[-1] / self._length[-1]), float(way[best[-1], -1]))

    @property
    def under_way(self) -> tuple[float, float]:
        """Mean cost of the best subsequence so far, and how far on it is, 0..1."""
        costs = self._total / self._length
        at = int(np.argmin(costs))
        return float(costs[at]), at / max(len(costs) - 1, 1)

    def forget(self, before: int) -> None:
        """Ends every subsequence that began before a frame."""
        self._total = np.where(self._start < before, _NEVER, self._total)
