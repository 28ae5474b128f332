"""Three extra exercises, each with two mistakes, for measurement only: nothing that trains may import this module.

Forms are as in `cornerman_training.skeleton.arms`: `s` [T] is 0 at rest and 1 at the far end, `wrong` strengths [T] by
name of mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.manners import Wrong, strength
from cornerman_training.skeleton.posing import SIGNS, Array, PoseTrack, shoulders, swing_arm, upright

Form = Callable[[Generator, Build, Array, Array, Wrong], PoseTrack]


def side_leg_raise(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Standing, hands on the hips, the left leg goes out to the side. Wrong: the trunk tips over; a bent knee."""
    n, h = len(s), build.height
    t = upright(build, n, float(rng.uniform(0.9, 1.3)))
    raised = rng.uniform(0.65, 0.9) * s
    knee = 0.9 * np.clip(strength(wrong, "bent_knee", s), 0, 1.2) * np.clip(2 * s, 0, 1)
    length = build.leg * (0.998 - 0.16 * knee)
    hip = t.pelvis + np.array([build.hip, 0.0, 0.0])
    t.ankles[:, 0] = hip + np.stack([np.sin(raised) * length, -np.cos(raised) * length, 0.0 * s], axis=-1)
    t.knees[:, 0] = np.array([0.3, 0.0, 1.0])
    t.roll = t.roll - (rng.uniform(0.0, 0.06) + 0.5 * strength(wrong, "trunk_tips", s)) * s
    t.pelvis[:, 0] -= 0.02 * h * s
    for i in (0, 1):
        t.wrists[:, i] = t.pelvis + np.array([SIGNS[i] * build.hip * 2.4, 0.06 * h, 0.03])
        t.elbows[:, i] = np.array([SIGNS[i], 0.1, -0.5])
    return t


def wood_chop(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Both hands from beside the right ear down to the left knee, with a turn. Wrong: bent arms; legs do the work."""
    n, h = len(s), build.height
    t = upright(build, n, float(rng.uniform(1.8, 2.6)))
    squat = 0.9 * np.clip(strength(wrong, "squatting", s), 0, 1.2)
    t.pelvis[:, 1] -= (rng.uniform(0.01, 0.03) + 0.13 * squat) * h * s
    t.pelvis[:, 2] -= 0.06 * h * squat * s
    t.twist = t.twist + rng.uniform(0.5, 0.7) * (2 * s - 1) * np.clip(4 * s, 0, 1)
    t.lean = t.lean + rng.uniform(0.3, 0.45) * s
    near = 1 - 0.5 * np.clip(strength(wrong, "bent_arms", s), 0, 1.2) * np.clip(3 * s, 0, 1) * np.clip(
        3 - 3 * s, 0.35, 1
    )
    middle = shoulders(build, t).mean(1)
    high = np.array([-0.22 * h, 0.12 * h, 0.16 * h])
    low = np.array([0.16 * h, -0.27 * h, 0.14 * h])
    out = np.array([0.0, 0.0, 0.14 * h]) * (np.sin(np.pi * s) * near)[:, None]
    reach = (high * (1 - s)[:, None] + low * s[:, None] + out) * near[:, None]
    for i in (0, 1):
        t.wrists[:, i] = middle + reach + np.array([SIGNS[i] * 0.02 * h, 0.0, 0.0])
        t.elbows[:, i] = np.array([SIGNS[i] * 0.8, -0.6, 0.1])
    return t


def arm_swing(rng: Generator, build: Build, s: Array, side: Array, wrong: Wrong) -> PoseTrack:
    """Straight arms from the hips forward up to over the head. Wrong: the back arches; one arm stays behind."""
    n = len(s)
    t = upright(build, n, float(rng.uniform(0.9, 1.8)))
    top = rng.uniform(2.7, 2.95)
    t.lean = t.lean - 0.38 * strength(wrong, "back_arches", s) * s
    for i in (0, 1):
        stays = np.clip(strength(wrong, "one_arm_stays", s), 0, 1.2) * (i == 0)
        raised = 0.15 + (top - 0.15) * s * (1 - 0.45 * stays)
        swing_arm(build, t, i, raised, 1.45, rng.uniform(0.05, 0.2), 1.5)
    return t


FORMS: Final[dict[str, Form]] = {"side_leg_raise": side_leg_raise, "wood_chop": wood_chop, "arm_swing": arm_swing}

MISTAKES: Final[dict[str, tuple[str, str]]] = {
    "side_leg_raise": ("trunk_tips", "bent_knee"),
    "wood_chop": ("bent_arms", "squatting"),
    "arm_swing": ("back_arches", "one_arm_stays"),
}

SECONDS: Final = {"side_leg_raise": 2.2, "wood_chop": 2.4, "arm_swing": 2.2}
"""Usual time of a repetition."""
