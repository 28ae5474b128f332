"""Training examples: features and targets of random sequences, drawn by seed. Knows no net."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cornerman_pose.channels import UNITS
from cornerman_pose.features import BodyState, extract
from cornerman_pose.movements import form_rules
from cornerman_pose.points import PARTS
from cornerman_training.skeleton.camera import CameraShot, shoot
from cornerman_training.skeleton.estimator import Landmarks, estimate
from cornerman_training.skeleton.gym_points import own_shot
from cornerman_training.skeleton.gym_world import draw_gym_world, gym_world
from cornerman_training.skeleton.kept_sessions import kept_sessions, training_session
from cornerman_training.skeleton.scene import draw_world
from cornerman_training.skeleton.timing import FRAMES
from cornerman_training.skeleton.world import World

_LATE = 48
_GYM = 0.32  # share of sessions that are the gym's own
_AT_ONCE = 20  # sessions whose features are extracted together
_RANGE = {"front": (0.0, 0.5), "oblique": (0.35, 0.88), "side": (0.8, 1.01)}
Floats = NDArray[np.float32]
Sight: TypeAlias = Callable[[Generator, CameraShot], Landmarks]
"""What an estimator makes of a shot."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Targets of N sequences of T frames.

    `features` [N,T,F] float16; `exercise` [N,T] and its weight `certainty`; `phase` [N,T,3] sine, cosine, mask;
    `end`, `end_weight` [N,T]; `excess` [N,T,R] in grey units, NaN where not judged; `measures` [N,T,M] in the
    units of their channels; `observable` [N,T,R] 0 or 1.
    """

    features: NDArray[np.float16]
    exercise: NDArray[np.int64]
    certainty: Floats
    phase: Floats
    end: Floats
    end_weight: Floats
    excess: NDArray[np.float16]
    measures: NDArray[np.float16]
    observable: NDArray[np.uint8]

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """All arrays in a fixed order."""
        return tuple(getattr(self, name) for name in self.__slots__)

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """All sequences of some examples."""
        return cls(*(np.concatenate(columns) for columns in zip(*(part.arrays() for part in parts), strict=True)))


def observable(shot: CameraShot, seen: Landmarks) -> NDArray[np.bool_]:
    """[T, R]: the view and the visible landmarks allow a mistake to be judged."""
    clear = seen.inside
    out = []
    for rule in form_rules():
        low, high = min(_RANGE[v][0] for v in rule.views), max(_RANGE[v][1] for v in rule.views)
        ok = (shot.sideways >= low) & (shot.sideways <= high) & seen.seen
        for part in rule.landmarks:
            a, b = PARTS[part]
            # In a front view both sides are compared, in a side view the near one is enough.
            ok = ok & (clear[:, a] & clear[:, b] if rule.views[-1] != "side" else clear[:, a] | clear[:, b])
        out.append(ok)
    return np.stack(out, axis=-1)


def _ends(world: World) -> tuple[Floats, Floats]:
    n = len(world.exercise)
    end, weight = np.zeros(n, dtype=np.float32), np.ones(n, dtype=np.float32)
    at = [f for _, f, _ in world.ends]
    for i, f in enumerate(at):
        gap = at[i + 1] - f if i + 1 < len(at) else 99
        width = 3 if gap > 7 else 2
        end[f + 1 : f + 1 + width] = 1.0
        weight[f] = 0.3
        if gap > 7:
            weight[f + 1 + width : f + 3 + width] = 0.3
    return end, weight


def draw_examples(rng: Generator, worlds: int, views: int = 2, gym: float = _GYM, see: Sight = estimate) -> Examples:
    """`worlds` random sessions, each seen by `views` cameras.

    Args:
        rng: everything follows from it.
        worlds: number of sessions.
        views: cameras of each.
        gym: share of sessions that are the gym's own; their errors are drawn.
        see: the estimator of the other sessions.
    """
    seen: list[Landmarks] = []
    columns: list[tuple[NDArray[np.generic], ...]] = []
    for _ in range(worlds):
        # Some videos begin in the middle of a repetition.
        late = int(rng.integers(1, _LATE)) if rng.uniform() < 0.35 else 0
        of_gym = rng.uniform() < gym
        draw, sight = (draw_gym_world, estimate) if of_gym else (draw_world, see)
        world = draw(rng, FRAMES + late).later(late)
        for _ in range(views):
            shot = world.shot if world.shot and rng.uniform() < 0.6 else shoot(rng, world.points, world.left)
            marks = sight(rng, shot)
            judged = observable(shot, marks)
            if rng.uniform() < 0.15:  # the video cuts to another camera
                other = shoot(rng, world.points, world.left)
                second = sight(rng, other)
                cut = int(rng.integers(30, FRAMES - 30))
                judged = np.concatenate([judged[:cut], observable(other, second)[cut:]])
                marks = Landmarks(
                    *(np.concatenate([getattr(marks, k)[:cut], getattr(second, k)[cut:]]) for k in Landmarks.__slots__)
                )
            marks.seen &= world.visible
            seen.append(marks)
            columns.append(_targets(world, marks, judged))
    return _examples(seen, columns)


def examples_of(worlds: Sequence[World], shots: Sequence[CameraShot], seen: Sequence[Landmarks]) -> Examples:
    """The same of given sessions, each with what its camera shows and what an estimator made of that."""
    rows = zip(worlds, shots, seen, strict=True)
    return _examples(seen, [_targets(world, marks, observable(shot, marks)) for world, shot, marks in rows])


def _targets(world: World, marks: Landmarks, judged: NDArray[np.bool_]) -> tuple[NDArray[np.generic], ...]:
    """The fields of `Examples` after the features, of one session."""
    end, weight = _ends(world)
    angle = 2 * np.pi * np.clip(world.phase, 0, 1)
    phase = np.stack([np.sin(angle), np.cos(angle), world.phase >= 0], axis=-1).astype(np.float32)
    certainty = (world.certainty * np.where(marks.seen, 1.0, 0.2)).astype(np.float32)
    excess, measures = world.excess.astype(np.float16), (world.measures / UNITS).astype(np.float16)
    return world.exercise, certainty, phase, end, weight, excess, measures, judged.astype(np.uint8)


def _examples(seen: Sequence[Landmarks], columns: Sequence[tuple[NDArray[np.generic], ...]]) -> Examples:
    stacked = [np.stack([getattr(m, k) for m in seen]) for k in ("image", "world", "visibility", "seen")]
    features = extract(BodyState.empty(len(seen)), *stacked).astype(np.float16)
    return Examples(features, *(np.stack(c) for c in zip(*columns, strict=True)))


def batches(rng: Generator, worlds: int) -> Iterator[Examples]:
    """`worlds` random sessions, each seen by one camera, a few at a time."""
    for done in range(0, worlds, _AT_ONCE):
        yield draw_examples(rng, min(_AT_ONCE, worlds - done), 1)


def rendered_examples(folder: Path) -> Examples:
    """The examples of the rendered sessions in a folder.

    Raises:
        ValueError: there are none.
    """
    worlds, seen = [], []
    for kept in kept_sessions(folder):
        world = gym_world(kept.session)
        worlds.append((world, own_shot(kept.session, world.points, kept.width)))
        seen.append(kept.marks)
    if not seen:
        command = "python -m cornerman_training.skeleton.rendered"
        raise ValueError(f"{folder} holds no rendered sessions; write some with {command} {folder}")
    return examples_of([world for world, _ in worlds], [shot for _, shot in worlds], seen)


def imitated_examples(see: Sight, seeds: range) -> Examples:
    """The examples of the gym's training sessions with these seeds, as an estimator sees them by their own cameras."""
    parts: list[Examples] = []
    for first in range(seeds.start, seeds.stop, _AT_ONCE):
        worlds, shots, seen = [], [], []
        for seed in range(first, min(first + _AT_ONCE, seeds.stop)):
            session, width = training_session(seed)
            worlds.append(gym_world(session))
            shots.append(own_shot(session, worlds[-1].points, width))
            seen.append(see(np.random.default_rng([seed, 9]), shots[-1]))
            seen[-1].seen &= worlds[-1].visible
        parts.append(examples_of(worlds, shots, seen))
    return Examples.joined(parts)
