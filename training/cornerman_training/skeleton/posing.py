"""From targets (pelvis, trunk, hands, feet) to the landmarks of a skeleton. Knows bones, not exercises.

Body frame: x to the person's left, y up, z forward; metres and radians. Arrays run over T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cornerman_training.skeleton.build import Build

Array = NDArray[np.float64]
SIGNS = (1.0, -1.0)  # left, right


@dataclass(slots=True)
class PoseTrack:
    """Targets of T frames: index 0 of `wrists`, `ankles`, `elbows`, `knees`, `heels` is left.

    `pelvis` [T,3]; `wrists`, `ankles` [T,2,3] positions; `elbows`, `knees` [T,2,3] where the joints point to;
    `lean`, `roll`, `twist`, `nod` [T] and `heels` [T,2] radians; `bend` [T] how far the spine bulges back, metres.
    """

    pelvis: Array
    lean: Array
    roll: Array
    twist: Array
    bend: Array
    nod: Array
    wrists: Array
    elbows: Array
    ankles: Array
    knees: Array
    heels: Array

    def blended(self, other: PoseTrack, weight: Array) -> PoseTrack:
        """This pose where `weight` [T] is 0, `other` where it is 1."""

        def mix(a: Array, b: Array) -> Array:
            w = weight.reshape((-1,) + (1,) * (a.ndim - 1))
            return a * (1.0 - w) + b * w

        return PoseTrack(*(mix(getattr(self, n), getattr(other, n)) for n in PoseTrack.__slots__))

    def sliced(self, start: int, stop: int) -> PoseTrack:
        """Frames [start, stop)."""
        return PoseTrack(*(getattr(self, n)[start:stop] for n in PoseTrack.__slots__))

    def held(self, index: int, count: int) -> PoseTrack:
        """One frame repeated `count` times."""
        return PoseTrack(*(np.repeat(getattr(self, n)[index][None], count, axis=0) for n in PoseTrack.__slots__))


def concatenated(parts: list[PoseTrack]) -> PoseTrack:
    """The parts one after another in time."""
    return PoseTrack(*(np.concatenate([getattr(p, n) for p in parts]) for n in PoseTrack.__slots__))


def vec(x: Array | float, y: Array | float, z: Array | float, count: int) -> Array:
    """[count, 3] of three coordinates, each a number or an array [count]."""
    return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (count,)) for v in (x, y, z)], axis=-1)


def both(left: Array) -> Array:
    """[T,2,3]: `left` [T,3] and its mirror image."""
    return np.stack([left, left * np.array([-1.0, 1.0, 1.0])], axis=1)


def unit(v: Array) -> Array:
    """`v` scaled to length one along the last axis."""
    out: Array = v / np.maximum(np.sqrt(np.sum(v * v, axis=-1, keepdims=True)), 1e-9)
    return out


def chord(upper: float, lower: float, angle: Array | float) -> Array:
    """Distance of a chain's ends when its middle joint has `angle` radians between the bones."""
    out: Array = np.sqrt(np.maximum(upper**2 + lower**2 - 2.0 * upper * lower * np.cos(np.asarray(angle, float)), 1e-6))
    return out


def trunk_axes(t: PoseTrack) -> tuple[Array, Array, Array]:
    """Unit vectors (left, up, front) [T,3] of the shoulders."""
    sin, cos, sr, cr = np.sin(t.lean), np.cos(t.lean), np.sin(t.roll), np.cos(t.roll)
    up = np.stack([sr, cos * cr, sin * cr], axis=-1)
    left = np.stack([cr, -sr * cos, -sr * sin], axis=-1)
    front = np.cross(left, up)
    st, ct = np.sin(t.twist)[:, None], np.cos(t.twist)[:, None]
    return left * ct - front * st, up, front * ct + left * st


def shoulders(build: Build, t: PoseTrack) -> Array:
    """Shoulder joints [T,2,3]."""
    left, up, front = trunk_axes(t)
    bend = t.bend[:, None]
    neck = t.pelvis + up * (build.torso - 0.45 * np.abs(bend)) + front * bend * 0.55 - up * 0.018 * build.height
    return np.stack([neck + left * build.shoulder, neck - left * build.shoulder], axis=1)


def swing_arm(build: Build, t: PoseTrack, side: int, raised: Array | float, plane: Array | float, flex: Array | float,
              curl: Array | float = np.pi / 2) -> None:  # fmt: skip
    """Set one arm by angles, in the frame of the trunk.

    Args:
        build: bone lengths.
        t: changed in place.
        side: 0 left, 1 right.
        raised: angle of the upper arm from hanging down, radians.
        plane: direction of the raise: 0 to the side, pi/2 forward.
        flex: bend of the elbow, 0 is straight.
        curl: direction in which the forearm folds, as `plane`.
    """
    left, up, front = trunk_axes(t)
    out = left * SIGNS[side]
    n = len(t.lean)

    def col(a: Array | float) -> Array:
        return np.broadcast_to(np.asarray(a, dtype=np.float64), (n,))[:, None]

    r, p, f, c = col(raised), col(plane), col(flex), col(curl)
    upper = out * np.sin(r) * np.cos(p) + front * np.sin(r) * np.sin(p) - up * np.cos(r)
    fold = unit(out * np.cos(c) + front * np.sin(c) + up * 0.05)
    # Where the arm already points along the folding direction the forearm folds upwards instead.
    fold = fold * (1 - np.clip(np.sum(fold * upper, -1, keepdims=True), 0, 1)) + up * np.clip(
        np.sum(fold * upper, -1, keepdims=True), 0, 1
    )
    fold = unit(fold - upper * np.sum(fold * upper, axis=-1, keepdims=True))
    elbow = shoulders(build, t)[:, side] + upper * build.upper_arm
    wrist = elbow + (upper * np.cos(f) + fold * np.sin(f)) * build.forearm
    t.wrists[:, side] = wrist
    t.elbows[:, side] = upper - fold * 0.3


