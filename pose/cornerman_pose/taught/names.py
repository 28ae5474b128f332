"""Names of the numbers of an embedded frame."""

from __future__ import annotations

from typing import Final

from cornerman_pose.channels import CHANNELS, UNSEEN

JOINTS: Final = {
    "nose": 0, "left_shoulder": 3, "right_shoulder": 4, "left_elbow": 5, "right_elbow": 6, "left_wrist": 7,
    "right_wrist": 8, "left_knee": 11, "right_knee": 12, "left_ankle": 13, "right_ankle": 14, "left_toe": 17,
    "right_toe": 18,
}  # fmt: skip
ANGLES: Final = (
    "left_elbow", "right_elbow", "left_arm", "right_arm", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip
SHOWN: Final = tuple(name for name in CHANNELS if name not in UNSEEN)

NAMES: Final = (
    *(f"{name}.{axis}" for name in JOINTS for axis in "xyz"),
    *(f"{name}.angle" for name in ANGLES),
    *SHOWN,
    "hips.height",
)
"""What each number of an embedded frame is."""
