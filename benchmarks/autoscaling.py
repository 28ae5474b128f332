"""The arithmetic of Kubernetes' HorizontalPodAutoscaler, which KEDA uses too. Pure; knows nothing of chunks.

KEDA hands the values of its triggers to an HPA of its own. Its `pollingInterval` and `cooldownPeriod` act only between
zero and one pod, so a chart with one pod at least is ruled by the HPA's own settings, as described in the Kubernetes
documentation of "Horizontal Pod Autoscaling": the largest wish of all metrics, no change within the tolerance, limits
on the steps upwards, and for steps downwards the largest wish of the stabilization window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

TOLERANCE = 0.1
SYNC_S = 15.0
UP_PODS = 4
"""A step upwards adds so many pods or as many as there are, whichever is more."""


@dataclass(frozen=True, slots=True)
class ScaleBounds:
    """What an autoscaler may do.

    Attributes:
        least: pods at least.
        most: pods at most.
        down_window_s: `scaleDown.stabilizationWindowSeconds`.
        down_pods: pods that one step takes away at most; 0 = all.
        down_every_s: time between two steps downwards.
    """

    least: int
    most: int
    down_window_s: float = 300.0
    down_pods: int = 0
    down_every_s: float = 60.0


def by_average(value: float, target: float, now: int) -> int:
    """Pods that an `AverageValue` target wishes: `value` is the sum over all pods.

    Raises:
        ValueError: the target is not above zero.
    """
    if target <= 0:
        raise ValueError(f"target = {target}: give a value above 0")
    if now and abs(value / (target * now) - 1) <= TOLERANCE:
        return now
    return math.ceil(value / target)


def by_utilization(shares: Sequence[float], target: float, now: int) -> int:
    """Pods that a `Utilization` target wishes.

    Args:
        shares: use divided by request of each ready pod, 1.0 = all of it.
        target: such a share.
        now: pods that are wanted now; those that are not ready count with 0 upwards, and not at all downwards.
    """
    if not shares:
        return now
    ratio = sum(shares) / len(shares) / target
    if abs(ratio - 1) <= TOLERANCE:
        return now
    if ratio < 1:
        return math.ceil(ratio * len(shares)) if len(shares) >= now else now
    spread = sum(shares) / max(now, len(shares)) / target
    return math.ceil(spread * max(now, len(shares))) if spread > 1 + TOLERANCE else now


@dataclass(slots=True)
class Autoscaler:
    """Turns wishes into numbers of pods.

    Args:
        bounds: see there.
    """

    bounds: ScaleBounds
    _wishes: deque[tuple[float, int]] = field(default_factory=deque)
    _downs: deque[tuple[float, int]] = field(default_factory=deque)

    def step(self, at_s: float, now: int, wishes: Sequence[int]) -> int:
        """Pods that are wanted from now on.

        Args:
            at_s: time of this sync.
            now: pods that are wanted so far.
            wishes: pods by each metric.
        """
        bounds = self.bounds
        wish = min(bounds.most, max(bounds.least, *wishes))
        self._wishes.append((at_s, wish))
        while self._wishes[0][0] < at_s - bounds.down_window_s:
            self._wishes.popleft()
        if wish > now:
            return min(wish, max(2 * now, now + UP_PODS))
        stable = min(now, max(each for _, each in self._wishes))
        if bounds.down_pods and stable < now:
            while self._downs and self._downs[0][0] <= at_s - bounds.down_every_s:
                self._downs.popleft()
            allowed = max(0, bounds.down_pods - sum(taken for _, taken in self._downs))
            stable = max(stable, now - allowed)
            self._downs.append((at_s, now - stable))
        return stable
