"""Motion capture seen through a virtual camera: 22 Kinect joints (UI-PRMD's) as the 33 landmarks of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.landmarks import INDEX, LANDMARKS, LandmarkTrack
from cornerman_pose.people_eval.clips import LabelledClip, Verdict

Points = NDArray[np.float64]

CAPTURE_FPS: Final = 30.0
EVERY: Final = 4
"""Every fourth sample is seen: 7.5 a second."""

SIZE_PX: Final = (224, 398)
"""Height and width of the picture."""

_JOINTS: Final = (
    *("waist", "spine", "chest", "neck", "head", "head_tip"),
    *("l_collar", "l_shoulder", "l_elbow", "l_wrist", "r_collar", "r_shoulder", "r_elbow", "r_wrist"),
    *("l_hip", "l_knee", "l_ankle", "l_toes", "r_hip", "r_knee", "r_ankle", "r_toes"),
)
"""Order of the joints in the files."""


@dataclass(frozen=True, slots=True)
class VirtualCamera:
    """Where a person is seen from.

    Attributes:
        yaw_deg: 0 = from the front, 90 = from their left.
        distance_m: from the hips.
        height_m: above the ground.
        focal: focal length in shorter sides of the picture.
    """

    yaw_deg: float = 45.0
    distance_m: float = 3.4
    height_m: float = 1.1
    focal: float = 1.2


VIEWS: Final = (VirtualCamera(0.0), VirtualCamera(45.0), VirtualCamera(90.0))


def read_mocap(
    path: Path, exercise: str, cameras: tuple[VirtualCamera, ...] = VIEWS
) -> list[tuple[LabelledClip, LandmarkTrack]]:
    """Every repetition of a file through every camera; those of one recording are one take.

    Args:
        path: `.npz` with `correct_*` and `incorrect_*` [T, 22, 3], centimetres, y up, 30 samples a second.
        exercise: of all repetitions.
        cameras: that look.

    Raises:
        LandmarkFileError: no such file, or other arrays in it.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            takes = {name: stored[name] for name in stored.files if name.partition("_")[0] in ("correct", "incorrect")}
    except (OSError, ValueError) as error:
        raise LandmarkFileError(f"{path} is no motion capture file (.npz): {error}") from error
    if not takes:
        raise LandmarkFileError(f"{path} holds no arrays correct_* or incorrect_*")
    found = []
    for name, joints in sorted(takes.items()):
        if joints.ndim != 3 or joints.shape[1:] != (len(_JOINTS), 3):
            raise LandmarkFileError(f"{path}: {name} is {list(joints.shape)}; expected [T, {len(_JOINTS)}, 3]")
        verdict: Verdict = "good" if name.startswith("correct") else "mistake"
        for camera in cameras:
            clip = LabelledClip(
                name=f"{path.stem}_{name}@{camera.yaw_deg:g}",
                exercise=exercise,
                label=exercise,
                reps=None,
                verdict=verdict,
                mistakes=(),
                seconds=len(joints) / CAPTURE_FPS,
                group=f"{path.stem}_{name}",
            )
            found.append((clip, seen_by(joints[::EVERY].astype(np.float64) / 100, camera)))
    return found


def seen_by(joints_m: Points, camera: VirtualCamera) -> LandmarkTrack:
    """Joints [T, 22, 3] in metres, y up, as landmarks in a camera's picture; all of them visible."""
    points = _landmarks(joints_m)  # [T, 33, 3]
    hips = points[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1)  # [T, 3]
    left = np.median(joints_m[:, _at("l_hip")] - joints_m[:, _at("r_hip")], axis=0)
    left[1] = 0
    left /= max(float(np.linalg.norm(left)), 1e-6)
    up = np.array([0.0, 1.0, 0.0])
    forward = np.cross(left, up)
    yaw = np.radians(camera.yaw_deg)
    away = np.cos(yaw) * forward + np.sin(yaw) * left  # from the person to the camera
    place = np.median(hips, axis=0) + away * camera.distance_m
    place[1] = float(points[..., 1].min()) + camera.height_m
    middle = np.median(hips, axis=0)
    depth = (middle - place) / np.linalg.norm(middle - place)
    right = np.cross(depth, up)
    right /= np.linalg.norm(right)
    down = np.cross(depth, right)
    axes = np.stack([right, down, depth], axis=1)  # [3, 3]
    there = (points - place) @ axes  # [T, 33, 3]
    height, width = SIZE_PX
    scale = camera.focal * min(SIZE_PX)
    image = there[..., :2] / np.maximum(there[..., 2:], 0.1) * scale + np.array([width / 2, height / 2])
    count = len(points)
    return LandmarkTrack(
        (np.arange(count) * EVERY / CAPTURE_FPS).astype(np.float32),
        image.astype(np.float32),
        ((points - hips[:, None]) @ axes).astype(np.float32),
        np.ones((count, LANDMARKS), np.float32),
        np.ones(count, np.float32),
        SIZE_PX,
    )


def _at(name: str) -> int:
    return _JOINTS.index(name)


def _landmarks(joints: Points) -> Points:
    """[T, 33, 3]: what the skeleton lacks (face, hands, heels) is placed by usual proportions."""
    points = np.zeros((len(joints), LANDMARKS, 3))
    across = joints[:, _at("l_shoulder")] - joints[:, _at("r_shoulder")]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    head = (joints[:, _at("head")] + joints[:, _at("head_tip")]) / 2
    up = joints[:, _at("head_tip")] - joints[:, _at("neck")]
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
    forward = np.cross(across, up)
    points[:, INDEX["nose"]] = head + 0.10 * forward
    for side, sign in (("left", 1.0), ("right", -1.0)):
        short = side[0]
        for name, out, ahead, high in (
            ("eye_inner", 0.015, 0.085, 0.03),
            ("eye", 0.03, 0.08, 0.03),
            ("eye_outer", 0.045, 0.07, 0.03),
            ("ear", 0.075, 0.0, 0.01),
        ):
            points[:, INDEX[f"{side}_{name}"]] = head + sign * out * across + ahead * forward + high * up
        points[:, INDEX[f"mouth_{side}"]] = head + sign * 0.025 * across + 0.085 * forward - 0.05 * up
        for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            points[:, INDEX[f"{side}_{name}"]] = joints[:, _at(f"{short}_{name}")]
        points[:, INDEX[f"{side}_foot_index"]] = joints[:, _at(f"{short}_toes")]
        wrist, elbow = joints[:, _at(f"{short}_wrist")], joints[:, _at(f"{short}_elbow")]
        hand = wrist - elbow
        hand /= np.maximum(np.linalg.norm(hand, axis=1, keepdims=True), 1e-6)
        for name, reach in (("pinky", 0.08), ("index", 0.09), ("thumb", 0.05)):
            points[:, INDEX[f"{side}_{name}"]] = wrist + reach * hand
        ankle, toes = joints[:, _at(f"{short}_ankle")], joints[:, _at(f"{short}_toes")]
        points[:, INDEX[f"{side}_heel"]] = ankle - 0.25 * (toes - ankle) + np.array([0.0, -0.04, 0.0])
    return points
