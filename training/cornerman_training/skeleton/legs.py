"""Standing exercises of the legs and the whole body. Knows form, not time tables.

Every form takes `s` [T] (0 at rest, 1 at the far end), `side` [T] (0 left, 1 right leads) and `wrong`, strengths [T] by
name of mistake (1 is a clear one), and draws its own manner from `rng`.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.manners import Wrong, carry, eased, strength, throw_arm, tilt
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, both, chord, shoulders, swing_arm, upright, vec


def squat(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Air, goblet, barbell, sumo and box squats."""
    n, h = len(s), build.height
    stance = float(rng.uniform(1.2, 3.6))
    t = upright(build, n, stance)
    bottom = rng.uniform(52, 92) + np.zeros(n)
    shallow = strength(wrong, "too_shallow", s)
    bottom = bottom + (rng.uniform(122, 142) - bottom) * np.clip(shallow, 0, 1.3)
    top = rng.uniform(168, 178)
    knee = np.radians(top + (bottom - top) * s)
    length = chord(build.thigh, build.shin, knee)
    depth = np.clip((np.radians(178) - knee) / 1.6, 0, 1.2)
    back = rng.uniform(0.1, 0.2) * h * depth
    drop_x = build.hip * (stance - 1.0)
    t.pelvis[:, 1] = build.ankle + np.sqrt(np.maximum(length**2 - back**2 - drop_x**2, (0.12 * h) ** 2))
    t.pelvis[:, 2] = -back
    most = rng.uniform(0.2, 0.76)
    t.lean = rng.uniform(-0.03, 0.1) + most * np.minimum(depth, 1.0)
    t.lean = t.lean + strength(wrong, "leaning_forward", s) * s * (1.2 - most)
    rounding = strength(wrong, "round_back", s) * np.clip(s * 1.5, 0, 1)
    t.bend = 0.055 * h * rounding
    t.lean = t.lean + rng.uniform(0.05, 0.35) * rounding
    t.nod = t.nod + rng.uniform(0, 0.4) * rounding - rng.uniform(0, 0.5) * s
    # Knees travel over the feet: `share` is their gap over that of the ankles at the bottom.
    caving = np.clip(strength(wrong, "knees_in", s), 0, 1.2) * np.clip(s * 1.6, 0, 1)
    share = rng.uniform(0.95, 1.35) - rng.uniform(0.45, 0.65) * caving
    sine = np.clip((share * build.hip * stance - build.hip * (1 + stance) / 2) / (0.17 * h), -0.85, 0.85)
    t.knees = both(vec(sine / np.sqrt(1 - sine**2), 0.0, 1.0, n))
    t.roll = t.roll + rng.normal(0, 0.02) * s
    tilt(rng, build, t, strength(wrong, "leaning_sideways", s) * s, (0.17, 0.42))
    carry(rng, build, t, s)
    return t


def lunge(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Forward, reverse, walking and static lunges; static ones keep the feet apart."""
    n, h = len(s), build.height
    gap = float(rng.uniform(0.7, 1.6))
    inline = rng.uniform() < 0.25  # both feet on one line
    t = upright(build, n, 0.1 if inline else gap)
    static = rng.uniform() < (0.75 if inline else 0.4)
    stride = rng.uniform(0.34, 0.52) * h
    short = strength(wrong, "short_step", s)
    step = stride * (1 - 0.72 * np.clip(short, 0, 1.2))
    out = np.ones(n) if static else eased(s * rng.uniform(1.5, 2.2))
    sink = s if static else eased(np.clip((s - 0.25) / 0.75, 0, 1))
    deep = rng.uniform(78, 104)
    front_knee = deep + (rng.uniform(132, 148) - 90) * np.clip(strength(wrong, "too_shallow", s), 0, 1.3)
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
    t.lean = rng.uniform(-0.05, 0.3) + rng.uniform(-0.05, 0.26) * s
    t.lean = t.lean + rng.uniform(0.42, 0.8) * strength(wrong, "leaning_forward", s) * s
    t.roll = t.roll + rng.normal(0, 0.05) * s
    tilt(rng, build, t, strength(wrong, "leaning_sideways", s) * s, (0.25, 0.5))
    carry(rng, build, t, s)
    throw_arm(rng, build, t, strength(wrong, "unsteady", s) * s)
    return t


def jumping_jack(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Arms and legs open and close; arms bent or straight, in front or at the sides, clapping or not."""
    n, h = len(s), build.height
    close = float(rng.uniform(0.4, 1.3))
    spread = rng.uniform(0.1, 0.2) * h * (1 - 0.88 * np.clip(strength(wrong, "narrow_feet", s), 0, 1.1))
    t = upright(build, n, close)
    legs = eased(s * rng.uniform(0.95, 1.2))
    hop = rng.uniform(0.0, 0.045) * h * np.abs(np.sin(2 * np.pi * s)) * (s > 0.02)
    wide = build.hip * close + spread * legs
    t.ankles = both(vec(wide, build.ankle + hop, 0.0, n))
    length = build.leg * (0.995 - rng.uniform(0, 0.03) * legs)
    t.pelvis[:, 1] = build.ankle + hop + np.sqrt(np.maximum(length**2 - (wide - build.hip) ** 2, 0.01))
    t.knees = both(vec(0.4, 0.0, 1.0, n))
    t.heels = np.repeat((hop / (0.045 * h) * 0.6)[:, None], 2, axis=1)
    top = rng.uniform(2.6, 3.1)
    low = np.clip(strength(wrong, "low_arms", s), 0, 1.2)
    plane, flex = rng.uniform(-0.15, 0.5), rng.uniform(0.0, 0.6)
    start = rng.uniform(0.1, 0.3)
    lag = rng.uniform(0.9, 1.15)
    rest = 0.35 if rng.uniform() < 0.5 else start  # where an arm that does not rise stays
    soon = 2.5 if rng.uniform() < 0.4 else 1.0  # it stays there from the beginning
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, np.clip(soon * strength(wrong, "one_arm", s), 0, 1), 0.0)
        peak = top - (top - rng.uniform(1.3, 1.8)) * low
        peak = peak - (peak - rest) * mine
        swing_arm(build, t, i, start + (peak - start) * np.clip(s * lag, 0, 1), plane, flex, rng.uniform(0.6, 1.6))
    return t


