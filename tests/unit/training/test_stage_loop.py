"""The training loop."""

from __future__ import annotations

import pytest

from cornerman_training.stages.loop import rate_at


def test_rate_rises_then_falls() -> None:
    rates = [rate_at(s, 100, 10) for s in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.03
