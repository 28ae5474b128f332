"""Frames of a video file as capture samples them: nearest to each tick, upright, shorter side as given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.landmarks import CHUNK_FRAMES, SeenChunk
from cornerman_pose.warp import Pixels

if TYPE_CHECKING:
    from cornerman_media.reader import VideoReader
    from cornerman_pose.estimator import PoseEstimator

SAMPLE_FPS: Final = 8.0
SHORTER_SIDE: Final = 224


def sampled(path: Path, fps: float = SAMPLE_FPS, shorter_side: int = SHORTER_SIDE) -> Iterator[tuple[float, Pixels]]:
    """(seconds, [H, W, 3] RGB) of each sampled frame.

    Raises:
        LandmarkFileError: no video can be read from the file.
    """
    from cornerman_media.sampling import with_shorter_side

    with _opened(path) as video:
        early_s = min(video.info.nominal_s / 2, 0.25 / fps)
        tick = -1
        for frame in video:
            due = int((frame.time_s + early_s) * fps + 1e-6)
            if due > tick:
                tick = due
                yield frame.time_s, frame.rgb(with_shorter_side(frame.size, shorter_side))


def frame_rate(path: Path) -> float:
    """Frames a second of a video, as its container says.

    Raises:
        LandmarkFileError: it cannot be read, or does not say.
    """
    with _opened(path) as video:
        if not video.info.has_rate:
            raise LandmarkFileError(
                f"{path} does not say how many frames a second it has; write it again with a constant rate"
            )
        return video.info.frame_rate


@contextmanager
def _opened(path: Path) -> Iterator[VideoReader]:
    from cornerman_media.errors import MediaError
    from cornerman_media.reader import open_video  # FFmpeg is slow to import

    try:
        with open_video(path) as video:
            yield video
    except MediaError as error:
        raise LandmarkFileError(f"{path} cannot be read as video: {error}") from error


def seen_chunks(
    path: Path, estimator: PoseEstimator, overlap: int = 4, most_s: float = float("inf")
) -> Iterator[tuple[SeenChunk, Pixels]]:
    """Each chunk of 8 sampled frames, and its frames [8, H, W, 3]."""
    held: list[tuple[float, Pixels]] = []
    new = 0
    for now_s, picture in sampled(path):
        if now_s > most_s:
            return
        held = [*held[-(CHUNK_FRAMES - 1) :], (now_s, picture)]
        new += 1
        if len(held) == CHUNK_FRAMES and new >= CHUNK_FRAMES - overlap:
            new = 0
            frames = np.stack([pixels for _, pixels in held])
            yield estimator.estimate(frames, [t for t, _ in held]), frames
