"""Virtual cameras and crops: from points in the room to a picture, and which of them lie outside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cornerman_training.skeleton.posing import Array, unit, waves
from cornerman_training.skeleton.timing import FPS


@dataclass(frozen=True, slots=True)
class CameraShot:
    """What a camera sees: `image` [T,P,2] pixels, `camera` [T,P,3] metres (x right, y down, z away), `sideways` [T].

    `sideways` is 0 when the body's left-right axis lies in the picture (front view) and 1 when it points into it.
    """

    image: Array
    camera: Array
    sideways: Array
    width: float
    height: float

    def later(self, frames: int) -> CameraShot:
        """The same without the first `frames`."""
        return CameraShot(self.image[frames:], self.camera[frames:], self.sideways[frames:], self.width, self.height)


def shoot(rng: Generator, points: Array, left: Array) -> CameraShot:
    """One camera for the whole sequence: height, distance, roll, lens, shake, landscape or portrait, framing."""
    n = len(points)
    centre = np.median(points.reshape(-1, 3), axis=0)
    low = rng.uniform() < 0.3
    position = centre + np.array([rng.normal(0, 0.25), 0.0, rng.uniform(1.6, 5.5)])
    position[1] = rng.uniform(0.15, 0.7) if low else np.clip(rng.normal(1.1, 0.35), 0.3, 2.4)
    aim = np.array([centre[0], rng.uniform(0.4, 1.1) if not low else rng.uniform(0.3, 0.9), centre[2]])
    forward = unit(aim - position)
    right = unit(np.cross(forward, [0.0, 1.0, 0.0]))
    down = -np.cross(right, forward)
    roll = rng.normal(0, 0.04)
    right, down = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
    basis = np.stack([right, down, forward], axis=-1)
    camera = (points - position) @ basis
    plane = camera[..., :2] / np.maximum(camera[..., 2:], 0.4)
    if rng.uniform() < 0.35:  # held by hand, or panned and zoomed
        amount = float(rng.choice([0.01, 0.03, 0.12]))
        angle = waves(rng, n, 1.0)[:, None] * amount * 0.5
        x, y = plane[..., 0], plane[..., 1]
        plane = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=-1)
        plane = plane * (1 + amount * waves(rng, n, 3.0))[:, None, None] + waves(rng, n, 1.2, (1, 2)) * amount * 0.6
    box_low = np.percentile(plane.reshape(-1, 2), 1.5, axis=0)
    box_high = np.percentile(plane.reshape(-1, 2), 98.5, axis=0)
    # The filmed part of the body: mostly all of it, sometimes without the legs or close up.
    kind = rng.uniform()
    if kind < 0.12:
        box_high[1] = np.percentile(plane[:, 9:13, 1], 70)
    elif kind < 0.17:
        box_high[1] = np.percentile(plane[:, 11:15, 1], 60)
    elif kind < 0.2:
        box_low[1] = np.percentile(plane[:, 3:5, 1], 40)
    size = np.maximum(box_high - box_low, 0.05)
    aspect = float(rng.choice([16 / 9, 4 / 3, 1.0, 9 / 16, 3 / 4], p=[0.4, 0.15, 0.1, 0.25, 0.1]))
    width, height = (480.0, 480.0 / aspect) if aspect >= 1 else (480.0 * aspect, 480.0)
    fill = rng.uniform(0.45, 1.02) if rng.uniform() < 0.85 else rng.uniform(1.0, 1.25)
    scale = fill * min(width / size[0], height / size[1])
    offset = np.array([width, height]) / 2 + rng.uniform(-0.5, 0.5, 2) * np.maximum(
        np.array([width, height]) - size * scale, 0
    )
    image = (plane - (box_low + box_high) / 2) * scale + offset
    if rng.uniform() < 0.06:  # the person walks out of the picture
        image[..., 0] += np.clip(np.arange(n) / FPS - rng.uniform(10, 40), 0, None)[:, None] * 40.0
    sideways = np.abs(left @ forward)
    return CameraShot(image, camera, sideways, width, height)
