"""Standing or seated exercises of the arms. Knows form, not time tables.

Every form takes `s` [T] (0 at rest, 1 at the far end), `side` [T] (0 left, 1 right leads) and `wrong`, strengths [T] by
name of mistake (1 is a clear one), and draws its own manner from `rng`.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.manners import Wrong, seat, strength
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, shoulders, swing_arm, upright


def overhead_press(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Barbell, dumbbells, machine, Arnold and push press; standing or seated."""
    n, h = len(s), build.height
    t = upright(build, n, float(rng.uniform(1.0, 2.4)))
    t.lean = t.lean + rng.uniform(-0.07, 0.08)
    if rng.uniform() < 0.45:
        seat(rng, build, t)
    elif rng.uniform() < 0.2:  # push press: the legs dip before the arms rise
        dip = rng.uniform(0.02, 0.06) * h * np.clip(np.sin(np.pi * np.clip(s / 0.35, 0, 1)), 0, 1)
        t.pelvis[:, 1] -= dip
    back = strength(wrong, "leaning_back", s) * np.clip(s * 1.4, 0, 1)
    t.lean = t.lean - 0.36 * back
    t.pelvis[:, 2] += 0.05 * h * back
    t.nod = t.nod - rng.uniform(0, 0.3) * s
    pair = shoulders(build, t)
    low = rng.uniform(-0.03, 0.09) * h + 0.165 * h * np.clip(strength(wrong, "half_way_down", s), 0, 1.2)
    grip_low, grip_high = rng.uniform(1.1, 2.8), rng.uniform(0.8, 2.0)
    front_low, front_high = rng.uniform(0.02, 0.13) * h, rng.uniform(-0.03, 0.05) * h
    arnold = rng.uniform() < 0.15
    reach = build.arm * rng.uniform(0.94, 0.995)
    still = rng.uniform() < 0.5  # one arm stays where it is; else it does less
    stays, soon = (1.0, 2.5) if still else (rng.uniform(0.55, 1.0), 1.0)
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, np.clip(soon * strength(wrong, "uneven", s), 0, 1), 0.0)
        share = s * (1 - 0.58 * np.clip(strength(wrong, "half_press", s), 0, 1.2)) * (1 - stays * mine)
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
        seat(rng, build, t)
    t.lean = t.lean + rng.uniform(-0.05, 0.12)
    swing = strength(wrong, "swinging", s)
    t.lean = t.lean + swing * (0.2 - rng.uniform(0.42, 0.55) * s)
    t.lean = t.lean - rng.uniform(0.34, 0.65) * strength(wrong, "leaning_back", s)
    alternate = rng.uniform() < 0.3
    peak = np.radians(
        180 - (rng.uniform(35, 62) + rng.uniform(52, 70) * np.clip(strength(wrong, "half_curl", s), 0, 1.2))
    )
    rest = np.radians(rng.uniform(5, 32) + rng.uniform(50, 65) * np.clip(strength(wrong, "half_way_down", s), 0, 1.2))
    plane, curl, out = rng.uniform(0.6, 1.7), rng.uniform(1.2, 2.0), rng.uniform(0.08, 0.3)
    drift = rng.uniform(0, 0.35)
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, s, 0.0) if alternate else s
        raised = (
            out + drift * mine + rng.uniform(0.7, 1.0) * mine * np.clip(strength(wrong, "elbows_forward", s), 0, 1.2)
        )
        swing_arm(build, t, i, raised, plane, rest + (peak - rest) * mine, curl)
    return t


def lateral_raise(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Arms to the side, or half way to the front; seldom seated or bent over."""
    n = len(s)
    t = upright(build, n, float(rng.uniform(0.9, 2.2)))
    if rng.uniform() < 0.1:
        seat(rng, build, t)
    t.lean = t.lean + rng.uniform(-0.03, 0.2)
    t.lean = t.lean + strength(wrong, "swinging", s) * (0.16 - rng.uniform(0.38, 0.5) * s)
    usual = rng.uniform(1.38, 1.75)
    top = (
        usual
        - rng.uniform(0.6, 0.8) * np.clip(strength(wrong, "too_low", s), 0, 1.2)
        + rng.uniform(0.65, 0.95) * np.clip(strength(wrong, "too_high", s), 0, 1.2)
    )
    plane, flex, start = rng.uniform(-0.1, 0.6), rng.uniform(0.05, 0.75), rng.uniform(0.08, 0.35)
    if rng.uniform() < 0.12:
        plane = rng.uniform(1.2, 1.57)  # front raise
    for i in (0, 1):
        mine = np.where(side.astype(int) == i, np.clip(strength(wrong, "uneven", s), 0, 1.1), 0.0)
        swing_arm(build, t, i, start + (top - start) * s * (1 - 0.5 * mine), plane, flex, rng.uniform(0.9, 1.6))
    return t
