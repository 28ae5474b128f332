"""Daily motion: standing, talking, sitting, reaching, shrugging. The coach must stay quiet on it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.manners import seat
from cornerman_training.skeleton.posing import SIGNS, PoseTrack, shoulders, swing_arm, upright, waves
from cornerman_training.skeleton.timing import seconds


def gesture(rng: Generator, build: Build, t: PoseTrack, lively: float) -> None:
    """Hands before the body that gesture; `lively` is the amplitude over the body's height."""
    n = len(t.lean)
    pair = shoulders(build, t)
    quick = rng.uniform(0.25, 1.2)
    for i in (0, 1):
        if rng.uniform() < 0.25:
            swing_arm(build, t, i, rng.uniform(0, 0.4), rng.uniform(0.2, 1.2), rng.uniform(0, 0.8))
            continue
        base = np.array(
            [
                SIGNS[i] * (0.02 * build.height - build.shoulder * rng.uniform(0, 1)),
                -rng.uniform(0.0, 0.28) * build.height,
                rng.uniform(0.1, 0.2) * build.height,
            ]
        )
        t.wrists[:, i] = pair[:, i] + base + waves(rng, n, quick, (3,)) * lively * build.height
        t.elbows[:, i] = np.array([SIGNS[i] * 0.6, -1.0, -0.3])


def stand(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Still, hands by the sides, on the hips, folded or holding something."""
    t = upright(build, n, float(rng.uniform(0.7, 2.4)))
    t.roll += 0.02 * waves(rng, n, 3.0)
    t.lean += 0.03 * waves(rng, n, 2.5) + rng.uniform(-0.04, 0.1)
    kind = int(rng.integers(6))
    for i in (0, 1):
        if kind == 0:
            t.wrists[:, i] = t.pelvis + np.array([SIGNS[i] * build.hip * 2.4, 0.05 * build.height, 0.02])
            t.elbows[:, i] = np.array([SIGNS[i], 0.1, -0.5])
        elif kind == 1:
            swing_arm(build, t, i, rng.uniform(0.2, 0.5), 1.4, rng.uniform(1.5, 2.3), 2.6)
        elif kind == 2:
            swing_arm(
                build, t, i, rng.uniform(0.1, 3.0), rng.uniform(-0.2, 1.6), rng.uniform(0, 2.3), rng.uniform(0.5, 2.4)
            )
        elif kind == 3:
            swing_arm(build, t, i, rng.uniform(0.1, 0.6), 1.0, rng.uniform(2.0, 2.5), 1.0)
    return t


def talk(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Standing and gesturing."""
    t = stand(rng, build, n)
    t.lean += 0.05 * waves(rng, n, 1.5)
    t.roll += 0.04 * waves(rng, n, 1.5)
    t.twist += 0.25 * waves(rng, n, 1.5)
    gesture(rng, build, t, float(rng.uniform(0.01, 0.1)))
    return t


def sit(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Sitting, still or gesturing or signing."""
    t = upright(build, n, float(rng.uniform(0.7, 2.0)))
    seat(rng, build, t)
    t.lean += rng.uniform(-0.1, 0.4) + 0.05 * waves(rng, n, 1.5)
    t.twist += 0.15 * waves(rng, n, 2.0)
    t.nod += 0.25 * waves(rng, n, 1.0)
    gesture(rng, build, t, float(rng.choice([0.003, 0.03, 0.09])))
    return t


def rise_and_sit(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Sits down for a while and stands up again."""
    a, b = stand(rng, build, n), sit(rng, build, n)
    w = np.clip(waves(rng, n, float(rng.uniform(2.0, 4.0))) * 2, 0, 1)
    out = a.blended(b, w * w * (3 - 2 * w))
    out.lean += 0.5 * 4 * w * (1 - w)
    return out


def shrug(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Shoulders rise and fall, small knee or calf bounces, weights in the hands."""
    t = upright(build, n, float(rng.uniform(0.8, 2.2)))
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * seconds(n) / rng.uniform(0.9, 3.0))
    what = int(rng.integers(3))
    t.nod -= 0.1 * beat
    for i in (0, 1):
        swing_arm(build, t, i, rng.uniform(0.05, 0.25), rng.uniform(0, 1.2), rng.uniform(0.05, 0.4))
        if what == 0:
            t.wrists[:, i, 1] += rng.uniform(0.01, 0.035) * build.height * beat
    if what:
        t.pelvis[:, 1] += (0.03 if what == 1 else -0.02) * build.height * beat
        t.ankles[:, :, 1] += (0.03 * build.height * beat * (what == 1))[:, None]
        t.heels += (0.5 * beat * (what == 1))[:, None]
    return t


def reach(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Waving, drinking, telephoning, reaching, arm circles, stretching, throwing."""
    t = stand(rng, build, n)
    kind = int(rng.integers(7))
    time = seconds(n)
    i = int(rng.integers(2))
    if kind == 0:
        swing_arm(
            build,
            t,
            i,
            rng.uniform(1.0, 2.4) + 0.2 * np.sin(2 * np.pi * time * rng.uniform(0.8, 2)),
            0.2,
            1.2 + 0.5 * np.sin(2 * np.pi * time * rng.uniform(0.8, 2)),
            0.8,
        )
    elif kind == 1:
        w = np.clip(1.5 * waves(rng, n, 1.5), 0, 1)
        swing_arm(build, t, i, 0.15 + 0.6 * w, 1.4, 0.3 + 1.9 * w, 2.0)
    elif kind == 2:
        t.roll += 0.45 * np.sin(2 * np.pi * time / rng.uniform(2.5, 6))
        swing_arm(build, t, i, rng.uniform(2.4, 3.1), 0.1, 0.3)
    elif kind == 3:
        speed = rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 3.0)
        for k in (0, 1):
            swing_arm(build, t, k, speed * time, rng.uniform(0.9, 1.5), rng.uniform(0, 0.3))
    elif kind == 4:
        for k in (0, 1):
            swing_arm(
                build,
                t,
                k,
                1.2 + 0.9 * waves(rng, n, 1.0),
                1.0 + 0.6 * waves(rng, n, 1.0),
                0.8 + 0.7 * waves(rng, n, 1.0),
            )
        t.lean += 0.3 * waves(rng, n, 1.5)
        t.roll += 0.15 * waves(rng, n, 1.5)
    elif kind == 5:  # bends down once: shoe, box, ball
        w = np.clip(waves(rng, n, 2.0) * 1.5, 0, 1)
        t.lean += rng.uniform(0.7, 1.5) * w
        t.pelvis[:, 1] -= rng.uniform(0.02, 0.2) * build.height * w
        t.pelvis[:, 2] -= 0.08 * build.height * w
        pair = shoulders(build, t)
        for k in (0, 1):
            goal = pair[:, k] + np.array([0, -build.arm * 0.95, 0.02])
            t.wrists[:, k] = t.wrists[:, k] * (1 - w[:, None]) + goal * w[:, None]
    else:
        t.twist += 0.7 * np.sin(2 * np.pi * time / rng.uniform(1.2, 4))
        gesture(rng, build, t, 0.03)
    return t
