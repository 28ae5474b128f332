"""Held poses of yoga, and lying on the back."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.floor import prone
from cornerman_training.skeleton.legs import lunge, squat
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, both, shoulders, swing_arm, upright, vec, waves


def yoga(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Held poses: warrior, chair, tree, hinge, lunge, downward dog, hands and knees, cobra."""
    kind = int(rng.integers(9))
    none: dict[str, Array] = {}
    shake = 0.02 * waves(rng, n, 1.0)
    side = np.full(n, float(rng.integers(2)))
    if kind in (0, 1):
        t = lunge(rng, build, np.clip(rng.uniform(0.55, 1.0) + shake, 0, 1), side, none)
        a, plane = rng.uniform(1.3, 3.1), rng.uniform(0, 1.5)
        for i in (0, 1):
            swing_arm(build, t, i, a + shake, plane, rng.uniform(0, 0.2))
        if kind == 1:  # warrior II: feet on one line sideways, the trunk turned
            t.ankles[:, :, 0] = np.array([1.0, -1.0]) * rng.uniform(0.2, 0.3) * build.height
            t.ankles[:, :, 2] = 0.0
            t.pelvis[:, 2] = 0.0
            t.pelvis[:, 0] += rng.uniform(-0.08, 0.08) * build.height
            t.knees = both(vec(1.0, 0.0, 0.35, n))
    elif kind == 2:
        t = squat(rng, build, np.clip(rng.uniform(0.5, 1.0) + shake, 0, 1), side, none)
    elif kind == 3:
        t = upright(build, n, 0.5)
        i = int(rng.integers(2))
        t.ankles[:, i] = t.pelvis + np.array([0.0, -build.thigh * rng.uniform(0.8, 1.1), 0.05])
        t.knees[:, i] = np.array([SIGNS[i], 0.0, rng.uniform(0.2, 1.0)])
        for k in (0, 1):
            swing_arm(build, t, k, rng.uniform(2.5, 3.1), 0.4, rng.uniform(0, 0.8))
    elif kind == 4:
        t = upright(build, n, float(rng.uniform(0.8, 2.5)))
        t.lean += rng.uniform(0.5, 1.7) + shake
        t.pelvis[:, 2] -= 0.1 * build.height
        pair = shoulders(build, t)
        for k in (0, 1):
            t.wrists[:, k] = pair[:, k] + np.array([0, -build.arm * 0.95, 0.02])
    elif kind == 5:
        t = prone(
            rng, build, np.full(n, build.arm * 0.97), {"hips_high": np.full(n, rng.uniform(1.4, 2.4))}, False, False
        )
    else:
        h = build.height
        t = upright(build, n)
        rock = waves(rng, n, 1.0) * rng.uniform(0, 0.04) * h
        t.pelvis = vec(0.0, 0.95 * build.thigh if kind < 8 else 0.07 * h, rock, n)
        t.lean = np.pi / 2 - rng.uniform(0, 0.4) + 0.05 * waves(rng, n, 1.0)
        if kind == 8:  # cobra or lying on the belly
            t.lean = np.pi / 2 - rng.uniform(0, 0.8) + 0.03 * waves(rng, n, 1.0)
        t.bend = rng.uniform(-0.03, 0.05) * h * waves(rng, n, 1.2)
        t.nod = -0.3 + 0.2 * waves(rng, n, 1.0)
        t.ankles[:, :, 1] = 0.05 * h
        t.ankles[:, :, 2] = -0.93 * build.shin if kind < 8 else -build.leg * 0.98
        t.knees = both(vec(0.0, -1.0, 0.4, n))
        t.heels = np.full((n, 2), 1.3)
        pair = shoulders(build, t)
        for k in (0, 1):
            t.wrists[:, k] = pair[:, k] * np.array([1, 0, 1]) + np.array([0, 0.03 * h, rng.uniform(-0.05, 0.08) * h])
            t.elbows[:, k] = np.array([SIGNS[k] * 0.4, 0.0, -1.0])
    return t


def lie(rng: Generator, build: Build, n: int) -> PoseTrack:
    """On the back: still, leg raises, rocking."""
    h = build.height
    t = upright(build, n)
    t.pelvis = vec(0.0, 0.06 * h, 0.0, n)
    t.lean = np.full(n, -np.pi / 2 + rng.uniform(0, 0.2))
    up = np.clip(waves(rng, n, 1.5), 0, 1) * (rng.uniform() < 0.5)
    span = build.leg * rng.uniform(0.6, 0.97)
    t.ankles = both(vec(build.hip, 0.05 * h + span * np.sin(1.3 * up), span * np.cos(1.3 * up), n))
    t.knees = both(vec(0.0, 1.0, 0.3, n))
    for i in (0, 1):
        swing_arm(build, t, i, rng.uniform(0.1, 2.8), rng.uniform(0, 1.4), rng.uniform(0, 1.5))
    return t
