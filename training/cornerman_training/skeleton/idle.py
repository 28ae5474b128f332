"""What is no exercise: rest, daily motion, sports and yoga. The coach must stay quiet on all of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.floor import _prone
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, both, shoulders, swing_arm, upright, vec, waves
from cornerman_training.skeleton.standing import _seat, lunge, squat
from cornerman_training.skeleton.timing import FPS

Idle = Callable[[Generator, Build, int], PoseTrack]


def _time(n: int) -> Array:
    return np.arange(n) / FPS


def _hands(rng: Generator, build: Build, t: PoseTrack, lively: float) -> None:
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
    _hands(rng, build, t, float(rng.uniform(0.01, 0.1)))
    return t


def sit(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Sitting, still or gesturing or signing."""
    t = upright(build, n, float(rng.uniform(0.7, 2.0)))
    _seat(rng, build, t)
    t.lean += rng.uniform(-0.1, 0.4) + 0.05 * waves(rng, n, 1.5)
    t.twist += 0.15 * waves(rng, n, 2.0)
    t.nod += 0.25 * waves(rng, n, 1.0)
    _hands(rng, build, t, float(rng.choice([0.003, 0.03, 0.09])))
    return t


def rise_and_sit(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Sits down for a while and stands up again."""
    a, b = stand(rng, build, n), sit(rng, build, n)
    w = np.clip(waves(rng, n, float(rng.uniform(2.0, 4.0))) * 2, 0, 1)
    out = a.blended(b, w * w * (3 - 2 * w))
    out.lean += 0.5 * 4 * w * (1 - w)
    return out


def walk(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Walking, jogging and running, on a treadmill or over the floor (the scene adds the drift)."""
    h, time = build.height, _time(n)
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
    """Marching on the spot: thighs below 50 degrees, feet under the knees."""
    h, time = build.height, _time(n)
    t = upright(build, n, float(rng.uniform(0.7, 1.4)))
    pace = 2 * np.pi * time * rng.uniform(0.45, 1.1) + rng.uniform(0, 6)
    top = rng.uniform(0.4, 0.85)
    arms, bent = rng.uniform(0.0, 0.9), rng.choice([0.2, 1.5])
    for i in (0, 1):
        w = np.clip(np.sin(pace + np.pi * i), 0, 1)
        a = top * w
        hip = t.pelvis + np.array([SIGNS[i] * build.hip, 0, 0])
        lifted = hip + np.stack(
            [
                0 * a,
                -np.cos(a) * build.thigh - np.cos(0.15 * a) * build.shin,
                np.sin(a) * build.thigh - np.sin(0.15 * a) * build.shin,
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


def shrug(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Shoulders rise and fall, small knee or calf bounces, weights in the hands."""
    t = upright(build, n, float(rng.uniform(0.8, 2.2)))
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * _time(n) / rng.uniform(0.9, 3.0))
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


def dance(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Rhythmic steps, sways and arms without the form of an exercise."""
    h = build.height
    beat = 2 * np.pi * _time(n) * rng.uniform(0.5, 1.4)
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


def reach(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Waving, drinking, telephoning, reaching, arm circles, stretching, throwing."""
    t = stand(rng, build, n)
    kind = int(rng.integers(7))
    time = _time(n)
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
        _hands(rng, build, t, 0.03)
    return t


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
        t = _prone(
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


def climb(rng: Generator, build: Build, n: int) -> PoseTrack:
    """Mountain climbers and shoulder taps from the position of a push-up."""
    t = _prone(rng, build, np.full(n, build.arm * 0.97), {}, False, False)
    pace = 2 * np.pi * _time(n) * rng.uniform(0.4, 1.4)
    taps = rng.uniform() < 0.3
    pair = shoulders(build, t)
    for i in (0, 1):
        w = np.clip(np.sin(pace + np.pi * i), 0, 1)[:, None]
        if taps:
            t.wrists[:, i] = t.wrists[:, i] * (1 - w) + pair[:, 1 - i] * w
        else:
            t.ankles[:, i] += w * np.array([0, 0.08, 0.42]) * build.height
    return t


IDLE: dict[str, tuple[Idle, float]] = {
    "stand": (stand, 2.0), "talk": (talk, 1.6), "sit": (sit, 2.0), "rise_and_sit": (rise_and_sit, 0.8),
    "walk": (walk, 2.2), "march": (march, 1.2), "box": (box, 1.2), "shrug": (shrug, 1.0),
    "dance": (dance, 1.0), "reach": (reach, 2.0),
    "yoga": (yoga, 1.8), "lie": (lie, 0.5), "climb": (climb, 0.4),
}  # fmt: skip
ON_FLOOR = frozenset({"lie", "climb", "push_up", "plank", "sit_up", "glute_bridge"})
