"""The measures of `movements.json` on a true skeleton: labels come from what the body did, not from what was intended.

Points are [T, 20, 3] as `posing.skeleton` gives them: x to the person's left, y up, z forward, metres.
"""

from __future__ import annotations

import numpy as np
from cornerman_pose.movements import FormRule
from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.posing import Array

_SH, _EL, _WR, _HIP, _KN, _AN, _TOE = (slice(3, 5), slice(5, 7), slice(7, 9), slice(9, 11), slice(11, 13), slice(13, 15),
                                       slice(17, 19))  # fmt: skip
_UP = np.array([0.0, 1.0, 0.0])


def angle_deg(a: Array, b: Array, c: Array) -> Array:
    """Angle at `b` between `a` and `c`, degrees."""
    u, v = a - b, c - b
    cos = np.sum(u * v, -1) / np.maximum(np.sqrt(np.sum(u * u, -1) * np.sum(v * v, -1)), 1e-9)
    out: Array = np.degrees(np.arccos(np.clip(cos, -1.0, 1.0)))
    return out


def _elevation(root: Array, end: Array, down: Array) -> Array:
    return angle_deg(root + down, root, end)


class Measures:
    """Values over the frames of one repetition; each method is one row of the table's `measure` column."""

    def __init__(self, points: Array, build: Build, duration_s: float) -> None:
        self.p, self.build, self.duration_s = points, build, duration_s
        self.knee = angle_deg(points[:, _HIP], points[:, _KN], points[:, _AN])  # [T,2]
        self.elbow = angle_deg(points[:, _SH], points[:, _EL], points[:, _WR])
        self.sh, self.hip = points[:, _SH].mean(1), points[:, _HIP].mean(1)
        trunk = self.sh - self.hip
        self.lean = np.degrees(np.arctan2(trunk[:, 2], trunk[:, 1]))  # forward positive
        down = np.broadcast_to(-_UP, points[:, _SH].shape)
        self.arms = _elevation(points[:, _SH], points[:, _WR], down)
        self.thigh = _elevation(points[:, _HIP], points[:, _KN], down)
        self.wrist_up = (points[:, _WR, 1] - points[:, _SH, 1]) / build.arm
        self.deepest = int(np.argmin(self.knee.mean(1)))

    def value(self, rule: FormRule) -> float:
        """The measure of one rule.

        Raises:
            KeyError: when the table names a measure that is not written here.
        """
        return float(getattr(self, f"_{METHODS[rule.measure]}")())

    def _knee_min(self) -> float:
        return self.knee.mean(1).min()

    def _knee_gap(self) -> float:
        p = self.p[self.deepest]
        return abs(p[11, 0] - p[12, 0]) / max(abs(p[13, 0] - p[14, 0]), 0.5 * self.build.hip)

    def _lean_max(self) -> float:
        return self.lean.max()

    def _spine(self) -> float:
        return float((180 - angle_deg(self.hip, self.p[:, 19], self.sh)).max())

    def _seconds(self) -> float:
        return self.duration_s

    def _hip_offset(self) -> Array:
        # A knee push-up rests on the knees: they replace the ankles.
        on_knees = self.p[:, _KN, 1].mean() < 0.75 * self.p[:, _AN, 1].mean() + 0.01 or self.knee.mean() < 130
        end = self.p[:, _KN if on_knees else _AN].mean(1)
        line, off = end - self.sh, self.hip - self.sh
        share = np.sum(line * off, -1) / np.maximum(np.sum(line * line, -1), 1e-6)
        side = np.sign(share * line[:, 1] - off[:, 1])  # below the line is positive
        return side * (180 - angle_deg(self.sh, self.hip, end))

    def _hips_below(self) -> float:
        return float(np.median(self._hip_offset()))

    def _hips_above(self) -> float:
        return float(-np.median(self._hip_offset()))

    def _elbow_min_each(self) -> float:
        return self.elbow.min()

    def _elbow_max(self) -> float:
        return self.elbow.max(0).min()

    def _neck(self) -> float:
        return float(np.median(angle_deg(self.p[:, 1:3].mean(1), self.sh, self.hip)))

    def _front_knee(self) -> float:
        front = int(np.argmax(self.p[self.deepest, _AN, 2]))
        return self.knee[:, front].min()

    def _past_toes(self) -> float:
        front = int(np.argmax(self.p[self.deepest, _AN, 2]))
        return (self.p[self.deepest, 11 + front, 2] - self.p[self.deepest, 17 + front, 2]) / self.build.foot

    def _in_line(self) -> float:
        return abs(self.p[self.deepest, 13, 0] - self.p[self.deepest, 14, 0]) / (2 * self.build.hip)

    def _arms_max(self) -> float:
        return self.arms.max(0).max()

    def _arms_uneven(self) -> float:
        return float(np.ptp(self.arms.max(0)))

    def _feet_gap(self) -> float:
        return float(np.abs(self.p[:, 13, 0] - self.p[:, 14, 0]).max()) / self.build.leg

    def _reach_top(self) -> float:
        return self.wrist_up.max()

    def _reach_low(self) -> float:
        return self.wrist_up.mean(1).min()

    def _reach_uneven(self) -> float:
        return float(np.ptp(self.wrist_up.max(0)))

    def _lean_back(self) -> float:
        return -self.lean.min()

    def _sit_up(self) -> float:
        trunk = self.sh - self.hip
        return float(np.degrees(np.arctan2(trunk[:, 1], -trunk[:, 2])).max())

    def _feet_rise(self) -> float:
        return float(np.ptp(self.p[:, _AN, 1].mean(1))) / self.build.leg

    def _lean_range(self) -> float:
        return float(np.ptp(self.lean))

    def _upper_arm(self) -> float:
        down = np.repeat((self.hip - self.sh)[:, None], 2, axis=1)
        return _elevation(self.p[:, _SH], self.p[:, _EL], down).max()

    def _lean_low(self) -> float:
        return self.lean.max()

    def _hips_first(self) -> float:
        knee, low = self.knee.mean(1), int(np.argmax(self.lean))
        least, most = knee[low:].min(), knee[low:].max()
        if most - least < 12:
            return 0.0
        at = low + int(np.argmax(knee[low:] > least + 0.7 * (most - least)))
        return (self.lean[at] - self.lean[-1]) / max(self.lean[low] - self.lean[-1], 1.0)

    def _lean_top(self) -> float:
        return float(np.percentile(self.lean, 5))

    def _thigh_max(self) -> float:
        return self.thigh.max()

    def _bridge(self) -> float:
        # The thigh that pushes: with one leg in the air the other one counts.
        return angle_deg(np.repeat(self.sh[:, None], 2, 1), self.p[:, _HIP], self.p[:, _KN]).max(0).max()

    def _knee_at_top(self) -> float:
        return self.knee[int(np.argmax(self.hip[:, 1]))].min()


