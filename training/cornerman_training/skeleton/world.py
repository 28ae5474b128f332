"""What a session without a camera is: where the body is, and labels. Knows not how either comes about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.camera import CameraShot
from cornerman_training.skeleton.posing import Array


@dataclass(slots=True)
class World:
    """Points [T,20,3] in metres (y up) and labels; `excess` [T,R] is NaN where a mistake is not judged,
    `measures` [T,M] are the true channels of `cornerman_pose.measures`.

    `exercise` [T] indexes `exercise_names()`, `certainty` [T] is the weight of that label, `phase` [T] is -1 outside
    repetitions, `ends` are (first frame, last frame, exercise), `left` [T,3] is the direction of the body's left,
    `visible` [T] whether the person is there, `shot` what a camera of the world's own sees, where it has one.
    """

    points: Array
    left: Array
    exercise: NDArray[np.int64]
    certainty: Array
    phase: Array
    ends: list[tuple[int, int, int]]
    excess: Array
    measures: Array
    build: Build
    visible: NDArray[np.bool_]
    shot: CameraShot | None = None

    def later(self, frames: int) -> World:
        """The same without the first `frames`; repetitions that ended in them are gone."""
        ends = [(max(first - frames, 0), last - frames, e) for first, last, e in self.ends if last >= frames]
        return World(
            points=self.points[frames:],
            left=self.left[frames:],
            exercise=self.exercise[frames:],
            certainty=self.certainty[frames:],
            phase=self.phase[frames:],
            ends=ends,
            excess=self.excess[frames:],
            measures=self.measures[frames:],
            build=self.build,
            visible=self.visible[frames:],
            shot=self.shot.later(frames) if self.shot else None,
        )
