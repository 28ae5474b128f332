"""Computes joint positions from a few targets (pelvis, lean, hands, feet), T frames at once.

Body frame: x to the person's left, y up, z forward. Knows bones, not exercises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cornerman_training.gym.body import Body

Array = NDArray[np.float64]


@dataclass(slots=True)
class Targets:
    """Targets of a pose; T frames.

    `pelvis` [T,3] and `ankles`, `wrists` [T,2,3] are positions in metres (index 0 is left); `lean`, `roll`, `heel` are
    radians; `bend` is how far the spine bulges backwards, metres; `knee`, `elbow` [T,2,3] are bending directions.
    """

    pelvis: Array
    lean: Array
    ankles: Array
    wrists: Array
    knee: Array
    elbow: Array
    roll: Array
    bend: Array
    heel: Array  # [T,2]
    nod: Array

    def mixed(self, other: Targets, weight: Array) -> Targets:
        """This pose where `weight` [T] is 0, `other` where it is 1."""

        def mix(a: Array, b: Array) -> Array:
            w = weight.reshape((-1,) + (1,) * (a.ndim - 1))
            return a * (1.0 - w) + b * w

        return Targets(*(mix(getattr(self, name), getattr(other, name)) for name in self.__slots__))

    def cut(self, start: int, stop: int) -> Targets:
        """Frames [start, stop) of this pose."""
        return Targets(*(getattr(self, name)[start:stop] for name in self.__slots__))

    def row(self, index: int, count: int) -> Targets:
        """One frame of this pose, repeated `count` times."""
        return Targets(*(np.repeat(getattr(self, name)[index][None], count, axis=0) for name in self.__slots__))


def joined(parts: list[Targets]) -> Targets:
    """Concatenates parts in time."""
    return Targets(*(np.concatenate([getattr(p, name) for p in parts]) for name in Targets.__slots__))


def both(left: Array, mirrored: bool = True) -> Array:
    """Left and right [T,2,3] from the left side [T,3]; the right is mirrored unless `mirrored` is false."""
    right = left * np.array([-1.0 if mirrored else 1.0, 1.0, 1.0])
    return np.stack([left, right], axis=1)


def vec(x: Array | float, y: Array | float, z: Array | float, count: int) -> Array:
    """Positions [count,3] from coordinates that are numbers or [count]."""
    return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (count,)) for v in (x, y, z)], axis=-1)


def standing(body: Body, count: int, stance: float = 1.0) -> Targets:
    """Upright, arms by the sides."""
    zero = np.zeros(count)
    wide = body.hip * stance * 1.3
    hand_y = body.hip_height + body.torso - (body.upper_arm + body.forearm) * 0.99
    return Targets(
        pelvis=vec(0.0, body.hip_height - 0.004, 0.0, count),
        lean=zero + 0.02,
        ankles=both(vec(wide, body.ankle, 0.0, count)),
        wrists=both(vec(body.shoulder * 1.35, hand_y, 0.03, count)),
        knee=both(vec(0.2, 0.0, 1.0, count)),
        elbow=both(vec(0.4, 0.0, -1.0, count)),
        roll=zero,
        bend=zero.copy(),
        heel=np.zeros((count, 2)),
        nod=zero + 0.12,
    )


def _unit(v: Array) -> Array:
    out: Array = v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
    return out


def two_bones(root: Array, goal: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Middle and end joint of a two-bone chain that reaches for `goal`, bending towards `pole`; all [..., 3]."""
    offset = goal - root
    length = np.linalg.norm(offset, axis=-1, keepdims=True)
    # Never quite straight: a stretched limb has no bending direction.
    reach = np.clip(length, abs(upper - lower) + 1e-3, (upper + lower) * 0.9995)
    along = offset / np.maximum(length, 1e-9)
    side = _unit(pole - along * np.sum(pole * along, axis=-1, keepdims=True))
    # Law of cosines: `a` along the chain to the joint's foot, `h` out of it.
    a = (upper**2 - lower**2 + reach**2) / (2.0 * reach)
    h = np.sqrt(np.maximum(upper**2 - a**2, 0.0))
    return root + along * a + side * h, root + along * reach


def solve(body: Body, t: Targets) -> Array:
    """Joint positions [T, 18, 3] in metres, in the order of `body.JOINTS`."""
    count = len(t.lean)
    joints = np.zeros((count, 18, 3))
    sin, cos = np.sin(t.lean), np.cos(t.lean)
    sr, cr = np.sin(t.roll), np.cos(t.roll)
    up = np.stack([sr, cos * cr, sin * cr], axis=-1)
    left = np.stack([cr, -sr * cos, -sr * sin], axis=-1)
    front = np.cross(left, up)
    bend = t.bend[:, None]
    joints[:, 0] = t.pelvis
    joints[:, 1] = t.pelvis + up * body.torso * 0.5 - front * bend
    joints[:, 2] = t.pelvis + up * (body.torso - 0.45 * np.abs(bend)) + front * bend * 0.55
    nod = (t.nod + 2.2 * t.bend / body.height * 3.0)[:, None]
    joints[:, 3] = joints[:, 2] + (up * np.cos(nod) + front * np.sin(nod)) * body.neck
    for i, sign in enumerate((1.0, -1.0)):
        shoulder = joints[:, 2] - up * 0.018 * body.height + left * sign * body.shoulder
        elbow, wrist = two_bones(shoulder, t.wrists[:, i], body.upper_arm, body.forearm, t.elbow[:, i])
        hip = t.pelvis + np.array([1.0, 0.0, 0.0]) * sign * body.hip
        knee, ankle = two_bones(hip, t.ankles[:, i], body.thigh, body.shin, t.knee[:, i])
        joints[:, 4 + i], joints[:, 6 + i], joints[:, 8 + i] = shoulder, elbow, wrist
        joints[:, 10 + i], joints[:, 12 + i], joints[:, 14 + i] = hip, knee, ankle
        flat = np.array([sign * 0.28, 0.0, 1.0]) / np.hypot(1.0, 0.28)
        heel = t.heel[:, i][:, None]
        down = np.array([0.0, -1.0, 0.0])
        toe = ankle + (flat * np.cos(heel) + down * np.sin(heel)) * body.foot
        toe[:, 1] = np.where(heel[:, 0] < 0.05, ankle[:, 1] - 0.6 * body.ankle, toe[:, 1])
        # Toes stay above the floor.
        toe[:, 1] = np.maximum(toe[:, 1], 0.012 * body.height)
        joints[:, 16 + i] = toe
    return joints


def turned(joints: Array, yaw: Array, x: Array, z: Array) -> Array:
    """Joints rotated about the vertical by `yaw` [T] radians and moved over the floor by x, z [T] metres."""
    sin, cos = np.sin(yaw)[:, None], np.cos(yaw)[:, None]
    out = np.empty_like(joints)
    out[..., 0] = joints[..., 0] * cos + joints[..., 2] * sin + x[:, None]
    out[..., 1] = joints[..., 1]
    out[..., 2] = -joints[..., 0] * sin + joints[..., 2] * cos + z[:, None]
    return out
