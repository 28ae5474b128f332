"""The gym's joints as the points that an estimator reports, and as a session's own camera sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cornerman_training.skeleton.camera import CameraShot
from cornerman_training.skeleton.posing import Array, unit

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession

WIDTH: Final = 398
HEIGHT: Final = 224
"""Of the picture that a session's own camera takes, pixels."""

_DOWN: Final = np.array([0.0, -1.0, 0.0])


def landmark_points(session: GymSession) -> Array:
    """Joints of a session as the points that an estimator reports, [T, 20, 3] metres in the room; last is the spine.

    An estimator's hips are wider than the joints, by a fifth of their distance.
    """
    j = session.joints
    height = session.body.height
    across = unit(j[:, 4] - j[:, 5])
    up = unit(j[:, 3] - j[:, 2])
    ahead = unit(np.cross(across, up))
    out = np.zeros((len(j), 20, 3))
    head = j[:, 3]
    out[:, 0] = head + ahead * 0.058 * height
    out[:, 1], out[:, 2] = head + across * 0.042 * height, head - across * 0.042 * height
    out[:, 19] = j[:, 1]
    for k in range(2):
        sign = 1.0 if k == 0 else -1.0
        hips = unit(j[:, 10] - j[:, 11])
        toe, ankle = j[:, 16 + k], j[:, 14 + k]
        parts = (
            j[:, 4 + k],
            j[:, 6 + k],
            j[:, 8 + k],
            j[:, 10 + k] + sign * hips * 0.012 * height,
            j[:, 12 + k],
            ankle,
        )
        for at, point in zip((3, 5, 7, 9, 11, 13), parts, strict=True):
            out[:, at + k] = point
        out[:, 15 + k] = ankle - 0.25 * (toe - ankle) + _DOWN * 0.03 * height
        out[:, 17 + k] = toe
    return out


def own_shot(session: GymSession, points: Array, width: int = WIDTH) -> CameraShot:
    """What the session's own camera sees of its points [T, P, 3], in a picture `width` pixels wide."""
    c = session.scene.camera(width, HEIGHT)
    relative = points - c[0:3]
    camera = np.stack([relative @ c[3:6], -(relative @ c[6:9]), relative @ c[9:12]], axis=-1)  # x right, y down, z away
    image = camera[..., :2] / np.maximum(camera[..., 2:], 0.2) * c[12] + np.array([width / 2, HEIGHT / 2])
    return CameraShot(image, camera, np.abs(to_the_left(points) @ c[9:12]), float(width), float(HEIGHT))


def to_the_left(points: Array) -> Array:
    """[T, 3] unit vectors from the right shoulder to the left one."""
    return unit(points[:, 3] - points[:, 4])
