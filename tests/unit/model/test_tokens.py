"""Pooled features of chunks and clips."""

from __future__ import annotations

import pytest
import torch

from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig, split_features
from tests.unit.model.builders import random_frames


def test_features_are_cls_and_frame_means(vision_model: MobileVideoGPT) -> None:
    frames, vision = random_frames(2, 8), vision_model.require_vision()
    parts = split_features(vision_model.encode_chunk(frames).features, vision_model.config)
    with torch.inference_mode():
        video, image = vision.encode_video(frames), vision.encode_images(frames)
    torch.testing.assert_close(parts.cls, video[:, 0])
    torch.testing.assert_close(parts.video[:, 2], video[:, 1 + 2 * 49 : 1 + 3 * 49].mean(1))
    torch.testing.assert_close(parts.image[:, 5], image[:, 5].mean(1))


def test_features_of_other_model_are_refused(vision_model: MobileVideoGPT) -> None:
    with pytest.raises(ValueError, match=r"11328 values.*1632"):
        split_features(torch.zeros(1, MobileVideoGPTConfig.full_0_5b().feature_size), vision_model.config)


def test_clip_features_cover_selected_frames(vision_model: MobileVideoGPT) -> None:
    frames = random_frames(1, 16)
    tokens = vision_model.encode_clip(frames)
    assert tokens.selected is not None
    kept = (tokens.selected[0] + torch.tensor([[0], [8]])).flatten()
    torch.testing.assert_close(tokens.features, vision_model.encode_chunk(frames[:, kept]).features)
