"""Draws the random parameters of a scene: camera, light, room, picture quality. Renders nothing."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cornerman_training.gym.figure import SHAPE
from cornerman_training.gym.room import BOX, MAX_BOXES
from cornerman_training.gym.splits import draw

if TYPE_CHECKING:
    from numpy.random import Generator

    from cornerman_training.gym.splits import Split

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """One room seen by one camera; angles in radians, lengths in metres, arrays as `room.draw_room` reads them."""

    azimuth: float
    lie_azimuth: float
    camera_height: float
    distance: float
    look_height: float
    view: float
    roll: float
    light: Array
    walls: Array
    floor: Array
    boxes: Array
    props: Array
    texture_seed: int
    noise: float
    blur: float
    flicker: float
    jpeg: int

    def camera(self, width: int, height: int) -> Array:
        """Camera parameters for a picture of this size, as `raster.paint` reads them."""
        position = np.array([0.0, self.camera_height, self.distance])
        forward = np.array([0.0, self.look_height, 0.0]) - position
        forward /= np.linalg.norm(forward)
        right = np.array([1.0, 0.0, 0.0])
        up = np.cross(right, forward)
        right, up = (
            right * np.cos(self.roll) + up * np.sin(self.roll),
            up * np.cos(self.roll) - right * np.sin(self.roll),
        )
        focal = 0.5 * min(width, height) / np.tan(self.view / 2)
        return np.concatenate([position, right, up, forward, [focal, focal, width / 2, height / 2]])


def _hsv(h: float, s: float, v: float) -> list[float]:
    return list(colorsys.hsv_to_rgb(h % 1.0, min(max(s, 0.0), 1.0), min(max(v, 0.0), 1.0)))


def _tone(rng: Generator, split: Split, vivid: float, low: float, high: float) -> list[float]:
    return _hsv(draw(rng, split, 0.0, 1.0), float(rng.uniform(0.03, vivid)), float(rng.uniform(low, high)))


def _wood(rng: Generator) -> list[float]:
    return _hsv(float(rng.uniform(0.05, 0.10)), float(rng.uniform(0.25, 0.55)), float(rng.uniform(0.4, 0.8)))


def _boxes(rng: Generator, split: Split, wall_z: float, wall_x: float) -> Array:
    rows: list[list[float]] = []
    spots = rng.permutation(np.linspace(-2.3, 2.3, 7)).tolist()
    for _ in range(int(rng.integers(1, 5))):  # on the wall
        kind = int(rng.choice([0, 1, 2, 2]))
        x, w = spots.pop() + float(rng.uniform(-0.2, 0.2)), float(rng.uniform(0.3, 0.8))
        y0, tall = float(rng.uniform(0.85, 1.5)), float(rng.uniform(0.4, 0.95))
        frame = _hsv(0.08, 0.3, 0.25) if rng.uniform() < 0.5 else _hsv(0.1, 0.05, 0.9)
        inside = _hsv(0.56, 0.25, 0.95) if kind == 1 else _tone(rng, split, 0.7, 0.3, 0.9)
        rows.append([x, y0, -wall_z, x + w, y0 + tall, -wall_z + 0.03, *frame, *inside, kind, rng.uniform(0.02, 0.06)])
    spots = rng.permutation(np.linspace(-2.4, 2.4, 7)).tolist()
    for _ in range(int(rng.integers(0, 5))):  # on the floor, along the wall
        x, w, d = spots.pop(), float(rng.uniform(0.25, 0.9)), float(rng.uniform(0.2, 0.5))
        tall = float(rng.choice([rng.uniform(0.2, 0.6), rng.uniform(0.6, 1.1), rng.uniform(1.3, 2.0)]))
        colour = _wood(rng) if rng.uniform() < 0.45 else _tone(rng, split, 0.65, 0.15, 0.9)
        shelf = 3 if tall > 1.0 and rng.uniform() < 0.7 else 0
        frame_m = float(rng.uniform(0.02, 0.05)) if rng.uniform() < 0.6 else 0.0
        rows.append([x, 0.0, -wall_z, x + w, tall, -wall_z + d, *colour, *[c * 0.72 for c in colour], shelf, frame_m])
    if rng.uniform() < 0.4:  # a bench or a box further in front, at the side
        x = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(1.15, 1.7))
        z, tall = float(rng.uniform(-1.2, -0.2)), float(rng.uniform(0.2, 0.5))
        colour = _tone(rng, split, 0.6, 0.2, 0.8)
        rows.append([x - 0.2, 0.0, z - 0.25, x + 0.2, tall, z + 0.25, *colour, *colour, 0, 0.0])
    out = np.zeros((MAX_BOXES, BOX))
    table = np.array(rows[:MAX_BOXES], dtype=np.float64).reshape(-1, BOX)
    out[: len(table)] = table
    return out[: len(table)]


def _props(rng: Generator, split: Split, wall_z: float) -> Array:
    """Balls, plants and dumbbells as shapes of `figure.py`, in the world frame."""
    rows: list[Array] = []

    def capsule(a: list[float], ra: float, b: list[float], rb: float, colour: list[float]) -> None:
        row = np.zeros(SHAPE)
        row[1:4], row[4], row[5:8], row[8] = a, ra, b, rb
        row[14:17] = row[17:20] = colour
        rows.append(row)

    for _ in range(int(rng.integers(0, 4))):
        x = float(rng.choice([-1, 1])) * float(rng.uniform(0.9, 2.0))
        z = -float(rng.uniform(0.5, max(wall_z - 0.6, 0.6)))
        kind = int(rng.integers(3))
        if kind == 0:
            r = float(rng.uniform(0.14, 0.33))
            capsule([x, r, z], r, [x, r + 1e-3, z], r, _tone(rng, split, 0.75, 0.3, 0.9))
        elif kind == 1:
            pot = _tone(rng, split, 0.5, 0.3, 0.8)
            capsule([x, 0.10, z], 0.09, [x, 0.24, z], 0.12, pot)
            green = _hsv(float(rng.uniform(0.24, 0.38)), 0.55, float(rng.uniform(0.25, 0.55)))
            for _ in range(7):
                a, e = rng.uniform(0, 6.28), rng.uniform(0.25, 0.6)
                tip = [x + 0.28 * np.cos(a) * (1 - e), 0.35 + e, z + 0.28 * np.sin(a) * (1 - e)]
                capsule([x, 0.3, z], 0.02, tip, 0.055, green)
        else:
            iron = [0.13, 0.13, 0.15]
            for k in range(int(rng.integers(1, 3))):
                capsule([x - 0.12, 0.06, z + 0.2 * k], 0.06, [x - 0.10, 0.06, z + 0.2 * k], 0.06, iron)
                capsule([x + 0.10, 0.06, z + 0.2 * k], 0.06, [x + 0.12, 0.06, z + 0.2 * k], 0.06, iron)
                capsule([x - 0.12, 0.06, z + 0.2 * k], 0.015, [x + 0.12, 0.06, z + 0.2 * k], 0.015, [0.6, 0.6, 0.62])
    return np.array(rows).reshape(-1, SHAPE)


def draw_scene(rng: Generator, split: Split, person_m: float) -> Scene:
    """Draws a random room, camera and light from the slices of `split`, framed for a person of `person_m` metres."""
    side = float(rng.choice([-1.0, 1.0]))
    view = np.radians(draw(rng, split, 36.0, 54.0))
    wide = 1.36 * person_m * float(rng.uniform(1.0, 1.13))  # metres seen at the person's place
    distance = 0.5 * wide / np.tan(view / 2)
    wall_z, wall_x = float(rng.uniform(1.35, 3.4)), float(rng.choice([-1, 1])) * float(rng.uniform(1.9, 4.5))
    elevation, around = np.radians(rng.uniform(38, 72)), np.radians(rng.uniform(-75, 75))
    key = float(rng.uniform(0.45, 0.8))
    light = np.array(
        [np.cos(elevation) * np.sin(around), np.sin(elevation), np.cos(elevation) * np.cos(around),
         key, float(rng.uniform(0.40, 0.58)), float(rng.uniform(-0.06, 0.09)), float(rng.uniform(0.05, 0.2))]
    )  # fmt: skip
    wall = _tone(rng, split, 0.45, 0.5, 0.95)
    second = (
        [c * float(rng.uniform(0.72, 0.92)) for c in wall] if rng.uniform() < 0.6 else _tone(rng, split, 0.5, 0.4, 0.9)
    )
    wall_kind = int(rng.choice([0, 0, 1, 2, 3, 4, 6]))
    if wall_kind == 2 and rng.uniform() < 0.6:
        wall, second = _hsv(float(rng.uniform(0.0, 0.06)), 0.42, float(rng.uniform(0.5, 0.75))), _hsv(0.08, 0.12, 0.8)
    walls = [float(rng.uniform(-0.30, 0.30)), wall_z, wall_x, wall_kind, float(rng.uniform(0.15, 0.7)), *wall, *second,
             float(rng.choice([0.0, 0.08, 0.12]))]  # fmt: skip
    floor_kind = int(rng.choice([0, 3, 3, 4, 5, 5]))
    ground = _wood(rng) if floor_kind == 3 else _tone(rng, split, 0.4, 0.22, 0.75)
    mat = rng.uniform() < 0.6
    floor = [floor_kind, float(rng.uniform(0.2, 0.7)), *ground, *[c * 0.7 for c in ground],
             float(rng.uniform(0.32, 0.5)) if mat else 0.0, float(rng.uniform(0.85, 1.05)) if mat else 0.0,
             float(np.radians(rng.uniform(55, 90)) * -side), *_tone(rng, split, 0.7, 0.25, 0.85)]  # fmt: skip
    return Scene(
        azimuth=side * np.radians(draw(rng, split, 15.0, 68.0)),
        lie_azimuth=side * np.radians(draw(rng, split, 55.0, 112.0)),
        camera_height=draw(rng, split, 0.55, 1.75),
        distance=float(distance),
        look_height=person_m * float(rng.uniform(0.585, 0.62)),
        view=float(view),
        roll=float(rng.normal(0.0, 0.012)),
        light=light,
        walls=np.array(walls, dtype=np.float64),
        floor=np.array(floor, dtype=np.float64),
        boxes=_boxes(rng, split, wall_z, wall_x),
        props=_props(rng, split, wall_z),
        texture_seed=int(rng.integers(1 << 20)),
        noise=float(rng.choice([0.0, 0.008, 0.016, 0.03])),
        blur=float(rng.choice([0.0, 0.0, 0.5, 0.9])),
        flicker=float(rng.choice([0.0, 0.0, 0.02])),
        jpeg=int(rng.choice([0, 0, 35, 55, 75])),
    )
