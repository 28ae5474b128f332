"""Whether the body that is followed is a drawn figure, told by how the estimator errs on it. Pure.

An estimator of people errs on a drawn body in ways of its own: its points lie elsewhere in the picture than in space,
its bones have other lengths. A net taught by rendered sessions says what a figure in a posture shows, and how much that
varies. Over the last seconds the residuals are compared with those of such sessions (Mahalanobis distance of running
moments). No person taught it anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.points import PICTURE, SPACE, VISIBILITY
from cornerman_pose.reading import Floats

_BONES: Final = (
    (0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 6), (5, 7), (6, 8), (9, 10), (9, 11), (10, 12), (11, 13), (12, 14),
    (3, 9), (4, 10), (13, 15), (14, 16), (13, 17), (14, 18), (15, 17), (16, 18), (0, 3), (0, 4),
)  # fmt: skip
_FROM, _TO = (np.array(ends) for ends in zip(*_BONES, strict=True))

POSTURE: Final = 3 * len(_BONES)
"""Numbers of a posture: the directions of the bones."""

SHOWN: Final = 2 * 19 + len(_BONES) + 19
"""Numbers that a posture should show: places in the picture, lengths of bones, visibility."""

MOMENTS: Final = 2 * SHOWN
_MEMORY_S: Final = 20.0
FEWEST: Final = 2 * FPS
"""Frames with a person before anything is said."""

_CLIP: Final = 8.0  # standard deviations
_INPUT_CLIP: Final = 5.0
SPREAD: Final = (-4.0, 2.0)  # logarithms


@dataclass(slots=True)
class FigureState:
    """Of one body: running sums of residuals and their squares, the weight of these, frames with it, frames since."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(MOMENTS))
    weight: float = 0.0
    frames: int = 0
    lost: int = 0

    def forget(self) -> None:
        """Begin again, with another body."""
        self.sums, self.weight, self.frames = np.zeros(MOMENTS), 0.0, 0

    def add(self, residuals: Floats) -> None:
        """One frame [`SHOWN`] with the body."""
        gain = 1.0 - np.exp(-1.0 / FPS / _MEMORY_S)
        self.sums += gain * (np.concatenate([residuals, residuals * residuals]) - self.sums)
        self.weight += gain * (1.0 - self.weight)
        self.frames += 1

    def memory(self) -> dict[str, float | int | NDArray[np.float16]]:
        """What another process needs to go on."""
        return {"sums": self.sums.astype(np.float16), "weight": self.weight, "frames": self.frames, "lost": self.lost}

    def resume(self, memory: Mapping[str, object]) -> None:
        """Goes on from another state's `memory`; an empty one, or one of other moments, changes nothing."""
        sums = memory.get("sums")
        if isinstance(sums, np.ndarray) and sums.shape == (MOMENTS,):
            self.sums, self.weight = sums.astype(np.float64), float(str(memory["weight"]))
            self.frames, self.lost = int(str(memory["frames"])), int(str(memory["lost"]))

    def moments(self) -> NDArray[np.float64]:
        """[`MOMENTS`]: means of the residuals, and logarithms of their mean squares, over the last seconds."""
        mean, square = np.split(self.sums / self.weight, 2)
        return np.concatenate([mean, np.log(0.1 + square)])


def shown_of(features: Floats) -> tuple[Floats, Floats]:
    """Postures [K, `POSTURE`], and numbers that show with them [K, `SHOWN`], of features [K, COUNT] with a person."""
    space = features[:, SPACE].reshape(-1, 19, 3)
    picture = features[:, PICTURE].reshape(-1, 19, 2)
    flat = space[..., :2] - space[..., :2].mean(1, keepdims=True)
    seen = picture - picture.mean(1, keepdims=True)
    # Weak perspective: the scale with which the points in space fit those in the picture best.
    scale = (flat * seen).sum((1, 2)) / np.maximum((flat * flat).sum((1, 2)), 1e-6)
    off = np.clip(seen / np.maximum(scale, 0.2)[:, None, None] - flat, -3.0, 3.0)
    bones = space[:, _FROM] - space[:, _TO]
    lengths = np.sqrt((bones * bones).sum(-1))
    clear = np.clip(features[:, VISIBILITY], 0.01, 0.999)
    posture = (bones / (lengths + 0.02)[..., None]).reshape(-1, POSTURE)
    shown = np.concatenate([off.reshape(-1, 38), np.log(lengths + 0.05), np.log(clear / (1.0 - clear))], axis=1)
    return posture.astype(np.float32), shown.astype(np.float32)


