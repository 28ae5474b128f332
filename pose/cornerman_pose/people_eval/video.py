"""Frames of a video file as capture samples them: nearest to each tick, upright, shorter side as given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.landmarks import CHUNK_FRAMES, SeenChunk
from cornerman_pose.warp import Pixels

if TYPE_CHECKING:
    from cornerman_pose.estimator import PoseEstimator

SAMPLE_FPS: Final = 8.0
SHORTER_SIDE: Final = 224


def sampled(path: Path, fps: float = SAMPLE_FPS, shorter_side: int = SHORTER_SIDE) -> Iterator[tuple[float, Pixels]]:
    """(seconds, [H, W, 3] RGB) of each sampled frame.

    Raises:
        LandmarkFileError: no video can be read from the file.
    """
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise LandmarkFileError(f"{path} holds no video stream")
            stream = container.streams.video[0]
            early_s = min(0.5 / float(stream.average_rate or 30), 0.25 / fps)
            first_s, tick = None, -1
            for frame in container.decode(stream):
                if frame.time is None:
                    continue
                first_s = frame.time if first_s is None else first_s
                now_s = frame.time - first_s
                due = int((now_s + early_s) * fps + 1e-6)
                if due > tick:
                    tick = due
                    yield now_s, _picture(frame, shorter_side)
    except av.FFmpegError as error:
        raise LandmarkFileError(f"{path} cannot be read as video: {error}") from error


def frame_rate(path: Path) -> float:
    """Frames a second of a video, as its container says.

    Raises:
        LandmarkFileError: it cannot be read, or does not say.
    """
    import av

    try:
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except av.FFmpegError as error:
        raise LandmarkFileError(f"{path} cannot be read as video: {error}") from error
    if not rate:
        raise LandmarkFileError(
            f"{path} does not say how many frames a second it has; write it again with a constant rate"
        )
    return float(rate)


def _picture(frame: Any, shorter_side: int) -> Pixels:
    width, height = frame.width, frame.height
    factor = shorter_side / min(width, height)
    size = {"width": round(width * factor), "height": round(height * factor)}
    pixels: Pixels = frame.reformat(**size, format="rgb24").to_ndarray()
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns))


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