def deadlift(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Conventional, sumo and Romanian; `s` is 0 upright and 1 with the weight low."""
    n, h = len(s), build.height
    stance = float(rng.choice([rng.uniform(0.9, 1.8), rng.uniform(2.2, 3.8)], p=[0.8, 0.2]))
    t = upright(build, n, stance)
    squatting = np.clip(strength(wrong, "squatting", s), 0, 1.2)
    stiff = rng.uniform() < 0.25  # Romanian: the knees stay nearly straight
    usual, deep = (rng.uniform(0.95, 1.6), rng.uniform(150, 170)) if stiff else (
        rng.uniform(0.72, 1.1), rng.uniform(88, 142))  # fmt: skip
    level = np.clip(strength(wrong, "chest_low", s), 0, 1.2)
    upper = usual + (rng.uniform(1.22, 1.65) - usual) * level
    knees = deep + (min(deep, 135.0) - deep) * np.clip(level * 3, 0, 1)
    lean = upper * (1 - squatting) + rng.uniform(0.1, 0.44) * squatting
    bent = knees * (1 - squatting) + rng.uniform(56, 92) * squatting
    first = np.clip(strength(wrong, "hips_first", s), 0, 1)
    s_knee = np.clip(s - first * 0.9 * np.clip(4 * s * (1 - s), 0, 1) * s, 0, 1)
    s_trunk = np.clip(s + first * (1 - s) * np.clip(s * 4, 0, 1), 0, 1)
    s_trunk = s_trunk + rng.uniform(0, 0.5) * first * np.clip(4 * s * (1 - s), 0, 1)
    knee = np.radians(175 + (bent - 175) * s_knee)
    length = chord(build.thigh, build.shin, knee)
    back = rng.uniform(0.1, 0.19) * h * s_trunk
    drop_x = build.hip * (stance - 1.0)
    t.pelvis[:, 1] = build.ankle + np.sqrt(np.maximum(length**2 - back**2 - drop_x**2, (0.15 * h) ** 2))
    t.pelvis[:, 2] = -back
    least = rng.uniform(-0.05, 0.1) + rng.uniform(0.5, 0.7) * np.clip(strength(wrong, "not_upright", s), 0, 1.2)
    t.lean = least + (np.maximum(lean, least + 0.2) - least) * s_trunk
    rounding = strength(wrong, "round_back", s) * np.clip(s * 1.5, 0.25, 1)
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
    top = np.radians(rng.uniform(92, 126) - rng.uniform(36, 56) * np.clip(strength(wrong, "low_knees", s), 0, 1.2))
    folded = rng.uniform(1.1, 2.0)
    # Bent arms as in running, or still ones; straight arms that swing are marching.
    style, amount, bent = int(rng.integers(4)), rng.uniform(0.3, 1.0), rng.uniform(1.1, 1.9)
    t.lean = t.lean + rng.uniform(-0.04, 0.1) - rng.uniform(0.22, 0.32) * strength(wrong, "leaning_back", s)
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
            swing_arm(build, t, i, 0.2 + amount * (other - 0.4 * mine), 1.5, bent, 1.57)
        elif style == 1:
            swing_arm(build, t, i, 0.15, 0.3, 0.3, 1.57)
        elif style == 2:
            swing_arm(build, t, i, 0.1, 1.2, 1.5, 1.57)
        else:
            swing_arm(build, t, i, 0.15, 0.3, 0.3 + amount * 1.6, 1.57)
    return t
