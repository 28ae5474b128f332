"""Training state on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cornerman_training.checkpoints import load_state, save_state


def test_damaged_state_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    assert load_state(path) is None
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"a\.pt"):
        load_state(path)
    torch.save({"step": 1}, path)
    with pytest.raises(ValueError, match="lacks model"):
        load_state(path)
    save_state(path, {"step": 4, "model": {}, "extra": {}, "optimizer": {}, "best": 0.5})
    state = load_state(path)
    assert state is not None
    assert state["step"] == 4
