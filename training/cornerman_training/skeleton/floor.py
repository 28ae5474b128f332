"""Exercises on the floor as poses over a repetition. Same arguments as `legs.py`."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.manners import Wrong, strength
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, both, chord, swing_arm, upright, vec


def prone(rng: Generator, build: Build, reach: Array, wrong: Wrong, knees_down: bool, forearms: bool) -> PoseTrack:
    """On hands (or forearms) and toes (or knees); `reach` [T] is the distance from shoulder to wrist."""
    n, h = len(reach), build.height
    t = upright(build, n)
    hand_y = 0.03 * h
    foot_y = 0.075 * h
    u = rng.uniform()
    if u < 0.08 and not forearms:
        hand_y += rng.uniform(0.08, 0.3) * h
    elif u < 0.14:
        foot_y += rng.uniform(0.08, 0.3) * h
    ahead = rng.uniform(-0.03, 0.11) * h  # shoulders before or behind the hands
    wide = build.shoulder * rng.uniform(0.8, 1.9)
    aside = ahead**2 + (wide - build.shoulder) ** 2
    shoulder_y = hand_y + np.sqrt(np.maximum(reach**2 - aside, (0.05 * h) ** 2))
    base = build.thigh if knees_down else build.leg * 0.99
    base_y = 0.06 * h if knees_down else foot_y
    line = base + build.torso
    rise = np.arcsin(np.clip((shoulder_y - base_y) / line, -0.5, 0.9))
    stretched = np.clip((reach / build.arm - 0.3) / 0.7, 0, 1)  # the hips may hang at the top or at the bottom only
    swing = 1 - rng.uniform(0, 0.7) * (stretched if rng.uniform() < 0.5 else 1 - stretched)
    sagging = np.radians(rng.uniform(11, 30)) * strength(wrong, "hips_sagging", reach) * swing
    sag = np.radians(rng.uniform(-12, 7)) + sagging
    sag = sag - np.radians(rng.uniform(20, 42)) * strength(wrong, "hips_high", reach)
    # Bend the line at the hip: the offset grows with the angle, the ends stay where they are.
    offset = np.tan(sag) * base * build.torso / line
    along = base * np.cos(np.abs(sag) * 0.4)
    start = -0.5 * line
    px = start + along * np.cos(rise) + offset * np.sin(rise)
    py = base_y + along * np.sin(rise) - offset * np.cos(rise)
    t.pelvis = vec(0.0, np.maximum(py, 0.05 * h), px, n)
    drop = np.clip((shoulder_y - t.pelvis[:, 1]) / build.torso, -0.97, 0.97)
    t.lean = np.pi / 2 - np.arcsin(drop)
    if knees_down:
        knee = np.array([0.0, base_y, start])
        up = rng.uniform(0.0, 1.2)
        for i in (0, 1):
            t.ankles[:, i] = knee + np.array([SIGNS[i] * build.hip, build.shin * np.sin(up), -build.shin * np.cos(up)])
        t.knees = both(vec(0.02, -1.0, -0.1, n))
    else:
        t.ankles = both(vec(rng.uniform(0.02, 0.14) * h, foot_y, start, n))
        t.knees = both(vec(0.05, -1.0, 0.05, n))
    t.heels = np.full((n, 2), rng.uniform(1.0, 1.4))
    t.nod = rng.uniform(-0.45, 0.42) + rng.uniform(0.85, 1.25) * strength(wrong, "head_dropped", reach)
    neck_z = t.pelvis[:, 2] + np.sin(t.lean) * build.torso
    t.wrists = both(vec(wide, hand_y, neck_z.mean() - ahead, n))
    t.elbows = both(vec(rng.uniform(0.1, 1.4), rng.uniform(0.1, 0.7), -1.0, n))
    if forearms:
        t.wrists = both(vec(build.shoulder * rng.uniform(0.2, 1.2), hand_y, neck_z + build.forearm * 0.9, n))
        t.elbows = both(vec(0.2, -1.0, -0.6, n))
    return t


def push_up(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """On toes or knees, hands narrow or wide, on the floor, a bench, or the feet raised."""
    half = np.clip(strength(wrong, "half_way", s), 0, 1.2)
    top = rng.uniform(150, 177)
    low = rng.uniform(24, 62)
    bottom = np.minimum(low + (rng.uniform(84, 140) - low) * half, top - 8)
    reach = chord(build.upper_arm, build.forearm, np.radians(top + (bottom - top) * s))
    return prone(rng, build, reach, wrong, rng.uniform() < 0.15, False)


def plank(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Held on forearms or on straight arms; `s` only trembles."""
    forearms = rng.uniform() < 0.6
    reach = (build.upper_arm * 1.05 if forearms else build.arm * rng.uniform(0.95, 0.99)) * (1 - 0.03 * s)
    return prone(rng, build, reach, wrong, rng.uniform() < 0.08, forearms)


