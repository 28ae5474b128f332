"""Features of sessions equal those of the product's encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cornerman_training.features import image_features, render_frames, run_towers, without_video
from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import CHUNK, chunk_ends
from mobile_videogpt.modeling import MobileVideoGPT


def test_session_features_equal_encode_chunk(tiny_model: MobileVideoGPT) -> None:
    session = plan_session(4, "train", fps=8.0, duration_s=4.0, kind="exercise")
    watched, _, _ = run_towers(tiny_model.require_vision(), session)
    frames = render_frames(session)
    for i, end in enumerate(chunk_ends(len(frames))):
        chunk = torch.from_numpy(frames[end - CHUNK + 1 : end + 1])[None]
        assert np.allclose(watched.features[i], tiny_model.encode_chunk(chunk).features[0].numpy(), atol=1e-4)
        assert watched.pts_s[i] == pytest.approx(end / 8.0)


def test_image_features_are_image_half(tiny_model: MobileVideoGPT) -> None:
    session = plan_session(4, "train", fps=8.0, duration_s=3.0, kind="exercise")
    vision = tiny_model.require_vision()
    watched, _, _ = run_towers(vision, session)
    quick = image_features(vision, session)
    bare = without_video(watched, tiny_model.config)
    assert np.allclose(quick.features, bare.features, atol=1e-4)
    assert (quick.features == 0).mean() > 0.4
    assert not np.allclose(watched.features, bare.features)
