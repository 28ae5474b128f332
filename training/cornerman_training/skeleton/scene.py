"""A person's session without a camera: sets, rests and other motion one after another, with labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from cornerman_pose.measures import rule_value
from cornerman_pose.movements import exercise_names, form_rules, movements
from cornerman_training.skeleton import arms, floor, legs
from cornerman_training.skeleton.build import Build, draw_build
from cornerman_training.skeleton.daily import reach, rise_and_sit, shrug, sit, stand, talk
from cornerman_training.skeleton.judge import channels
from cornerman_training.skeleton.manners import Wrong
from cornerman_training.skeleton.posing import Array, PoseTrack, concatenated, skeleton, waves
from cornerman_training.skeleton.sport import box, climb, dance, march, walk
from cornerman_training.skeleton.timing import FPS, SetPlan, plan_set
from cornerman_training.skeleton.world import World
from cornerman_training.skeleton.yoga import lie, yoga

Form = Callable[[Generator, Build, Array, Array, Wrong], PoseTrack]
FORM: dict[str, Form] = {
    "squat": legs.squat, "push_up": floor.push_up, "lunge": legs.lunge, "jumping_jack": legs.jumping_jack,
    "overhead_press": arms.overhead_press, "plank": floor.plank, "sit_up": floor.sit_up,
    "biceps_curl": arms.biceps_curl, "lateral_raise": arms.lateral_raise, "deadlift": legs.deadlift,
    "high_knees": legs.high_knees, "glute_bridge": floor.glute_bridge,
}  # fmt: skip
_OFTEN = {"squat": 1.6, "push_up": 2.0, "lunge": 1.6, "deadlift": 1.6}  # more ways to do them wrong
Idle = Callable[[Generator, Build, int], PoseTrack]
IDLE: dict[str, tuple[Idle, float]] = {
    "stand": (stand, 2.0), "talk": (talk, 1.6), "sit": (sit, 2.0), "rise_and_sit": (rise_and_sit, 0.8),
    "walk": (walk, 2.2), "march": (march, 2.6), "box": (box, 1.2), "shrug": (shrug, 1.0),
    "dance": (dance, 1.0), "reach": (reach, 2.0),
    "yoga": (yoga, 1.8), "lie": (lie, 0.5), "climb": (climb, 0.4),
}  # fmt: skip
"""What is no exercise, and how often it is drawn. The coach must stay quiet on all of it."""
ON_FLOOR = frozenset({"lie", "climb", "push_up", "plank", "sit_up", "glute_bridge"})
_AFTER = 5  # frames after the end of a repetition in which it is judged
_RULES = {m.name: [(i, r) for i, r in enumerate(form_rules()) if r.exercise == m.name] for m in movements()}


@dataclass(slots=True)
class _Part:
    track: PoseTrack
    kind: str
    plan: SetPlan | None = None
    drift: Array = field(default_factory=lambda: np.zeros(2))


def _set(rng: Generator, build: Build, exercise: str, frames: int) -> _Part | None:
    names = tuple(r.name for _, r in _RULES[exercise])
    if exercise == "plank":
        n = min(frames, int(rng.uniform(3, 14) * FPS))
        wrong = {}
        if rng.uniform() < 0.6:
            wrong[str(rng.choice(names))] = np.clip(rng.uniform(0.35, 1.15) + 0.1 * waves(rng, n, 2.0), 0, 1.3)
        s = np.clip(0.5 + 0.3 * waves(rng, n, 0.7), 0, 1)
        return _Part(floor.plank(rng, build, s, np.zeros(n), wrong), exercise, SetPlan(s, np.full(n, -1.0), s, {}))
    plan = plan_set(rng, exercise, names, frames)
    if plan is None:
        return None
    track = FORM[exercise](rng, build, plan.s, plan.side, plan.wrong)
    drift = np.array([0.0, rng.uniform(0.2, 0.7)]) if exercise == "lunge" and rng.uniform() < 0.3 else np.zeros(2)
    return _Part(track, exercise, plan, drift)


def _idle(rng: Generator, build: Build, frames: int) -> _Part:
    names = list(IDLE)
    weight = np.array([IDLE[n][1] for n in names])
    kind = str(rng.choice(names, p=weight / weight.sum()))
    n = min(frames, max(4, int(rng.uniform(1.0, 9.0) * FPS)))
    drift = rng.normal(0, 0.8, 2) if kind == "walk" and rng.uniform() < 0.6 else np.zeros(2)
    return _Part(IDLE[kind][0](rng, build, n), kind, drift=drift)


def _exercise(rng: Generator) -> str:
    weight = np.array([_OFTEN.get(name, 1.0) for name in FORM])
    return str(rng.choice(list(FORM), p=weight / weight.sum()))


def _parts(rng: Generator, build: Build, frames: int) -> list[_Part]:
    quiet = rng.uniform() < 0.2
    favourite = _exercise(rng)
    out: list[_Part] = []
    left = frames
    while left > 0:
        part = None
        if not quiet and left > 12 and rng.uniform() < 0.7:
            part = _set(rng, build, favourite if rng.uniform() < 0.5 else _exercise(rng), left)
        part = part or _idle(rng, build, left)
        if out and rng.uniform() < 0.85 and left > 14:
            k = int(rng.uniform(0.5, 1.6) * FPS)
            w = (np.arange(k) + 0.5) / k
            a, b = out[-1].track.held(-1, k), part.track.held(0, k)
            blend = a.blended(b, w * w * (3 - 2 * w))
            if (out[-1].kind in ON_FLOOR) != (part.kind in ON_FLOOR):
                half = floor.prone(
                    rng, build, np.full(k, build.arm * 0.9), {"hips_high": np.full(k, 1.3)}, False, False
                )
                blend = a.blended(half, np.clip(2 * w, 0, 1)).blended(b, np.clip(2 * w - 1, 0, 1))
            out.append(_Part(blend, "stand" if part.kind not in ON_FLOOR else "lie"))
            left -= k
        if left <= 0:
            break
        n = min(left, len(part.track.lean))
        part.track = part.track.sliced(0, n)
        out.append(part)
        left -= n
    return out


def _label(world: World, part: _Part, start: int, count: int) -> None:
    index = exercise_names().index(part.kind)
    plan = part.plan
    assert plan is not None
    stop = start + count
    if part.kind == "plank":
        world.exercise[start:stop] = index
        world.certainty[start : start + 8] = 0.15
        for at in range(12, count, 1):
            rows = world.measures[start + max(0, at - 12) : start + at + 1 : 4]
            for i, rule in _RULES["plank"]:
                world.excess[start + at, i] = rule.excess(rule_value(rule, rows, 1.0))
        return
    phase = plan.phase[:count]
    world.phase[start:stop] = phase
    moving = np.flatnonzero(phase >= 0)
    if not len(moving):
        return
    gaps = np.diff(moving)
    last = min(int(moving[-1]) + 4, count)
    world.exercise[start + int(moving[0]) : start + last] = index
    for at, gap in zip(moving[:-1], gaps, strict=True):
        if gap > 12:  # a long rest inside the set
            world.certainty[start + at + 5 : start + at + gap] = 0.15
    first = moving[0] + max(4, int(np.argmax(phase[moving] > 0.45)))
    world.certainty[start + int(moving[0]) : start + min(int(first), last)] = 0.1
    world.certainty[start + last : stop] = 0.3
    for a, b, seconds in plan.reps:
        if b >= count:
            continue
        world.ends.append((start + a, start + b, index))
        rows = world.measures[start + a : start + b + 1]
        for i, rule in _RULES[part.kind]:
            half = a + int(np.argmax(phase[a : b + 1] >= 0.6))
            world.excess[start + half : min(start + b + _AFTER, len(world.phase)), i] = rule.excess(
                rule_value(rule, rows, seconds)
            )


def draw_world(rng: Generator, frames: int) -> World:
    """A random person's session of `frames` frames at FPS."""
    build = draw_build(rng)
    parts = _parts(rng, build, frames)
    track = concatenated([p.track for p in parts])
    n = len(track.lean)
    h = build.height
    # No person moves like a formula: slow wobble on all targets, a habit of lean, roll and head.
    clean = skeleton(build, track)
    track.pelvis += waves(rng, n, 1.2, (3,)) * np.array([1, 0.3, 1]) * rng.uniform(0, 0.01) * h
    track.lean += 0.025 * waves(rng, n, 1.5)
    track.roll += 0.02 * waves(rng, n, 1.5) + rng.normal(0, 0.02)
    track.twist += 0.05 * waves(rng, n, 1.5)
    track.nod += 0.12 * waves(rng, n, 1.5)
    track.wrists += waves(rng, n, 0.8, (2, 3)) * rng.uniform(0, 0.015) * h
    track.elbows += waves(rng, n, 1.5, (2, 3)) * rng.uniform(0, 0.2)
    points = skeleton(build, track)
    world = World(
        points=points,
        left=np.zeros((n, 3)),
        exercise=np.zeros(n, dtype=np.int64),
        certainty=np.ones(n),
        phase=np.full(n, -1.0),
        ends=[],
        excess=np.full((n, len(form_rules())), np.nan),
        measures=channels(clean, build),
        build=build,
        visible=np.ones(n, dtype=np.bool_),
    )
    yaw, place = np.zeros(n), np.zeros((n, 2))
    stands, lies = rng.uniform(-np.pi, np.pi), rng.uniform(-np.pi, np.pi)
    if rng.uniform() < 0.5:  # most people face the camera, or show their side
        stands = float(rng.choice([0.0, 0.0, 0.7, -0.7, 1.57, -1.57])) + rng.normal(0, 0.25)
        lies = float(rng.choice([0.0, 0.0, 1.57, -1.57, 1.57, -1.57, 0.8, -0.8])) + rng.normal(0, 0.2)
    start = 0
    here = np.zeros(2)
    for part in parts:
        count = len(part.track.lean)
        if part.plan is not None:
            _label(world, part, start, count)
        yaw[start : start + count] = lies if part.kind in ON_FLOOR else stands
        place[start : start + count] = here + np.outer(np.arange(count) / FPS, part.drift)
        here = place[start + count - 1] * 0.5
        start += count
    kernel = np.ones(7) / 7
    yaw = np.convolve(np.pad(yaw, 3, mode="edge"), kernel, "valid") + 0.06 * waves(rng, n, 2.5)
    sin, cos = np.sin(yaw)[:, None], np.cos(yaw)[:, None]
    x, z = points[..., 0].copy() + place[:, :1], points[..., 2].copy() + place[:, 1:]
    world.points = np.stack([x * cos + z * sin, points[..., 1], -x * sin + z * cos], axis=-1)
    world.left = np.stack([cos[:, 0], np.zeros(n), -sin[:, 0]], axis=-1)
    return world
