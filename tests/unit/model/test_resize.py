"""Resizes equal OpenCV and Pillow, bit for bit, over random sizes."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobile_videogpt.resize import resize_bicubic, resize_linear
from tests.unit.model.builders import random_images

sides = st.integers(8, 130)


seeds = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, size=st.sampled_from([16, 56, 112]), seed=seeds)
def test_linear_equals_opencv(height: int, width: int, size: int, seed: int) -> None:
    images = random_images(2, height, width, seed)
    found = resize_linear(torch.from_numpy(images), size, size).numpy()
    for one, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(one, cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR))


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, size=sides, axis=st.sampled_from([1, 2]), seed=seeds)
def test_bicubic_equals_pillow(height: int, width: int, size: int, axis: int, seed: int) -> None:
    image = random_images(1, height, width, seed)
    found = resize_bicubic(torch.from_numpy(image), axis, size, 0, size)[0].numpy()
    wanted = Image.fromarray(image[0]).resize((found.shape[1], found.shape[0]), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found, np.asarray(wanted))
