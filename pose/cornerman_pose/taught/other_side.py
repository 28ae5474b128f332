"""The same movement on the other side of the body: a left leg was shown, the right one is counted too. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.taught.names import NAMES


def _other_side(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": "right_", "right": "left_"}.get(side, f"{side}_" if rest else side) + rest


_MIRROR: Final = np.array([NAMES.index(_other_side(name)) for name in NAMES])
_SIGNS: Final = np.array([-1.0 if name.endswith(".x") or name == "roll" else 1.0 for name in NAMES])


def mirrored(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Embedded frames [..., len(NAMES)] of the same movement on the other side of the body."""
    other: NDArray[np.float64] = rows[..., _MIRROR] * _SIGNS
    return other
