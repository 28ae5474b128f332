"""Landmark files: one person of one video as `.npz`. Arrays only; pickles are refused."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.landmarks import LANDMARKS, PRESENT, LandmarkTrack

_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "presence": (),
    "t_s": (),
    "image_px": (LANDMARKS, 2),
    "world_m": (LANDMARKS, 3),
    "visibility": (LANDMARKS,),
}
"""Shape of one sample of each array."""


def read_landmarks(path: Path) -> LandmarkTrack:
    """The landmarks in a file; 0 in samples without a person.

    Raises:
        LandmarkFileError: no such file, or an array is missing, of another shape, not finite or out of range.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in (*_SHAPES, "size_px")}
    except KeyError as error:
        raise LandmarkFileError(f"{path} has no array {error}; expected {', '.join((*_SHAPES, 'size_px'))}") from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise LandmarkFileError(f"{path} is no landmark file (.npz): {error}") from error
    count = len(np.atleast_1d(arrays["t_s"]))
    for name, shape in _SHAPES.items():
        if name in ("image_px", "world_m", "visibility") and arrays[name].shape == (count, *shape):
            # Samples without a person may hold anything, most often NaN.
            arrays[name] = np.where((arrays["presence"] >= PRESENT).reshape(-1, *[1] * len(shape)), arrays[name], 0)
        _check(path, name, arrays[name], (count, *shape))
    return LandmarkTrack(
        arrays["t_s"].astype(np.float32),
        arrays["image_px"].astype(np.float32),
        arrays["world_m"].astype(np.float32),
        arrays["visibility"].astype(np.float32),
        arrays["presence"].astype(np.float32),
        _size(path, arrays["size_px"]),
    )


def write_landmarks(path: Path, track: LandmarkTrack) -> None:
    """Writes the file in one step: there is the old one or the new one, never half of it.

    Visibility and presence are kept as float16 (steps of 0.0005 near 1).

    Raises:
        LandmarkFileError: the track would not be read back.
    """
    count = len(track.t_s)
    for name, shape in _SHAPES.items():
        _check(path, name, getattr(track, name), (count, *shape))
    _size(path, np.asarray(track.size_px))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(
                out,
                t_s=track.t_s.astype(np.float32),
                image_px=track.image_px.astype(np.float32),
                world_m=track.world_m.astype(np.float32),
                visibility=track.visibility.astype(np.float16),
                presence=track.presence.astype(np.float16),
                size_px=np.asarray(track.size_px, np.int64),
            )
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _check(path: Path, name: str, array: NDArray[np.generic], shape: tuple[int, ...]) -> None:
    if array.shape != shape or not np.issubdtype(array.dtype, np.number):
        raise LandmarkFileError(f"{path}: {name} is {array.dtype} {list(array.shape)}; expected numbers {list(shape)}")
    if not np.isfinite(array).all():
        raise LandmarkFileError(f"{path}: {name} has values that are not finite; write the file again")
    if name == "t_s" and np.any(np.diff(array) <= 0):
        raise LandmarkFileError(f"{path}: t_s does not rise; sort the samples by time and drop repeated ones")
    if name in ("visibility", "presence") and array.size and not (array.min() >= 0 and array.max() <= 1):
        raise LandmarkFileError(f"{path}: {name} is {array.min():g}..{array.max():g}; expected 0..1")


def _size(path: Path, size: NDArray[np.generic]) -> tuple[int, int]:
    if size.shape != (2,) or not np.issubdtype(size.dtype, np.number) or np.any(np.asarray(size, np.float64) < 1):
        raise LandmarkFileError(f"{path}: size_px is {size.tolist()}; expected height and width in pixels")
    height, width = (int(side) for side in np.asarray(size, np.int64))
    return height, width
