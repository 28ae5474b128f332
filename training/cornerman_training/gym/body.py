"""Draws a person: bone lengths, girths and clothes. Knows nothing of motion, cameras or pixels."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_training.gym.splits import draw

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from cornerman_training.gym.splits import Split

JOINTS = (
    "pelvis", "spine", "neck", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_toe", "right_toe",
)  # fmt: skip
Rgb = tuple[float, float, float]

_SKIN: tuple[Rgb, ...] = (
    (0.96, 0.80, 0.69), (0.89, 0.69, 0.54), (0.80, 0.58, 0.42), (0.66, 0.45, 0.31), (0.50, 0.33, 0.22),
    (0.35, 0.22, 0.15),
)  # fmt: skip
_HAIR: tuple[Rgb, ...] = (
    (0.07, 0.06, 0.06), (0.20, 0.12, 0.08), (0.36, 0.22, 0.12), (0.62, 0.45, 0.24), (0.55, 0.54, 0.53),
    (0.45, 0.16, 0.09),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Body:
    """Lengths in metres, colours as RGB in 0..1.

    `sleeves` and `legs` are the covered shares of the arm and of the leg; `pattern` is 0 plain, 1 hoops, 2 two-tone.
    """

    height: float
    thigh: float
    shin: float
    foot: float
    torso: float
    neck: float
    upper_arm: float
    forearm: float
    shoulder: float
    hip: float
    head: float
    girth: float
    skin: Rgb
    hair: Rgb
    shirt: Rgb
    shirt_2: Rgb
    trousers: Rgb
    shoes: Rgb
    sleeves: float
    legs: float
    pattern: int
    long_hair: bool

    @property
    def ankle(self) -> float:
        """Height of the ankle joint above the floor, metres."""
        return 0.045 * self.height

    @property
    def hip_height(self) -> float:
        """Height of the hips when standing upright, metres."""
        return self.ankle + (self.thigh + self.shin) * 0.995

    def lengths(self) -> NDArray[np.float64]:
        """Lengths and girths in the order that `figure.py` reads, metres."""
        values = (self.height, self.head, self.girth, self.shoulder, self.hip, self.foot, self.sleeves, self.legs,
                  float(self.pattern), float(self.long_hair), self.torso)  # fmt: skip
        return np.array(values, dtype=np.float64)

    def colours(self) -> NDArray[np.float64]:
        """Colours [6, 3]: skin, hair, shirt, second shirt colour, trousers, shoes."""
        return np.array([self.skin, self.hair, self.shirt, self.shirt_2, self.trousers, self.shoes], dtype=np.float64)


def _cloth(rng: Generator, split: Split) -> Rgb:
    hue = draw(rng, split, 0.0, 1.0)
    grey = rng.uniform() < 0.25
    saturation = float(rng.uniform(0.0, 0.12) if grey else rng.uniform(0.35, 0.85))
    return colorsys.hsv_to_rgb(hue, saturation, float(rng.uniform(0.18, 0.92)))


def draw_body(rng: Generator, split: Split) -> Body:
    """Draws a random person; proportions and colours come from the slices of `split`."""
    height = draw(rng, split, 1.52, 1.96)

    def part(share: float, spread: float = 0.07) -> float:
        return height * share * (1.0 + spread * draw(rng, split, -1.0, 1.0))

    # Between two neighbouring tones, so that a split's slices are whole ranges of skin colours.
    tone = draw(rng, split, 0.0, len(_SKIN) - 1.001)
    base, mix = int(tone), tone - int(tone)
    skin = tuple(a * (1 - mix) + b * mix for a, b in zip(_SKIN[base], _SKIN[base + 1], strict=True))
    hair = _HAIR[int(draw(rng, split, 0.0, len(_HAIR) - 0.001))]
    return Body(
        height=height,
        thigh=part(0.242),
        shin=part(0.242),
        foot=part(0.125),
        torso=part(0.290),
        neck=part(0.105, 0.05),
        upper_arm=part(0.172),
        forearm=part(0.150),
        shoulder=part(0.108, 0.1),
        hip=part(0.054, 0.1),
        head=part(0.066, 0.06),
        girth=draw(rng, split, 0.85, 1.25),
        skin=(skin[0], skin[1], skin[2]),
        hair=hair,
        shirt=_cloth(rng, split),
        shirt_2=_cloth(rng, split),
        trousers=_cloth(rng, split),
        shoes=_cloth(rng, split),
        sleeves=float(rng.choice([0.12, 0.3, 0.3, 0.45, 0.95])),
        legs=float(rng.choice([0.3, 0.42, 0.5, 0.95, 0.95, 0.95])),
        pattern=int(rng.choice([0, 0, 1, 2])),
        long_hair=bool(rng.uniform() < 0.4),
    )
