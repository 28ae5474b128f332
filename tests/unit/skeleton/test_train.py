from pathlib import Path

import numpy as np

from cornerman_pose.movements import form_rules
from cornerman_pose.temporal import TemporalNet
from cornerman_training.skeleton.dataset import FRAMES, draw_examples
from cornerman_training.skeleton.train import TrainPlan, train

TINY = TrainPlan(steps=2, batch=2, window=40, worlds_first=20, worlds_most=20, fresh=1, check=2, calibrate=3)


def test_run_leaves_weights_and_card(tmp_path: Path) -> None:
    scores = train(tmp_path, 3, TINY)
    assert np.isfinite(scores["loss"])
    assert TemporalNet.load(tmp_path / "temporal.safetensors").parameters > 0
    assert "--seed 3" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_examples_have_matching_shapes() -> None:
    examples = draw_examples(np.random.default_rng(0), 2)
    assert all(a.shape[:2] == (4, FRAMES) for a in examples.arrays())
    assert examples.observable.shape[-1] == len(form_rules())
    assert np.isfinite(examples.features).all()