METHODS = {
    "smallest knee angle": "knee_min",
    "gap of the knees over gap of the ankles at the bottom": "knee_gap",
    "greatest lean of the trunk from the vertical": "lean_max",
    "angle between the halves of the spine": "spine",
    "duration of a repetition": "seconds",
    "hips below the line from shoulder to ankle": "hips_below",
    "hips above the line from shoulder to ankle": "hips_above",
    "smallest elbow angle": "elbow_min_each",
    "angle of ear, shoulder and hip": "neck",
    "smallest angle of the front knee": "front_knee",
    "front knee past its toes, over the foot's length": "past_toes",
    "sideways gap of the ankles over the hips' width": "in_line",
    "greatest elevation of the arms from hanging": "arms_max",
    "greatest gap of the ankles over the leg's length": "feet_gap",
    "difference of the arms' greatest elevations": "arms_uneven",
    "greatest height of the wrists above the shoulders over the arm's length": "reach_top",
    "least height of the wrists above the shoulders over the arm's length": "reach_low",
    "greatest backward lean of the trunk": "lean_back",
    "difference of the wrists' heights at the top over the arm's length": "reach_uneven",
    "greatest elevation of the trunk from the floor": "sit_up",
    "rise of the ankles over the leg's length": "feet_rise",
    "greatest elbow angle": "elbow_max",
    "range of the trunk's lean": "lean_range",
    "greatest angle of the upper arm to the trunk": "upper_arm",
    "lean of the trunk at the bottom": "lean_low",
    "share of the bottom's lean left when the knees are extended by 70 %": "hips_first",
    "least lean of the trunk at the top": "lean_top",
    "greatest elevation of the thigh from hanging": "thigh_max",
    "greatest angle of shoulder, hip and knee": "bridge",
    "knee angle at the top": "knee_at_top",
}
