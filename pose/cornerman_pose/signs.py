"""More that landmarks show than the channels of `channels.py`: no net has learned it, a rule alone reads it. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import SIGNS
from cornerman_pose.points import PARTS

Floats = NDArray[np.float32]

_POINTS: Final = 19
_TURNED = slice(3 * _POINTS, 5 * _POINTS)  # of the features: sideways and forwards, in lengths of the trunk
_FLAT = slice(5 * _POINTS, 7 * _POINTS)  # in the picture, y down
_SEEN = slice(7 * _POINTS, 8 * _POINTS)


def signs_of(features: Floats) -> Floats:
    """Signs at K frames.

    Args:
        features: [K, COUNT] as `features.extract` gives them.

    Returns:
        [K, len(SIGNS)]; they say nothing where no person was found.
    """
    count = len(features)
    forward = features[:, _TURNED].reshape(count, _POINTS, 2)[..., 1]
    flat = features[:, _FLAT].reshape(count, _POINTS, 2).astype(np.float64)
    seen = features[:, _SEEN]
    (left, right), (ankle, other) = PARTS["wrists"], PARTS["ankles"]

    def middle(part: str) -> NDArray[np.float64]:
        out: NDArray[np.float64] = flat[:, list(PARTS[part])].mean(1)
        return out

    arms = middle("wrists") - middle("shoulders")
    values = {
        "hang": np.degrees(np.arctan2(np.abs(arms[:, 0]), arms[:, 1])),
        "reach": middle("wrists")[:, 1] - middle("knees")[:, 1],
        "split": np.abs(forward[:, ankle] - forward[:, other]),
        "hands": flat[:, right, 1] - flat[:, left, 1],
        "hands_seen": seen[:, [left, right]].min(1),
        "trunk": np.linalg.norm(middle("shoulders") - middle("hips"), axis=-1),
    }
    return np.stack([values[name] for name in SIGNS], axis=-1).astype(np.float32)
