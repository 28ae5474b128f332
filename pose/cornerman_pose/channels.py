"""The channels of a body that the net estimates, with their units, the grid on which it reads, and signs beside them.

Data only.
"""

from __future__ import annotations

import numpy as np

FPS = 8.0
"""Frames a second of the grid."""

# The unit in which the net estimates each channel. Angles in degrees; `hi`, `lo`: greater and lesser of two sides.
CHANNELS: dict[str, float] = {
    "knee": 40.0,  # mean of both knees, 180 is straight
    "front_knee": 40.0,  # the knee whose foot is further to the front
    "elbow_lo": 45.0,
    "lean": 30.0,  # trunk from the vertical, forward positive, -90 on the back
    "spine": 15.0,  # angle between its halves
    "hip_offset": 10.0,  # hips below (+) the line from shoulder to ankle
    "neck": 20.0,  # ear, shoulder, hip
    "arms_hi": 45.0,  # shoulder to wrist from hanging
    "arms_lo": 45.0,
    "wrist_hi": 0.5,  # above the shoulder, over the arm's length
    "wrist_lo": 0.5,
    "upper_arm": 35.0,  # to the trunk, the greater
    "knee_gap": 0.4,  # over the gap of the ankles
    "feet_gap": 0.3,  # sideways, over the leg's length
    "past_toes": 0.7,  # front knee before its toes, over the foot's length
    "thigh_hi": 40.0,  # from hanging
    "bridge": 35.0,  # shoulder, hip, knee, the greater
    "ankle_up": 0.3,  # above the hips, over the leg's length
    "hip_up": 0.4,  # above the knees, over the thigh's length
    "roll": 10.0,  # trunk to the person's left, from the vertical
}
UNITS = np.array(list(CHANNELS.values()))

UNSEEN = frozenset({"spine"})
"""Channels that no landmark shows: only the net estimates them."""

SIGNS = ("hang", "reach", "split", "hands", "hands_seen", "trunk")
"""In degrees and lengths of the trunk.

`hang`: the arms from hanging down; `reach`: wrists below the knees; `split`: one foot before the other; `hands`: left
wrist above the right one; `hands_seen`: visibility of the wrist that is seen less, 0..1; `trunk`: its length in the
picture, which is 1 where it is upright.
"""
