"""Turns joints into shapes: a dressed person as tapered capsules and ellipsoids. Knows no camera and no light.

A shape is a row of `SHAPE` numbers: kind (0 tapered capsule, 1 ellipsoid); capsule: a(3), radius a, b(3), radius b;
ellipsoid: centre(3), outer radius, rows of the matrix (9) that takes it to the unit ball; then from 14 on colour(3),
second colour(3), pattern (0 plain, 1 hoops, 2 halves), hoops, gloss, free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cornerman_training.gym.jit import jit

Array = NDArray[np.float64]
SHAPE = 24
MAX_SHAPES = 64


@jit
def put_capsule(out: Array, n: int, a: Array, ra: float, b: Array, rb: float, colour: Array) -> int:
    """Appends a tapered capsule from `a` to `b`; returns the new count."""
    row = out[n]
    row[:] = 0.0
    row[1:4] = a
    row[4] = ra
    row[5:8] = b
    row[8] = rb
    row[14:17] = colour
    row[17:20] = colour
    return n + 1


@jit
def put_ball(
    out: Array,
    n: int,
    centre: Array,
    left: Array,
    up: Array,
    front: Array,
    radii: tuple[float, float, float],
    colour: Array,
) -> int:
    """Appends an ellipsoid with the given unit axes and radii; returns the new count."""
    row = out[n]
    row[:] = 0.0
    row[0] = 1.0
    row[1:4] = centre
    row[4] = max(radii[0], max(radii[1], radii[2]))
    row[5:8] = left / radii[0]
    row[8:11] = up / radii[1]
    row[11:14] = front / radii[2]
    row[14:17] = colour
    row[17:20] = colour
    return n + 1


@jit
def _norm(v: Array) -> Array:
    length: float = max(np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), 1e-9)
    out: Array = v / length
    return out


@jit
def _cross(a: Array, b: Array) -> Array:
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@jit
def _limb(
    out: Array, n: int, points: Array, radii: Array, covered: float, skin: Array, cloth: Array, slack: float
) -> int:
    """Appends two bones (points [3,3], radii [4]: start and end of each), then cloth over their covered share."""
    n = put_capsule(out, n, points[0], radii[0], points[1], radii[1], skin)
    n = put_capsule(out, n, points[1], radii[2], points[2], radii[3], skin)
    first = np.sqrt(((points[1] - points[0]) ** 2).sum())
    second = np.sqrt(((points[2] - points[1]) ** 2).sum())
    reach = covered * (first + second)
    u = min(reach / first, 1.0)
    r = radii[0] + (radii[1] - radii[0]) * u
    n = put_capsule(out, n, points[0], radii[0] + slack, points[0] + (points[1] - points[0]) * u, r + slack, cloth)
    if reach > first:
        u = min((reach - first) / second, 1.0)
        r = radii[2] + (radii[3] - radii[2]) * u
        n = put_capsule(out, n, points[1], radii[2] + slack, points[1] + (points[2] - points[1]) * u, r + slack, cloth)
    return n


@jit
def dress(joints: Array, lengths: Array, colours: Array, gear: bool, out: Array) -> int:
    """Fills `out` [MAX_SHAPES, SHAPE] with the shapes of one person; returns their number.

    Args:
        joints: [18, 3] metres, in the order of `body.JOINTS`.
        lengths: `Body.lengths()`.
        colours: `Body.colours()`.
        gear: whether the hands hold dumbbells.
        out: written in place.
    """
    h = lengths[0]  # height; most radii are shares of it
    g = lengths[2]  # girth, 1 on average
    thick = 0.5 + 0.5 * g
    skin, hair, shirt, shirt_2, trousers, shoes = colours[0], colours[1], colours[2], colours[3], colours[4], colours[5]
    pelvis, spine, neck, head = joints[0], joints[1], joints[2], joints[3]
    left = _norm(joints[4] - joints[5])
    n = 0
    # Axes of the chest: the spine, and across the shoulders.
    up = _norm(neck - spine)
    front = _norm(_cross(left, up))
    side = _norm(_cross(up, front))
    chest = spine + (neck - spine) * 0.50
    n = put_ball(out, n, chest, side, up, front, (lengths[3] * 0.97, lengths[10] * 0.37, 0.060 * h * g), shirt)
    out[n - 1, 17:20] = shirt_2
    out[n - 1, 20] = lengths[8]
    out[n - 1, 21] = 5.0
    # Axes of the belly, which bends with the lower spine.
    low = _norm(spine - pelvis)
    low_front = _norm(_cross(left, low))
    low_side = _norm(_cross(low, low_front))
    belly = spine + (pelvis - spine) * 0.30
    n = put_ball(out, n, belly, low_side, low, low_front, (0.074 * h * g, lengths[10] * 0.36, 0.056 * h * g), shirt)
    out[n - 1, 17:20] = shirt_2
    out[n - 1, 20] = lengths[8]
    out[n - 1, 21] = 5.0
    hip_centre = pelvis + (spine - pelvis) * 0.08
    n = put_ball(
        out, n, hip_centre, low_side, low, low_front,
        (lengths[4] + 0.040 * h * thick, 0.068 * h, 0.062 * h * g), trousers,
    )  # fmt: skip
    n = put_capsule(out, n, neck - up * 0.03 * h, 0.032 * h, neck + (head - neck) * 0.6, 0.026 * h, skin)
    for i in range(2):
        shoulder, elbow, wrist = joints[4 + i], joints[6 + i], joints[8 + i]
        n = put_capsule(out, n, neck - up * 0.012 * h, 0.030 * h, shoulder, 0.031 * h * thick, shirt)
        points = np.stack((shoulder, elbow, wrist))
        radii = np.array([0.030, 0.0235, 0.0235, 0.0155]) * h * thick
        n = _limb(out, n, points, radii, lengths[6], skin, shirt, 0.0045 * h)
        along = _norm(wrist - elbow)
        n = put_capsule(out, n, wrist, 0.0175 * h, wrist + along * 0.042 * h, 0.0155 * h, skin)
        if gear:
            grip = wrist + along * 0.03 * h
            iron = np.array([0.16, 0.16, 0.18])
            for end in (-1.0, 1.0):
                at = grip + left * (0.055 * h * end)
                n = put_capsule(out, n, grip, 0.008 * h, at, 0.008 * h, iron)
                n = put_capsule(out, n, at, 0.026 * h, at + left * (0.022 * h * end), 0.026 * h, iron)
                out[n - 1, 22] = 0.35
    for i in range(2):
        hip, knee, ankle, toe = joints[10 + i], joints[12 + i], joints[14 + i], joints[16 + i]
        points = np.stack((hip, knee, ankle))
        radii = np.array([0.050, 0.034, 0.034, 0.019]) * h * thick
        n = _limb(out, n, points, radii, lengths[7], skin, trousers, 0.0045 * h)
        shin = _norm(ankle - knee)
        calf = ankle + (knee - ankle) * 0.68
        n = put_capsule(
            out, n, calf + shin * 0.0, 0.033 * h * thick, ankle + (knee - ankle) * 0.3, 0.022 * h * thick,
            trousers if lengths[7] > 0.8 else skin,
        )  # fmt: skip
        heel = ankle + shin * 0.018 * h - _norm(toe - ankle) * 0.018 * h
        n = put_capsule(out, n, heel, 0.022 * h, toe, 0.017 * h, shoes)
        n = put_capsule(out, n, ankle - shin * 0.01 * h, 0.0215 * h, heel, 0.021 * h, shoes)
    hup = _norm(head - neck)
    hfront = _norm(_cross(left, hup))
    r = lengths[1]
    n = put_ball(out, n, head, left, hup, hfront, (r * 0.74, r, r * 0.84), skin)
    cap = head + hup * (0.17 * r) - hfront * (0.13 * r)
    n = put_ball(out, n, cap, left, hup, hfront, (r * 0.79, r * 0.90, r * 0.82), hair)
    nose = head + hfront * (0.80 * r) - hup * (0.10 * r)
    n = put_ball(out, n, nose, left, hup, hfront, (r * 0.11, r * 0.19, r * 0.17), skin)
    for sign in (-1.0, 1.0):
        eye = head + hfront * (0.74 * r) + hup * (0.12 * r) + left * (0.28 * r * sign)
        n = put_ball(out, n, eye, left, hup, hfront, (r * 0.09, r * 0.07, r * 0.09), np.array([0.08, 0.07, 0.08]))
        ear = head + left * (0.74 * r * sign) - hup * (0.05 * r)
        n = put_ball(out, n, ear, left, hup, hfront, (r * 0.10, r * 0.22, r * 0.14), skin)
    if lengths[9] > 0.5:
        bun = head - hfront * (0.80 * r) + hup * (0.22 * r)
        n = put_capsule(out, n, bun, r * 0.26, bun - hfront * (0.35 * r) - hup * (0.9 * r), r * 0.12, hair)
    return n
