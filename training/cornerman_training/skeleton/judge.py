"""The channels of `cornerman_pose.measures` on a true skeleton: labels say what the body did, not what was meant.

Points are [T, 20, 3] as `posing.skeleton` gives them: x to the person's left, y up, z forward, metres.
"""

from __future__ import annotations

import numpy as np

from cornerman_pose.channels import CHANNELS
from cornerman_training.skeleton.build import Build
from cornerman_training.skeleton.posing import Array

_SH, _EL, _WR, _HIP = slice(3, 5), slice(5, 7), slice(7, 9), slice(9, 11)
_KN, _AN, _TOE = slice(11, 13), slice(13, 15), slice(17, 19)
_DOWN = np.array([0.0, -1.0, 0.0])


def angle_deg(a: Array, b: Array, c: Array) -> Array:
    """Angle at `b` between `a` and `c`, degrees."""
    u, v = a - b, c - b
    cos = np.sum(u * v, -1) / np.maximum(np.sqrt(np.sum(u * u, -1) * np.sum(v * v, -1)), 1e-9)
    out: Array = np.degrees(np.arccos(np.clip(cos, -1.0, 1.0)))
    return out


def _hip_offset(shoulder: Array, hip: Array, end: Array) -> Array:
    line, off = end - shoulder, hip - shoulder
    share = np.sum(line * off, -1) / np.maximum(np.sum(line * line, -1), 1e-6)
    below = np.sign(share * line[:, 1] - off[:, 1])
    out: Array = below * (180.0 - angle_deg(shoulder, hip, end))
    return out


def channels(points: Array, build: Build, kneeling: bool = True) -> Array:
    """[T, channels] in degrees and ratios, in the order of `CHANNELS`; `kneeling`: push-ups on knees are possible."""
    p = points
    rows = np.arange(len(p))
    knee = angle_deg(p[:, _HIP], p[:, _KN], p[:, _AN])  # [T,2]
    elbow = angle_deg(p[:, _SH], p[:, _EL], p[:, _WR])
    shoulder, hip = p[:, _SH].mean(1), p[:, _HIP].mean(1)
    trunk = shoulder - hip
    down = np.broadcast_to(_DOWN, p[:, _SH].shape)
    arms = angle_deg(p[:, _SH] + down, p[:, _SH], p[:, _WR])
    wrist = (p[:, _WR, 1] - p[:, _SH, 1]) / build.arm
    thigh = angle_deg(p[:, _HIP] + down, p[:, _HIP], p[:, _KN])
    along = np.repeat((hip - shoulder)[:, None], 2, axis=1)
    upper = angle_deg(p[:, _SH] + along, p[:, _SH], p[:, _EL])
    bridge = angle_deg(np.repeat(shoulder[:, None], 2, axis=1), p[:, _HIP], p[:, _KN])
    front = np.argmax(p[:, _AN, 2], axis=1)
    past = (p[:, _KN, 2] - p[:, _TOE, 2]) / build.foot
    # A push-up on the knees has its line from shoulder to knee.
    kneels = (p[:, _KN, 1].mean(1) < 0.16 * build.height) & (p[:, _AN, 1].mean(1) > 0.5 * p[:, _KN, 1].mean(1))
    kneels &= (np.abs(trunk[:, 1]) < 0.8 * build.torso) & (knee.mean(1) < 150) & kneeling
    end = np.where(kneels[:, None], p[:, _KN].mean(1), p[:, _AN].mean(1))
    gap = np.abs(p[:, 13, 0] - p[:, 14, 0])
    over = (p[:, _HIP, 1] - p[:, _KN, 1]) / build.thigh
    values = {
        "knee": knee.mean(1),
        "front_knee": knee[rows, front],
        "elbow_lo": elbow.min(1),
        "lean": np.degrees(np.arctan2(trunk[:, 2], trunk[:, 1])),
        "spine": 180.0 - angle_deg(hip, p[:, 19], shoulder),
        "hip_offset": _hip_offset(shoulder, hip, end),
        "neck": angle_deg(p[:, 1:3].mean(1), shoulder, hip),
        "arms_hi": arms.max(1),
        "arms_lo": arms.min(1),
        "wrist_hi": wrist.max(1),
        "wrist_lo": wrist.min(1),
        "upper_arm": upper.max(1),
        "knee_gap": np.minimum(np.abs(p[:, 11, 0] - p[:, 12, 0]) / np.maximum(gap, 0.5 * build.hip), 2.5),
        "feet_gap": gap / build.leg,
        "past_toes": past[rows, front],
        "thigh_hi": thigh.max(1),
        "bridge": bridge.max(1),
        "ankle_up": (p[:, _AN, 1].mean(1) - hip[:, 1]) / build.leg,
        "hip_up": over.mean(1),
        "roll": np.degrees(np.arctan2(trunk[:, 0], trunk[:, 1])),
    }
    return np.stack([values[name] for name in CHANNELS], axis=-1)
