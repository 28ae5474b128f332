"""The exercises and their mistakes, as poses over one repetition. Knows neither schedules nor texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_training.gym.kinematics import Array, Targets, both, standing, vec

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from cornerman_training.gym.body import Body

# Seconds of one repetition, lowest and highest tempo.
REP_S: dict[str, tuple[float, float]] = {
    "squat": (1.9, 3.0),
    "push_up": (1.7, 2.7),
    "lunge": (2.0, 3.0),
    "jumping_jack": (1.2, 1.7),
    "overhead_press": (1.8, 2.8),
}


@dataclass(frozen=True, slots=True)
class Style:
    """A person's manner of moving; the same for all repetitions of a set."""

    stance: float
    depth: float
    arms: int
    lean: float
    grip: float
    side: int


def draw_style(rng: Generator) -> Style:
    """Draws a random, correct manner of moving."""
    return Style(
        stance=float(rng.uniform(0.9, 1.25)),
        depth=float(rng.uniform(0.94, 1.06)),
        arms=int(rng.integers(3)),
        lean=float(rng.uniform(-0.05, 0.07)),
        grip=float(rng.uniform(0.9, 1.15)),
        side=int(rng.integers(2)),
    )


def wave(phase: NDArray[np.float64], hold: float = 0.12) -> Array:
    """Down and up again: 0 at phase 0, 1 around phase 0.5, 0 at phase 1; `hold` is the share of time at the bottom."""
    rise = np.clip(np.minimum(phase, 1.0 - phase) / (0.5 - hold / 2.0), 0.0, 1.0)
    return rise * rise * (3.0 - 2.0 * rise)


def squat(body: Body, style: Style, s: Array, fault: str, much: float) -> Targets:
    """`s` is 0 standing and 1 at the bottom; `much` is how bad the mistake is, about 1."""
    n, h = len(s), body.height
    t = standing(body, n, 2.1 * style.stance)
    depth = 0.98 * body.thigh * style.depth
    if fault == "too_shallow":
        depth *= 0.48 / much
    drop = s * depth
    amount = s * depth / body.thigh
    t.pelvis[:, 1] -= drop
    t.pelvis[:, 2] -= 0.17 * h * amount
    t.lean = 0.04 + (0.62 + style.lean) * amount
    if fault == "round_back":
        t.bend = 0.058 * h * much * np.clip(s * 1.5, 0, 1)
        t.lean = t.lean + 0.32 * much * s
        t.nod = t.nod + 0.35 * s
    if fault == "knees_in":
        t.knee = both(vec(0.25 - (0.95 * much) * np.clip(s * 1.6, 0, 1), 0.0, 1.0, n))
    else:
        t.knee = both(vec(0.42, 0.0, 1.0, n))
    shoulder_y = t.pelvis[:, 1] + np.cos(t.lean) * body.torso
    shoulder_z = t.pelvis[:, 2] + np.sin(t.lean) * body.torso
    reach = body.upper_arm + body.forearm
    if style.arms == 0:
        up = np.clip(s * 2.2, 0, 1)
        side = t.wrists[:, 0]
        front = vec(body.shoulder * 0.9, shoulder_y - 0.03 * h, shoulder_z + reach * 0.93, n)
        t.wrists = both(side * (1 - up[:, None]) + front * up[:, None])
    elif style.arms == 1:
        t.wrists = both(vec(0.015 * h, shoulder_y - 0.07 * h, shoulder_z + 0.15 * h, n))
        t.elbow = both(vec(0.8, -1.0, 0.1, n))
    else:
        t.wrists = both(vec(body.shoulder * 0.85, shoulder_y + 0.06 * h, shoulder_z + 0.03 * h, n))
        t.elbow = both(vec(1.0, -0.5, 0.1, n))
    return t


def push_up(body: Body, style: Style, s: Array, fault: str, much: float) -> Targets:
    """`s` is 0 with straight arms and 1 with the chest near the floor."""
    n, h = len(s), body.height
    arm = body.upper_arm + body.forearm
    bottom = 0.30 if fault != "half_way" else 0.30 + 0.40 * min(much, 1.15)
    shoulder_y = arm * (0.97 * (1 - s) + bottom * s) + 0.03 * h
    leg = (body.thigh + body.shin) * 0.99
    ankle_y = 0.075 * h
    angle = np.arcsin(np.clip((shoulder_y - ankle_y) / (leg + body.torso), -0.2, 0.9))
    sag = np.zeros(n)
    if fault == "hips_sagging":
        sag = -0.085 * h * much * (0.75 + 0.25 * s)
    elif fault == "hips_high":
        sag = 0.125 * h * much * (0.8 + 0.2 * s)
    reach = leg - np.abs(sag) * 0.25
    start = -0.55 * (leg + body.torso)
    pelvis = vec(0.0, ankle_y + np.sin(angle) * reach, start + np.cos(angle) * reach, n)
    pelvis[:, 1] = np.maximum(pelvis[:, 1] + sag, 0.07 * h)
    rise = np.clip((shoulder_y - pelvis[:, 1]) / body.torso, -0.8, 0.95)
    t = standing(body, n)
    t.pelvis = pelvis
    t.lean = np.pi / 2 - np.arcsin(rise)
    t.ankles = both(vec(0.05 * h, ankle_y, start, n))
    hand_z = start + leg + body.torso * 0.93
    t.wrists = both(vec(body.shoulder * 1.3 * style.grip, 0.028 * h, hand_z, n))
    t.knee = both(vec(0.05, -1.0, 0.05, n))
    t.elbow = both(vec(0.9, 0.35, -1.0, n))
    t.heel = np.full((n, 2), 1.15)
    t.nod = np.full(n, -0.35)
    return t


