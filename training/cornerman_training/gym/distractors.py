"""Poses of people who rest or do something else than exercise. No feedback is due for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerman_training.gym.kinematics import standing
from cornerman_training.gym.labels import OTHER

if TYPE_CHECKING:
    from numpy.random import Generator

    from cornerman_training.gym.body import Body
    from cornerman_training.gym.kinematics import Array, Targets


def smooth_noise(rng: Generator, time: Array, period_s: float) -> Array:
    """A slow random wave in about -1..1, [T]."""
    out = np.zeros(len(time))
    for k in range(3):
        out += np.sin(2 * np.pi * time * (0.6 + 0.45 * k) / period_s + rng.uniform(0, 6.28)) / (1 + k)
    return out / 1.8


def _shoulder(body: Body, t: Targets) -> tuple[Array, Array]:
    y = t.pelvis[:, 1] + np.cos(t.lean) * body.torso - 0.018 * body.height
    return y, t.pelvis[:, 2] + np.sin(t.lean) * body.torso


def rest(body: Body, rng: Generator, time: Array) -> Targets:
    """Standing at the given times (seconds from its start): a little sway, hands by the sides or on the hips."""
    t = standing(body, len(time), float(rng.uniform(0.9, 1.6)))
    sway = smooth_noise(rng, time, 4.0)
    t.roll = t.roll + 0.02 * sway
    t.pelvis[:, 0] += 0.012 * sway
    t.lean = t.lean + 0.015 * smooth_noise(rng, time, 3.0)
    t.nod = t.nod + 0.12 * smooth_noise(rng, time, 5.0)
    if rng.uniform() < 0.35:
        for side, sign in enumerate((1.0, -1.0)):
            t.wrists[:, side] = t.pelvis + np.array([sign * body.hip * 2.4, 0.05 * body.height, 0.02])
            t.elbow[:, side] = np.array([sign, 0.1, -0.5])
    return t


def other(kind: str, body: Body, rng: Generator, time: Array) -> Targets:
    """Poses of one kind of motion in `OTHER`.

    Raises:
        ValueError: if `kind` is not in `OTHER`.
    """
    t = rest(body, rng, time)
    count = len(time)
    side = int(rng.integers(2))
    sign = 1.0 if side == 0 else -1.0
    y, z = _shoulder(body, t)
    h = body.height
    if kind == "waving":
        swing = 0.09 * h * np.sin(2 * np.pi * time * rng.uniform(1.0, 1.8))
        t.wrists[:, side] = np.stack([sign * (body.shoulder * 1.7) + swing, y + 0.17 * h, z + 0.05 * h], axis=-1)
        t.elbow[:, side] = np.array([sign, -0.8, 0.0])
    elif kind == "walking":
        pace = 2 * np.pi * time * rng.uniform(0.7, 1.0)
        for i, phase in enumerate((0.0, np.pi)):
            t.ankles[:, i, 2] = 0.17 * h * np.sin(pace + phase)
            t.ankles[:, i, 1] += 0.07 * h * np.clip(np.cos(pace + phase), 0, 1)
            t.wrists[:, i, 2] -= 0.13 * h * np.sin(pace + phase)
        t.pelvis[:, 1] -= 0.02 * h * (1 + np.cos(2 * pace)) / 2 + 0.01 * h
    elif kind in {"drinking", "phone"}:
        lift = np.clip(1.5 * np.sin(2 * np.pi * time / rng.uniform(4, 6)), 0, 1) if kind == "drinking" else 1.0
        height = y + 0.08 * h if kind == "drinking" else y - 0.06 * h
        goal = np.stack([np.full(count, sign * 0.02 * h), height, z + (0.09 if kind == "drinking" else 0.17) * h], -1)
        w = np.broadcast_to(np.asarray(lift), (count,))[:, None]
        t.wrists[:, side] = t.wrists[:, side] * (1 - w) + goal * w
        t.elbow[:, side] = np.array([sign * 0.8, -1.0, 0.0])
        t.nod = t.nod + (0.45 if kind == "phone" else -0.15)
    elif kind == "stretching":
        swing = np.sin(2 * np.pi * time / rng.uniform(3.5, 6))
        t.roll = t.roll + 0.42 * swing
        t.wrists[:, side] = np.stack([sign * 0.03 * h + 0.0 * swing, y + 0.3 * h, z], axis=-1)
        t.wrists[:, side, 0] += np.sin(t.roll) * (body.torso + 0.25 * h)
        t.elbow[:, side] = np.array([sign, 0.2, 0.0])
    elif kind == "dancing":
        beat = 2 * np.pi * time * rng.uniform(0.8, 1.4)
        t.pelvis[:, 0] += 0.05 * h * np.sin(beat)
        t.pelvis[:, 1] -= 0.025 * h * (1 - np.cos(2 * beat))
        t.roll = t.roll + 0.12 * np.sin(beat + 0.5)
        for i, s in enumerate((1.0, -1.0)):
            t.wrists[:, i] = np.stack(
                [
                    s * 0.16 * h + 0.06 * h * np.sin(beat + i),
                    y - 0.1 * h + 0.08 * h * np.sin(2 * beat + 2 * i),
                    z + 0.14 * h,
                ],
                -1,
            )
            t.elbow[:, i] = np.array([s, -0.8, -0.2])
    elif kind == "tying_shoe":
        down = np.clip(1.8 * np.sin(np.pi * (time % 7.0) / 7.0), 0, 1)
        t.pelvis[:, 1] -= 0.14 * h * down
        t.pelvis[:, 2] -= 0.05 * h * down
        t.lean = t.lean + 1.35 * down
        t.bend = 0.05 * h * down
        for i, s in enumerate((1.0, -1.0)):
            goal = np.stack([np.full(count, s * 0.03 * h), np.full(count, 0.1 * h), np.full(count, 0.12 * h)], -1)
            t.wrists[:, i] = t.wrists[:, i] * (1 - down[:, None]) + goal * down[:, None]
    else:
        raise ValueError(f"unknown motion {kind!r}: choose one of {', '.join(OTHER)}")
    return t
