"""Standing exercises as poses over a repetition, with the manners real people have. Knows form, not time tables.

Every form takes `s` [T] (0 at rest, 1 at the far end), `side` [T] (0 left, 1 right leads) and `wrong`, strengths [T] by
name of mistake (1 is a clear one), and draws its own manner from `rng`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, both, chord, shoulders, swing_arm, upright, vec

Wrong = Mapping[str, Array]


def _of(wrong: Wrong, name: str, s: Array) -> Array:
    return wrong.get(name, np.zeros(len(s)))


def _smooth(x: Array) -> Array:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _carry(rng: Generator, build: Build, t: PoseTrack, s: Array) -> None:
    """Arms of people whose legs work: hanging weights, bar on the back, hips, goblet, crossed, forward, overhead."""
    kind = int(rng.choice(9, p=[0.15, 0.17, 0.1, 0.12, 0.07, 0.11, 0.11, 0.1, 0.07]))
    spread = float(rng.uniform(0, 0.3))
    for i in (0, 1):
        if kind == 0:
            t.wrists[:, i] = shoulders(build, t)[:, i] + np.array(
                [SIGNS[i] * 0.05, -build.arm * rng.uniform(0.93, 0.99), rng.uniform(0, 0.1)]
            )
            t.elbows[:, i] = np.array([SIGNS[i] * 0.3, 0.0, -1.0])
        elif kind == 1:
            swing_arm(
                build,
                t,
                i,
                rng.uniform(0.3, 0.9),
                rng.uniform(-0.9, 0.2),
                rng.uniform(2.2, 2.55),
                rng.uniform(-0.2, 0.6),
            )
        elif kind == 2:
            t.wrists[:, i] = t.pelvis + np.array([SIGNS[i] * build.hip * 2.4, 0.06 * build.height, 0.03])
            t.elbows[:, i] = np.array([SIGNS[i], 0.1, -0.5])
        elif kind == 3:
            swing_arm(build, t, i, rng.uniform(0.2, 0.7), np.pi / 2, rng.uniform(1.9, 2.4), 1.9 + spread)
        elif kind == 4:
            swing_arm(build, t, i, rng.uniform(1.1, 1.5), rng.uniform(1.0, 1.5), rng.uniform(1.6, 2.2), 2.6)
        elif kind == 5:
            swing_arm(build, t, i, rng.uniform(1.2, 1.7), rng.uniform(1.2, 1.6), rng.uniform(0.0, 0.5), 1.9)
        elif kind == 6:
            up = _smooth(s * rng.uniform(1.2, 2.5))
            swing_arm(build, t, i, 0.15 + up * rng.uniform(1.2, 1.6), 0.4 + up * 1.1, 0.2 + (1 - up) * 0.1, 1.9)
        elif kind == 7:
            swing_arm(build, t, i, rng.uniform(2.5, 3.1), rng.uniform(0, 1.0), rng.uniform(0.05, 0.5), 1.0)
        else:
            up = _smooth(s * rng.uniform(1.2, 2.5))
            swing_arm(build, t, i, 0.15 + up * 0.5, 0.4 + up, 0.3 + up * 1.7, 2.2)


def squat(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Air, goblet, barbell, sumo and box squats."""
    n, h = len(s), build.height
    stance = float(rng.uniform(1.2, 3.6))
    t = upright(build, n, stance)
    bottom = rng.uniform(52, 92) + np.zeros(n)
    shallow = _of(wrong, "too_shallow", s)
    bottom = bottom + (rng.uniform(122, 142) - bottom) * np.clip(shallow, 0, 1.3)
    top = rng.uniform(168, 178)
    knee = np.radians(top + (bottom - top) * s)
    length = chord(build.thigh, build.shin, knee)
    depth = np.clip((np.radians(178) - knee) / 1.6, 0, 1.2)
    back = rng.uniform(0.1, 0.2) * h * depth
    drop_x = build.hip * (stance - 1.0)
    t.pelvis[:, 1] = build.ankle + np.sqrt(np.maximum(length**2 - back**2 - drop_x**2, (0.12 * h) ** 2))
    t.pelvis[:, 2] = -back
    most = rng.uniform(0.25, 0.76)
    t.lean = rng.uniform(-0.03, 0.1) + most * np.minimum(depth, 1.0)
    t.lean = t.lean + _of(wrong, "leaning_forward", s) * s * (1.2 - most)
    rounding = _of(wrong, "round_back", s) * np.clip(s * 1.5, 0, 1)
    t.bend = 0.055 * h * rounding
    t.lean = t.lean + rng.uniform(0.05, 0.35) * rounding
    t.nod = t.nod + rng.uniform(0, 0.4) * rounding - rng.uniform(0, 0.5) * s
    # Knees travel over the feet: `share` is their gap over that of the ankles at the bottom.
    caving = np.clip(_of(wrong, "knees_in", s), 0, 1.2) * np.clip(s * 1.6, 0, 1)
    share = rng.uniform(0.95, 1.35) - rng.uniform(0.45, 0.65) * caving
    sine = np.clip((share * build.hip * stance - build.hip * (1 + stance) / 2) / (0.17 * h), -0.85, 0.85)
    t.knees = both(vec(sine / np.sqrt(1 - sine**2), 0.0, 1.0, n))
    t.roll = t.roll + rng.normal(0, 0.02) * s
    _carry(rng, build, t, s)
    return t


