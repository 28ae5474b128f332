"""Tokens of landmarks: the same in numpy as in training, and about the person that the chunk puts first."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.tokens import JOINTS, PoseProjector, joint_features
from tests.unit.pose.bodies import chunk, person

torch = pytest.importorskip("torch")


def projector(seed: int = 0) -> tuple[PoseProjector, object]:
    from cornerman_training.pose_words.projector import JointProjector

    torch.manual_seed(seed)
    module = JointProjector(48)
    return PoseProjector(module.exported()), module


def test_numpy_equals_torch() -> None:
    ours, module = projector()
    features = np.random.default_rng(0).normal(size=(8, JOINTS, 9)).astype(np.float32)
    tokens = ours.project(features)
    context, video = module(torch.from_numpy(features)[None])  # type: ignore[operator]
    np.testing.assert_allclose(tokens.context[:, 0], context[0].detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(tokens.video, video[0].detach().numpy(), atol=1e-5)
    assert ours.width == 48


def test_tokens_ignore_a_passer_by() -> None:
    ours, _ = projector()
    alone = ours.tokens(chunk([person(199.0)]))
    passed = ours.tokens(chunk([person(199.0)], [person(40.0, metre=45.0)]))
    assert alone.context.tobytes() == passed.context.tobytes()


def test_empty_picture_has_tokens() -> None:
    ours, _ = projector()
    assert np.isfinite(ours.tokens(chunk()).context).all()
    assert not np.array_equal(ours.tokens(chunk()).video, ours.tokens(chunk([person()])).video)


def test_features_are_still_without_motion() -> None:
    one = person()
    points = [np.repeat(values[None], 8, 0) for values in (one.image_px[:19], one.world_m[:19], one.visibility[:19])]
    found = np.array([True] * 6 + [False] * 2)
    features = joint_features(*points, found, (224, 398))
    assert features.shape == (8, JOINTS, 9)
    assert not features[..., 6:].any() and not features[6:].any() and features[:6, :, 5].all()


def test_foreign_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the projector lacks .*take the weights of this release"):
        PoseProjector({"inputs.weight": np.zeros((4, 9), np.float32)})
