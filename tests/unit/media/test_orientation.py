"""All eight orientations of EXIF, the mirrored ones of front cameras among them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cornerman_media.jpeg import JpegEncoder
from cornerman_media.picture_decoder import decode_picture
from cornerman_media.upright import UprightPictures
from tests.unit.media import muxers
from tests.unit.media.films import is_upright, number_of, numbered
from tests.unit.media.reading import read_and_measure

Pixels = NDArray[np.uint8]
ORIENTATION = 0x0112

STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda picture: picture,
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: picture.transpose(1, 0, 2),
    6: lambda picture: np.rot90(picture, 1),
    7: lambda picture: np.rot90(picture, 2).transpose(1, 0, 2),
    8: lambda picture: np.rot90(picture, -1),
}
"""How a camera stores an upright picture that it tags so (TIFF 6.0, tag 274)."""


def photo(number: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    body = io.BytesIO()
    stored = np.ascontiguousarray(STORED[orientation](numbered(number)))
    Image.fromarray(stored).save(body, "JPEG", quality=95, subsampling=0, exif=exif.tobytes())
    return body.getvalue()


@pytest.mark.parametrize("orientation", STORED)
def test_photo_is_upright(orientation: int) -> None:
    frame = decode_picture(photo(5, orientation))
    assert frame is not None
    picture = UprightPictures().rgb(frame)
    assert picture.shape == (48, 64, 3) and is_upright(picture) and number_of(picture) == 5
    shown = decode_picture(JpegEncoder(960, 90).jpeg(frame))
    assert shown is not None and is_upright(shown.to_ndarray(format="rgb24"))


@pytest.mark.parametrize("orientation", STORED)
def test_film_of_photos_is_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(muxers.camera_avi([photo(index, orientation) for index in range(12)], (64, 48), 25))
    found = read_and_measure(path)
    assert found.upright and found.numbers == list(range(12)) and found.size == (64, 48)