def upright(build: Build, count: int, stance: float = 1.0) -> PoseTrack:
    """Standing with hanging arms; `stance` is the ankles' distance over the hips' width."""
    zero = np.zeros(count)
    wide = build.hip * stance
    t = PoseTrack(
        pelvis=vec(
            0.0, build.ankle + np.sqrt(max((build.leg * 0.998) ** 2 - (wide - build.hip) ** 2, 0.01)), 0.0, count
        ),
        lean=zero + 0.02,
        roll=zero.copy(),
        twist=zero.copy(),
        bend=zero.copy(),
        nod=zero + 0.1,
        wrists=np.zeros((count, 2, 3)),
        elbows=both(vec(0.4, 0.0, -1.0, count)),
        ankles=both(vec(wide, build.ankle, 0.0, count)),
        knees=both(vec(0.15, 0.0, 1.0, count)),
        heels=np.zeros((count, 2)),
    )
    for side in (0, 1):
        swing_arm(build, t, side, 0.12, 0.3, 0.15)
    return t


def _chain(root: Array, goal: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    offset = goal - root
    length = np.sqrt(np.sum(offset * offset, axis=-1, keepdims=True))
    reach = np.clip(length, abs(upper - lower) + 1e-3, (upper + lower) * 0.9995)
    along = offset / np.maximum(length, 1e-9)
    side = unit(pole - along * np.sum(pole * along, axis=-1, keepdims=True))
    a = (upper**2 - lower**2 + reach**2) / (2.0 * reach)
    h = np.sqrt(np.maximum(upper**2 - a**2, 0.0))
    return root + along * a + side * h, root + along * reach


def skeleton(build: Build, t: PoseTrack) -> Array:
    """Landmarks [T, 20, 3] in metres, in the order of `cornerman_pose.points.POINTS`, then the spine's middle."""
    count = len(t.lean)
    out = np.zeros((count, 20, 3))
    left, up, front = trunk_axes(t)
    pair = shoulders(build, t)
    neck = pair.mean(1) + up * 0.018 * build.height
    nod = (t.nod + 5.0 * t.bend / build.height)[:, None]
    axis = up * np.cos(nod) + front * np.sin(nod)
    face = front * np.cos(nod) - up * np.sin(nod)
    head = neck + axis * build.neck * 0.75
    h = build.height
    out[:, 0] = head + face * 0.058 * h
    out[:, 1], out[:, 2] = head + left * 0.042 * h, head - left * 0.042 * h
    out[:, 19] = t.pelvis + up * build.torso * 0.5 - front * t.bend[:, None]
    hips_left = unit(np.array([1.0, 0.0, 0.0]) * np.cos(t.roll * 0.25)[:, None] + np.array([0, 1.0, 0]) * 0.0)
    for i, sign in enumerate(SIGNS):
        hip = t.pelvis + hips_left * sign * build.hip
        elbow, wrist = _chain(pair[:, i], t.wrists[:, i], build.upper_arm, build.forearm, t.elbows[:, i])
        knee, ankle = _chain(hip, t.ankles[:, i], build.thigh, build.shin, t.knees[:, i])
        flat = np.array([sign * 0.25, 0.0, 1.0]) / np.hypot(1.0, 0.25)
        pitch = t.heels[:, i][:, None]
        along = flat * np.cos(pitch) + np.array([0.0, -1.0, 0.0]) * np.sin(pitch)
        sole = -np.array([0.0, 1.0, 0.0]) * np.cos(pitch) - flat * np.sin(pitch)
        toe = ankle + along * build.foot + sole * build.ankle * 0.85
        heel = ankle - along * build.foot * 0.28 + sole * build.ankle * 0.9
        for j, point in zip(
            (3, 5, 7, 9, 11, 13, 15, 17), (pair[:, i], elbow, wrist, hip, knee, ankle, heel, toe), strict=True
        ):
            out[:, j + i] = point
    return out


def waves(
    rng: np.random.Generator, count: int, period_s: float, shape: tuple[int, ...] = (), fps: float = 8.0
) -> Array:
    """Smooth noise of unit variance [count, *shape]; values about `period_s` seconds apart are independent."""
    step = max(period_s * fps, 1.0)
    knots = rng.standard_normal((int(count / step) + 3, *shape))
    x = np.arange(count) / step + rng.uniform()
    i = x.astype(int)
    f = (x - i).reshape((-1,) + (1,) * len(shape))
    f = f * f * (3 - 2 * f)
    out: Array = (knots[i] * (1 - f) + knots[i + 1] * f) * 1.25
    return out
