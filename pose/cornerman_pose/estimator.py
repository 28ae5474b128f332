"""Landmarks of all people in a chunk: detection in every fourth frame, tracking from frame to frame between.

What is found depends on the chunk's own frames, never on chunks before, so any worker finds the same. Detection at
frames 0 and 4 makes the second half of a chunk the same computation as the first half of the next chunk (overlap 4):
each step is kept by the bytes of its frame and the square it looked in, and reused only when both are equal. At these
frames a picture without a person is looked at once more in tiles, and a very wide one always.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cornerman_pose import weights
from cornerman_pose.decode import Found, find
from cornerman_pose.detector import Detection, detect
from cornerman_pose.errors import PoseError
from cornerman_pose.landmarks import INDEX, MAX_PEOPLE, PRESENT, Person, SeenChunk
from cornerman_pose.memory import LastUsed, fingerprint
from cornerman_pose.nets import DetectorNet, LandmarkNet, LiteDetector, LiteLandmarks
from cornerman_pose.tiles import apart_from, detect_in_tiles, is_wide
from cornerman_pose.warp import Pixels, Roi

DETECT_EVERY: Final = 4
"""Frames between two detections; the usual step from chunk to chunk, so that shared frames are reused."""

KEPT: Final = 256
"""Steps kept for reuse, about 1.3 kB each."""

_SAME_PLACE: Final = 0.3
"""Squares whose centres are closer than this part of their side may be of one person."""

_SAME_SIZE: Final = 1.6
_SAME_POSE: Final = 0.1
"""Bodies whose landmarks are closer, on average, than this part of the square are one body found twice."""

_BODY: Final = slice(INDEX["left_shoulder"], INDEX["right_ankle"] + 1)


@dataclass(slots=True)
class PoseCounts:
    """What an estimator has done; times are of the calls that computed.

    Attributes:
        frames: seen.
        detections: runs of the detector on a whole frame.
        tiled: frames that the detector has looked at in tiles.
        landmarks: runs of the landmark net.
        reused_detections: answers of the detector taken from memory.
        reused_landmarks: answers of the landmark net taken from memory.
        detector_s: seconds in the detector and its pre- and postprocessing.
        landmarks_s: seconds in the landmark net and its pre- and postprocessing.
    """

    frames: int = 0
    detections: int = 0
    tiled: int = 0
    landmarks: int = 0
    reused_detections: int = 0
    reused_landmarks: int = 0
    detector_s: float = 0.0
    landmarks_s: float = 0.0


@dataclass(slots=True, eq=False)
class _Followed:
    """One person through the chunk; `roi` is None while lost."""

    people: list[Person | None]
    roi: Roi | None


class PoseEstimator:
    """Landmarks of up to three people a frame. One thread at a time.

    Args:
        detector: finds people.
        landmarks: finds one person's landmarks.
        model: what it is called in messages.
        people: at most so many a frame, 1..3.
        kept: steps kept for reuse; 0 = none.
        beside: an estimator of the same nets in another thread, whose steps this one shares.

    Raises:
        PoseError: `people` is not within 1..3.
    """

    def __init__(
        self,
        detector: DetectorNet,
        landmarks: LandmarkNet,
        model: str,
        people: int = MAX_PEOPLE,
        kept: int = KEPT,
        beside: PoseEstimator | None = None,
    ) -> None:
        if not 1 <= people <= MAX_PEOPLE:
            raise PoseError(f"people = {people}: expected 1..{MAX_PEOPLE}")
        self._detector = detector
        self._landmarks = landmarks
        self._people = people
        self._detections: LastUsed[list[Detection]] = beside._detections if beside else LastUsed(kept)
        self._found: LastUsed[Found] = beside._found if beside else LastUsed(kept)
        self.model = model
        self.counts = PoseCounts()

    @classmethod
    def load(
        cls,
        variant: str = "full",
        folder: Path | None = None,
        threads: int = 1,
        people: int = MAX_PEOPLE,
        beside: PoseEstimator | None = None,
    ) -> PoseEstimator:
        """The estimator with the pinned weights.

        Args:
            variant: "lite" or "full".
            folder: where the weights lie; None = the cache.
            threads: of each net.
            people: at most so many a frame.
            beside: an estimator loaded in the same way, whose steps this one shares.

        Raises:
            RuntimeMissingError: LiteRT is not installed.
            WeightsError: the weights are missing or damaged.
        """
        files = weights.find(variant, folder)
        detector, landmarks = LiteDetector(files.detector, threads), LiteLandmarks(files.landmarks, threads)
        return cls(detector, landmarks, f"blazepose-{variant}", people, beside=beside)

    def estimate(self, frames: Pixels, frame_pts_s: Sequence[float]) -> SeenChunk:
        """Estimates the landmarks of all people in a chunk.

        Args:
            frames: uint8 [T, H, W, 3] RGB.
            frame_pts_s: [T] media time of each frame, seconds.

        Raises:
            PoseError: frames of another shape or dtype.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise PoseError(f"frames are {frames.dtype} {list(frames.shape)}; expected uint8 [T, H, W, 3]")
        if len(frame_pts_s) != len(frames):
            raise PoseError(f"{len(frames)} frames, but {len(frame_pts_s)} times")
        followed: list[_Followed] = []
        for number, frame in enumerate(frames):
            self._look(number, frame, fingerprint(frame), followed)
        self.counts.frames += len(frames)
        rows = [one.people + [None] * (len(frames) - len(one.people)) for one in _strongest(followed, self._people)]
        return SeenChunk.of_rows(rows, (frames.shape[1], frames.shape[2]), frame_pts_s)

    def _look(self, number: int, frame: Pixels, key: bytes, followed: list[_Followed]) -> None:
        """Detects people in one frame and adds new ones to those tracked."""
        live = [one for one in followed if one.roi is not None]
        if number % DETECT_EVERY == 0 or not live:
            live = self._with_detected(number, frame, key, live, followed)
        taken: list[Person] = []
        for one in live:
            assert one.roi is not None
            found = self._find(frame, key, one.roi)
            one.people += [None] * (number - len(one.people))
            if found.person.presence < PRESENT or any(_same_body(found.person, other, one.roi) for other in taken):
                one.roi = None
                continue
            taken.append(found.person)
            one.people.append(found.person)
            one.roi = found.next_roi

    def _with_detected(
        self, number: int, frame: Pixels, key: bytes, live: list[_Followed], followed: list[_Followed]
    ) -> list[_Followed]:
        """Those followed, each where the detector sees them, and newcomers; who is not detected keeps their square."""
        seen = self._detect(frame, key)
        # Tiles are up to eight looks: at every fourth frame they cost about twice those at the whole frames.
        if number % DETECT_EVERY == 0 and (is_wide(*frame.shape[:2]) or not (seen or live)):
            seen = [*seen, *apart_from(self._detect(frame, key, tiled=True), seen)][: self._people]
        squares = [detection.roi for detection in seen]
        near = sorted(
            (apart, a, b)
            for a, one in enumerate(live)
            for b, square in enumerate(squares)
            if (apart := _distance(one.roi, square)) <= _SAME_PLACE
        )
        owner: dict[int, _Followed] = {}
        left = dict(enumerate(live))
        for _, a, b in near:
            if a in left and b not in owner:
                owner[b] = left.pop(a)
        here: list[_Followed] = []
        for b, square in enumerate(squares):
            if b not in owner:
                owner[b] = _Followed([], square)
                followed.append(owner[b])
            owner[b].roi = square
            here.append(owner[b])
        return here + list(left.values())[: max(0, self._people - len(here))]

    def _detect(self, frame: Pixels, key: bytes, *, tiled: bool = False) -> list[Detection]:
        counts = self.counts
        looks = counts.detections + counts.tiled

        def make() -> list[Detection]:
            started = time.perf_counter()
            found = (detect_in_tiles if tiled else detect)(self._detector, frame, self._people)
            counts.detector_s += time.perf_counter() - started
            counts.detections += not tiled
            counts.tiled += tiled
            return found

        found = self._detections.get((key, tiled), make)
        counts.reused_detections += looks == counts.detections + counts.tiled
        return found

    def _find(self, frame: Pixels, key: bytes, roi: Roi) -> Found:
        counts = self.counts
        looks = counts.landmarks

        def make() -> Found:
            started = time.perf_counter()
            found = find(self._landmarks, frame, roi)
            counts.landmarks_s += time.perf_counter() - started
            counts.landmarks += 1
            return found

        found = self._found.get((key, roi), make)
        counts.reused_landmarks += looks == counts.landmarks
        return found


def _distance(one: Roi | None, other: Roi) -> float:
    """Between two centres, in sides; infinite for squares of very different size."""
    if one is None or not 1 / _SAME_SIZE <= one.side / other.side <= _SAME_SIZE:
        return float("inf")
    return float(np.hypot(one.x - other.x, one.y - other.y)) / ((one.side + other.side) / 2)


def _same_body(one: Person, other: Person, roi: Roi) -> bool:
    apart = np.linalg.norm(one.image_px[_BODY] - other.image_px[_BODY], axis=1).mean()
    return float(apart) < _SAME_POSE * roi.side


def _strongest(followed: list[_Followed], most: int) -> list[_Followed]:
    """Those found in most frames, the earlier first among equals; who was never found is left out."""
    found = [one for one in followed if any(person is not None for person in one.people)]
    return sorted(found, key=lambda one: -sum(person is not None for person in one.people))[:most]
