"""The vision half against the reference's outputs, file by file."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.names import published_name
from tests.parity import checks
from tests.parity.golden import Golden


def test_recipe_weights_equal_reference(model: MobileVideoGPT, golden: Golden) -> None:
    found = {published_name(name): p.detach().numpy() for name, p in model.named_parameters()}
    assert set(found) == set(golden.weights_spot)
    for name, spot in golden.weights_spot.items():
        assert list(found[name].shape) == spot["shape"], name
        assert zlib.crc32(np.ascontiguousarray(found[name]).tobytes()) == spot["crc32"], name


def test_recipe_frames_equal_reference(golden: Golden) -> None:
    for name, wanted in golden.info["inputs"].items():
        frames = golden.frames(name)[0].numpy()
        assert list(frames.shape) == wanted["shape"]
        assert zlib.crc32(frames.tobytes()) == wanted["crc32"], name
        assert frames[0, 0, 0].tolist() == wanted["first_pixel_rgb"]


def test_pixels_equal_reference(golden: Golden) -> None:
    checks.check_preprocessing(golden)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_mixer,
        checks.check_videomamba_blocks,
        checks.check_videomamba_output,
        checks.check_clip,
        checks.check_projectors,
        checks.check_selection,
    ],
)
def test_vision_part_equals_reference(check: object, model: MobileVideoGPT, golden: Golden) -> None:
    assert callable(check)
    check(model.require_vision(), golden)


@pytest.mark.parametrize(
    "check", [checks.check_clip_tokens, checks.check_clip_video_features, checks.check_chunk_tokens]
)
def test_path_tokens_equal_reference(check: object, model: MobileVideoGPT, golden: Golden) -> None:
    assert callable(check)
    check(model, golden)
