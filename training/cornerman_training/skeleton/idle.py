"""What is no exercise, and how often it is drawn. The coach must stay quiet on all of it."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.daily import reach, rise_and_sit, shrug, sit, stand, talk
from cornerman_training.skeleton.posing import PoseTrack
from cornerman_training.skeleton.sport import box, climb, dance, march, walk
from cornerman_training.skeleton.yoga import lie, yoga

Idle = Callable[[Generator, Build, int], PoseTrack]
IDLE: dict[str, tuple[Idle, float]] = {
    "stand": (stand, 2.0), "talk": (talk, 1.6), "sit": (sit, 2.0), "rise_and_sit": (rise_and_sit, 0.8),
    "walk": (walk, 2.2), "march": (march, 1.2), "box": (box, 1.2), "shrug": (shrug, 1.0),
    "dance": (dance, 1.0), "reach": (reach, 2.0),
    "yoga": (yoga, 1.8), "lie": (lie, 0.5), "climb": (climb, 0.4),
}  # fmt: skip
ON_FLOOR = frozenset({"lie", "climb", "push_up", "plank", "sit_up", "glute_bridge"})
