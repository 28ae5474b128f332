"""Drawn figures are told from others by how the estimator errs on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornerman_pose.features import BodyState, LandmarkGrid, extract
from cornerman_pose.figures import FigureMeter, shown_of
from cornerman_pose.reader import bundled_meter
from cornerman_training.gym.session import plan_session
from cornerman_training.skeleton.estimator import Landmarks
from cornerman_training.skeleton.gym_points import HEIGHT, landmark_points, own_shot
from cornerman_training.skeleton.imitation import Posture
from cornerman_training.skeleton.kept_sessions import path_of, training_session
from cornerman_training.skeleton.learn_figures import ShownSession, learn_meter, shown_sessions
from cornerman_training.skeleton.timing import FPS

LOW_ELBOWS_M = 0.12
JITTER_M = 0.03
SETTLED = 96
"""Frames, twelve seconds."""


def features_of(seed: int, low_m: float) -> np.ndarray:
    """[T, COUNT] of a session of whose points a shaky estimator sees the elbows too low in space, all others right."""
    rng = np.random.default_rng(seed)
    session = plan_session(seed, "train", fps=FPS, duration_s=20.0, kind="exercise")
    posture = Posture.of(own_shot(session, landmark_points(session), HEIGHT))
    world = posture.world + JITTER_M * rng.standard_normal(posture.world.shape)
    world[:, 5:7, 1] += low_m
    image = posture.image + 100 * JITTER_M * rng.standard_normal(posture.image.shape)
    visibility, seen = np.full(world.shape[:2], 0.9), np.asarray(session.visible, np.bool_)
    features: np.ndarray = extract(BodyState.empty(1), image[None], world[None], visibility[None], seen[None])[0]
    return features


def shown_session(seed: int) -> ShownSession:
    features = features_of(seed, LOW_ELBOWS_M)
    return ShownSession(*shown_of(features[features[:, -1] > 0]))


@pytest.fixture(scope="module")
def meter() -> FigureMeter:
    return FigureMeter(learn_meter([shown_session(seed) for seed in range(48)], 0, 200))


def test_figures_are_told_from_others(meter: FigureMeter) -> None:
    for seed in (100, 101, 104):
        alike, others = (meter.push(features_of(seed, low_m), meter.start()) for low_m in (LOW_ELBOWS_M, 0.0))
        assert alike[SETTLED:].mean() > 0.8, seed
        assert others.max() == 0.0, seed


def test_nothing_is_said_before_two_seconds(meter: FigureMeter) -> None:
    features = features_of(100, LOW_ELBOWS_M)
    shown = int(np.argmax(features[:, -1] > 0))
    assert not meter.push(features, meter.start())[: shown + 15].any()


def with_gap(features: np.ndarray, frames: int) -> np.ndarray:
    """The frames with a person, and after `SETTLED` of them so many without."""
    features = features[features[:, -1] > 0]
    return np.insert(features, [SETTLED] * frames, np.zeros(features.shape[1], np.float32), axis=0)


def test_a_short_gap_changes_nothing(meter: FigureMeter) -> None:
    features = features_of(100, LOW_ELBOWS_M)
    whole, gap = (meter.push(with_gap(features, frames), meter.start()) for frames in (0, 7))
    assert np.allclose(np.delete(gap, slice(SETTLED, SETTLED + 7)), whole, atol=1e-4)
    assert np.all(gap[SETTLED : SETTLED + 7] == gap[SETTLED - 1]) and gap[SETTLED - 1] > 0


def test_who_comes_after_a_gap_is_another(meter: FigureMeter) -> None:
    features = features_of(100, LOW_ELBOWS_M)
    gap = meter.push(with_gap(features, 8), meter.start())
    assert gap[SETTLED + 6] > 0 and not gap[SETTLED + 7 : SETTLED + 23].any()
    assert np.allclose(gap[SETTLED + 8 :], meter.push(with_gap(features, 0)[SETTLED:], meter.start()), atol=1e-4)


def test_chunks_equal_the_whole_session(meter: FigureMeter) -> None:
    features, state = features_of(101, LOW_ELBOWS_M), meter.start()
    parts = [meter.push(features[at : at + 4], state) for at in range(0, len(features), 4)]
    assert np.allclose(np.concatenate(parts), meter.push(features, meter.start()), atol=1e-4)


def test_another_body_is_judged_afresh(meter: FigureMeter) -> None:
    state = meter.start()
    assert meter.push(features_of(101, LOW_ELBOWS_M), state)[-1] > 0.5
    state.forget()
    assert meter.push(features_of(104, 0.0), state).max() == 0.0


def test_same_seed_gives_equal_weights() -> None:
    one, two = (learn_meter([shown_session(seed) for seed in range(2)], 3, 3) for _ in range(2))
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def test_a_real_person_is_no_figure() -> None:
    clip = np.load(Path(__file__).parent / "data" / "squat_front.npz")
    rows = [clip[name].astype(float) for name in ("t_s", "image_px", "world_m", "visibility", "presence")]
    _, features = LandmarkGrid().push(*rows)
    meter = bundled_meter()
    assert len(features) > 80 and meter.push(features, meter.start()).max() == 0.0


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"read \(3,\) numbers"):
        FigureMeter({"posture.mean": np.zeros(3, np.float32)})


def test_too_little_to_learn_from_is_refused(tmp_path: Path) -> None:
    session, width = training_session(0)
    shot = own_shot(session, landmark_points(session), width)
    posture = Posture.of(shot)
    unseen = np.zeros(session.frames, np.bool_)
    marks = Landmarks(posture.image, posture.world, np.ones(posture.world.shape[:2]), unseen, posture.inside)
    np.savez(path_of(tmp_path, 0), **{name: getattr(marks, name) for name in Landmarks.__slots__})
    with pytest.raises(ValueError, match="render more"):
        shown_sessions(tmp_path)
