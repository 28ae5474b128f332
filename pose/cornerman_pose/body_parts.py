"""Parts of the body, by the landmarks that show them."""

from __future__ import annotations

from typing import Final

PARTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "head": (("nose", "left_ear", "right_ear"),),
    "shoulders": (("left_shoulder",), ("right_shoulder",)),
    "elbows": (("left_elbow",), ("right_elbow",)),
    "hands": (("left_wrist",), ("right_wrist",)),
    "hips": (("left_hip",), ("right_hip",)),
    "knees": (("left_knee",), ("right_knee",)),
    "feet": (("left_ankle", "left_heel"), ("right_ankle", "right_heel")),
}
"""Parts of the body, each as sides; a side is seen when one of its landmarks is."""

VISIBLE: Final = 0.5
"""From this visibility on a landmark is seen."""
