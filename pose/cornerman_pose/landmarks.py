"""The 33 BlazePose landmarks: names, sides, and the arrays that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.errors import PoseError

Floats = NDArray[np.float32]

NAMES: Final = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)
"""Order of the landmarks in every array; left and right are the person's own."""

LANDMARKS: Final = len(NAMES)
INDEX: Final = {name: number for number, name in enumerate(NAMES)}

MIRROR: Final = tuple(INDEX[name.replace("left", "?").replace("right", "left").replace("?", "right")] for name in NAMES)
"""`points[MIRROR]` exchanges left and right."""

SIDES: Final = tuple("left" if "left" in name else "right" if "right" in name else "middle" for name in NAMES)

MAX_PEOPLE: Final = 3
CHUNK_FRAMES: Final = 8
PRESENT: Final = 0.5
"""Presence below this means that no person was found."""

VALUES: Final = 6
"""Numbers a landmark in a packed array: x and y in pixels, x, y and z in metres, visibility."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one frame.

    Attributes:
        image_px: [33, 2] x and y in pixels of the frame; may lie outside the picture.
        world_m: [33, 3] metres from the middle of the hips: x to the right of the picture, y down, z away from the
            camera.
        visibility: [33] 0..1, in the picture and not hidden.
        presence: 0..1, that this is a person at all.
    """

    image_px: Floats
    world_m: Floats
    visibility: Floats
    presence: float


@dataclass(frozen=True, slots=True)
class SeenChunk:
    """All people seen in a chunk of frames, at most three; a row is one person throughout.

    Attributes:
        size_px: height and width of the frames.
        frame_pts_s: [T] media time of each frame, seconds.
        image_px: [P, T, 33, 2].
        world_m: [P, T, 33, 3].
        visibility: [P, T, 33].
        presence: [P, T]; 0 in frames where the person was not found, and then the other arrays are 0 as well.
    """

    size_px: tuple[int, int]
    frame_pts_s: tuple[float, ...]
    image_px: Floats
    world_m: Floats
    visibility: Floats
    presence: Floats

    @property
    def people(self) -> int:
        """Number of rows."""
        return len(self.presence)

    @property
    def found(self) -> NDArray[np.bool_]:
        """[P, T] whether a person was found in a frame."""
        return self.presence >= PRESENT

    def person(self, row: int) -> LandmarkTrack:
        """One row over the frames of the chunk."""
        return LandmarkTrack(
            np.asarray(self.frame_pts_s, np.float32),
            self.image_px[row],
            self.world_m[row],
            self.visibility[row],
            self.presence[row],
            self.size_px,
        )

    def packed(self) -> Floats:
        """[P, T, 33 * 6 + 1] for the bus: six numbers a landmark, then presence."""
        parts = (self.image_px, self.world_m, self.visibility[..., None])
        joined = np.concatenate(parts, axis=-1).reshape(*self.presence.shape, LANDMARKS * VALUES)
        return np.concatenate([joined, self.presence[..., None]], axis=-1).astype(np.float32)

    @classmethod
    def unpacked(cls, packed: Floats, size_px: tuple[int, int], frame_pts_s: Sequence[float]) -> SeenChunk:
        """The chunk that `packed` came from.

        Raises:
            PoseError: another shape than `packed` gives.
        """
        wanted = (len(frame_pts_s), LANDMARKS * VALUES + 1)
        if packed.ndim != 3 or packed.shape[1:] != wanted or len(packed) > MAX_PEOPLE:
            raise PoseError(
                f"packed landmarks are {list(packed.shape)}; expected [0..{MAX_PEOPLE}, {wanted[0]}, {wanted[1]}]"
            )
        values = packed[..., :-1].reshape(*packed.shape[:2], LANDMARKS, VALUES).astype(np.float32)
        return cls(
            size_px,
            tuple(frame_pts_s),
            values[..., :2],
            values[..., 2:5],
            values[..., 5],
            packed[..., -1].astype(np.float32),
        )

    @classmethod
    def of_rows(
        cls, rows: Sequence[Sequence[Person | None]], size_px: tuple[int, int], frame_pts_s: Sequence[float]
    ) -> SeenChunk:
        """A chunk from people by row and frame; None where one was not found."""
        people, frames = len(rows), len(frame_pts_s)
        image = np.zeros((people, frames, LANDMARKS, 2), np.float32)
        world = np.zeros((people, frames, LANDMARKS, 3), np.float32)
        visibility = np.zeros((people, frames, LANDMARKS), np.float32)
        presence = np.zeros((people, frames), np.float32)
        for row, seen in enumerate(rows):
            for frame, person in enumerate(seen):
                if person is not None:
                    image[row, frame], world[row, frame] = person.image_px, person.world_m
                    visibility[row, frame], presence[row, frame] = person.visibility, person.presence
        return cls(size_px, tuple(frame_pts_s), image, world, visibility, presence)


@dataclass(frozen=True, slots=True)
class LandmarkTrack:
    """One person over time, as in a landmark file.

    Attributes:
        t_s: [T] seconds, rising.
        image_px: [T, 33, 2].
        world_m: [T, 33, 3].
        visibility: [T, 33].
        presence: [T].
        size_px: height and width of the picture that was seen.
    """

    t_s: Floats
    image_px: Floats
    world_m: Floats
    visibility: Floats
    presence: Floats
    size_px: tuple[int, int]

    def __len__(self) -> int:
        return len(self.t_s)

    def chunks(self, overlap: int = 4) -> list[SeenChunk]:
        """The track as chunks of 8 samples in a row, each sharing `overlap` with the one before; the rest is left out.

        Raises:
            PoseError: `overlap` is not within 0..7.
        """
        if not 0 <= overlap < CHUNK_FRAMES:
            raise PoseError(f"overlap = {overlap}: expected 0..{CHUNK_FRAMES - 1}")
        starts = range(0, len(self) - CHUNK_FRAMES + 1, CHUNK_FRAMES - overlap)
        return [self._chunk(slice(start, start + CHUNK_FRAMES)) for start in starts]

    def _chunk(self, part: slice) -> SeenChunk:
        return SeenChunk(
            self.size_px,
            tuple(float(t) for t in self.t_s[part]),
            self.image_px[None, part],
            self.world_m[None, part],
            self.visibility[None, part],
            self.presence[None, part],
        )
