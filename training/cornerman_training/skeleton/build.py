"""Proportions of a person without clothes or colours. Knows nothing of motion."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator


@dataclass(frozen=True, slots=True)
class Build:
    """Bone lengths in metres. `shoulder` and `hip` are half widths.

    Shares of the height are those of BlazePose landmarks (medians of 55 clips), whose hips sit lower and wider than the
    anatomical joints: thigh 0.79, shin 0.74, arm bones 0.48 of the trunk.
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
    girth: float

    @property
    def ankle(self) -> float:
        """Height of the ankle joint above the floor, metres."""
        return 0.045 * self.height

    @property
    def leg(self) -> float:
        """Hip to ankle with a straight knee, metres."""
        return self.thigh + self.shin

    @property
    def arm(self) -> float:
        """Shoulder to wrist with a straight elbow, metres."""
        return self.upper_arm + self.forearm


def draw_build(rng: Generator) -> Build:
    """A random adult; limbs vary by about 8 % around the mean shares, hips and shoulders by 15 %."""
    height = float(rng.uniform(1.5, 1.98))

    def part(share: float, spread: float = 0.08) -> float:
        return height * share * float(1.0 + spread * rng.uniform(-1.0, 1.0))

    return Build(
        height=height,
        thigh=part(0.24),
        shin=part(0.228),
        foot=part(0.13),
        torso=part(0.318),
        neck=part(0.105, 0.06),
        upper_arm=part(0.16),
        forearm=part(0.150),
        shoulder=part(0.105, 0.15),
        hip=part(0.066, 0.15),
        girth=float(rng.uniform(0.85, 1.3)),
    )
