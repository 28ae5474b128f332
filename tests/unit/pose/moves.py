"""Takes of a person made of numbers who raises the arms, well or with a leaning trunk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import INDEX, LandmarkTrack
from tests.unit.pose.bodies import SIZE, standing

FPS = 8.0
_LEGS = ("hip", "knee", "ankle", "heel", "foot")
_TRUNK = [number for name, number in INDEX.items() if not any(part in name for part in _LEGS)]


def take(
    repetitions: int, lean: float = 0.0, seconds: float = 2.0, seed: int = 0, top: float = 2.4, arms: str = "left right"
) -> LandmarkTrack:
    """Rest, arm raises with a short pause after each, rest.

    Args:
        repetitions: how many.
        lean: radians that the trunk leans aside at the top.
        seconds: of a repetition.
        seed: of 5 mm noise.
        top: elevation of the arms, radians.
        arms: that are raised.
    """
    rng = np.random.default_rng(seed)
    rise = np.sin(np.pi * np.arange(round(seconds * FPS)) / round(seconds * FPS)) ** 2
    one = np.concatenate([rise, np.zeros(2)])
    s = np.concatenate([np.zeros(10), np.tile(one, repetitions), np.zeros(10)])
    world = np.stack([_pose(value, lean, top, arms) for value in s]) + rng.normal(0, 0.005, (len(s), 33, 3))
    image = world[..., :2] * 90.0 + np.array([199.0, 100.0])
    return LandmarkTrack(
        (np.arange(len(s)) / FPS).astype(np.float32),
        image.astype(np.float32),
        world.astype(np.float32),
        np.full((len(s), 33), 0.95, np.float32),
        np.ones(len(s), np.float32),
        SIZE,
    )


def _pose(s: float, lean: float, top: float, arms: str) -> NDArray[np.float64]:
    points = standing().astype(np.float64)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        raised = 0.1 + (top - 0.1) * s * (side in arms)
        shoulder = points[INDEX[f"{side}_shoulder"]]
        way = np.array([sign * np.sin(raised), np.cos(raised), 0.0])
        points[INDEX[f"{side}_elbow"]] = shoulder + 0.28 * way
        for name in ("wrist", "pinky", "index", "thumb"):
            points[INDEX[f"{side}_{name}"]] = shoulder + 0.53 * way
    angle = lean * s
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    points[_TRUNK] = points[_TRUNK] @ turn.T
    return points
