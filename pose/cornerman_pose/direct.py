"""The channels of `measures.py` read straight off the landmarks: what the temporal half starts from and corrects.

Where the body shows its side, angles in the picture of the nearer half; where it faces the camera, those of the metric
landmarks of both halves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS, UNITS

Array = NDArray[np.float64]
# Lengths over that of the trunk, from the shoulders to the hips (medians of BlazePose landmarks on people).
_ARM, _LEG, _FOOT, _THIGH = 1.0, 1.53, 0.45, 0.79
_SHOULDERS, _ELBOWS, _WRISTS, _HIPS, _KNEES, _ANKLES, _TOES, _EARS = (
    slice(a, a + 2) for a in (3, 5, 7, 9, 11, 13, 17, 1)
)


def _angle(a: Array, b: Array, c: Array) -> Array:
    u, v = a - b, c - b
    length = np.sqrt(np.sum(u * u, -1) * np.sum(v * v, -1))
    out: Array = np.degrees(np.arccos(np.clip(np.sum(u * v, -1) / np.maximum(length, 1e-9), -1.0, 1.0)))
    return out


def _from_down(a: Array, b: Array) -> Array:
    """Angle of the bone from `a` to `b` from hanging down; y points down."""
    v = b - a
    out: Array = np.degrees(np.arccos(np.clip(v[..., 1] / np.maximum(np.sqrt(np.sum(v * v, -1)), 1e-9), -1.0, 1.0)))
    return out


def direct_channels(flat: Array, metric: Array, heading: Array, side: Array) -> Array:
    """Channels in their units.

    Args:
        flat: [...,19,2] landmarks in the picture, in lengths of the trunk, y down.
        metric: [...,19,3] the same in space, z away from the camera.
        heading: [...] angle of the body's left in the floor plane, radians.
        side: [...] 0 front view to 1 side view.

    Returns:
        [..., len(CHANNELS)].
    """
    s = np.clip((side - 0.3) / 0.5, 0.0, 1.0)
    near = (np.sin(heading) > 0).astype(int)[..., None]  # the left half is nearer when it points towards the camera
    facing = np.where(np.sin(heading) >= 0, 1.0, -1.0)  # direction of the face along the picture's x

    def pick(pair: Array, index: NDArray[np.int_]) -> Array:
        out: Array = np.take_along_axis(pair, index, axis=-1)[..., 0]
        return out

    def mixed(picture: Array, space: Array) -> Array:
        return s * picture + (1 - s) * space

    def pairs(a: slice, b: slice, c: slice) -> tuple[Array, Array]:
        return (_angle(flat[..., a, :], flat[..., b, :], flat[..., c, :]),
                _angle(metric[..., a, :], metric[..., b, :], metric[..., c, :]))  # fmt: skip

    knee2, knee3 = pairs(_HIPS, _KNEES, _ANKLES)
    elbow2, elbow3 = pairs(_SHOULDERS, _ELBOWS, _WRISTS)
    neck2, _ = pairs(_EARS, _SHOULDERS, _HIPS)
    neck3 = _angle(*(metric[..., p, :].mean(-2) for p in (_EARS, _SHOULDERS, _HIPS)))
    bridge2, bridge3 = pairs(_SHOULDERS, _HIPS, _KNEES)
    line2, _ = pairs(_SHOULDERS, _HIPS, _ANKLES)
    upper2, upper3 = pairs(_ELBOWS, _SHOULDERS, _HIPS)
    arms = _from_down(flat[..., _SHOULDERS, :], flat[..., _WRISTS, :])
    wrist = (flat[..., _SHOULDERS, 1] - flat[..., _WRISTS, 1]) / _ARM
    thigh2 = _from_down(flat[..., _HIPS, :], flat[..., _KNEES, :])
    thigh3 = _from_down(metric[..., _HIPS, :], metric[..., _KNEES, :])
    shoulder, hip = flat[..., _SHOULDERS, :].mean(-2), flat[..., _HIPS, :].mean(-2)
    trunk3 = metric[..., _SHOULDERS, :].mean(-2) - metric[..., _HIPS, :].mean(-2)
    ahead = np.stack([np.sin(heading), -np.cos(heading)], axis=-1)  # the front in the floor plane: x, z
    forward3 = np.sum(trunk3[..., [0, 2]] * ahead, axis=-1)
    lean2 = np.degrees(np.arctan2((shoulder[..., 0] - hip[..., 0]) * facing, hip[..., 1] - shoulder[..., 1]))
    lean3 = np.degrees(np.arctan2(forward3, -trunk3[..., 1]))
    lean = np.where(np.abs(lean2 - lean3) < 180, mixed(lean2, lean3), lean2)

    aside3 = trunk3[..., 0] * np.cos(heading) + trunk3[..., 2] * np.sin(heading)
    roll3 = np.degrees(np.arctan2(aside3, -trunk3[..., 1]))
    towards_left = np.where(np.cos(heading) >= 0, 1.0, -1.0)
    roll2 = np.degrees(np.arctan2((shoulder[..., 0] - hip[..., 0]) * towards_left, hip[..., 1] - shoulder[..., 1]))
    over = (flat[..., _KNEES, 1] - flat[..., _HIPS, 1]) / _THIGH

    a, h, b = (pick(flat[..., p, 0], near) for p in (_SHOULDERS, _HIPS, _ANKLES))
    ay, hy, by = (pick(flat[..., p, 1], near) for p in (_SHOULDERS, _HIPS, _ANKLES))
    below = np.sign((b - a) * ((b - a) * (hy - ay) - (by - ay) * (h - a)))
    front = np.argmax(np.sum(metric[..., _ANKLES, :][..., [0, 2]] * ahead[..., None, :], -1), axis=-1)[..., None]
    past = (pick(flat[..., _KNEES, 0], front) - pick(flat[..., _TOES, 0], front)) * facing / _FOOT
    gap = [np.abs(flat[..., p, 0][..., 0] - flat[..., p, 0][..., 1]) for p in (_KNEES, _ANKLES)]
    values = {
        "knee": mixed(pick(knee2, near), knee3.mean(-1)),
        "front_knee": mixed(pick(knee2, front), pick(knee3, front)),
        "elbow_lo": mixed(pick(elbow2, near), elbow3.min(-1)),
        "lean": lean,
        "spine": np.zeros_like(s),
        "hip_offset": s * below * (180.0 - pick(line2, near)),
        "neck": mixed(pick(neck2, near), neck3),
        "arms_hi": mixed(pick(arms, near), arms.max(-1)),
        "arms_lo": mixed(pick(arms, near), arms.min(-1)),
        "wrist_hi": mixed(pick(wrist, near), wrist.max(-1)),
        "wrist_lo": mixed(pick(wrist, near), wrist.min(-1)),
        "upper_arm": mixed(pick(upper2, near), upper3.max(-1)),
        "knee_gap": mixed(np.ones_like(s), np.minimum(gap[0] / np.maximum(gap[1], 0.11), 2.5)),
        "feet_gap": (1 - s) * gap[1] / _LEG,
        "past_toes": mixed(past, np.full_like(s, -0.5)),
        "thigh_hi": mixed(thigh2.max(-1), thigh3.max(-1)),
        "bridge": mixed(pick(bridge2, near), bridge3.max(-1)),
        "ankle_up": (hip[..., 1] - flat[..., _ANKLES, 1].mean(-1)) / _LEG,
        "hip_up": mixed(pick(over, near), over.mean(-1)),
        "roll": mixed(roll3, roll2),
    }
    out: Array = np.stack([values[name] for name in CHANNELS], axis=-1) / UNITS
    return out
