import subprocess
import sys

import numpy as np
import pytest
import torch

from cornerman_pose.channels import UNITS
from cornerman_pose.features import COUNT
from cornerman_pose.reading import FrameReading
from cornerman_pose.temporal import TemporalNet
from cornerman_training.skeleton.net import SkeletonNet, weights


@pytest.fixture(scope="module")
def nets() -> tuple[SkeletonNet, TemporalNet]:
    torch.manual_seed(0)
    net = SkeletonNet().eval()
    return net, TemporalNet(weights(net))


def _features(frames: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((frames, COUNT)).astype(np.float32)


def test_numpy_equals_torch(nets: tuple[SkeletonNet, TemporalNet]) -> None:
    features = _features(90)
    with torch.no_grad():
        out = nets[0](torch.from_numpy(features)[None])
    got = nets[1].read(features, nets[1].start())
    assert np.allclose(got.exercise, out.exercise[0].softmax(-1).numpy(), atol=1e-5)
    assert np.allclose(got.wrong, out.wrong[0].sigmoid().numpy(), atol=1e-5)
    assert np.allclose(got.end, out.end[0].sigmoid().numpy(), atol=1e-5)
    assert np.allclose(got.measure, out.measure[0].numpy() * UNITS, atol=1e-3)


def test_chunks_equal_the_whole(nets: tuple[SkeletonNet, TemporalNet]) -> None:
    features, state = _features(61), nets[1].start()
    whole = nets[1].read(features, nets[1].start())
    parts = [nets[1].read(features[a:b], state) for a, b in ((0, 1), (1, 5), (5, 40), (40, 61))]
    for name in FrameReading.__slots__:
        assert np.allclose(np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name), atol=1e-5)


def test_net_stays_small(nets: tuple[SkeletonNet, TemporalNet]) -> None:
    assert nets[1].parameters < 2_000_000


def test_wrong_weights_are_refused(nets: tuple[SkeletonNet, TemporalNet]) -> None:
    bad = dict(weights(nets[0]))
    bad["stem.weight"] = bad["stem.weight"][:-1]
    with pytest.raises(ValueError, match=f"read {COUNT - 1} features"):
        TemporalNet(bad)


def test_serving_imports_no_torch() -> None:
    code = "import sys, cornerman_pose.repetitions, cornerman_pose.temporal; sys.exit('torch' in sys.modules)"
    env = {"PYTHONPATH": ":".join(p for p in sys.path if p)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
