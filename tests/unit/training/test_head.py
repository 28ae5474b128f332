"""The temporal head: numpy equals torch, files round-trip, bad files are named, a step is fast."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_training.sizes import HeadPlan
from cornerman_training.stages.head import HeadModule, head_config
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.head import SETTINGS, WEIGHTS, HeadConfig, TemporalHead

CONFIG = HeadConfig(cls_width=6, frames=4, row_width=10, reduced=5, hidden=7, offsets=(0.0, 0.5, -0.25))


def made(config: HeadConfig = CONFIG, seed: int = 0) -> tuple[HeadModule, TemporalHead]:
    torch.manual_seed(seed)
    module = HeadModule(config, 0.0).eval()
    module.mean.normal_()
    module.scale.uniform_(0.5, 2.0)
    return module, module.export(config)


def test_numpy_steps_equal_torch() -> None:
    module, head = made()
    features = torch.randn(1, 30, CONFIG.feature_size)
    with torch.no_grad():
        logits = module(features)[0][0] + torch.tensor(CONFIG.offsets)
    wanted = torch.softmax(logits, -1).numpy()
    state = None
    for row, truth in zip(features[0].numpy(), wanted, strict=True):
        probabilities, state = head.step(row, state)
        assert probabilities == pytest.approx(truth, abs=1e-5)
        assert probabilities.dtype == np.float32
    assert state is not None
    assert state.tobytes() != bytes(len(state.tobytes()))


def test_state_survives_bytes() -> None:
    _, head = made()
    rows = np.random.default_rng(1).standard_normal((5, CONFIG.feature_size)).astype(np.float32)
    state = None
    for row in rows[:4]:
        _, state = head.step(row, state)
    assert state is not None
    again = np.frombuffer(state.tobytes(), np.float32)
    assert np.array_equal(head.step(rows[4], state)[0], head.step(rows[4], again)[0])
    assert not np.array_equal(head.step(rows[4], state)[0], head.step(rows[4], None)[0])


def test_saved_head_loads_equal(tmp_path: Path) -> None:
    _, head = made()
    head.save(tmp_path)
    again = TemporalHead.load(tmp_path)
    assert again.config == head.config
    row = np.ones(CONFIG.feature_size, np.float32)
    assert np.array_equal(head.step(row, None)[0], again.step(row, None)[0])


@pytest.mark.parametrize("missing", [SETTINGS, WEIGHTS])
def test_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    made()[1].save(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(CheckpointError, match=missing):
        TemporalHead.load(tmp_path)


def test_damaged_file_is_named(tmp_path: Path) -> None:
    _, head = made()
    head.save(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"12345")
    with pytest.raises(ValueError, match="damaged"):
        TemporalHead.load(tmp_path)
    head.save(tmp_path)
    (tmp_path / SETTINGS).write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=SETTINGS):
        TemporalHead.load(tmp_path)
    table = {"cls_width": 6, "frames": 4, "row_width": 10, "reduced": 0, "hidden": 7}
    (tmp_path / SETTINGS).write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(ValueError, match="reduced is 0"):
        TemporalHead.load(tmp_path)


def test_misfitting_weights_are_named() -> None:
    _, head = made()
    weights = dict(head.weights)
    del weights["mix.bias"]
    with pytest.raises(CheckpointError, match=r"mix\.bias"):
        TemporalHead(CONFIG, weights)
    with pytest.raises(CheckpointError, match="shape"):
        TemporalHead(replace(CONFIG, hidden=8), head.weights)
    bad = dict(head.weights)
    bad["out.bias"] = np.full(3, np.nan, np.float32)
    with pytest.raises(CheckpointError, match="not finite"):
        TemporalHead(CONFIG, bad)


def test_misfitting_features_and_states_are_refused() -> None:
    _, head = made()
    with pytest.raises(ValueError, match="features have shape"):
        head.step(np.zeros(3, np.float32), None)
    with pytest.raises(ValueError, match="state has shape"):
        head.step(np.zeros(CONFIG.feature_size, np.float32), np.zeros(2, np.float32))


def test_step_takes_under_five_milliseconds() -> None:
    config = head_config(MobileVideoGPTConfig.tiny(), HeadPlan())
    _, head = made(config)
    row = np.ones(config.feature_size, np.float32)
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        head.step(row, None)
        best = min(best, time.perf_counter() - began)
    assert best < 0.005
    assert head.step(row, None)[1].nbytes < 4096
