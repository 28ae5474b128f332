"""Sessions of the gym's own kinematics as worlds for training. Renders nothing.

Only sessions of the split "train" are drawn for training. What was meant and what the limits of the table say agree in
these labels: the gym's mistakes are wrong, and its good repetitions are right.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cornerman_pose.measures import rule_value
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_training.gym.labels import ACTIVITIES
from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.gym_points import landmark_points, own_shot, to_the_left
from cornerman_training.skeleton.judge import channels
from cornerman_training.skeleton.posing import Array
from cornerman_training.skeleton.timing import FPS
from cornerman_training.skeleton.world import World

_SURE: Final = 1.3  # greys past the limit, where the gym's label and the measured value do not agree
_KINDS: Final = ("exercise", "exercise", "exercise", "exercise", "quiet")


def _build(session: GymSession) -> Build:
    b = session.body
    return Build(
        height=b.height,
        thigh=b.thigh,
        shin=b.shin,
        foot=b.foot,
        torso=b.torso,
        neck=b.neck,
        upper_arm=b.upper_arm,
        forearm=b.forearm,
        shoulder=b.shoulder,
        hip=b.hip + 0.012 * b.height,
        girth=b.girth,
    )


def _facing_forward(points: Array) -> Array:
    """The points turned about the vertical so that the body's left is x."""
    left = to_the_left(points)
    length = np.maximum(np.hypot(left[:, 0], left[:, 2]), 1e-6)
    cos, sin = (left[:, 0] / length)[:, None], (-left[:, 2] / length)[:, None]
    x, z = points[..., 0], points[..., 2]
    return np.stack([x * cos - z * sin, points[..., 1], x * sin + z * cos], axis=-1)


def draw_gym_world(rng: Generator, frames: int) -> World:
    """A random training session of the gym of `frames` frames at FPS, with its own camera's view in `shot`."""
    kind = str(rng.choice(_KINDS))
    return gym_world(plan_session(int(rng.integers(1 << 31)), "train", fps=FPS, duration_s=frames / FPS, kind=kind))


def gym_world(session: GymSession) -> World:
    """A session of the gym, planned at `FPS`, with its labels and its own camera's view in `shot`."""
    points = landmark_points(session)
    build = _build(session)
    n = len(points)
    world = World(
        points=points,
        left=to_the_left(points),
        exercise=np.zeros(n, dtype=np.int64),
        certainty=np.ones(n),
        phase=np.full(n, -1.0),
        ends=[],
        excess=np.full((n, len(form_rules())), np.nan),
        measures=channels(_facing_forward(points), build, kneeling=False),
        build=build,
        visible=session.visible.astype(np.bool_),
        shot=own_shot(session, points),
    )
    _label_holds(world, session)
    _label_repetitions(world, session)
    return world


def _label_holds(world: World, session: GymSession) -> None:
    plank = exercise_names().index("plank")
    held = session.activity == ACTIVITIES.index("plank")
    world.exercise[held] = plank
    begins = held & ~np.concatenate([[False], held[:-1]])
    for start in np.flatnonzero(begins):
        world.certainty[start : start + 12] = np.where(held[start : start + 12], 0.15, 1.0)
    rules = [i for i, rule in enumerate(form_rules()) if rule.exercise == "plank"]
    settled = held & np.concatenate([np.zeros(12, dtype=np.bool_), held])[: len(held)]
    world.excess[np.ix_(settled, rules)] = -_SURE
    # In the transition into position nobody can say what comes.
    named = np.isin(session.activity, [ACTIVITIES.index(name) for name in ("squat", "push_up", "lunge")])
    world.certainty[named] = 0.1


def _label_repetitions(world: World, session: GymSession) -> None:
    n = len(world.exercise)
    before: tuple[int, int] | None = None
    for rep in session.reps:
        index = exercise_names().index(rep.exercise)
        first = int(np.ceil(rep.start_s * FPS - 1e-6))
        last = min(int(np.ceil(rep.end_s * FPS - 1e-6)) - 1, n - 1)
        if last - first < 2:
            continue
        same = before is not None and before[0] == index and first - before[1] <= 12
        begin = before[1] if same and before is not None else first
        world.exercise[begin : last + 5] = index
        world.certainty[first : last + 5] = 1.0
        if not same:
            world.certainty[first : first + max(3, (last - first) // 2)] = 0.1
        before = (index, last)
        times = (np.arange(first, last + 1) + 0.5) / FPS
        world.phase[first : last + 1] = np.clip((times - rep.start_s) / (rep.end_s - rep.start_s), 0.0, 0.999)
        world.ends.append((first, last, index))
        _judge(world, rep.mistake, rep.exercise, first, last, rep.end_s - rep.start_s)


def _judge(world: World, mistake: str, exercise: str, first: int, last: int, seconds: float) -> None:
    rows: NDArray[np.float64] = world.measures[first : last + 1]
    half = first + int(0.6 * (last - first))
    for i, rule in enumerate(form_rules()):
        if rule.exercise != exercise:
            continue
        value = rule.excess(rule_value(rule, rows, seconds))
        if rule.name == mistake:
            value = max(value, _SURE)
        elif not mistake:
            value = min(value, -_SURE)
        elif value > -_SURE:
            value = np.nan  # one mistake brings another, which a coach does not name
        world.excess[half : last + 6, i] = value
