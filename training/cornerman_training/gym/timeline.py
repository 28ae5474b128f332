"""Plans the motion of a session over time. Knows times and poses, neither texts nor pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_training.gym.distractors import other, rest, smooth_noise
from cornerman_training.gym.exercises import FORMS, REP_S, Style, draw_style, push_up, squat, wave
from cornerman_training.gym.kinematics import Targets
from cornerman_training.gym.labels import ALTERNATING, HOLDS, LYING, MISTAKES, OTHER
from cornerman_training.gym.splits import seeded

if TYPE_CHECKING:
    from numpy.random import Generator

    from cornerman_training.gym.body import Body
    from cornerman_training.gym.kinematics import Array
    from cornerman_training.gym.splits import Split


@dataclass(frozen=True, slots=True)
class Rep:
    """One repetition; `mistake` is empty for a good one, `strength` is about 1."""

    exercise: str
    mistake: str
    strength: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class MotionSegment:
    """A time span of one kind of motion: an exercise, a hold, "rest", other motion or an empty room."""

    kind: str
    start_s: float
    end_s: float
    style: Style
    seed: int
    reps: tuple[Rep, ...] = ()

    @property
    def lying(self) -> bool:
        """Whether the person is on hands and feet."""
        return self.kind in LYING

    def pose(self, body: Body, time_s: Array) -> Targets:
        """Targets at the given session times, [T]."""
        # A new generator at each call, so that poses at any times agree.
        rng = np.random.default_rng(self.seed)
        local = time_s - self.start_s
        if self.kind in FORMS:
            return self._set(body, time_s)
        if self.kind in HOLDS:
            return hold(self.kind, body, self.style, rng, local)
        if self.kind in OTHER:
            return other(self.kind, body, rng, local)
        return rest(body, rng, local)

    def _set(self, body: Body, time_s: Array) -> Targets:
        form = FORMS[self.kind]
        out = form(body, self.style, np.zeros(len(time_s)), "", 1.0)
        for number, rep in enumerate(self.reps):
            inside = (time_s >= rep.start_s) & (time_s < rep.end_s)
            if not inside.any():
                continue
            style = self.style
            if self.kind in ALTERNATING and number % 2:
                style = Style(style.stance, style.depth, style.arms, style.lean, style.grip, 1 - style.side)
            phase = (time_s[inside] - rep.start_s) / (rep.end_s - rep.start_s)
            s = wave(phase)
            # The mistake fades in and out within a repetition, so that poses join at its ends.
            pose = form(body, style, s, "", 1.0)
            if rep.mistake:
                wrong = form(body, style, s, rep.mistake, rep.strength)
                ramp = np.clip(np.minimum(phase, 1 - phase) / 0.2, 0.0, 1.0)
                pose = pose.mixed(wrong, ramp * ramp * (3 - 2 * ramp))
            for name in Targets.__slots__:
                getattr(out, name)[inside] = getattr(pose, name)
        return out


def _reps(rng: Generator, exercise: str, start_s: float, until_s: float) -> tuple[Rep, ...]:
    low, high = REP_S[exercise]
    tempo = float(rng.uniform(low, high))
    mistakes = MISTAKES[exercise]
    usual = mistakes[int(rng.integers(len(mistakes)))]
    share = float(rng.choice([0.2, 0.4, 0.55]))
    apart = 3 if high < 2.0 else 2  # short repetitions: more time for a correction
    reps: list[Rep] = []
    time = start_s + float(rng.uniform(0.4, 1.0))
    since = apart  # at least `apart` - 1 good repetitions between faulty ones
    for _ in range(int(rng.integers(4, 11))):
        mistake = ""
        since += 1
        if since >= apart and rng.uniform() < share:
            mistake = usual if rng.uniform() < 0.6 else mistakes[int(rng.integers(len(mistakes)))]
            since = 0
        length = tempo * float(rng.uniform(0.92, 1.08)) * (0.42 if mistake == "too_fast" else 1.0)
        if time + length + 0.6 > until_s:
            break
        reps.append(Rep(exercise, mistake, float(rng.uniform(0.85, 1.2)), time, time + length))
        time += length + float(rng.uniform(0.15, 0.5))
    return tuple(reps)


def plan_segments(seed: int, split: Split, duration_s: float, quiet: bool) -> list[MotionSegment]:
    """Plans segments that cover [0, duration_s] without gaps; `quiet`: without exercises."""
    rng = seeded(seed, split, "timeline")
    exercises = list(FORMS)
    favourite = exercises[int(rng.integers(len(exercises)))]
    out: list[MotionSegment] = []
    time = 0.0

    def add(kind: str, length: float, reps: tuple[Rep, ...] = ()) -> None:
        nonlocal time
        end = min(time + length, duration_s)
        out.append(MotionSegment(kind, time, end, draw_style(rng), int(rng.integers(1 << 31)), reps))
        time = end

    def distractor() -> None:
        pick = rng.uniform()
        if pick < 0.35:
            add("rest", float(rng.uniform(1.5, 5)))
        elif pick < 0.72:
            add(OTHER[int(rng.integers(len(OTHER)))], float(rng.uniform(3, 8)))
        elif pick < 0.88:
            add(HOLDS[int(rng.integers(len(HOLDS)))], float(rng.uniform(4, 10)))
        else:
            add("nobody", float(rng.uniform(2, 6)))

    if rng.uniform() < 0.6:
        add("rest", float(rng.uniform(0.8, 2.5)))
    while time < duration_s - 1e-6:
        if quiet:
            distractor()
            continue
        exercise = favourite if rng.uniform() < 0.6 else exercises[int(rng.integers(len(exercises)))]
        gap = float(rng.uniform(1.1, 1.6)) if out else 0.0  # the transition into position is part of the set
        reps = _reps(rng, exercise, time + gap, duration_s)
        if len(reps) < 2:
            add("rest", duration_s - time)
            continue
        add(exercise, reps[-1].end_s + float(rng.uniform(0.7, 1.2)) - time, reps)
        if rng.uniform() < 0.5:
            add("rest", float(rng.uniform(1.2, 3.5)))
        else:
            distractor()
    return out


def hold(kind: str, body: Body, style: Style, rng: Generator, time: Array) -> Targets:
    """Poses of a static exercise with a small tremble."""
    shake = 0.02 * smooth_noise(rng, time, 0.7)
    if kind == "plank":
        return push_up(body, style, np.clip(0.08 + shake, 0, 1), "", 1.0)
    return squat(body, style, np.clip(0.93 + shake, 0, 1), "", 1.0)


def crouch(body: Body, count: int) -> Targets:
    """The pose between standing and lying: a deep squat with the hands on the floor."""
    style = Style(1.0, 1.05, 1, 0.3, 1.0, 0)
    pose = squat(body, style, np.ones(count), "", 1.0)
    pose.lean = pose.lean + 0.35
    pose.wrists[:, :, 1] = 0.03 * body.height
    pose.wrists[:, :, 0] = np.array([1.0, -1.0]) * body.shoulder * 1.2
    pose.wrists[:, :, 2] = 0.22 * body.height
    return pose
