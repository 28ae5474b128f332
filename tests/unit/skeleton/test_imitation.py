"""The estimator's errors, learned from rendered sessions and put on sessions that are not rendered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cornerman_pose.temporal import TemporalNet
from cornerman_training.gym.session import plan_session
from cornerman_training.skeleton.camera import CameraShot
from cornerman_training.skeleton.dataset import imitated_examples
from cornerman_training.skeleton.estimator import SWAP, Landmarks, estimate
from cornerman_training.skeleton.gym_points import HEIGHT, landmark_points, own_shot
from cornerman_training.skeleton.imitation import Imitator, Posture, SeenErrors
from cornerman_training.skeleton.kept_sessions import KeptSession, path_of, training_session
from cornerman_training.skeleton.net import SkeletonNet, weights
from cornerman_training.skeleton.timing import FPS, FRAMES
from cornerman_training.skeleton.train import TrainPlan, train

NOSE_M = np.array([0.1, -0.05, 0.2])


def shot_of(kept: KeptSession) -> CameraShot:
    return own_shot(kept.session, landmark_points(kept.session), kept.width)


def session(seed: int, nose_m: np.ndarray = NOSE_M) -> KeptSession:
    """A session of which the estimator sees all but the nose right."""
    planned = plan_session(seed, "train", fps=FPS, duration_s=20.0, kind="exercise")
    posture = Posture.of(own_shot(planned, landmark_points(planned), HEIGHT))
    world, seen = posture.world.copy(), np.asarray(planned.visible, np.bool_)
    world[:, 0] += nose_m
    visibility = np.full(world.shape[:2], 0.9)
    return KeptSession(planned, Landmarks(posture.image, world, visibility, seen, posture.inside), HEIGHT)


@pytest.fixture(scope="module")
def imitator() -> Imitator:
    torch.manual_seed(0)
    return Imitator.learn([session(seed) for seed in range(4)], 120)


def test_learned_errors_are_put_on_others(imitator: Imitator) -> None:
    kept = session(50)
    shot = shot_of(kept)
    marks = imitator.imitate(np.random.default_rng(0), shot)
    off = marks.world - Posture.of(shot).world
    assert np.allclose(np.median(off[:, 0], axis=0), NOSE_M, atol=0.03)
    assert np.abs(np.median(off[:, 1:], axis=0)).max() < 0.03
    assert marks.seen.mean() > 0.9 and marks.visibility.mean() == pytest.approx(0.9, abs=0.05)


def test_same_seed_gives_equal_landmarks(imitator: Imitator) -> None:
    shot = shot_of(session(51))
    one, two = (imitator.imitate(np.random.default_rng(3), shot) for _ in range(2))
    assert np.array_equal(one.world, two.world) and np.array_equal(one.seen, two.seen)


def test_swapped_limbs_are_told_apart_from_errors() -> None:
    kept = session(1, np.zeros(3))
    shown = np.flatnonzero(kept.marks.seen)[20:30]
    legs = np.arange(9, 19)
    for array in (kept.marks.image, kept.marks.world, kept.marks.visibility):
        array[np.ix_(shown, legs)] = array[np.ix_(shown, SWAP[legs])]
    seen = SeenErrors.of(kept)
    assert seen.swapped[shown, 1].all() and not seen.swapped[:, 0].any()
    assert np.abs(seen.errors[shown][:, :57]).max() < 1e-5


def test_bodies_cut_by_the_edge_are_drawn(imitator: Imitator) -> None:
    shot = shot_of(session(52))
    cut = replace(shot, image=shot.image + np.array([0.0, 0.6 * HEIGHT]))
    for seed in range(5):
        drawn = estimate(np.random.default_rng(seed), cut)
        assert np.array_equal(imitator.between(np.random.default_rng(seed), cut).world, drawn.world)
    ways = [imitator.between(np.random.default_rng(seed), shot) for seed in range(12)]
    as_drawn = [np.array_equal(m.world, estimate(np.random.default_rng(s), shot).world) for s, m in enumerate(ways)]
    assert 0 < sum(as_drawn) < 12 and all(np.isfinite(m.world).all() for m in ways)


def test_examples_follow_the_seeds() -> None:
    examples = imitated_examples(estimate, range(10, 13))
    assert all(array.shape[:2] == (3, FRAMES) for array in examples.arrays())
    assert np.array_equal(examples.exercise[2], imitated_examples(estimate, range(12, 13)).exercise[0])


def test_too_few_sessions_are_refused() -> None:
    with pytest.raises(ValueError, match="render more"):
        Imitator.learn([session(0)], 10)


@pytest.mark.parametrize(("keep", "way"), [(2.0, "wide"), (0.0, "alone")])
def test_training_goes_on_from_a_narrower_net(keep: float, way: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    calibration = np.zeros_like(TemporalNet(weights(SkeletonNet(8))).calibration)
    save_file(weights(SkeletonNet(8)) | {"calibration": calibration}, tmp_path / "first.safetensors")
    for seed in range(4):
        planned, width = training_session(seed)
        marks = estimate(np.random.default_rng(seed), own_shot(planned, landmark_points(planned), width))
        np.savez(path_of(tmp_path, seed), **{name: getattr(marks, name) for name in Landmarks.__slots__})
    plan = TrainPlan(
        steps=2, batch=6, window=40, worlds_first=20, worlds_most=20, fresh=1, check=2, calibrate=3,
        rendered=1, imitated=1, gym=1, sessions=3, error_steps=2, width=12, keep=keep, option=way,
    )  # fmt: skip
    out = tmp_path / "out"
    scores = train(out, 3, plan, tmp_path / "first.safetensors", tmp_path)
    net = TemporalNet.load(out / "temporal.safetensors")
    assert np.isfinite(scores["loss"]) and np.array_equal(net.calibration, calibration)
    assert net.start().past[0].shape == (2, 12)
    assert f"--{way} --start FIRST --rendered SESSIONS" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")