def lunge(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Forward, reverse, walking and static lunges; static ones keep the feet apart."""
    n, h = len(s), build.height
    gap = float(rng.uniform(0.7, 1.6))
    t = upright(build, n, gap if rng.uniform() < 0.85 else 0.1)
    static = rng.uniform() < 0.4
    stride = rng.uniform(0.34, 0.52) * h
    short = _of(wrong, "short_step", s)
    step = stride * (1 - 0.72 * np.clip(short, 0, 1.2))
    out = np.ones(n) if static else _smooth(s * rng.uniform(1.5, 2.2))
    sink = s if static else _smooth(np.clip((s - 0.25) / 0.75, 0, 1))
    front_knee = rng.uniform(78, 104) + (rng.uniform(132, 148) - 90) * np.clip(_of(wrong, "too_shallow", s), 0, 1.3)
    front_knee = np.minimum(front_knee, 160)
    share = rng.uniform(0.42, 0.62) + (1 - rng.uniform(0.42, 0.62)) * np.clip(short, 0, 1.0)
    rear = rng.uniform() < 0.5  # a reverse lunge: the other foot moves back
    lead = np.stack([side < 0.5, side >= 0.5], axis=1).astype(float)
    lift = rng.uniform(0.02, 0.09) * h * np.sin(np.pi * np.clip(out, 0, 1)) * (out < 0.999) * (not static)
    t.ankles[:, :, 2] += lead * (out * step * (1 - share))[:, None] - (1 - lead) * (out * step * share)[:, None]
    t.ankles[:, :, 1] += (lead if not rear else 1 - lead) * lift[:, None]
    # The pelvis stays near the middle of the feet; the depth follows the angle of the front knee.
    knee = np.radians(172 + (front_knee - 172) * sink)
    length = chord(build.thigh, build.shin, knee)
    dz = out * step * (1 - share)
    high = np.sqrt(np.maximum(length**2 - dz**2, (0.16 * h) ** 2))
    tall = t.pelvis[:, 1] - build.ankle
    limit = np.sqrt(np.maximum((build.leg * 0.995) ** 2 - (out * step * share) ** 2, (0.2 * h) ** 2)) + 0.06 * h * out
    t.pelvis[:, 1] = build.ankle + np.minimum(np.minimum(high, tall), limit)
    t.heels = (1 - lead) * (rng.uniform(0.5, 1.0) * out)[:, None]
    t.ankles[:, :, 1] += (1 - lead) * (0.055 * h * out)[:, None]
    if rng.uniform() < 0.08:  # the back foot on a bench or in the air
        t.ankles[:, :, 1] += (1 - lead) * rng.uniform(0.1, 0.24) * h
    t.knees = both(vec(rng.uniform(-0.1, 0.2), -0.1, 1.0, n))
    t.lean = rng.uniform(-0.05, 0.17) + rng.uniform(0, 0.14) * s
    t.lean = t.lean + rng.uniform(0.5, 0.8) * _of(wrong, "leaning_forward", s) * s
    _carry(rng, build, t, s)
    return t


def jumping_jack(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Arms and legs open and close; arms bent or straight, in front or at the sides, clapping or not."""
    n, h = len(s), build.height
    close = float(rng.uniform(0.4, 1.3))
    spread = rng.uniform(0.1, 0.2) * h * (1 - 0.88 * np.clip(_of(wrong, "narrow_feet", s), 0, 1.1))
    t = upright(build, n, close)
    legs = _smooth(s * rng.uniform(0.95, 1.2))
    hop = rng.uniform(0.0, 0.045) * h * np.abs(np.sin(2 * np.pi * s)) * (s > 0.02)
    wide = build.hip * close + spread * legs
    t.ankles = both(vec(wide, build.ankle + hop, 0.0, n))
    length = build.leg * (0.995 - rng.uniform(0, 0.03) * legs)
    t.pelvis[:, 1] = build.ankle + hop + np.sqrt(np.maximum(length**2 - (wide - build.hip) ** 2, 0.01))
    t.knees = both(vec(0.4, 0.0, 1.0, n))
    t.heels = np.repeat((hop / (0.045 * h) * 0.6)[:, None], 2, axis=1)
    top = rng.uniform(2.6, 3.1)
    low = np.clip(_of(wrong, "low_arms", s), 0, 1.2)
    plane, flex = rng.uniform(-0.15, 0.5), rng.uniform(0.0, 0.6)
    start = rng.uniform(0.1, 0.3)
    lag = rng.uniform(0.9, 1.15)
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, np.clip(_of(wrong, "one_arm", s), 0, 1), 0.0)
        peak = top - (top - rng.uniform(1.3, 1.8)) * low
        peak = peak - (peak - 0.35) * mine
        swing_arm(build, t, i, start + (peak - start) * np.clip(s * lag, 0, 1), plane, flex, rng.uniform(0.6, 1.6))
    return t


