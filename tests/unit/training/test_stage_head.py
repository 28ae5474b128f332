"""Stage 3, the temporal head."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cornerman_training.features import SessionFeatures
from cornerman_training.gym.coach import TimedFeedback
from cornerman_training.sizes import HeadPlan
from cornerman_training.stages.head import score, train_head
from cornerman_training.stages.session_heads import action_labels
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.head import TemporalHead

TINY = MobileVideoGPTConfig.tiny()


def clear_session(seed: int) -> SessionFeatures:
    """A session whose features show the due action clearly: one value for praise, one for correction."""
    rng = np.random.default_rng(seed)
    pts = (np.arange(60) * 0.5 + 0.875).astype(np.float32)
    times = np.cumsum(rng.uniform(4.0, 7.0, 4)) + 1.0
    said = tuple(
        TimedFeedback(float(t), "correct", "x", "squat", "knees_in")
        if i % 2
        else TimedFeedback(float(t), "feedback", "x", "", "")
        for i, t in enumerate(times)
    )
    features = rng.normal(0, 1e-5, (60, TINY.feature_size)).astype(np.float32)
    none = np.zeros(60, np.int64)
    session = SessionFeatures(
        seed, features, pts, none, none, none.astype(np.float32), np.full(60, -100), none, said, 31.0, "exercise"
    )
    actions, _ = action_labels(session)
    features[:, 100] += 3.0 * (actions == 1)
    features[:, 101] += 3.0 * (actions == 2)
    return session


def test_head_learns_clear_features(tmp_path: Path) -> None:
    plan = HeadPlan(steps=100, batch=4, reduced=8, hidden=16, dropout=0.0, learning_rate=1e-2)
    head = train_head(
        TINY, plan, 1, tmp_path, [clear_session(i) for i in range(12)], [clear_session(i) for i in range(20, 24)]
    )
    assert score(head, [clear_session(i) for i in range(30, 36)]).f_score > 0.9
    again = TemporalHead.load(tmp_path / "head")
    assert again.config == head.config
    assert (tmp_path / "head.png").exists()