def lunge(body: Body, style: Style, s: Array, fault: str, much: float) -> Targets:
    """`s` is 0 standing and 1 with the back knee near the floor; `style.side` is the leg that steps."""
    n, h = len(s), body.height
    t = standing(body, n, 1.0)
    step = 0.44 * h
    drop = 0.80 * body.thigh * style.depth
    forward = 0.52
    if fault == "too_shallow":
        drop *= 0.36 / much
    if fault == "short_step":
        step *= 0.44 / much
        drop *= 0.72
        forward = 1.0
    out = np.clip(s * 1.9, 0, 1)
    out = out * out * (3 - 2 * out)
    lead, trail = style.side, 1 - style.side
    t.ankles[:, lead, 2] += out * step
    t.ankles[:, lead, 1] += 0.07 * h * np.sin(np.pi * np.clip(out, 0, 1)) * (out < 0.999)
    t.pelvis[:, 2] += out * step * forward
    sink = np.clip(s * 1.3 - 0.3, 0, 1)
    t.pelvis[:, 1] -= drop * sink + 0.035 * h * out
    t.heel[:, trail] = 0.75 * out
    t.ankles[:, trail, 1] += 0.055 * h * out
    t.knee = both(vec(0.08, -0.1, 1.0, n))
    t.lean = 0.03 + style.lean * 0.6 + 0.04 * s
    if fault == "leaning_forward":
        t.lean = t.lean + 0.72 * much * s
    shoulder_y = t.pelvis[:, 1] + np.cos(t.lean) * body.torso
    shoulder_z = t.pelvis[:, 2] + np.sin(t.lean) * body.torso
    if style.arms == 0:
        t.wrists = both(vec(body.hip * 2.3, t.pelvis[:, 1] + 0.05 * h, t.pelvis[:, 2] + 0.04 * h, n))
        t.elbow = both(vec(1.0, 0.1, -0.5, n))
    elif style.arms == 1:
        t.wrists = both(vec(0.015 * h, shoulder_y - 0.08 * h, shoulder_z + 0.15 * h, n))
        t.elbow = both(vec(0.8, -1.0, 0.1, n))
    else:
        reach = (body.upper_arm + body.forearm) * 0.98
        t.wrists = both(vec(body.shoulder * 1.3, shoulder_y - reach, shoulder_z + 0.03, n))
    return t


def jumping_jack(body: Body, style: Style, s: Array, fault: str, much: float) -> Targets:
    """`s` is 0 with closed feet and hanging arms, 1 with open feet and hands overhead."""
    n, h = len(s), body.height
    t = standing(body, n, 0.75)
    spread = 0.145 * h * style.stance
    if fault == "narrow_feet":
        spread *= 0.16 / much
    hop = 0.035 * h * np.abs(np.sin(2 * np.pi * s)) * (s > 0.02)
    t.ankles = both(vec(body.hip * 0.9 + spread * s, body.ankle + hop, 0.0, n))
    leg = (body.thigh + body.shin) * 0.985
    wide = np.clip(body.hip * 0.9 + spread * s - body.hip, 0, None)
    t.pelvis[:, 1] = body.ankle + hop + np.sqrt(leg**2 - wide**2)
    t.knee = both(vec(0.4, 0.0, 1.0, n))
    top = 2.95
    if fault == "low_arms":
        top = 1.62 / (0.5 + 0.5 * much)
    shoulder_y = t.pelvis[:, 1] + body.torso - 0.018 * h
    reach = (body.upper_arm + body.forearm) * 0.97
    wrists = []
    for side, sign in enumerate((1.0, -1.0)):
        peak = 0.35 if fault == "one_arm" and side == style.side else top
        a = 0.14 + (peak - 0.14) * s
        x = sign * (body.shoulder + np.sin(a) * reach)
        wrists.append(vec(x, shoulder_y - np.cos(a) * reach, 0.03, n))
    t.wrists = np.stack(wrists, axis=1)
    t.elbow = both(vec(0.5, -0.5, -0.6, n))
    return t


def overhead_press(body: Body, style: Style, s: Array, fault: str, much: float) -> Targets:
    """`s` is 0 with the weights at the shoulders and 1 with straight arms overhead."""
    n, h = len(s), body.height
    t = standing(body, n, 1.6 * style.stance)
    if fault == "leaning_back":
        t.lean = 0.02 - 0.40 * much * np.clip(s * 1.4, 0, 1)
        t.pelvis[:, 2] += 0.055 * h * much * np.clip(s * 1.4, 0, 1)
        t.nod = t.nod - 0.3 * s
    shoulder_y = t.pelvis[:, 1] + np.cos(t.lean) * body.torso - 0.018 * h
    shoulder_z = t.pelvis[:, 2] + np.sin(t.lean) * body.torso
    reach = (body.upper_arm + body.forearm) * 0.985
    wrists = []
    for side, sign in enumerate((1.0, -1.0)):
        share = s
        if fault == "half_press":
            share = s * 0.42 / much
        if fault == "uneven" and side == style.side:
            share = s * 0.28 / much
        x = sign * body.shoulder * (1.45 - 0.45 * share) * style.grip
        y = shoulder_y + 0.035 * h + (reach * 0.985 - 0.035 * h) * share
        wrists.append(vec(x, y, shoulder_z + 0.05 * h * (1 - share), n))
    t.wrists = np.stack(wrists, axis=1)
    t.elbow = both(vec(0.8, -1.0, 0.12, n))
    return t


FORMS = {
    "squat": squat,
    "push_up": push_up,
    "lunge": lunge,
    "jumping_jack": jumping_jack,
    "overhead_press": overhead_press,
}