def _seat(rng: Generator, build: Build, t: PoseTrack) -> None:
    """Sit on a bench: thighs level, feet forward."""
    t.pelvis[:, 1] = build.ankle + build.shin * rng.uniform(0.92, 1.12)
    t.ankles[:, :, 2] = build.thigh * rng.uniform(0.75, 1.1)
    t.ankles[:, :, 0] *= rng.uniform(1.0, 1.8)
    t.knees = both(vec(rng.uniform(0.0, 0.5), 1.0, 0.6, len(t.lean)))
    t.lean = t.lean - rng.uniform(-0.05, 0.14)


def overhead_press(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Barbell, dumbbells, machine, Arnold and push press; standing or seated."""
    n, h = len(s), build.height
    t = upright(build, n, float(rng.uniform(1.0, 2.4)))
    t.lean = t.lean + rng.uniform(-0.07, 0.08)
    if rng.uniform() < 0.45:
        _seat(rng, build, t)
    elif rng.uniform() < 0.2:  # push press: the legs dip before the arms rise
        dip = rng.uniform(0.02, 0.06) * h * np.clip(np.sin(np.pi * np.clip(s / 0.35, 0, 1)), 0, 1)
        t.pelvis[:, 1] -= dip
    back = _of(wrong, "leaning_back", s) * np.clip(s * 1.4, 0, 1)
    t.lean = t.lean - 0.36 * back
    t.pelvis[:, 2] += 0.05 * h * back
    t.nod = t.nod - rng.uniform(0, 0.3) * s
    pair = shoulders(build, t)
    low = rng.uniform(-0.03, 0.09) * h + 0.165 * h * np.clip(_of(wrong, "half_way_down", s), 0, 1.2)
    grip_low, grip_high = rng.uniform(1.1, 2.8), rng.uniform(0.8, 2.0)
    front_low, front_high = rng.uniform(0.02, 0.13) * h, rng.uniform(-0.03, 0.05) * h
    arnold = rng.uniform() < 0.15
    reach = build.arm * rng.uniform(0.94, 0.995)
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, np.clip(_of(wrong, "uneven", s), 0, 1), 0.0)
        share = s * (1 - 0.58 * np.clip(_of(wrong, "half_press", s), 0, 1.2)) * (1 - 0.6 * mine)
        wide = grip_low + (grip_high - grip_low) * share
        if arnold:
            wide = np.where(share < 0.3, 0.6, wide)
        x = SIGNS[i] * build.shoulder * (wide - 1)
        high = np.sqrt(np.maximum(reach**2 - x**2 - front_high**2, 0.01))
        y = low + (high - low) * share
        z = front_low + (front_high - front_low) * share
        t.wrists[:, i] = pair[:, i] + np.stack([x, y, z], axis=-1)
        t.elbows[:, i] = np.array([SIGNS[i] * rng.uniform(0.4, 1.1), -1.0, rng.uniform(-0.1, 0.8)])
    return t


def biceps_curl(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Both arms, alternating or one arm; standing or seated."""
    n = len(s)
    t = upright(build, n, float(rng.uniform(0.9, 2.2)))
    if rng.uniform() < 0.2:
        _seat(rng, build, t)
    t.lean = t.lean + rng.uniform(-0.05, 0.12)
    swing = _of(wrong, "swinging", s)
    t.lean = t.lean + swing * (0.2 - rng.uniform(0.42, 0.55) * s)
    alternate = rng.uniform() < 0.3
    peak = np.radians(180 - (rng.uniform(35, 62) + rng.uniform(52, 70) * np.clip(_of(wrong, "half_curl", s), 0, 1.2)))
    rest = np.radians(rng.uniform(5, 32) + rng.uniform(50, 65) * np.clip(_of(wrong, "half_way_down", s), 0, 1.2))
    plane, curl, out = rng.uniform(0.6, 1.7), rng.uniform(1.2, 2.0), rng.uniform(0.08, 0.3)
    drift = rng.uniform(0, 0.35)
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, s, 0.0) if alternate else s
        raised = out + drift * mine + rng.uniform(0.7, 1.0) * mine * np.clip(_of(wrong, "elbows_forward", s), 0, 1.2)
        swing_arm(build, t, i, raised, plane, rest + (peak - rest) * mine, curl)
    return t


