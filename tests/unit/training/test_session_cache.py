"""Encoded sessions on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cornerman_training.features import without_video
from cornerman_training.session_cache import SessionCache, encode_session
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT


def test_cache_encodes_missing_sessions_only(tiny_model: MobileVideoGPT, tmp_path: Path) -> None:
    vision = tiny_model.require_vision()
    (alone,) = SessionCache(tmp_path, vision, 4.0).encoded("train", range(3, 4))
    files = sorted(tmp_path.rglob("*.pt"))
    before = files[0].stat().st_mtime_ns
    pair = SessionCache(tmp_path, vision, 4.0, workers=1).encoded("train", range(3, 5))
    assert files[0].stat().st_mtime_ns == before
    expected = encode_session(vision, "train", 3, 4.0)
    for encoded in (alone, pair[0]):
        assert encoded.session.feedbacks == expected.session.feedbacks
        assert np.array_equal(encoded.session.features, expected.session.features)
        assert torch.equal(encoded.groups, expected.groups)
    assert not np.array_equal(pair[0].session.features, pair[1].session.features)
    quick = SessionCache(tmp_path, vision, 4.0).image_features("train", range(3, 4))
    assert np.allclose(quick[0].features, without_video(expected.session, tiny_model.config).features, atol=1e-4)
    torch.manual_seed(5)
    other = MobileVideoGPT(MobileVideoGPTConfig.tiny(), "all").eval().require_vision()
    (elsewhere,) = SessionCache(tmp_path, other, 4.0).encoded("train", range(3, 4))
    assert not np.array_equal(elsewhere.session.features, expected.session.features)
