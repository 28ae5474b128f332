"""Sessions of skeletons as joint features, with the repetitions that a coach would speak about. Knows no words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cornerman_pose.coaching import PRAISE_AFTER
from cornerman_pose.features import FPS
from cornerman_pose.landmarks import CHUNK_FRAMES
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_pose.tokens import joint_features
from cornerman_training.gate import CORRECT, FEEDBACK
from cornerman_training.sampling import STRIDE
from cornerman_training.skeleton.camera import shoot
from cornerman_training.skeleton.estimator import estimate
from cornerman_training.skeleton.scene import draw_world
from cornerman_training.skeleton.world import World

SESSION_FRAMES = 320
_VELOCITY = slice(6, 9)
_LATE_S = 0.8
_CLEAR = 0.7
"""Grey units past a limit from which a mistake is clear."""


@dataclass(frozen=True, slots=True)
class SpokenEnd:
    """A repetition that ended at frame `frame`; `mistakes` are those that are clear and seen, the clearest first."""

    frame: int
    exercise: str
    count: int
    mistakes: tuple[str, ...]
    unclear: bool


@dataclass(frozen=True, slots=True)
class JointSession:
    """One session at 8 frames a second.

    Attributes:
        features: [T, 19, 9] as `cornerman_pose.tokens.joint_features`.
        ends: repetitions in order of time.
        due: [C] action due at each chunk: 0 next, 1 feedback, 2 correct.
    """

    features: NDArray[np.float16]
    ends: tuple[SpokenEnd, ...]
    due: NDArray[np.int64]

    @property
    def chunks(self) -> int:
        """Chunks of 8 frames, 4 apart."""
        return (len(self.features) - CHUNK_FRAMES) // STRIDE + 1

    def chunk_features(self, first: int, count: int) -> NDArray[np.float32]:
        """[count, 8, 19, 9] of chunks in a row; a chunk knows no velocity at its first frame."""
        rows = STRIDE * (first + np.arange(count))[:, None] + np.arange(CHUNK_FRAMES)
        out: NDArray[np.float32] = self.features[rows].astype(np.float32)
        out[:, 0, :, _VELOCITY] = 0.0
        return out

    def chunk_after(self, frame: int) -> int:
        """The first chunk that holds the frame after `frame`."""
        return max(0, -(-(frame + 2 - CHUNK_FRAMES) // STRIDE))


def draw_session(rng: Generator, frames: int = SESSION_FRAMES) -> JointSession:
    """A random person before a random camera, as an estimator sees them."""
    # Imported here: the data set of the temporal half is a long way down, and only this function needs it.
    from cornerman_training.skeleton.dataset import observable

    world = draw_world(rng, frames)
    shot = shoot(rng, world.points, world.left)
    marks = estimate(rng, shot)
    features = joint_features(marks.image, marks.world, marks.visibility, marks.seen, (shot.height, shot.width))
    ends = _ends(world, observable(shot, marks))
    count = (len(features) - CHUNK_FRAMES) // STRIDE + 1
    return JointSession(features.astype(np.float16), ends, _due(ends, count))


def _ends(world: World, judged: NDArray[np.bool_]) -> tuple[SpokenEnd, ...]:
    found: list[SpokenEnd] = []
    rules, names = form_rules(), exercise_names()
    for _, frame, index in sorted(world.ends, key=lambda end: end[1]):
        exercise = names[index]
        excess = {
            rule.name: float(world.excess[frame, i])
            for i, rule in enumerate(rules)
            if rule.exercise == exercise and judged[max(0, frame - 8) : frame + 1, i].any()
        }
        wrong = sorted((name for name, value in excess.items() if value > _CLEAR), key=lambda name: -excess[name])
        unclear = not excess or any(-_CLEAR <= value <= _CLEAR for value in excess.values())
        same = found and found[-1].exercise == exercise and frame - found[-1].frame < 12 * FPS
        found.append(SpokenEnd(frame, exercise, found[-1].count + 1 if same else 1, tuple(wrong), unclear))
    return tuple(found)


def _due(ends: tuple[SpokenEnd, ...], chunks: int) -> NDArray[np.int64]:
    due = np.zeros(chunks, np.int64)
    pts_s = (STRIDE * np.arange(chunks) + CHUNK_FRAMES - 1) / FPS
    good = 0
    for end in ends:
        good = 0 if end.mistakes or end.count == 1 else good
        good += not end.mistakes
        action = CORRECT if end.mistakes else FEEDBACK if good == PRAISE_AFTER else 0
        if action:
            end_s = end.frame / FPS
            due[(pts_s > end_s) & (pts_s <= end_s + _LATE_S)] = action
            good = 0
    return due
