"""How unlike the training a movement is: the distance of its features from theirs, over the last seconds. Pure."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.features import FPS

MEMORY_S: Final = 5.0
"""Time constant of the running mean, seconds."""

_CLIP: Final = 5.0  # as the temporal half clips its inputs


class UnlikenessMeter:
    """Follows one source.

    Args:
        mean: [F] of the training's features.
        scale: [F], one over their standard deviation.
        level: where it stands now.
    """

    def __init__(self, mean: NDArray[np.float32], scale: NDArray[np.float32], level: float = 1.0) -> None:
        self._mean, self._scale = mean, scale
        self.level = level

    @classmethod
    def bundled(cls, level: float = 1.0) -> UnlikenessMeter:
        """The meter for the bundled temporal half."""
        from safetensors.numpy import load_file

        with as_file(files("cornerman_pose") / "assets" / "temporal.safetensors") as path:
            weights = load_file(path)
        return cls(weights["mean"], weights["scale"], level)

    def push(self, features: NDArray[np.float32]) -> float:
        """The level after K frames [K, F] on the grid; frames without a person change nothing.

        The level is a running root mean square in standard deviations of the training: about 1 for movements like those
        of the training, above 1.5 for others.
        """
        seen = features[features[:, -1] > 0]
        if len(seen):
            away = np.clip((seen - self._mean) * self._scale, -_CLIP, _CLIP)
            keep = float(np.exp(-len(seen) / FPS / MEMORY_S))
            self.level = float(np.sqrt(keep * self.level**2 + (1 - keep) * float((away**2).mean())))
        return self.level
