"""Learns an own exercise from examples: repetitions found, aligned in time and averaged. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.body_parts import PARTS, VISIBLE
from cornerman_pose.channels import FPS
from cornerman_pose.errors import PoseError
from cornerman_pose.features import LandmarkGrid
from cornerman_pose.landmarks import INDEX, LandmarkTrack
from cornerman_pose.taught.alignment import barycentre
from cornerman_pose.taught.embedding import Embedder
from cornerman_pose.taught.exercise import Prototype
from cornerman_pose.taught.metric import learning_weights
from cornerman_pose.taught.names import NAMES
from cornerman_pose.taught.segments import Span, find_repetitions

Array = NDArray[np.float64]

REPETITIONS: Final = 5
"""Repetitions of an example, unless another number is stated."""

FEWEST: Final = 2
MOST_S: Final = 120.0

_MOVES: Final = 0.25  # torsos
_SEEN_SHARE: Final = 0.8
_JOINTS_OF: Final = {"elbows": "elbow", "hands": "wrist", "knees": "knee", "feet": "ankle", "head": "nose"}


class TeachingError(PoseError):
    """An example shows no repetitions, or others than were stated."""


@dataclass(frozen=True, slots=True)
class Example:
    """One take: embedded frames [T, D] on the grid with their times, and parts of the body that are seen."""

    times_s: Array
    rows: Array
    parts: frozenset[str]


def example_of(track: LandmarkTrack, what: str = "the example") -> Example:
    """An example from one person's landmarks; frames without the person are left out.

    Raises:
        TeachingError: no person is seen in it, or it is too long.
    """
    if len(track) and float(track.t_s[-1] - track.t_s[0]) > MOST_S:
        seconds = float(track.t_s[-1] - track.t_s[0])
        raise TeachingError(f"{what} lasts {seconds:.0f} s; give one of at most {MOST_S:.0f} s with the repetitions")
    grid = LandmarkGrid()
    times, features = grid.push(
        *(getattr(track, name).astype(np.float64) for name in ("t_s", "image_px", "world_m", "visibility", "presence"))
    )
    seen = features[:, -1] > 0
    if seen.sum() < FPS:
        raise TeachingError(f"{what} shows a person in {int(seen.sum())} of {len(seen)} frames; film the whole body")
    there = track.visibility[track.presence >= 0.5]
    parts = frozenset(
        name
        for name, sides in PARTS.items()
        if all((there[:, [INDEX[one] for one in side]].max(1) >= VISIBLE).mean() >= _SEEN_SHARE for side in sides)
    )
    return Example(times[seen], Embedder().push(features[seen]), parts)


def repetitions_in(
    example: Example, wanted: int = REPETITIONS, what: str = "the example", known: Sequence[Array] = ()
) -> list[Span]:
    """Frames of each repetition; `known` as in `find_repetitions`.

    Raises:
        TeachingError: another number than was stated, by more than one.
    """
    spans = find_repetitions(example.rows, learning_weights(), wanted, known)
    if len(spans) < FEWEST or abs(len(spans) - wanted) > 1:
        seconds = ", ".join(f"{example.times_s[a]:.1f}-{example.times_s[b - 1]:.1f}" for a, b in spans) or "none"
        raise TeachingError(
            f"{what} shows {len(spans)} repetitions (seconds {seconds}), and {wanted} were stated; show the whole "
            "body, pause for a second before and after, or state how many there are"
        )
    return spans


def learn(example: Example, spans: Sequence[Span]) -> Prototype:
    """The prototype of the repetitions in an example."""
    return prototype_of([example.rows[a:b] for a, b in spans])


def prototype_of(repetitions: Sequence[Array]) -> Prototype:
    """The prototype of repetitions [T, D] on the grid."""
    mean, aligned = barycentre(list(repetitions), learning_weights())
    count = len(repetitions)
    spread = np.sqrt(np.square(aligned - mean).mean((0, 1)) * count / max(count - 1, 1))
    seconds = [len(rows) / FPS for rows in repetitions]
    return Prototype(mean, spread, (min(seconds), max(seconds)), count)


def needed_parts_of(example: Example, prototype: Prototype) -> tuple[str, ...]:
    """Parts of the body without which an exercise cannot be judged: the trunk, and what was seen to move."""
    moved = np.ptp(prototype.steps, axis=0)
    out = ["shoulders", "hips"]
    for part, joint in _JOINTS_OF.items():
        columns = [i for i, name in enumerate(NAMES) if f"{joint}." in name and not name.endswith("angle")]
        if part in example.parts and moved[columns].max() > _MOVES:
            out.append(part)
    return tuple(name for name in PARTS if name in out)
