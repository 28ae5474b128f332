"""Pixels for both towers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobile_videogpt.preprocess import CLIP_MEAN, CLIP_STD, check_frames, image_pixels, video_pixels
from tests.unit.model.builders import random_images

sides = st.integers(8, 130)


seeds = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, size=st.sampled_from([16, 56, 112]), seed=seeds)
def test_image_pixels_equal_pillow(height: int, width: int, size: int, seed: int) -> None:
    image, short = random_images(1, height, width, seed), min(height, width)
    new_height, new_width = size * height // short, size * width // short
    rows = Image.fromarray(image[0]).resize((new_width, height), Image.Resampling.BICUBIC)
    wanted = np.asarray(rows.resize((new_width, new_height), Image.Resampling.BICUBIC))
    top, left = (new_height - size) // 2, (new_width - size) // 2
    found = image_pixels(torch.from_numpy(image), size)[0].permute(1, 2, 0)
    grey = found * torch.tensor(CLIP_STD) + torch.tensor(CLIP_MEAN)
    middle = wanted[top : top + size, left : left + size]
    np.testing.assert_allclose(grey.numpy() * 255, middle, atol=1e-3)


def test_image_is_cropped_video_is_squeezed() -> None:
    frames = torch.zeros(1, 32, 96, 3, dtype=torch.uint8)
    frames[:, :, :20] = 255  # a white band that the middle square does not reach
    image, video = image_pixels(frames, 32), video_pixels(frames, 32)
    assert image.shape == video.shape == (1, 3, 32, 32)
    assert float(image[0, 0].max() - image[0, 0].min()) == 0.0
    assert float(video[0, 0, 0, 0]) > 2.0 > float(video[0, 0, 0, -1])


@pytest.mark.parametrize("shape", [(32, 32), (40, 32), (32, 40)])
def test_frame_of_fitting_size_is_cropped(shape: tuple[int, int]) -> None:
    frames = torch.from_numpy(random_images(1, *shape, 4))
    top, left = (shape[0] - 32) // 2, (shape[1] - 32) // 2
    wanted = image_pixels(frames[:, top : top + 32, left : left + 32], 32)
    torch.testing.assert_close(image_pixels(frames, 32), wanted, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.zeros(1, 8, 16, 16, 3), "float32; give uint8"),
        (torch.zeros(8, 16, 16, 3, dtype=torch.uint8), r"\(8, 16, 16, 3\); give \[batch, 8, height, width, 3\]"),
        (torch.zeros(1, 8, 3, 16, 16, dtype=torch.uint8), r"give \[batch, 8, height, width, 3\]"),
        (torch.zeros(1, 7, 16, 16, 3, dtype=torch.uint8), "7 frames given, this path takes exactly 8"),
        (torch.zeros(1, 8, 0, 16, 3, dtype=torch.uint8), "may be zero"),
    ],
)
def test_wrong_frames_are_refused(frames: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_frames(frames, 8)
