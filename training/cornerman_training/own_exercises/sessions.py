"""A person's takes of an exercise before one camera, seen by an estimator with its errors. Drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cornerman_pose.landmarks import LANDMARKS, LandmarkTrack
from cornerman_pose.points import POINTS
from cornerman_training.own_exercises.forms import Form
from cornerman_training.skeleton.build import Build, draw_build
from cornerman_training.skeleton.camera import CameraShot, shoot
from cornerman_training.skeleton.daily import reach, stand, talk
from cornerman_training.skeleton.estimator import estimate
from cornerman_training.skeleton.posing import Array, PoseTrack, concatenated, skeleton, waves
from cornerman_training.skeleton.sport import walk
from cornerman_training.skeleton.timing import FPS

_INSIDE: Final = 0.985  # part of the points that lie in the picture
_TRIES: Final = 300


@dataclass(frozen=True, slots=True)
class TakePlan:
    """Repetitions with a mistake ("" = none) in each; `idle`: other motion before and after."""

    mistake: str
    repetitions: int
    idle: bool


@dataclass(frozen=True, slots=True)
class MadeTake:
    """What an estimator saw of a take, and when its repetitions ended, seconds."""

    track: LandmarkTrack
    ends_s: tuple[float, ...]


def draw_takes(
    form: Form, person: int, camera: int, takes: tuple[TakePlan, ...], yaw: float, usual_s: float
) -> list[MadeTake]:
    """Takes one after another: the same body, manner, camera and errors of the estimator.

    Args:
        form: of the exercise.
        person: seed of body and manner.
        camera: seed of where the camera stands and of the estimator's errors.
        takes: in order.
        yaw: of the person, radians; 0 = towards the camera.
        usual_s: usual seconds of a repetition.
    """
    build = draw_build(np.random.default_rng([person, 1]))
    rng = np.random.default_rng([person, camera, camera + 1, 3])
    tempo = usual_s * float(np.random.default_rng([person, 4]).uniform(0.8, 1.25))
    parts, cuts, at = [], [], 0
    for plan in takes:
        track, ends = _take(rng, form, build, person, plan, tempo)
        parts.append(track)
        cuts.append((at, at + len(track.lean), ends))
        at += len(track.lean)
    track = _wobbling(rng, concatenated(parts), build)
    points, left = _turned(rng, skeleton(build, track), yaw)
    shot = _whole_shot(person, camera, points, left)
    seen = estimate(np.random.default_rng([person, camera, camera + 1, 6]), shot)

    def full(values: Array, start: int, stop: int) -> NDArray[np.float32]:
        out = np.zeros((stop - start, LANDMARKS, *values.shape[2:]), np.float32)
        out[:, list(POINTS)] = values[start:stop]
        return out

    return [
        MadeTake(
            LandmarkTrack(
                (np.arange(stop - start) / FPS).astype(np.float32),
                full(seen.image, start, stop),
                full(seen.world, start, stop),
                full(seen.visibility, start, stop),
                seen.seen[start:stop].astype(np.float32),
                (int(shot.height), int(shot.width)),
            ),
            tuple(end / FPS for end in ends),
        )
        for start, stop, ends in cuts
    ]


def _take(
    rng: Generator, form: Form, build: Build, person: int, plan: TakePlan, tempo: float
) -> tuple[PoseTrack, list[int]]:
    """Targets of a take and the last frame of each repetition."""
    s: list[float] = []
    phase: list[float] = []
    ends = []

    def wait(count: int) -> None:
        s.extend([0.0] * count)
        phase.extend([0.0] * count)

    wait(int(rng.uniform(0.6, 1.5) * FPS))
    gap = 0.0 if rng.uniform() < 0.5 else float(rng.uniform(0.1, 0.6))
    for _ in range(plan.repetitions):
        count = max(4, round(tempo * float(rng.uniform(0.88, 1.14)) * FPS))
        p = (np.arange(count) + rng.uniform(0.2, 1)) / count
        rise = 1 - np.abs(2 * p - 1)
        s.extend(rise * rise * (3 - 2 * rise) * rng.uniform(0.96, 1.03))
        phase.extend(p)
        ends.append(len(s) - 1)
        wait(int(gap * rng.uniform(0.5, 1.5) * FPS))
    wait(int(rng.uniform(0.8, 1.6) * FPS))
    way = np.array(phase)
    ramp = np.clip(np.minimum(way, 1 - way) / 0.2, 0, 1)
    strength = rng.uniform(0.75, 1.1) * ramp * ramp * (3 - 2 * ramp)
    wrong = {plan.mistake: strength} if plan.mistake else {}
    track = form(np.random.default_rng([person, 2]), build, np.array(s), np.zeros(len(s)), wrong)
    if not plan.idle:
        return track, ends
    before = (stand, talk, reach)[int(rng.integers(3))](rng, build, int(rng.uniform(3, 6) * FPS))
    after = walk(rng, build, int(rng.uniform(3, 6) * FPS))
    w = (np.arange(8) + 0.5) / 8
    w = w * w * (3 - 2 * w)
    joined = [before, before.held(-1, 8).blended(track.held(0, 8), w), track,
              track.held(-1, 8).blended(after.held(0, 8), w), after]  # fmt: skip
    return concatenated(joined), [end + len(before.lean) + 8 for end in ends]


def _wobbling(rng: Generator, track: PoseTrack, build: Build) -> PoseTrack:
    n, h = len(track.lean), build.height
    track.pelvis = track.pelvis + waves(rng, n, 1.2, (3,)) * np.array([1, 0.3, 1]) * 0.005 * h
    track.lean = track.lean + 0.025 * waves(rng, n, 1.5)
    track.roll = track.roll + 0.02 * waves(rng, n, 1.5)
    track.twist = track.twist + 0.05 * waves(rng, n, 1.5)
    track.nod = track.nod + 0.12 * waves(rng, n, 1.5)
    track.wrists = track.wrists + waves(rng, n, 0.8, (2, 3)) * 0.008 * h
    return track


def _turned(rng: Generator, points: Array, yaw: float) -> tuple[Array, Array]:
    n = len(points)
    angle = yaw + 0.06 * waves(rng, n, 2.5)
    sin, cos = np.sin(angle)[:, None], np.cos(angle)[:, None]
    x, z = points[..., 0], points[..., 2]
    turned = np.stack([x * cos + z * sin, points[..., 1], -x * sin + z * cos], -1)
    return turned, np.stack([cos[:, 0], np.zeros(n), -sin[:, 0]], -1)


def _whole_shot(person: int, camera: int, points: Array, left: Array) -> CameraShot:
    """A random camera with the whole body in its picture, as one who teaches would place it."""
    for number in range(_TRIES):
        shot = shoot(np.random.default_rng([person, camera, 5, number]), points, left)
        x, y = shot.image[:, :19, 0], shot.image[:, :19, 1]
        inside = (x > 0) & (x < shot.width) & (y > 0) & (y < shot.height)
        if inside.mean() > _INSIDE:
            break
    return shot
