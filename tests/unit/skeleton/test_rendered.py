"""Rendered sessions: estimated from pictures, kept in a folder, mixed into a batch; and the whole road over them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.whole_road import coached, demanded, kept
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.reader import bundled_net
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.skeleton import rendered
from cornerman_training.skeleton.dataset import Examples, draw_examples, rendered_examples
from cornerman_training.skeleton.estimator import Landmarks, estimate
from cornerman_training.skeleton.gym_world import gym_world
from cornerman_training.skeleton.held_out import OTHER_SEEDS
from cornerman_training.skeleton.kept_sessions import kept_sessions, training_session
from cornerman_training.skeleton.net import SkeletonNet
from cornerman_training.skeleton.objective import departure, losses
from cornerman_training.skeleton.rendered import keep, seen_in_pictures
from cornerman_training.skeleton.timing import FPS, FRAMES
from cornerman_training.skeleton.train import Pool, TrainPlan, batch_loss
from tests.unit.pose.bodies import PaintedDetector, PaintedLandmarks, painted


@pytest.fixture
def estimator(monkeypatch: pytest.MonkeyPatch) -> PoseEstimator:
    """Sees a person wherever a picture has a green spot; pictures have one from the fifth frame on."""

    def frame(renderer: SessionRenderer, index: int) -> NDArray[np.uint8]:
        return painted((120, 110)) if index >= 4 else painted()

    monkeypatch.setattr(SessionRenderer, "frame", frame)
    return PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted")


def test_landmarks_come_from_pictures(estimator: PoseEstimator) -> None:
    session = plan_session(1, "train", fps=FPS, duration_s=2.0, kind="exercise")
    marks = seen_in_pictures(session, estimator)
    assert marks.seen.tolist() == [False] * 4 + [True] * 12
    hips = marks.image[4:, 9:11].mean(axis=1)
    assert np.allclose(hips, (120.5, 110.5), atol=2)


def test_folder_is_filled_once_and_mixed_in(
    tmp_path: Path, estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def drawn(session, given, width):  # type: ignore[no-untyped-def]
        seen.append((session.split, width))
        return as_drawn(session, given, width)

    monkeypatch.setattr(rendered, "seen_in_pictures", drawn)
    for _ in range(2):
        assert len(list(keep(tmp_path, range(3), estimator))) == 3
    assert [split for split, _ in seen] == ["train"] * 3
    assert [one.session.seed for one in kept_sessions(tmp_path, 1)] == [training_session(n)[0].seed for n in (1, 2)]
    examples = rendered_examples(tmp_path)
    assert all(array.shape[:2] == (3, FRAMES) for array in examples.arrays())
    assert np.array_equal(examples.exercise[1], gym_world(training_session(1)[0]).exercise)
    mine = replace(examples, exercise=np.full_like(examples.exercise, 7), certainty=examples.certainty * 0 - 1)
    plan = TrainPlan(batch=6, window=32, worlds_first=10, worlds_most=10, rendered=2)
    batch = Pool(0, plan, [(2, mine)]).batch()
    assert [bool((row == -1).all()) for row in batch[2]] == [False] * 4 + [True] * 2
    assert Pool(0, plan).batch()[1].shape == (6, 32)


def test_more_given_than_drawn_are_all_used() -> None:
    plan = TrainPlan(batch=6, window=32, worlds_first=2, worlds_most=20, rendered=6)
    given = Examples.joined([draw_examples(np.random.default_rng(1), 2)] * 30)
    given.exercise[:] = np.arange(len(given.exercise))[:, None]
    pool = Pool(0, plan, [(6, given)])
    drawn = {int(row[0]) for _ in range(200) for row in pool.batch()[1]}
    assert pool.size < len(given.exercise) and drawn == set(range(len(given.exercise)))


def as_drawn(session: GymSession, estimator: PoseEstimator, width: int) -> Landmarks:
    """In place of pictures: the drawn errors, so that no session need be rendered."""
    shot = gym_world(session).shot
    assert shot is not None
    return estimate(np.random.default_rng(0), shot)


def test_keeping_learns_from_rendered_rows_alone() -> None:
    torch.manual_seed(0)
    plan = TrainPlan(batch=6, window=32, worlds_first=10, worlds_most=10, rendered=2, keep=3.0)
    batch = Pool(0, plan, [(2, draw_examples(np.random.default_rng(1), 2))]).batch()
    net, other = SkeletonNet().eval(), SkeletonNet().eval()
    of_labels = losses(net(batch[0][4:].float()), [target[4:] for target in batch[1:]]).sum()
    drawn = batch[0][:4].float()
    assert torch.allclose(batch_loss(net, net, batch, plan), of_labels)
    away = 3.0 * departure(net(drawn), other(drawn))
    assert torch.allclose(batch_loss(net, other, batch, plan), of_labels + away)
    assert torch.allclose(batch_loss(net, None, batch, plan), losses(net(batch[0].float()), batch[1:]).sum())


def test_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rendered sessions; write some with"):
        rendered_examples(tmp_path)


def test_pictures_are_held_against_the_demands() -> None:
    good = {"temporal_f_score": 0.96, "mistake_accuracy": 0.95, "false_alarms_per_min": 0.0}
    rows = dict.fromkeys(("gym", "quiet", "footage", *(f"gym from {seed}" for seed in OTHER_SEEDS)), good)
    assert all(demand.met for demand in demanded(rows, 0.98))
    rows[f"gym from {OTHER_SEEDS[2]}"] = {**good, "temporal_f_score": 0.89}
    failed = [demand.name for demand in demanded(rows, 1.0) if not demand.met]
    assert failed == ["whole road others_worst temporal_f_score", "whole road F-score below that without pictures"]


def test_whole_road_keeps_what_was_seen(tmp_path: Path, estimator: PoseEstimator) -> None:
    session = plan_session(2, "test", fps=FPS, duration_s=4.0, kind="quiet")
    chunks = kept(session, tmp_path, estimator)
    again = kept(session, tmp_path, PoseEstimator(PaintedDetector(0, 0), PaintedLandmarks(), "painted"))
    assert [chunk.pts_s for chunk in chunks] == [chunk.pts_s for chunk in again]
    assert all(np.array_equal(a.people, b.people) for a, b in zip(chunks, again, strict=True))
    result = coached(bundled_net(), session, chunks)
    assert result.session.quiet and result.said == ()
