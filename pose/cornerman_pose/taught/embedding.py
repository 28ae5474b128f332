"""The pose embedding of own exercises: a choice of the features, body-centred and free of scale. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS
from cornerman_pose.features import DIRECT
from cornerman_pose.taught.names import ANGLES, JOINTS, NAMES, SHOWN

Array = NDArray[np.float64]

_POINTS: Final = 19
_TURNED: Final = 3 * _POINTS
_FLAT: Final = 5 * _POINTS
_ANGLE: Final = 7 * _POINTS + _POINTS


def _columns() -> list[int]:
    out = []
    for point in JOINTS.values():
        out += [_TURNED + 2 * point, 3 * point + 1, _TURNED + 2 * point + 1]
    order = list(CHANNELS)
    channels = [DIRECT.start + order.index(name) for name in SHOWN]
    return [*out, *(_ANGLE + i for i in range(len(ANGLES))), *channels]


_COLUMNS: Final = np.array(_columns())
_HIPS_Y: Final = [_FLAT + 2 * 9 + 1, _FLAT + 2 * 10 + 1]
_TAPS: Final = (0.25, 0.5, 0.25)


def embedded(features: NDArray[np.float32]) -> Array:
    """[K, len(NAMES)] of features [K, COUNT]: torsos, half turns and the units of the channels."""
    hips = -features[:, _HIPS_Y].mean(1, keepdims=True)
    return np.concatenate([features[:, _COLUMNS], hips], axis=1).astype(np.float64)


class Embedder:
    """Embeds one source's frames, smoothed over three of them, causally."""

    def __init__(self) -> None:
        self._past: list[Array] = []

    def push(self, features: NDArray[np.float32]) -> Array:
        """[K, len(NAMES)] of the next K frames in which the person was seen."""
        out = []
        for row in embedded(features):
            self._past = [*(self._past or [row, row]), row][-3:]
            out.append(sum(tap * past for tap, past in zip(_TAPS, self._past, strict=True)))
        return np.array(out).reshape(len(features), len(NAMES))

    def forget(self) -> None:
        """Ends the past: the person was away."""
        self._past = []
