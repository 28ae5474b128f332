"""When a set's repetitions happen: tempo 0.4x to 2x, pauses at any phase, partial and cut repetitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

if TYPE_CHECKING:
    from cornerman_training.skeleton.posing import Array

FPS = 8.0
FRAMES = 320
"""Of a training example."""
# Usual seconds of one repetition; tempo spans 0.4x to 2x around it.
USUAL_S = {
    "squat": 2.4, "push_up": 1.9, "lunge": 2.4, "jumping_jack": 1.15, "overhead_press": 2.5, "sit_up": 2.4,
    "biceps_curl": 2.3, "lateral_raise": 2.4, "deadlift": 2.7, "high_knees": 0.75, "glute_bridge": 2.3,
}  # fmt: skip
SUSTAINED = frozenset({"hips_sagging", "hips_high", "head_dropped", "feet_far", "squatting",
                       "half_way_down", "not_upright"})  # fmt: skip

_ONE_SIDED = ("uneven", "one_arm")  # have many faces, so they are drawn twice as often


def seconds(n: int) -> Array:
    """Times of `n` frames, from 0."""
    return np.arange(n) / FPS


@dataclass(slots=True)
class SetPlan:
    """One set over T frames: progress `s`, `phase` (-1 outside repetitions), leading `side`, mistakes, repetitions."""

    s: Array
    phase: Array
    side: Array
    wrong: dict[str, Array]
    reps: list[tuple[int, int, float]] = field(default_factory=list)  # first frame, end frame, moving seconds


def _one(rng: Generator, seconds: float, uneven: float, rest: float) -> tuple[Array, float]:
    """Phase of one repetition at FPS, and its seconds without pauses."""
    bottom = rng.uniform(0, 0.3) * seconds * (rng.uniform() < 0.6)
    knots_t, knots_p = (
        [0.0, uneven * (seconds - bottom), uneven * (seconds - bottom) + bottom, seconds],
        [0.0, 0.5, 0.5, 1.0],
    )
    total = seconds
    if rng.uniform() < rest:
        at = float(rng.choice([0.5, rng.uniform(0.1, 0.9)]))
        pause = float(rng.exponential(0.9)) + 0.2
        where = float(np.interp(at, [0.0, 0.5, 0.5 + 1e-6, 1.0], knots_t))
        knots_t = [
            t + (pause if t > where or (t == where and p >= at) else 0.0) for t, p in zip(knots_t, knots_p, strict=True)
        ]
        knots_t += [where, where + pause]
        knots_p += [at, at]
        order = np.argsort(np.array(knots_t) + 1e-6 * np.array(knots_p), kind="stable")
        knots_t, knots_p = [knots_t[i] for i in order], [knots_p[i] for i in order]
        total += pause
    frames = max(3, round(total * FPS))
    time = (np.arange(frames) + rng.uniform(0.2, 1.0)) / frames * total
    return np.interp(time, knots_t, knots_p), seconds


def plan_set(rng: Generator, exercise: str, names: tuple[str, ...], frames: int) -> SetPlan | None:
    """A set that fits into `frames`, or None when no repetition does."""
    usual = USUAL_S[exercise]
    tempo = usual / float(
        np.exp(rng.uniform(np.log(0.33), np.log(2.5))) if rng.uniform() < 0.8 else rng.uniform(0.8, 1.25)
    )
    gap = 0.0 if rng.uniform() < 0.45 else float(rng.exponential(0.5 if rng.uniform() < 0.7 else 1.5))
    uneven, rest = float(rng.uniform(0.33, 0.67)), float(rng.choice([0.0, 0.0, 0.15, 0.5]))
    share = float(rng.choice([0.0, 0.15, 0.5, 1.0], p=[0.25, 0.2, 0.3, 0.25]))
    drawn = (*names, *(name for name in names if name in _ONE_SIDED))
    favourite = str(rng.choice(drawn))
    alternate = exercise == "high_knees" or (exercise in ("lunge", "biceps_curl") and rng.uniform() < 0.5)
    side = int(rng.integers(2))
    hang = exercise == "high_knees"
    partial = rng.uniform() < 0.4
    s: list[float] = []
    phase: list[float] = []
    sides: list[float] = []
    wrong = {n: np.zeros(frames) for n in names}
    plan = SetPlan(np.zeros(0), np.zeros(0), np.zeros(0), wrong)
    always = favourite if share == 1.0 and favourite in SUSTAINED else ""

    def idle(count: int) -> None:
        s.extend([0.0] * count)
        phase.extend([-1.0] * count)
        sides.extend([float(side)] * count)

    idle(int(rng.uniform(0.0, 1.2) * FPS))
    count = int(rng.integers(6, 40)) if exercise in ("high_knees", "jumping_jack") else int(rng.integers(1, 14))
    cut = rng.uniform() < 0.25  # the picture ends in the middle of a repetition
    for _ in range(count):
        seconds = max(tempo * float(rng.uniform(0.85, 1.18)), 0.3)
        mistakes = []
        if rng.uniform() < share:
            mistakes.append(favourite if rng.uniform() < 0.65 else str(rng.choice(drawn)))
            if rng.uniform() < 0.12:
                mistakes.append(str(rng.choice(names)))
        if "too_fast" in mistakes:
            seconds = float(rng.uniform(0.42, 0.95))
        p, moving = _one(rng, seconds, uneven, rest)
        if len(s) + len(p) > frames:
            if not cut:
                break
            room = frames - len(s)
            p = p[: max(room, 0)]
        start = len(s)
        tri = 1 - np.abs(2 * p - 1)
        amount = float(rng.uniform(0.33, 0.75)) if partial and rng.uniform() < 0.5 else float(rng.uniform(0.95, 1.03))
        s.extend(tri * tri * (3 - 2 * tri) * amount)
        phase.extend(p)
        sides.extend([float(side)] * len(p))
        for name in mistakes:
            if name in wrong:
                wrong[name][start : len(s)] = rng.uniform(0.35, 1.15)
        if (len(p) and p[-1] > 0.93) or (len(p) < frames - start and p[-1] > 0.9):
            plan.reps.append((start, len(s) - 1, moving))
        idle(int(gap * rng.uniform(0.3, 1.7) * FPS))
        if alternate or (not hang and rng.uniform() < 0.1):
            side = 1 - side
        if len(s) >= frames:
            break
    idle(int(rng.uniform(0.3, 1.2) * FPS))
    n = min(len(s), frames)
    if not plan.reps:
        return None
    plan.s, plan.phase, plan.side = np.array(s[:n]), np.array(phase[:n]), np.array(sides[:n])
    for name in names:
        w = wrong[name][:n]
        if name in SUSTAINED and (always == name or w.any()):
            if always == name:
                w = np.full(n, float(rng.uniform(0.4, 1.15)))
            w = np.convolve(np.pad(w, 3, mode="edge"), np.ones(7) / 7, "valid")
        else:  # comes and goes with the repetition
            ramp = np.clip(np.minimum(plan.phase, 1 - plan.phase) / 0.2, 0.0, 1.0)
            w = w * ramp * ramp * (3 - 2 * ramp)
        wrong[name] = w
    return plan
