"""What every encoder is held to."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_encoder.core import Clip, checked, compact, groups_of_equal_size
from cornerman_shared.errors import PoisonError


def clip(height: int, width: int) -> Clip:
    return Clip(np.zeros((8, height, width, 3), np.uint8), tuple(range(8)), 0.0)


def test_frames_of_a_chunk_pass() -> None:
    frames = np.zeros((8, 4, 6, 3), np.uint8)
    assert checked(frames) is frames


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((8, 4, 6, 3), np.float32),
        np.zeros((7, 4, 6, 3), np.uint8),
        np.zeros((8, 4, 6), np.uint8),
        np.zeros((8, 4, 6, 4), np.uint8),
        np.zeros((8, 0, 6, 3), np.uint8),
    ],
    ids=["floats", "seven frames", "grey", "alpha", "no pixel"],
)
def test_anything_else_is_refused_for_good_and_the_error_says_what_it_was(frames: np.ndarray) -> None:
    with pytest.raises(PoisonError, match=r"frames are .*uint8 \[8, H, W, 3\]"):
        checked(frames)


def test_clips_are_grouped_by_size_and_keep_their_order() -> None:
    clips = [clip(4, 6), clip(6, 4), clip(4, 6), clip(2, 2), clip(6, 4)]
    assert groups_of_equal_size(clips) == [[0, 2], [1, 4], [3]]
    assert groups_of_equal_size([]) == []


def test_tokens_travel_as_float16_unless_a_value_would_overflow() -> None:
    small = np.array([[-65504.0, 1.0]], np.float32)
    large = np.array([[65600.0, 1.0]], np.float32)
    assert compact(small).dtype == np.float16
    assert compact(large).dtype == np.float32
    np.testing.assert_array_equal(compact(large), large)


def test_every_bfloat16_value_of_usual_size_survives_float16_exactly() -> None:
    import torch

    bits = torch.randn(4096, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16).float().numpy()
    bits = bits[np.abs(bits) > 6.2e-5]
    np.testing.assert_array_equal(compact(bits).astype(np.float32), bits)
