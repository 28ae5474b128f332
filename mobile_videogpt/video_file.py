"""Reads frames spread evenly over a video file.

Knows PyAV and nothing of models; live sources are read by the capture service.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mobile_videogpt.errors import ModelError


class VideoFrame(Protocol):
    """The part of a decoded PyAV frame that is used."""

    def to_ndarray(self, *, format: str) -> NDArray[np.uint8]: ...


class VideoError(ModelError):
    """A file that cannot be read as video."""


def spread_frames(path: str | Path, count: int) -> Tensor:
    """Reads `count` frames evenly spread over a file, the first and the last among them.

    A video with fewer frames gives some of them twice.

    Returns:
        [count, H, W, 3] uint8 RGB.

    Raises:
        VideoError: if the file does not exist or is not a video, or PyAV is missing.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise VideoError(f"{file} does not exist; pass a video file")
    # Decoded twice, to count first: container headers often lack the number of frames.
    total = sum(1 for _ in _decoded(file))
    if total == 0:
        raise VideoError(f"{file} holds no picture that could be decoded")
    wanted = np.linspace(0, total - 1, count).round().astype(int).tolist()
    pictures: dict[int, NDArray[np.uint8]] = {}
    for number, frame in enumerate(_decoded(file)):
        if number in wanted:
            pictures[number] = frame.to_ndarray(format="rgb24")
    return torch.from_numpy(np.stack([pictures[number] for number in wanted]))


def _decoded(file: Path) -> Iterator[VideoFrame]:
    try:
        import av
    except ImportError as error:
        raise VideoError("reading video needs PyAV, which is not installed: pip install av") from error
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise VideoError(f"{file} has no video stream")
            yield from container.decode(container.streams.video[0])
    except av.error.FFmpegError as error:
        raise VideoError(f"{file} cannot be read as video: {error}") from error
