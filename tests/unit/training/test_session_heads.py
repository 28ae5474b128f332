"""Labels over a session."""

from __future__ import annotations

from cornerman_training.session_cache import encode_session
from cornerman_training.stages.session_heads import feedback_moments
from mobile_videogpt.modeling import MobileVideoGPT


def test_moments_have_whole_context(tiny_model: MobileVideoGPT) -> None:
    encoded = encode_session(tiny_model.require_vision(), "train", 7, 20.0)
    found = feedback_moments([encoded], 1.0, 4)
    assert found
    for _, chunk, feedback in found:
        assert chunk >= 3
        assert -0.3 <= encoded.session.pts_s[chunk] - encoded.session.feedbacks[feedback].time_s < 1.0
