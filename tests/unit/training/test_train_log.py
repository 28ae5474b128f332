"""The log of a training run."""

from __future__ import annotations

from pathlib import Path

from cornerman_training.train_log import TrainLog


def test_log_keeps_earlier_rows(tmp_path: Path) -> None:
    TrainLog(tmp_path, "x").write(1, 2, {"loss": 1.0})
    again = TrainLog(tmp_path, "x")
    again.write(2, 2, {"loss": 0.5})
    assert [row["loss"] for row in again.rows()] == [1.0, 0.5]
    assert again.draw().stat().st_size > 1000
