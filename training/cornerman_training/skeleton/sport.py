"""Sports and gaits that are none of the exercises: walking, running, marching, boxing, dancing, climbers."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.floor import prone
from cornerman_training.skeleton.posing import SIGNS, PoseTrack, shoulders, swing_arm, upright, waves
from cornerman_training.skeleton.timing import seconds


def walk(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Walking, jogging and running, on a treadmill or over the floor (the scene adds the drift)."""
    h, time = build.height, seconds(n)
    run = rng.uniform() < 0.35
    t = upright(build, n, float(rng.uniform(0.5, 1.2)))
    pace = 2 * np.pi * time * (rng.uniform(1.1, 1.6) if run else rng.uniform(0.5, 1.1)) + rng.uniform(0, 6)
    stride = rng.uniform(0.1, 0.24) * h
    up = (rng.uniform(0.1, 0.28) if run else rng.uniform(0.03, 0.1)) * h
    arms, bent = rng.uniform(0.05, 0.7), 1.5 if run else rng.uniform(0.1, 0.8)
    for i in (0, 1):
        p = pace + np.pi * i
        t.ankles[:, i, 2] = stride * np.sin(p) - (0.08 * h * np.clip(np.cos(p), 0, 1) if run else 0)
        t.ankles[:, i, 1] += up * np.clip(np.cos(p), 0, 1)
        t.heels[:, i] = 0.6 * np.clip(np.cos(p + 0.6), 0, 1)
        swing_arm(build, t, i, 0.15 - arms * np.sin(p), 1.5, bent, 1.57)
    t.pelvis[:, 1] -= 0.02 * h * (1 + np.cos(2 * pace)) / 2 + rng.uniform(0, 0.02) * h
    t.lean += rng.uniform(0, 0.2)
    t.twist += 0.1 * np.sin(pace)
    return t


def march(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Marching on the spot at the pace of walking: straight arms swing, knees rise to the hips, legs folded or not."""
    h, time = build.height, seconds(n)
    t = upright(build, n, float(rng.uniform(0.7, 1.4)))
    pace = 2 * np.pi * time * rng.uniform(0.4, 0.95) + rng.uniform(0, 6)
    arms, bent = rng.uniform(0.3, 1.9), rng.uniform(0.0, 0.6)
    top = rng.uniform(0.4, 1.9)
    if top < 1.1 and rng.uniform() < 0.5:
        arms, bent = rng.uniform(0.0, 0.9), rng.uniform(0.0, 1.6)
    fold = rng.uniform(-0.6, 0.2) if rng.uniform() < 0.7 else rng.uniform(0.2, 1.0)
    for i in (0, 1):
        w = np.clip(np.sin(pace + np.pi * i), 0, 1)
        a = top * w
        hip = t.pelvis + np.array([SIGNS[i] * build.hip, 0, 0])
        lifted = hip + np.stack(
            [
                0 * a,
                -np.cos(a) * build.thigh - np.cos(fold * a) * build.shin,
                np.sin(a) * build.thigh + np.sin(fold * a) * build.shin,
            ],
            -1,
        )
        m = np.clip(w * 8, 0, 1)[:, None]
        t.ankles[:, i] = t.ankles[:, i] * (1 - m) + lifted * m
        swing_arm(build, t, 1 - i, 0.15 + arms * w, 1.4, bent, 1.57)
    t.pelvis[:, 0] += 0.015 * h * np.sin(pace)
    return t


def box(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Shadow boxing: guard, straight and hooked punches, footwork."""
    h = build.height
    t = upright(build, n, float(rng.uniform(1.4, 3.0)))
    t.ankles[:, 0, 2] += rng.uniform(-0.14, 0.14) * h
    t.pelvis[:, 1] -= rng.uniform(0.01, 0.06) * h + 0.012 * h * np.abs(waves(rng, n, 0.3))
    t.pelvis[:, 0] += 0.03 * h * waves(rng, n, 0.6)
    t.lean += 0.1 + 0.08 * waves(rng, n, 0.6)
    punch = waves(rng, n, float(rng.uniform(0.2, 0.4)), (2,))
    t.twist += 0.3 * (np.clip(punch[:, 0], 0, 1) - np.clip(punch[:, 1], 0, 1))
    pair = shoulders(build, t)
    for i in (0, 1):
        w = np.clip(punch[:, i] - rng.uniform(0, 0.5), 0, 1)[:, None]
        guard = pair[:, i] + np.array([-SIGNS[i] * build.shoulder * 0.5, rng.uniform(-0.04, 0.06) * h, 0.13 * h])
        out = pair[:, i] + np.array([-SIGNS[i] * build.shoulder * 0.8, rng.uniform(-0.05, 0.06) * h, build.arm * 0.95])
        t.wrists[:, i] = guard * (1 - w) + out * w
        t.elbows[:, i] = np.array([SIGNS[i] * 0.5, -1.0, -0.2])
    return t


def dance(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Rhythmic steps, sways and arms without the form of an exercise."""
    h = build.height
    beat = 2 * np.pi * seconds(n) * rng.uniform(0.5, 1.4)
    t = upright(build, n, float(rng.uniform(0.8, 2.5)))
    t.pelvis[:, 0] += 0.06 * h * np.sin(beat)
    t.pelvis[:, 1] -= rng.uniform(0.0, 0.04) * h * (1 - np.cos(2 * beat))
    t.roll += 0.15 * np.sin(beat + 0.5)
    t.twist += rng.uniform(0, 0.5) * np.sin(beat + 1.0)
    t.ankles += waves(rng, n, 0.6, (2, 3)) * np.array([0.04, 0.0, 0.04]) * h
    kind = int(rng.integers(3))
    for i in (0, 1):
        if kind == 0:
            swing_arm(build, t, i, 1.0 + 0.8 * np.sin(beat + i * np.pi), rng.uniform(0, 1.5), 0.8 + 0.5 * np.sin(beat))
        elif kind == 1:
            swing_arm(
                build,
                t,
                i,
                1.3 + 0.9 * waves(rng, n, 0.7),
                0.7 + 0.7 * waves(rng, n, 0.9),
                0.9 + 0.7 * waves(rng, n, 0.7),
            )
        else:
            swing_arm(build, t, i, 0.5 + 0.2 * np.sin(2 * beat), 1.0, 1.6 + 0.2 * np.sin(2 * beat + i))
    return t


def climb(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Mountain climbers and shoulder taps from the position of a push-up."""
    t = prone(rng, build, np.full(n, build.arm * 0.97), {}, False, False)
    pace = 2 * np.pi * seconds(n) * rng.uniform(0.4, 1.4)
    taps = rng.uniform() < 0.3
    pair = shoulders(build, t)
    for i in (0, 1):
        w = np.clip(np.sin(pace + np.pi * i), 0, 1)[:, None]
        if taps:
            t.wrists[:, i] = t.wrists[:, i] * (1 - w) + pair[:, 1 - i] * w
        else:
            t.ankles[:, i] += w * np.array([0, 0.08, 0.42]) * build.height
    return t
