"""What forms share: strengths of mistakes, arms of people whose legs work, a seat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, both, shoulders, swing_arm, vec

Wrong = Mapping[str, Array]


def strength(wrong: Wrong, name: str, s: Array) -> Array:
    """Strength [T] of a mistake, zero when it is not made."""
    return wrong.get(name, np.zeros(len(s)))


def eased(x: Array) -> Array:
    """Smooth step: 0 below 0, 1 above 1."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def carry(rng: Generator, build: Build, t: PoseTrack, s: Array) -> None:
    """Arms of people whose legs work: hanging weights, bar or stick on the back, hips, goblet, crossed, overhead."""
    kind = int(rng.choice(11, p=[0.13, 0.14, 0.09, 0.1, 0.06, 0.09, 0.09, 0.09, 0.05, 0.09, 0.07]))
    spread = float(rng.uniform(0, 0.3))
    if kind == 10:
        hold_stick(rng, build, t)
        return
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
            up = eased(s * rng.uniform(1.2, 2.5))
            swing_arm(build, t, i, 0.15 + up * rng.uniform(1.2, 1.6), 0.4 + up * 1.1, 0.2 + (1 - up) * 0.1, 1.9)
        elif kind == 7:
            swing_arm(build, t, i, rng.uniform(2.0, 3.1), rng.uniform(0, 1.0), rng.uniform(0.05, 0.8), 1.0)
        elif kind == 9:  # each arm somewhere else: a stick behind the back, one hand on a wall
            swing_arm(
                build, t, i, rng.uniform(0.1, 2.9), rng.uniform(-0.6, 1.5), rng.uniform(0, 2.4), rng.uniform(0, 2.5)
            )
        else:
            up = eased(s * rng.uniform(1.2, 2.5))
            swing_arm(build, t, i, 0.15 + up * 0.5, 0.4 + up, 0.3 + up * 1.7, 2.2)


def hold_stick(rng: Generator, build: Build, t: PoseTrack) -> None:
    """A stick along the spine, held by one hand behind the neck and by the other behind the waist."""
    high = int(rng.integers(2))
    pair, h = shoulders(build, t), build.height
    middle = pair.mean(1)
    back = -rng.uniform(0.03, 0.07) * h
    t.wrists[:, high] = middle + np.array([SIGNS[high] * rng.uniform(0, 0.03) * h, rng.uniform(0.0, 0.06) * h, back])
    t.elbows[:, high] = np.array([SIGNS[high], rng.uniform(0.1, 1.0), rng.uniform(-0.3, 0.3)])
    waist = t.pelvis + rng.uniform(0.1, 0.4) * (middle - t.pelvis)
    t.wrists[:, 1 - high] = waist + np.array([SIGNS[1 - high] * rng.uniform(0, 0.04) * h, 0.0, back])
    t.elbows[:, 1 - high] = np.array([SIGNS[1 - high], rng.uniform(-0.3, 0.2), -rng.uniform(0.3, 1.0)])


def tilt(rng: Generator, build: Build, t: PoseTrack, amount: Array, most: tuple[float, float]) -> None:
    """Lean to one side by up to `most` radians where `amount` [T] is 1; the hips follow, or give way."""
    aside = float(rng.choice([-1.0, 1.0]))
    t.roll = t.roll + aside * float(rng.uniform(*most)) * amount
    t.pelvis[:, 0] += aside * float(rng.uniform(-0.05, 0.05)) * build.height * amount


def throw_arm(rng: Generator, build: Build, t: PoseTrack, amount: Array) -> None:
    """An arm that catches the balance: thrown up, or down where the hands are above the shoulders."""
    i = int(rng.integers(2))
    high = float(np.median(t.wrists[:, i, 1] - shoulders(build, t)[:, i, 1])) > 0
    way = build.arm * float(rng.uniform(0.55, 1.3)) * np.clip(amount, 0, 1.2)
    t.wrists[:, i, 1] += -way if high else way
    t.wrists[:, i, 0] += SIGNS[i] * 0.6 * way


def seat(rng: Generator, build: Build, t: PoseTrack) -> None:
    """Sit on a bench: thighs level, feet forward."""
    t.pelvis[:, 1] = build.ankle + build.shin * rng.uniform(0.92, 1.12)
    t.ankles[:, :, 2] = build.thigh * rng.uniform(0.75, 1.1)
    t.ankles[:, :, 0] *= rng.uniform(1.0, 1.8)
    t.knees = both(vec(rng.uniform(0.0, 0.5), 1.0, 0.6, len(t.lean)))
    t.lean = t.lean - rng.uniform(-0.05, 0.14)
