"""Frames of a chunk as JPEGs."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_shared.bus.frames import frames_from_jpeg, frames_to_jpeg
from cornerman_shared.errors import MalformedError

SHAPE = (8, 45, 61, 3)  # odd sides


def smooth() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rows, columns = np.mgrid[0 : SHAPE[1], 0 : SHAPE[2]]
    colours = np.stack([rows * 4, columns * 4, 255 - rows * 2], axis=-1)
    return np.stack([np.clip(colours + 3 * number, 0, 255) for number in range(SHAPE[0])]).astype(np.uint8)


def test_frames_survive_as_pictures() -> None:
    frames = smooth()
    data = frames_to_jpeg(frames, 90)
    found = frames_from_jpeg(data, SHAPE, "blob")
    assert (found.shape, found.dtype) == (SHAPE, np.uint8)
    assert np.abs(found.astype(int) - frames).mean() < 2.0
    assert len(data) < frames.nbytes / 4
    assert len(frames_to_jpeg(frames, 50)) < len(data)


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda data: data[:20], SHAPE),
        (lambda data: data[:-300], SHAPE),
        (lambda data: data[:32] + b"\xff" * (len(data) - 32), SHAPE),
        (lambda data: data, (8, 45, 60, 3)),
        (lambda data: data, (8, 45, 61)),
        (lambda data: b"", SHAPE),
    ],
)
def test_damaged_pictures_are_malformed(change, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MalformedError, match="blob"):
        frames_from_jpeg(change(frames_to_jpeg(smooth(), 90)), shape, "blob")