def lateral_raise(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Arms to the side, or half way to the front; seldom seated or bent over."""
    n = len(s)
    t = upright(build, n, float(rng.uniform(0.9, 2.2)))
    if rng.uniform() < 0.1:
        _seat(rng, build, t)
    t.lean = t.lean + rng.uniform(-0.03, 0.2)
    t.lean = t.lean + _of(wrong, "swinging", s) * (0.16 - rng.uniform(0.38, 0.5) * s)
    usual = rng.uniform(1.38, 1.75)
    top = (
        usual
        - rng.uniform(0.6, 0.8) * np.clip(_of(wrong, "too_low", s), 0, 1.2)
        + rng.uniform(0.65, 0.95) * np.clip(_of(wrong, "too_high", s), 0, 1.2)
    )
    plane, flex, start = rng.uniform(-0.1, 0.6), rng.uniform(0.05, 0.75), rng.uniform(0.08, 0.35)
    if rng.uniform() < 0.12:
        plane = rng.uniform(1.2, 1.57)  # front raise
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, np.clip(_of(wrong, "uneven", s), 0, 1.1), 0.0)
        swing_arm(build, t, i, start + (top - start) * s * (1 - 0.5 * mine), plane, flex, rng.uniform(0.9, 1.6))
    return t


def deadlift(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Conventional, sumo and Romanian; `s` is 0 upright and 1 with the weight low."""
    n, h = len(s), build.height
    stance = float(rng.choice([rng.uniform(0.9, 1.8), rng.uniform(2.2, 3.8)], p=[0.8, 0.2]))
    t = upright(build, n, stance)
    squatting = np.clip(_of(wrong, "squatting", s), 0, 1.2)
    lean = rng.uniform(0.85, 1.45) * (1 - squatting) + rng.uniform(0.4, 0.62) * squatting
    bent = rng.uniform(112, 165) * (1 - squatting) + rng.uniform(70, 92) * squatting
    first = np.clip(_of(wrong, "hips_first", s), 0, 1)
    s_knee = np.clip(s - first * 0.9 * np.clip(4 * s * (1 - s), 0, 1) * s, 0, 1)
    s_trunk = np.clip(s + first * (1 - s) * np.clip(s * 4, 0, 1), 0, 1)
    knee = np.radians(175 + (bent - 175) * s_knee)
    length = chord(build.thigh, build.shin, knee)
    back = rng.uniform(0.1, 0.19) * h * s_trunk
    drop_x = build.hip * (stance - 1.0)
    t.pelvis[:, 1] = build.ankle + np.sqrt(np.maximum(length**2 - back**2 - drop_x**2, (0.15 * h) ** 2))
    t.pelvis[:, 2] = -back
    least = rng.uniform(-0.05, 0.1) + rng.uniform(0.5, 0.7) * np.clip(_of(wrong, "not_upright", s), 0, 1.2)
    t.lean = least + (np.maximum(lean, least + 0.2) - least) * s_trunk
    rounding = _of(wrong, "round_back", s) * np.clip(s * 1.5, 0.25, 1)
    t.bend = 0.06 * h * rounding
    t.lean = t.lean + rng.uniform(0.05, 0.4) * rounding * s
    t.nod = t.nod + rng.uniform(0, 0.4) * rounding - rng.uniform(0, 0.7) * s
    t.knees = both(vec(rng.uniform(0, 0.4), 0.0, 1.0, n))
    pair = shoulders(build, t)
    narrow = rng.uniform(0.5, 1.5)
    for i in (0, 1):
        goal = pair[:, i] + np.array([SIGNS[i] * build.shoulder * (narrow - 1), -build.arm * 0.975, 0.0])
        near = rng.uniform(0.2, 0.9)
        goal[:, 2] = goal[:, 2] * (1 - near) + near * np.minimum(goal[:, 2], 0.1 * h)
        t.wrists[:, i] = goal
        t.elbows[:, i] = np.array([SIGNS[i] * 0.5, 0.0, -1.0])
    return t


def high_knees(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Running or marching on the spot with high knees; arms swing, hang or are held out."""
    n, h = len(s), build.height
    t = upright(build, n, float(rng.uniform(0.7, 1.3)))
    top = np.radians(rng.uniform(78, 112) - rng.uniform(32, 48) * np.clip(_of(wrong, "low_knees", s), 0, 1.2))
    folded = rng.uniform(1.1, 2.0)
    style, amount = int(rng.integers(4)), rng.uniform(0.3, 1.0)
    t.lean = t.lean + rng.uniform(-0.04, 0.1) - rng.uniform(0.22, 0.32) * _of(wrong, "leaning_back", s)
    t.pelvis[:, 1] += rng.uniform(0, 0.03) * h * s
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, s, 0.0)
        a = top * mine
        hip = t.pelvis + np.array([SIGNS[i] * build.hip, 0, 0])
        knee = hip + np.stack([0 * a, -np.cos(a), np.sin(a)], -1) * build.thigh
        b = a - np.minimum(a * folded, np.pi * 0.62)
        lifted = knee + np.stack([0 * a, -np.cos(b), np.sin(b)], -1) * build.shin
        w = np.clip(mine * 6, 0, 1)[:, None]
        t.ankles[:, i] = t.ankles[:, i] * (1 - w) + lifted * w
        t.heels[:, i] = rng.uniform(0, 0.7) * mine
        other = np.where(side.astype(int) == i, 0.0, s)
        if style == 0:
            swing_arm(build, t, i, 0.2 + amount * (other - 0.4 * mine), 1.5, 1.5, 1.57)
        elif style == 1:
            swing_arm(build, t, i, 0.15, 0.3, 0.3, 1.57)
        elif style == 2:
            swing_arm(build, t, i, 0.1, 1.2, 1.5, 1.57)
        else:
            swing_arm(build, t, i, 0.3 + amount * 2.4 * other, 1.4, 0.3, 1.57)
    return t
