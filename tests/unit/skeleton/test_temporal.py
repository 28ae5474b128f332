import subprocess
import sys

import numpy as np
import pytest
import torch

from cornerman_pose.channels import UNITS
from cornerman_pose.features import COUNT
from cornerman_pose.figures import FigureState
from cornerman_pose.reading import FrameReading
from cornerman_pose.stack import CausalStack
from cornerman_pose.temporal import DrawnFigures, TemporalNet
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


class MeterOf:
    """Stands in for a `FigureMeter` that is this sure of every frame."""

    parameters = 0

    def __init__(self, sure: float) -> None:
        self.sure = sure

    def start(self) -> FigureState:
        return FigureState()

    def push(self, features: np.ndarray, state: FigureState) -> np.ndarray:
        return np.full(len(features), self.sure, np.float32)


@pytest.fixture(scope="module")
def drawn(nets: tuple[SkeletonNet, TemporalNet]) -> dict[str, np.ndarray]:
    return weights(SkeletonNet(24).eval())


def read_by(net: TemporalNet) -> FrameReading:
    features = _features(30)
    return net.read(features, net.start())


def test_each_expert_reads_its_own(nets: tuple[SkeletonNet, TemporalNet], drawn: dict[str, np.ndarray]) -> None:
    people, stack = weights(nets[0]), CausalStack(drawn)
    for sure, alone in ((0.0, nets[1]), (1.0, TemporalNet(drawn))):
        both = TemporalNet(people, DrawnFigures(stack, MeterOf(sure)))  # type: ignore[arg-type]
        got, wanted = read_by(both), read_by(alone)
        for name in set(FrameReading.__slots__) - {"drawn"}:
            assert np.allclose(getattr(got, name), getattr(wanted, name), atol=1e-5), name
        assert np.all(got.drawn == sure) and not wanted.drawn.any()
        assert both.parameters == nets[1].parameters + stack.parameters


def test_doubt_reads_between_the_experts(nets: tuple[SkeletonNet, TemporalNet], drawn: dict[str, np.ndarray]) -> None:
    half = TemporalNet(weights(nets[0]), DrawnFigures(CausalStack(drawn), MeterOf(0.5)))  # type: ignore[arg-type]
    between = (read_by(nets[1]).measure + read_by(TemporalNet(drawn)).measure) / 2
    assert np.allclose(read_by(half).measure, between, atol=1e-3)


def test_wrong_weights_of_figures_are_refused(
    nets: tuple[SkeletonNet, TemporalNet], drawn: dict[str, np.ndarray]
) -> None:
    bad = DrawnFigures(CausalStack(drawn | {"head.weight": drawn["head.weight"][:, 1:]}), MeterOf(0.0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="train again"):
        TemporalNet(weights(nets[0]), bad)


def test_wrong_weights_are_refused(nets: tuple[SkeletonNet, TemporalNet]) -> None:
    bad = dict(weights(nets[0]))
    bad["stem.weight"] = bad["stem.weight"][:-1]
    with pytest.raises(ValueError, match=f"read {COUNT - 1} features"):
        TemporalNet(bad)


def test_serving_imports_no_torch() -> None:
    code = "import sys, cornerman_pose.repetitions, cornerman_pose.temporal; sys.exit('torch' in sys.modules)"
    env = {"PYTHONPATH": ":".join(p for p in sys.path if p)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