def _supine(rng: Generator, build: Build, n: int, lean: Array, knee_deg: Array | float) -> PoseTrack:
    t = upright(build, n)
    t.pelvis = vec(0.0, 0.06 * build.height, 0.0, n)
    t.lean = lean
    span = chord(build.thigh, build.shin, np.radians(knee_deg))
    t.ankles = both(vec(build.hip * rng.uniform(0.7, 2.2), 0.05 * build.height, np.broadcast_to(span, (n,)), n))
    t.knees = both(vec(rng.uniform(-0.1, 0.3), 1.0, 0.3, n))
    return t


def sit_up(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Hands at the head, crossed or reaching; knees bent, seldom straight."""
    n = len(s)
    half = np.clip(strength(wrong, "half_way", s), 0, 1.2)
    top = np.radians(rng.uniform(62, 98) - rng.uniform(34, 46) * half)
    t = _supine(
        rng, build, n, -np.pi / 2 + rng.uniform(0, 0.12) + top * s, rng.uniform(62, 108) if rng.uniform() < 0.9 else 165
    )
    t.bend = rng.uniform(0, 0.05) * build.height * np.clip(s * 2, 0, 1)
    t.nod = rng.uniform(0.1, 0.5) * np.clip(s * 3, 0, 1)
    t.ankles[:, :, 1] += (
        rng.uniform(0.16, 0.26) * build.leg * strength(wrong, "feet_lifting", s) * np.clip(4 * s * (1 - s), 0, 1)
    )[:, None]
    kind = int(rng.integers(4))
    for i in (0, 1):
        if kind == 0:
            swing_arm(build, t, i, rng.uniform(1.7, 2.3), rng.uniform(0.2, 0.9), rng.uniform(2.0, 2.5), 0.8)
        elif kind == 1:
            swing_arm(build, t, i, rng.uniform(0.6, 1.0), 1.4, rng.uniform(1.9, 2.3), 2.6)
        elif kind == 2:
            swing_arm(build, t, i, rng.uniform(0.8, 1.6), rng.uniform(1.2, 1.6), rng.uniform(0, 0.3))
        else:
            swing_arm(build, t, i, 2.9 - rng.uniform(1.2, 2.0) * s, 1.4, 0.2)
    return t


def glute_bridge(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Shoulders and feet on the floor, the hips rise; seldom one leg."""
    n, h = len(s), build.height
    far = np.clip(strength(wrong, "feet_far", s), 0, 1.2)
    near = rng.uniform(62, 98)
    knee = near + (rng.uniform(138, 155) - near) * far
    t = _supine(rng, build, n, np.full(n, -np.pi / 2), knee - 18)
    half = np.clip(strength(wrong, "half_bridge", s), 0, 1.2)
    # At full height shoulder, hip and knee are in line, and the knees are `shin` above the floor.
    shoulder_y = 0.05 * h
    slope = np.arcsin(np.clip((build.shin * 0.97 - shoulder_y) / (build.torso + build.thigh), 0, 0.95))
    full = shoulder_y + build.torso * np.sin(slope * rng.uniform(0.92, 1.1))
    t.pelvis[:, 1] = 0.06 * h + (full - 0.06 * h) * s * (1 - 0.62 * half)
    angle = np.arcsin(np.clip((t.pelvis[:, 1] - shoulder_y) / build.torso, -0.9, 0.9))
    t.lean = -np.pi / 2 - angle
    t.pelvis[:, 2] = build.torso * (np.cos(angle) - 1)
    t.nod = np.full(n, rng.uniform(0.2, 0.5)) + angle
    if rng.uniform() < 0.1:
        i = int(rng.integers(2))
        t.ankles[:, i, 1] += rng.uniform(0.5, 1.0) * build.shin
        t.ankles[:, i, 2] += 0.6 * build.shin
    for i in (0, 1):
        t.wrists[:, i] = vec(
            SIGNS[i] * build.shoulder * rng.uniform(1.1, 1.9),
            0.03 * h,
            -build.torso + build.arm * rng.uniform(0.8, 0.97),
            n,
        )
        t.elbows[:, i] = np.array([SIGNS[i], -0.2, 0.0])
    return t
