from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_pose.features import COUNT
from cornerman_pose.movements import form_rules
from cornerman_pose.temporal import TemporalNet
from cornerman_training.skeleton.card import write_card
from cornerman_training.skeleton.dataset import draw_examples
from cornerman_training.skeleton.net import CausalBlock, SkeletonNet, restore, weights, widened
from cornerman_training.skeleton.objective import departure
from cornerman_training.skeleton.timing import FRAMES
from cornerman_training.skeleton.train import PLANS, TrainPlan, main, train

TINY = TrainPlan(steps=2, batch=2, window=40, worlds_first=20, worlds_most=20, fresh=1, check=2, calibrate=3)


def test_run_leaves_weights_and_card(tmp_path: Path) -> None:
    scores = train(tmp_path, 3, TINY)
    assert np.isfinite(scores["loss"])
    assert TemporalNet.load(tmp_path / "temporal.safetensors").parameters > 0
    assert "--seed 3" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.option or "first")
def test_card_names_the_command(tmp_path: Path, plan: TrainPlan) -> None:
    write_card(tmp_path / "card.md", 3, asdict(plan), {"loss": 0.5}, 60.0, 7)
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    options = {part.strip("`;") for part in text.split("## Command")[1].splitlines()[1].split()}
    assert options & {"--smoke", "--keep", "--wide", "--drawn", "--alone"} == ({f"--{plan.option}"} - {"--"})
    assert ("--start" in options) == bool(plan.keep or plan.imitated)
    assert ("Of the other examples the net keeps" in text) == bool(plan.keep)


def test_plans_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--out", str(tmp_path), "--keep", "--alone"])
    with pytest.raises(SystemExit):
        main()


def test_weights_survive_being_restored() -> None:
    torch.manual_seed(0)
    first, second = SkeletonNet(), SkeletonNet()
    restore(second, weights(first))
    x = torch.randn(1, 20, COUNT)
    first.eval()
    second.eval()
    assert all(torch.equal(a, b) for a, b in zip(first(x), second(x), strict=True))


def test_weights_of_another_shape_are_refused() -> None:
    small = weights(SkeletonNet(8))
    with pytest.raises(ValueError, match="start from weights of this release"):
        restore(SkeletonNet(), small)


def test_wider_net_computes_the_same() -> None:
    torch.manual_seed(0)
    narrow = SkeletonNet(8).eval()
    wide = SkeletonNet(12).eval()
    restore(wide, widened(weights(narrow), 12))
    x = torch.randn(2, 40, COUNT)
    with torch.no_grad():
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(narrow(x), wide(x), strict=True))
    wide(x).wrong.square().sum().backward()
    block = wide.blocks[0]
    assert isinstance(block, CausalBlock) and block.out.weight.grad is not None
    assert float(block.out.weight.grad[:8, 8:].abs().sum()) > 0  # new hidden units learn


def test_narrower_net_cannot_go_on() -> None:
    with pytest.raises(ValueError, match="12 channels, the plan 8"):
        widened(weights(SkeletonNet(12)), 8)


def test_examples_have_matching_shapes() -> None:
    examples = draw_examples(np.random.default_rng(0), 2)
    assert all(a.shape[:2] == (4, FRAMES) for a in examples.arrays())
    assert examples.observable.shape[-1] == len(form_rules())
    assert np.isfinite(examples.features).all()


def test_departure_is_nothing_from_itself() -> None:
    torch.manual_seed(0)
    net, other = SkeletonNet().eval(), SkeletonNet().eval()
    x = torch.randn(2, 20, COUNT)
    with torch.no_grad():
        assert float(departure(net(x), net(x))) == 0.0
        assert float(departure(net(x), other(x))) > 0.0


@pytest.mark.parametrize("plan", [replace(TINY, keep=1.0), replace(TINY, imitated=1)])
@pytest.mark.parametrize("given", ["start", "rendered", ""])
def test_going_on_needs_weights_and_sessions(tmp_path: Path, plan: TrainPlan, given: str) -> None:
    with pytest.raises(ValueError, match="give both"):
        train(tmp_path, 3, plan, **({given: tmp_path} if given else {}))
