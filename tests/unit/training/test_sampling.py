"""Labels of sampled frames."""

from __future__ import annotations

import numpy as np

from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import IGNORE, fault_labels


def test_mistake_is_labelled_while_it_shows() -> None:
    session = plan_session(8, "train", fps=8.0, duration_s=60.0, kind="exercise")
    labels = fault_labels(session)
    assert (labels[session.phase < 0] == 0).all()
    middle = np.abs(session.phase - 0.5) < 0.1
    assert np.array_equal(labels[middle], session.fault[middle] + 1)
    assert (labels[(session.phase >= 0) & (session.phase < 0.05)] == IGNORE).all()