def mahalanobis(moments: NDArray[np.float64], weights: Mapping[str, Floats]) -> float:
    """Squared distance of moments [`MOMENTS`] from those of rendered sessions, per moment; `weights` of the meter."""
    away = np.clip((moments - weights["moments.mean"]) * weights["moments.scale"], -_CLIP, _CLIP)
    white = away @ weights["moments.whiten"]
    return float(white @ white) / MOMENTS


class FigureMeter:
    """How sure it is that sources show drawn figures; one for all of them.

    Args:
        weights: `posture.*` and `shown.*` (mean, scale), `layer0.*` to `layer2.*` (weight, bias), `moments.mean`,
            `moments.scale` and `moments.whiten` [M, M], and `limits` [2]: below the first distance it is sure, above
            the second it is sure of the contrary.

    Raises:
        ValueError: they read other numbers than `shown_of` gives.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._w = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in weights.items()}
        sizes = tuple(self._w[f"{name}.mean"].size for name in ("posture", "shown") if f"{name}.mean" in self._w)
        if sizes != (POSTURE, SHOWN):
            raise ValueError(
                f"weights read {sizes} numbers of a figure, expected {(POSTURE, SHOWN)}: take those of this release"
            )

    @classmethod
    def load(cls, path: Path) -> FigureMeter:
        """The meter stored in a safetensors file."""
        from safetensors.numpy import load_file

        return cls(load_file(path))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(a.size for a in self._w.values())

    def start(self) -> FigureState:
        """State before the first frame."""
        return FigureState()

    def push(self, features: Floats, state: FigureState) -> Floats:
        """[K] in 0..1 after each of K new frames [K, COUNT] of a source; 0 before enough was seen.

        After a second without a person another one is expected.
        `state` is changed in place. Any split of the frames gives equal results.
        """
        there = features[:, -1] > 0
        residuals = iter(self.residuals(*shown_of(features[there])))
        out = np.zeros(len(features), dtype=np.float32)
        for at, seen in enumerate(there):
            state.lost = 0 if seen else state.lost + 1
            if seen:
                state.add(next(residuals))
            elif state.lost == FPS:
                state.forget()
            if state.frames >= FEWEST:
                out[at] = self._sure(state)
        return out

    def residuals(self, posture: Floats, shown: Floats) -> Floats:
        """[K, `SHOWN`]: how far frames are from figures in their postures, in units of those figures' spread."""
        w = self._w
        x = np.clip((posture - w["posture.mean"]) * w["posture.scale"], -_INPUT_CLIP, _INPUT_CLIP)
        for layer in ("layer0", "layer1"):
            x = np.maximum(x @ w[f"{layer}.weight"] + w[f"{layer}.bias"], 0)
        mean, spread = np.split(x @ w["layer2.weight"] + w["layer2.bias"], 2, axis=1)
        away = (shown - w["shown.mean"]) * w["shown.scale"] - mean
        out: Floats = np.clip(away * np.exp(-np.clip(spread, *SPREAD)), -_CLIP, _CLIP)
        return out

    def distance(self, state: FigureState) -> float:
        """How far the last seconds are from those of rendered sessions, see `mahalanobis`."""
        return mahalanobis(state.moments(), self._w)

    def _sure(self, state: FigureState) -> float:
        low, high = self._w["limits"]
        return float(np.clip((high - self.distance(state)) / (high - low), 0.0, 1.0))
